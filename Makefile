# Two commands for a newcomer: `make demo` and `make test`. Everything happens in .venv; `make` alone lists the rest.

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip --quiet
LOCK_VENV := build/lock-venv
REAL_VENV := .real/venv

# A stamp says what is installed: it is older than its lock file or pyproject.toml when something has changed since.
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
BROWSER_STAMP := $(VENV)/.installed-browser
REAL_STAMP := $(REAL_VENV)/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test proof test-real check-contrib check-report lint types docs lock bench clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

demo: $(RUN_STAMP) ## two model servers, splitter in front of them, some traffic; DEMO_FLAGS="--no-traffic"
	@exec $(BIN)/splitter demo $(DEMO_FLAGS)

# Most of the tests wait for processes and clocks, so four at once take half the time on two cores. A file stays together: its
# tests share a splitter that runs. tests/conftest.py puts the long ones first.
test: $(DEV_STAMP) ## the tests, four at once; TEST_FLAGS="-k split" for some of them, "-n 0" for one after another
	@status=0; $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(TEST_FLAGS) || status=$$?; \
	echo "not run: the long proofs (1200 edits, 100 HUPs and 1000 PUTs beside traffic, kills of everything, the intervals of 2000 bench runs): make proof"; \
	echo "not run: real MLflow model servers: make test-real"; \
	echo "not run: benchmarks against nginx: make bench"; \
	{ command -v wrk && command -v hey; } >/dev/null || echo "not run: splitter bench beside wrk and hey, for want of them: apt install wrk hey"; \
	command -v promtool >/dev/null || echo "not run: Prometheus' checks of rules, queries and pages, for want of promtool: make check-contrib"; \
	{ command -v chromium && $(BIN)/python -c "import playwright"; } >/dev/null 2>&1 || echo "not run: the page of \`splitter bench --html\` in a browser: make check-report"; \
	command -v systemd-analyze >/dev/null || echo "not run: systemd's check of the units in contrib/systemd, for want of systemd-analyze"; \
	PATH=$$PATH:/usr/sbin:/usr/local/sbin command -v nginx >/dev/null || echo "not run: the server of docs/how-to/nginx.md, for want of nginx: apt install nginx-light"; \
	exit $$status

proof: $(DEV_STAMP) ## the long proofs: edits and HUPs by the hundred beside traffic, the conformance cases on several workers
	$(BIN)/python -m pytest -m proof -s $(TEST_FLAGS)

test-real: $(DEV_STAMP) $(REAL_STAMP) ## splitter in front of real MLflow model servers (installs 800 MB into .real)
	$(BIN)/python -m pytest tests/real/check_mlflow.py $(TEST_FLAGS)

check-contrib: $(DEV_STAMP) ## alert rules, dashboard, queries in the documents and pages of metrics, by Prometheus' promtool
	@command -v promtool >/dev/null || { echo "promtool is not on PATH. On Debian it is in the package prometheus: apt install prometheus," >&2; \
	echo "or, without its server: apt-get download prometheus, dpkg -x prometheus_*.deb FOLDER, PATH=FOLDER/usr/bin:\$$PATH" >&2; exit 1; }
	$(BIN)/python -m pytest tests/contrib $(TEST_FLAGS)

# Debian's Chromium, and not the one that Playwright would download.
check-report: $(DEV_STAMP) ## the page of `splitter bench --html` in Chromium (installs Playwright, 46 MB)
	@command -v chromium >/dev/null || { echo "chromium is not on PATH: apt install chromium" >&2; exit 1; }
	@$(MAKE) --no-print-directory $(BROWSER_STAMP)
	$(BIN)/python -m pytest tests/bench/output/page $(TEST_FLAGS)

lint: $(DEV_STAMP) ## ruff
	$(BIN)/ruff check .

types: $(DEV_STAMP) ## mypy, strict
	$(BIN)/mypy

docs: $(RUN_STAMP) ## the pages of docs/reference, made from the code, and the JSON Schema
	@$(BIN)/python -m reference

bench: $(DEV_STAMP) ## CPU per request beside nginx on this machine
	$(BIN)/python -m benchmarks.cpu_per_request $(BENCH_FLAGS)

clean: ## remove the virtual environments and every cache
	rm -rf $(VENV) .real build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find splitter tests benchmarks reference -name __pycache__ -prune -exec rm -rf {} +

# The stamps below share one venv, so the order among them is fixed: the smaller lock file is part of the larger one.
$(BIN)/python:
	@requirements/make-venv.sh $(VENV) $(PYTHON)

$(RUN_STAMP): requirements/run.lock.txt pyproject.toml | $(BIN)/python
	@echo "installing what splitter needs (requirements/run.lock.txt)"
	@$(PIP) install --require-hashes -r requirements/run.lock.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements/dev.lock.txt $(RUN_STAMP)
	@echo "installing what the tests need (requirements/dev.lock.txt)"
	@$(PIP) install --require-hashes -r requirements/dev.lock.txt
	@touch $@

$(BROWSER_STAMP): requirements/browser.lock.txt $(DEV_STAMP)
	@echo "installing what drives the browser (requirements/browser.lock.txt)"
	@$(PIP) install --require-hashes -r requirements/browser.lock.txt
	@touch $@

$(REAL_STAMP): requirements/real.lock.txt
	@requirements/make-venv.sh $(REAL_VENV) $(PYTHON)
	@echo "installing MLflow and scikit-learn into $(REAL_VENV), about a minute (requirements/real.lock.txt)"
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(REAL_VENV)/bin/python -m pip --quiet install --require-hashes -r requirements/real.lock.txt
	@touch $@

# The lock files must hold on any machine: compiled by the oldest Python that is supported, from the public index alone, so
# whatever this machine's pip configuration adds (mirrors, local folders) is left out.
COMPILE := PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= PIP_EXTRA_INDEX_URL= CUSTOM_COMPILE_COMMAND="make lock" \
	$(LOCK_VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-options --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host

lock: ## compile the lock files again (needs Python 3.11); LOCK_FLAGS=--upgrade takes newer releases
	@requirements/make-venv.sh $(LOCK_VENV) python3.11
	@$(LOCK_VENV)/bin/python -m pip --quiet install pip-tools==7.6.2
	$(COMPILE) $(LOCK_FLAGS) -o requirements/run.lock.txt pyproject.toml requirements/build.in
	$(COMPILE) $(LOCK_FLAGS) -o requirements/dev.lock.txt --extra test --extra lint -c requirements/run.lock.txt pyproject.toml requirements/build.in
	$(COMPILE) $(LOCK_FLAGS) -o requirements/browser.lock.txt -c requirements/dev.lock.txt requirements/browser.in
	$(COMPILE) $(LOCK_FLAGS) -o requirements/real.lock.txt requirements/real.in

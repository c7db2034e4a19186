"""What `pip install .` brings, and what a fresh machine needs before it."""

from __future__ import annotations

import itertools
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import splitter

ROOT = Path(__file__).parent.parent
MODULES = sorted(module.name for module in pkgutil.walk_packages(splitter.__path__, "splitter."))
LOCK_FILES = sorted((ROOT / "requirements").glob("*.lock.txt"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy of the sources, so that no build folder of the checkout leaks in or is left behind."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    sources.mkdir()
    shutil.copytree(ROOT / "splitter", sources / "splitter", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    build = "import sys, setuptools.build_meta as backend; print(backend.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=sources, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_has_the_package_data_and_every_module(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    data = {"splitter/demo/demo.yaml", "splitter/config/schema.json", "splitter/bench/output/report.schema.json", "splitter/py.typed"}
    assert data | {"splitter/bench/output/page/style.css", "splitter/bench/output/page/hover.js"} <= names
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "splitter").rglob("*.py")}
    assert sources <= names
    assert not [name for name in names if not name.startswith(("splitter/", "splitter-"))]


def test_the_wheel_has_the_version_the_command_and_the_license(wheel: zipfile.ZipFile) -> None:
    info = f"splitter-{splitter.__version__}.dist-info"
    assert f"\nVersion: {splitter.__version__}\n" in wheel.read(f"{info}/METADATA").decode()
    assert "splitter = splitter.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert "Apache License" in wheel.read(f"{info}/licenses/LICENSE").decode()


def test_the_packaged_demo_is_the_shipped_example() -> None:
    assert (ROOT / "config/demo.yaml").read_bytes() == (ROOT / "splitter/demo/demo.yaml").read_bytes()


@pytest.fixture(scope="module")
def imported() -> Mapping[str, str]:
    arguments = [sys.executable, "-P", "-B", "-W", "error", str(ROOT / "tests/importing_alone.py"), *MODULES]
    ended = subprocess.run(arguments, env=_importing(ROOT), check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, str] = json.loads(ended.stdout)
    return found


@pytest.mark.timeout(180)  # the first one waits for all
@pytest.mark.parametrize("module", MODULES)
def test_every_module_imports_alone_and_quietly(imported: Mapping[str, str], module: str) -> None:
    """Nothing printed, no file made, no thread or child started, whatever is imported first."""
    assert imported[module] == ""


@pytest.mark.parametrize("lock", LOCK_FILES, ids=lambda lock: lock.name)
def test_lock_files_hold_on_any_machine(lock: Path) -> None:
    """Exact versions with hashes and nothing else: no index, no path, no link."""
    lines = [line for line in lock.read_text().splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line
    assert not re.search(r"https?:|file:/|/(opt|home|tmp|root|work)/", lock.read_text())


def test_the_lock_files_satisfy_the_project() -> None:
    locked = {name: version for lock in LOCK_FILES for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.M)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    assert {re.split(r"[<>=]", requirement)[0].lower() for requirement in requirements} <= set(locked)


# --- the choice of a Python by the Makefile ---------------------------------------------------------------------------------------


def _importing(folder: Path) -> Mapping[str, str]:
    return os.environ | {"PYTHONPATH": str(folder)}


def _stub(folder: Path, name: str, version: str, modules: bool) -> None:
    """A program that answers the three questions of make-venv.sh as such a Python would, and makes a folder for `-m venv`."""
    new_enough = tuple(map(int, version.split("."))) >= (3, 11)
    stub = folder / name
    stub.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f'  *ensurepip*) exit {0 if modules else 1};;\n'
        f'  *"< (3, 11)"*) exit {0 if new_enough else 1};;\n'
        f'  *version_info*) echo {version};;\n'
        f'  *sys.executable*) echo {name};;\n'
        '  "-m venv "*) mkdir "$3";;\n'
        "esac\n"
    )
    stub.chmod(0o755)


def _make_venv(tmp_path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the script with nothing on PATH but the stubs and the two tools that it uses."""
    for tool in ("rm", "mkdir"):
        (tmp_path / tool).symlink_to(f"/bin/{tool}")
    script = [str(ROOT / "requirements/make-venv.sh"), str(tmp_path / "venv"), *more]
    return subprocess.run(["/bin/sh", *script], env={"PATH": str(tmp_path)}, check=False, capture_output=True, text=True)


def test_the_first_python_that_is_new_enough_and_whole_is_taken(tmp_path: Path) -> None:
    _stub(tmp_path, "python3.13", "3.13", modules=False)
    _stub(tmp_path, "python3.12", "3.12", modules=True)
    _stub(tmp_path, "python3", "3.9", modules=True)
    ended = _make_venv(tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "(Python 3.12)" in ended.stdout
    assert (tmp_path / "venv").is_dir()


def test_a_stub_that_only_complains_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "python3.13").write_text("#!/bin/sh\necho not installed >&2\nexit 127\n")
    (tmp_path / "python3.13").chmod(0o755)
    _stub(tmp_path, "python3", "3.11", modules=True)
    assert "(Python 3.11)" in _make_venv(tmp_path).stdout


def test_without_venv_the_package_to_install_is_named(tmp_path: Path) -> None:
    _stub(tmp_path, "python3", "3.11", modules=False)
    ended = _make_venv(tmp_path)
    assert ended.returncode == 1
    assert "apt install python3.11-venv" in ended.stderr


def test_without_a_new_enough_python_it_says_what_was_found(tmp_path: Path) -> None:
    _stub(tmp_path, "python3", "3.9", modules=True)
    ended = _make_venv(tmp_path)
    assert ended.returncode == 1
    assert "needs Python 3.11 or newer, and python3 is Python 3.9" in ended.stderr


def test_without_any_python_it_says_what_to_install(tmp_path: Path) -> None:
    ended = _make_venv(tmp_path)
    assert ended.returncode == 1
    assert "apt install python3 python3-venv" in ended.stderr


def test_a_python_that_was_asked_for_and_does_not_run_is_named(tmp_path: Path) -> None:
    ended = _make_venv(tmp_path, "python9")
    assert (ended.returncode, ended.stderr) == (1, "PYTHON=python9 does not run.\n")

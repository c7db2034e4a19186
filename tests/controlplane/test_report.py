from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

from splitter import __version__
from splitter.controlplane.publisher import Cause, InForce
from splitter.controlplane.report import MOST_ENDPOINTS, Report, percent
from splitter.settings import Settings
from tests.controlplane.scenery import entries, in_force, step_to, yaml


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class GoneTerminal(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


class AsciiTerminal(io.StringIO):
    def write(self, text: str) -> int:
        return super().write(text.encode("ascii").decode())


def test_the_list_of_endpoints_is_plain_when_piped() -> None:
    out = io.StringIO()
    Report(out).endpoints(in_force(a=yaml(2.5)), {"http://127.0.0.1:2/invocations": "connection refused"})
    assert out.getvalue() == (
        "multi-model v1 (config/a.yaml:2)\n"
        "  current     97.5 %  http://127.0.0.1:1/invocations\n"
        "  challenger   2.5 %  http://127.0.0.1:2/invocations  not reachable: connection refused\n"
    )


def test_a_stopped_endpoint_is_called_so() -> None:
    stopped = in_force(a=yaml(10) + "    stopped: true\n")
    out, lines = io.StringIO(), io.StringIO()
    Report(out).endpoints(stopped, {})
    assert out.getvalue().splitlines()[0] == "multi-model v1 (config/a.yaml:2) stopped: predictions are answered with 400"
    Report(lines, form="json").endpoints(stopped, {})
    assert json.loads(lines.getvalue())["message"] == "multi-model v1: current 90 %, challenger 10 %; stopped"


def test_a_terminal_gets_colours_unless_it_is_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = Terminal()
    Report(coloured).endpoints(in_force(a=yaml(10)), {})
    assert "\x1b[1mmulti-model\x1b[0m" in coloured.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Report(plain).endpoints(in_force(a=yaml(10)), {})
    assert "\x1b" not in plain.getvalue()


def test_a_long_list_is_cut() -> None:
    out = io.StringIO()
    Report(out).endpoints(in_force(**{f"f{i}": yaml(10, name=f"e{i:03}") for i in range(MOST_ENDPOINTS + 2)}), {})
    assert out.getvalue().endswith("… and 2 more endpoints\n")
    assert "e041" not in out.getvalue()


def test_no_endpoint_at_all_is_said() -> None:
    out = io.StringIO()
    Report(out).endpoints(InForce(), {})
    assert "no endpoint is configured" in out.getvalue()


@pytest.mark.parametrize(("workers", "text"), [(1, "(1 worker)"), (3, "(3 workers)")])
def test_the_line_that_says_where_clients_may_come(workers: int, text: str) -> None:
    out = io.StringIO()
    Report(out).serving(Settings(("config/", "more.yaml"), "/var/lib/splitter"), "http://127.0.0.1:8080", workers)
    assert out.getvalue() == (
        f"splitter {__version__} serving on http://127.0.0.1:8080 {text}, state in /var/lib/splitter, watching config/, more.yaml\n"
    )


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    """Lines of JSON, their times taken out."""
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time")) for line in lines)
    return lines


def test_changes_as_json_say_what_has_changed_where_and_by_whom() -> None:
    out = io.StringIO()
    before = in_force(a=yaml(10), b=yaml(10, name="other"))
    step = step_to(before, entries(before.entries, a=yaml(50)), by=Cause("api", "API", "anna"))
    Report(out, form="json").changed(*step.changes)
    assert written(out)[0] == {
        "level": "info", "event": "change", "message": "multi-model v2: challenger 10 → 50 (config/a.yaml:5, API)",
        "endpoint": "multi-model", "version": 2, "change": "challenger 10 → 50", "place": "config/a.yaml:5", "origin": "api",
        "author": "anna",
    }  # fmt: skip
    assert (written(out)[1]["endpoint"], written(out)[1]["change"]) == ("other", "removed")
    assert "→" in out.getvalue(), "for who searches the text"


def test_problems_and_warnings_as_json() -> None:
    err = io.StringIO()
    report = Report(io.StringIO(), err, "json")
    unknown = 'config/a.yaml:12:9: error: unknown field "trafic"'
    report.complain(unknown, "config/b.yaml: error: it is gone")
    report.warn("1 error: what was in force before stays in force")
    assert written(err) == [
        {"level": "error", "event": "problem", "message": unknown, "place": "config/a.yaml:12:9"},
        {"level": "error", "event": "problem", "message": "config/b.yaml: error: it is gone", "place": None},
        {"level": "warning", "event": "warning", "message": "1 error: what was in force before stays in force"},
    ]


def test_the_same_as_text() -> None:
    out, err = io.StringIO(), io.StringIO()
    report = Report(out, err)
    report.changed(*step_to(InForce(), entries({}, a=yaml(10))).changes)
    report.complain("config/a.yaml:12:9: error: no")
    report.warn("1 error", "it stays so")
    report.say("config/a.yaml is in order again")
    assert out.getvalue() == "multi-model v1: new: current 90, challenger 10 (config/a.yaml:2)\nconfig/a.yaml is in order again\n"
    assert err.getvalue() == "config/a.yaml:12:9: error: no\nsplitter: 1 error\nsplitter: it stays so\n"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_fault_is_whole(form: str) -> None:
    err = io.StringIO()
    try:
        raise ValueError("of ours")
    except ValueError as exc:
        Report(io.StringIO(), err, form).fault(exc)
    if form == "json":
        (line,) = written(err)
        assert (line["level"], line["event"], line["message"]) == ("error", "fault", "ValueError('of ours')")
        trace = line["traceback"]
    else:
        trace = err.getvalue()
    assert trace.startswith("Traceback (most recent call last):\n")
    assert "ValueError: of ours" in trace


def test_the_start_as_json() -> None:
    out = io.StringIO()
    report = Report(out, form="json")
    report.endpoints(in_force(a=yaml(2.5)), {"http://127.0.0.1:2/invocations": "connection refused"})
    report.serving(Settings(("config/",), "state"), "http://127.0.0.1:8080", 2)
    report.endpoints(InForce(), {})
    endpoint, serving, nothing = written(out)
    assert (endpoint["event"], endpoint["message"]) == ("endpoint", "multi-model v1: current 97.5 %, challenger 2.5 %")
    assert (endpoint["endpoint"], endpoint["version"], endpoint["place"]) == ("multi-model", 1, "config/a.yaml:2")
    assert endpoint["served_models"] == [
        {"name": "current", "traffic": 97.5, "urls": ["http://127.0.0.1:1/invocations"], "unreachable": {}},
        {
            "name": "challenger", "traffic": 2.5, "urls": ["http://127.0.0.1:2/invocations"],
            "unreachable": {"http://127.0.0.1:2/invocations": "connection refused"},
        },
    ]  # fmt: skip
    assert serving["message"].endswith("serving on http://127.0.0.1:8080 (2 workers), state in state, watching config/")
    assert (serving["event"], serving["address"], serving["workers"]) == ("serving", "http://127.0.0.1:8080", 2)
    assert nothing["message"].startswith("no endpoint is configured")


def test_a_terminal_that_has_gone_ends_nothing() -> None:
    Report(GoneTerminal(), GoneTerminal()).say("lost")
    Report(GoneTerminal(), GoneTerminal()).complain("lost")
    closed = io.StringIO()
    closed.close()
    Report(closed).endpoints(in_force(a=yaml(10)), {})


def test_an_arrow_does_not_cost_the_line() -> None:
    out = AsciiTerminal()
    Report(out).say("10 → 50")
    assert out.getvalue() == "10 \\u2192 50\n"


@pytest.mark.parametrize(("tickets", "text"), [(0, "0"), (1, "0.01"), (1250, "12.5"), (3333, "33.33"), (10_000, "100")])
def test_percent(tickets: int, text: str) -> None:
    assert percent(tickets) == text

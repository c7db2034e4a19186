from __future__ import annotations

import io

import pytest

from splitter import __version__
from splitter.controlplane.publisher import InForce
from splitter.controlplane.report import MOST_ENDPOINTS, Report, percent
from splitter.settings import Settings
from tests.controlplane.scenery import in_force, yaml


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

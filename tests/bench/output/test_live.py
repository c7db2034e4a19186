from __future__ import annotations

import builtins
import io
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

from splitter.bench.output import live as module
from splitter.bench.output.live import Live
from splitter.bench.tally import Tally
from tests.bench import simulated
from tests.bench.simulated import World


class Terminal(io.StringIO):
    """Remembers what was written to it, and says that a person looks at it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def tally() -> Tally:
    return World().tally(simulated.plan())


@pytest.fixture(autouse=True)
def _a_known_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "110")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def _without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)


def run(out: io.StringIO, tally: Tally, seconds: Sequence[float] = (-0.9, 0.0, 4.1, 4.2, 9.3, 12.0)) -> str:
    live = Live(out)
    live.note("moving shares of multi-model")
    for second in seconds:
        live.update(second, tally)
    live.note("done\x1b[2J")
    live.close()
    live.close()
    live.update(13.0, tally)
    return out.getvalue()


def test_a_file_gets_a_line_every_five_seconds(tally: Tally) -> None:
    lines = run(io.StringIO(), tally).splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "moving shares of multi-model",
        "warming up, 1 s to go",
        "4 of 20 s",
        "9 of 20 s",
        "done\\x1b[2J",
    ]
    assert "\x1b" not in "".join(lines)


@pytest.mark.usefixtures("_without_rich")
def test_a_terminal_gets_one_line_that_is_written_over(tally: Tally) -> None:
    written = run(Terminal(), tally)
    assert written.count("\n") == 2, "only notes stay"
    assert written.endswith("\r\x1b[K"), "and nothing is left at the end"
    shown = [part for part in written.split("\r\x1b[K") if part.startswith(("4 of", "9 of", "12 of"))]
    assert [part.split(" ")[0] for part in shown] == ["4", "9", "12"], "4.2 s came too soon"
    assert f"\n{shown[-1]}\r\x1b[K" in written, "after a note the last line is there again"
    assert all(len(part) < 110 for part in shown)


@pytest.mark.usefixtures("_without_rich")
def test_a_narrow_terminal_gets_no_line_that_wraps(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    written = run(Terminal(), tally)
    assert max(len(part) for part in written.replace("\n", "\r\x1b[K").split("\r\x1b[K")) <= 30


def test_rich_draws_a_panel(tally: Tally) -> None:
    written = run(Terminal(), tally)
    assert "4 of 20 s" in written
    assert "current" in written
    assert "challenger" in written
    assert "moving shares of multi-model\n" in written
    assert "done\\x1b[2J" in written
    _, after = written.split("\x1b[?25h")
    assert after.strip().endswith("\x1b[2K"), "the cursor is back, and nothing is left at the end"


def test_a_name_cannot_steer_the_panel() -> None:
    shares = {"[red]x[/red]\x1b[2J": 1.0}
    world = World(models={name: simulated.Model(5.0) for name in shares}, shares=shares)
    written = run(Terminal(), world.tally(simulated.plan()))
    assert "[red]x[/red]\\x1b[2J" in written
    assert "\x1b[2J" not in written


def test_a_dumb_terminal_gets_lines(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in run(Terminal(), tally)


def test_quiet_says_only_what_must_be_said(tally: Tally) -> None:
    out = Terminal()
    live = Live(out, is_quiet=True)
    live.note("to restore by hand: splitter rollback multi-model")
    live.update(1.0, tally)
    live.update(11.0, tally)
    live.close()
    assert out.getvalue() == "to restore by hand: splitter rollback multi-model\n"


def test_a_terminal_without_utf_8_gets_the_line_all_the_same(tally: Tally) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    live = Live(out)
    live.note("50 → 10")
    live.update(11.0, tally)
    live.close()
    assert raw.getvalue().startswith(b"50 \\u2192 10\n11 of 20 s")


def test_rich_is_imported_by_nobody_who_does_not_need_it(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by importing the module nor by writing to a file."""
    real = builtins.__import__

    def watched(name: str, *more: Any) -> ModuleType:
        assert not name.startswith("rich"), name
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", watched)
    monkeypatch.delitem(sys.modules, module.__name__)
    __import__(module.__name__)
    run(io.StringIO(), tally)

"""What a person sees while a run lasts: rich's panel where rich is installed, a line that is written over on any other terminal, and
plain lines now and then where the output goes to a file."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, TextIO

from splitter.bench.output.progress import Progress, clock, errors, line, progress
from splitter.bench.tally import Tally
from splitter.bench.wording import duration, percent, plural, rate, visible

if TYPE_CHECKING:
    from rich.console import Group

_REDRAW_S = 0.25
_PLAIN_EVERY_S = 5.0
_ERASE = "\r\x1b[K"
_NEVER = float("-inf")


class _Display(Protocol):
    """One way to show it."""

    every_s: float

    def show(self, now: Progress) -> None: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


class Live:
    """Show the progress of a run on `out` until `close`, which leaves no trace of what was written over. With `is_quiet` only notes."""

    def __init__(self, out: TextIO, *, is_quiet: bool = False) -> None:
        self._display = _Lines(out) if is_quiet else _display(out)
        self._shown_s = _NEVER
        self._is_over = is_quiet

    def update(self, elapsed_s: float, tally: Tally) -> None:
        """As often as one likes; what comes too soon after the last time is passed over. `elapsed_s` is negative in the warm-up."""
        if not self._is_over and elapsed_s - self._shown_s >= self._display.every_s:
            self._shown_s = elapsed_s
            with suppress(OSError):  # who watched has gone, which is no reason to end the load
                self._display.show(progress(elapsed_s, tally))

    def note(self, text: str) -> None:
        """A line that stays."""
        with suppress(OSError):
            self._display.note(visible(text))

    def close(self) -> None:
        """The end; again does nothing."""
        if not self._is_over:
            self._is_over = True
            with suppress(OSError):
                self._display.close()


def _display(out: TextIO) -> _Display:
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        return _Lines(out)
    return _Panel(out) if find_spec("rich") else _Line(out)


class _Lines:
    """For a file or a journal."""

    every_s = _PLAIN_EVERY_S

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, now: Progress) -> None:
        self.note(line(now))

    def note(self, text: str) -> None:
        self._out.write(f"{_encodable(text, self._out)}\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing is to be taken back."""


class _Line:
    """One line that is written over and over."""

    every_s = _REDRAW_S

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last = ""

    def show(self, now: Progress) -> None:
        self._last = line(now)[: shutil.get_terminal_size().columns - 1]
        self._write(f"{_ERASE}{self._last}")

    def note(self, text: str) -> None:
        self._write(f"{_ERASE}{_encodable(text, self._out)}\n{self._last}")

    def close(self) -> None:
        self._write(_ERASE)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


class _Panel:
    """rich's live display, without its thread: it is drawn when there is something new."""

    every_s = _REDRAW_S

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._console = Console(file=out)
        self._live = RichLive(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)

    def show(self, now: Progress) -> None:
        self._live.start()  # not before: there may be a question first; again it does nothing
        self._live.update(_panel(now), refresh=True)

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        self._live.stop()


def _panel(now: Progress) -> Group:
    """A bar, the figures of the last two seconds, the shares of the models."""
    from rich.console import Group as RichGroup
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    if now.elapsed_s < 0:
        return RichGroup(Text(line(now), style="dim"))
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(clock(now), no_wrap=True),
        ProgressBar(total=1.0, completed=now.fraction, width=30, complete_style="green", finished_style="green"),
        Text(plural(now.counted, "request")),
        Text(errors(now), style="red" if now.errors else "dim"),
    )
    if now.recent is None:
        return RichGroup(head)
    figures = [("rate", rate(now.recent.rate))]
    figures += [(name, f"{duration(value)} ms") for name, value in (("p50", now.recent.p50), ("p99", now.recent.p99)) if value is not None]
    figures += [(visible(name), percent(share)) for name, share in now.recent.models[:4]]
    body = Text("   ").join(Text.assemble((f"{name} ", "dim"), value) for name, value in figures)
    return RichGroup(head, body)


def _encodable(text: str, out: TextIO) -> str:
    """A terminal without UTF-8 is not to cost the line."""
    encoding = out.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)

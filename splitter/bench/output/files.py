"""The files that a report is written to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from splitter.bench.errors import BenchError, WrongCall
from splitter.bench.report import Report
from splitter.telemetry.hdr import Histogram

_IN_A_MILLISECOND = 1_000.0
_ABOUT = 1 << 17  # bytes: what a report of a longer run takes


STANDARD_OUTPUT = "-"
_TO_STANDARD_OUTPUT = Path(STANDARD_OUTPUT)


class OutputRefused(BenchError):
    """A file that cannot be written."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Paths, None for what is not wanted; one of them may be `-` for standard output."""

    json: str | None
    hgrm: str | None
    html: str | None

    @property
    def take_standard_output(self) -> bool:
        return STANDARD_OUTPUT in (self.json, self.hgrm, self.html)

    def check(self) -> None:
        """Before a load whose result would be lost. What is there stays, and nothing else is left there. Raises BenchError."""
        if [self.json, self.hgrm, self.html].count(STANDARD_OUTPUT) > 1:
            raise WrongCall("only one of --json, --hgrm and --html can go to standard output")
        files = [path.resolve() for path, _ in self._wanted()]
        if twice := next((path for path in files if files.count(path) > 1), None):
            raise WrongCall(f"{twice} is to hold two reports; give each a name of its own")
        for path, _ in self._wanted():
            if path == _TO_STANDARD_OUTPUT:
                continue
            folder = path.parent
            if path.is_dir():
                raise OutputRefused(f"{path} is a folder; give the name of a file")
            if not folder.is_dir():
                raise OutputRefused(f"{path} cannot be written: there is no folder {folder}")
            if not os.access(path if path.exists() else folder, os.W_OK):
                raise OutputRefused(f"{path} cannot be written: permission denied")
            _try(path)

    def write(self, report: Report) -> list[str]:
        """The paths that were written. Raises OutputRefused at the first that cannot be, with the rest written."""
        written, failed = [], ""
        for path, render in self._wanted():
            try:
                if path == _TO_STANDARD_OUTPUT:
                    sys.stdout.buffer.write(render(report))
                    sys.stdout.buffer.flush()
                else:
                    _replace(path, render(report))
                    written.append(str(path))
            except OSError as exc:
                failed = failed or f"{path} cannot be written: {exc.strerror}"
        if failed:
            raise OutputRefused(failed)
        return written

    def _wanted(self) -> Iterator[tuple[Path, Callable[[Report], bytes]]]:
        if self.json is not None:
            yield Path(self.json), _as_json
        if self.hgrm is not None:
            yield Path(self.hgrm), _as_hgrm
        if self.html is not None:
            yield Path(self.html), _as_page


def _replace(path: Path, content: bytes) -> None:
    """All or nothing for a file; what is none, like /dev/stdout or a pipe, is written to."""
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    with _half(path, content) as half:
        os.replace(half, path)


def _try(path: Path) -> None:
    """Permissions do not tell of a full disk, nor of one that is read-only."""
    if path.exists() and not path.is_file():
        return
    try:
        with _half(path, bytes(_ABOUT)):
            pass
    except OSError as exc:
        raise OutputRefused(f"{path} cannot be written: {exc.strerror}") from None


@contextmanager
def _half(path: Path, content: bytes) -> Iterator[Path]:
    """A file beside it that holds this, gone at the end."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        half.write_bytes(content)
        yield half
    finally:
        with suppress(OSError):
            half.unlink()


def _as_json(report: Report) -> bytes:
    from splitter.bench.output.report_json import dump

    return dump(report)


def _as_hgrm(report: Report) -> bytes:
    """Of all requests through the proxy, in milliseconds from the intended moment."""
    return Histogram(report.whole.latency_counts).hgrm(_IN_A_MILLISECOND).encode()


def _as_page(report: Report) -> bytes:
    from splitter.bench.output.page import page

    return page(report)

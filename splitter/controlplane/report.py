"""What the person at the terminal reads: results on standard output, what is wrong on standard error.

With colours where the output is a terminal, plain where it is piped. A terminal that has gone away ends nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TextIO

from splitter import __version__
from splitter.controlplane.publisher import InForce
from splitter.settings import Settings

MOST_ENDPOINTS = 40
"""More are not listed at the start; `/-/config` has them all."""

_BOLD, _DIM, _RED, _YELLOW = "1", "2", "31", "33"


class Report:
    """Both streams. Every call writes whole lines and flushes them."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr

    def say(self, *lines: str) -> None:
        _write(self._out, lines)

    def complain(self, *lines: str) -> None:
        """Problem lines and log lines."""
        _write(self._err, lines)

    def endpoints(self, in_force: InForce, unreachable: Mapping[str, str]) -> None:
        """Each endpoint with its shares and resolved URLs; a mark where nothing answered. Keys of `unreachable` are URLs."""
        paint = _painter(self._out)
        lines: list[str] = []
        for name in listed(in_force):
            lines += _endpoint_lines(in_force, name, unreachable, paint)
        if len(in_force.entries) > MOST_ENDPOINTS:
            lines.append(f"… and {len(in_force.entries) - MOST_ENDPOINTS} more endpoints")
        if not in_force.entries:
            lines.append(paint(_YELLOW, "no endpoint is configured: every prediction is answered with 404"))
        self.say(*lines)

    def serving(self, settings: Settings, address: str, workers: int) -> None:
        """The line that says that clients may come."""
        paint = _painter(self._out)
        workers_text = "1 worker" if workers == 1 else f"{workers} workers"
        head = paint(_BOLD, f"splitter {__version__} serving on {address}")
        self.say(f"{head} ({workers_text}), state in {settings.state_dir}, watching {', '.join(settings.paths)}")


def listed(in_force: InForce) -> list[str]:
    """The endpoints that the start shows."""
    return sorted(in_force.entries)[:MOST_ENDPOINTS]


def percent(tickets: int) -> str:
    """Basis points as a person writes them: 1000 is `10`, 1250 is `12.5`."""
    return f"{tickets / 100:g}"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _endpoint_lines(in_force: InForce, name: str, unreachable: Mapping[str, str], paint: _Paint) -> Iterable[str]:
    entry = in_force.entries[name]
    endpoint = entry.config
    place = f"({endpoint.place.file}:{endpoint.place.line})"
    yield f"{paint(_BOLD, name)} v{entry.version} {paint(_DIM, place)}"
    width = max(len(entity.name) for entity in endpoint.entities)
    shares = [percent(entity.tickets) for entity in endpoint.entities]
    share_width = max(map(len, shares))
    for entity, share in zip(endpoint.entities, shares, strict=True):
        head = f"  {entity.name:<{width}}  {share:>{share_width}} %  "
        for url in entity.urls:
            why = unreachable.get(url)
            yield head + url + (paint(_RED, f"  not reachable: {why}") if why else "")
            head = " " * len(head)


class _Paint:
    """Puts a colour around a text, or leaves it alone."""

    def __init__(self, coloured: bool) -> None:
        self._coloured = coloured

    def __call__(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._coloured else text


def _painter(stream: TextIO) -> _Paint:
    with suppress(OSError, ValueError):
        return _Paint(stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM", "dumb") != "dumb")
    return _Paint(False)


def _write(stream: TextIO, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    with suppress(OSError, ValueError):
        try:
            stream.write(text)
        except UnicodeEncodeError:  # a terminal without UTF-8: an arrow must not cost the line
            stream.write(text.encode("ascii", "backslashreplace").decode())
        stream.flush()

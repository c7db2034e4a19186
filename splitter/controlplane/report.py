"""What the person at the terminal reads: results on standard output, what is wrong on standard error.

With colours where the output is a terminal. As JSON, one object a line, it says in fields what it is about. A terminal that has gone away
ends nothing.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

from splitter import __version__
from splitter.controlplane.publisher import Change, InForce
from splitter.log_line import PREFIX, Stream, trace_of
from splitter.settings import Settings

MOST_ENDPOINTS = 40
"""More are not listed at the start; `/-/config` has them all."""

_BOLD, _DIM, _RED, _YELLOW = "1", "2", "31", "33"
_PROBLEM = re.compile(r"(.+?:\d+(?::\d+)?): (?:error|warning): ")


class Report:
    """Both streams, in one of `log_line.FORMS`. Every call writes whole lines and flushes them."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None, form: str = "text") -> None:
        self._out = Stream(out or sys.stdout, form)
        self._err = Stream(err or sys.stderr, form)

    def say(self, *news: str) -> None:
        """What has got better."""
        if self._out.is_json:
            for line in news:
                self._out.event("info", "notice", line)
        else:
            self._out.sentences(*news)

    def changed(self, *changes: Change) -> None:
        """What is in force now and was not before."""
        if self._out.is_json:
            for change in changes:
                self._out.event("info", "change", change.line, **_change_fields(change))
        else:
            self._out.sentences(*(change.line for change in changes))

    def complain(self, *problems: str) -> None:
        """What is wrong in the files, as `file:line:column: error: …`."""
        if self._err.is_json:
            for problem in problems:
                place = _PROBLEM.match(problem)
                self._err.event("error", "problem", problem, place=place[1] if place else None)
        else:
            self._err.sentences(*problems)

    def warn(self, *sentences: str) -> None:
        """What splitter has to say of itself that is not good."""
        if self._err.is_json:
            for sentence in sentences:
                self._err.event("warning", "warning", sentence)
        else:
            self._err.sentences(*(f"{PREFIX}{sentence}" for sentence in sentences))

    def fault(self, error: BaseException) -> None:
        """A fault of our own, and where it came from."""
        if self._err.is_json:
            self._err.event("error", "fault", repr(error), traceback=trace_of(error))
        else:
            self._err.sentences(trace_of(error))

    def endpoints(self, in_force: InForce, unreachable: Mapping[str, str]) -> None:
        """Each endpoint with its shares and resolved URLs; a mark where nothing answered. Keys of `unreachable` are URLs."""
        names = listed(in_force)
        if self._out.is_json:
            for name in names:
                self._out.event("info", "endpoint", _title(in_force, name), **_endpoint_fields(in_force, name, unreachable))
        else:
            paint = _painter(self._out)
            self._out.sentences(*(line for name in names for line in _endpoint_lines(in_force, name, unreachable, paint)))
        if len(in_force.entries) > MOST_ENDPOINTS:
            self.say(f"… and {len(in_force.entries) - MOST_ENDPOINTS} more endpoints")
        if not in_force.entries:
            nothing = "no endpoint is configured: every prediction is answered with 404"
            self.say(nothing if self._out.is_json else _painter(self._out)(_YELLOW, nothing))

    def serving(self, settings: Settings, address: str, workers: int) -> None:
        """The line that says that clients may come."""
        head = f"splitter {__version__} serving on {address}"
        rest = f" ({plural(workers, 'worker')}), state in {settings.state_dir}, watching {', '.join(settings.paths)}"
        if self._out.is_json:
            self._out.event("info", "serving", head + rest, address=address, workers=workers, version=__version__)
        else:
            self._out.sentences(_painter(self._out)(_BOLD, head) + rest)


def listed(in_force: InForce) -> list[str]:
    """The endpoints that the start shows."""
    return sorted(in_force.entries)[:MOST_ENDPOINTS]


def percent(tickets: int) -> str:
    """Basis points as a person writes them: 1000 is `10`, 1250 is `12.5`."""
    return f"{tickets / 100:g}"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _change_fields(change: Change) -> dict[str, object]:
    fields = {"endpoint": change.endpoint, "version": change.version, "change": change.words, "place": change.place}
    return {**fields, "origin": change.cause.origin, "author": change.cause.author or None}


def _endpoint_fields(in_force: InForce, name: str, unreachable: Mapping[str, str]) -> dict[str, object]:
    """Shares in percent; of each URL that does not answer, why."""
    entry = in_force.entries[name]
    models = [
        {
            "name": entity.name,
            "traffic": entity.tickets / 100,
            "urls": entity.urls,
            "unreachable": {url: unreachable[url] for url in entity.urls if url in unreachable},
        }
        for entity in entry.config.entities
    ]
    return {"endpoint": name, "version": entry.version, "place": _place(in_force, name), "served_models": models}


def _title(in_force: InForce, name: str) -> str:
    """`multi-model v1: current 90 %, challenger 10 %`."""
    entry = in_force.entries[name]
    shares = ", ".join(f"{entity.name} {percent(entity.tickets)} %" for entity in entry.config.entities)
    return f"{name} v{entry.version}: {shares}{'; stopped' if entry.config.is_stopped else ''}"


def _place(in_force: InForce, name: str) -> str:
    place = in_force.entries[name].config.place
    return f"{place.file}:{place.line}"


def _endpoint_lines(in_force: InForce, name: str, unreachable: Mapping[str, str], paint: _Paint) -> Iterable[str]:
    entry = in_force.entries[name]
    endpoint = entry.config
    stopped = paint(_YELLOW, " stopped: predictions are answered with 400") if endpoint.is_stopped else ""
    yield f"{paint(_BOLD, name)} v{entry.version} {paint(_DIM, f'({_place(in_force, name)})')}{stopped}"
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


def _painter(out: Stream) -> _Paint:
    return _Paint(out.is_terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM", "dumb") != "dumb")

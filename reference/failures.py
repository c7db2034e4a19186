"""docs/reference/errors.md, from the tree of errors: a class is a row, its docstring says when."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from reference.markdown import code, note, prose, table
from splitter import errors
from splitter.errors import SplitterError

_INTRODUCTION = """
Every error of splitter's own is JSON: `{"error_code": "…", "message": "…"}`. The message is for a person, and may change; the status and
the code do not. The error of a model server is not among them: its answer passes through as it is, whatever its status.

Whose fault it was is in the [metrics](../metrics.md), as `blame`: the headings of this page. **again**: splitter has tried a second time by
itself, whatever the request was. After a connection that was closed it does so where HTTP allows it: a kept connection, and an idempotent
method or `idempotent: true`. **Retry-After** is in seconds. **closes**: the connection is closed after the answer, since what follows on it
has no meaning.
"""
_GROUPS = {"client": "The client's (`client`)", "upstream": "The model server's (`upstream`)", "splitter": "splitter's own (`splitter`)"}
_HEAD = ("status", "error_code", "when", "again", "Retry-After", "closes")
_GONE = "A client that hangs up gets no answer; it is counted as `client_gone` (what others log as 499).\n"
_START = """
What hinders `splitter serve` from starting is printed to standard error, and the exit code is 1: no configuration is found, the port is
taken, the state folder cannot be written. Errors of a file are lines `file:line:column: error: …`, all of them at once.
"""


def page() -> str:
    parts = [note("`splitter/errors.py`"), "# Errors\n", prose(_INTRODUCTION)]
    for blame, whose in _GROUPS.items():
        rows = sorted((kind for kind in _answered() if kind.blame == blame), key=lambda kind: (kind.status, kind.code))
        parts.append(f"## {whose}\n{table(_HEAD, map(_row, rows))}")
    return "\n".join([*parts, _GONE, "## At the start\n" + prose(_START)])


def _answered() -> Iterator[type[SplitterError]]:
    """What a client may get: all but the roots, and what ends the process."""
    roots = (errors.SplitterError, errors.UpstreamError)
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, SplitterError) and kind not in roots and not issubclass(kind, errors.StartError):
            yield kind


def _row(kind: type[SplitterError]) -> tuple[str, ...]:
    is_cut = kind is errors.UpstreamTruncated
    retry = "" if kind.retry_after_s is None else str(kind.retry_after_s)
    status, name = ("", "") if is_cut else (str(kind.status), code(kind.code))
    return status, name, _when(kind), "yes" if kind.retryable else "", retry, "yes" if kind.close or is_cut else ""


def _when(kind: type[SplitterError]) -> str:
    """The first paragraph of its docstring."""
    if kind.__doc__ is None:
        raise ValueError(f"{kind.__name__} has no docstring: when is it answered?")
    return inspect.cleandoc(kind.__doc__).partition("\n\n")[0]

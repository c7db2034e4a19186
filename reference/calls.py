"""docs/reference/api.md, from the tables by which the control plane and the workers route."""

from __future__ import annotations

from collections.abc import Iterable

from reference.markdown import code, note, prose, table
from splitter.controlplane import app
from splitter.controlplane.api import routes
from splitter.dataplane import calls as local
from splitter.errors import SplitterError
from splitter.http.call import Call, Parameter

_INTRODUCTION = """
[api.md](../api.md) explains them with examples; this page has every path. Where a path has GET, it has HEAD. Bodies and answers are JSON
objects, whatever `Content-Type` says, except those of models and metrics. A success is 200.

There is no authentication yet: any `Authorization` field is accepted and ignored.
"""
_EVERY = """
Beside the errors that a call names, each may meet those of the connection (a broken head, a body that is too large or too slow), and each
below `/api`, `/-` and `/metrics` those of a control plane that is on its way up or does not answer (503 `TEMPORARILY_UNAVAILABLE`, 504
`DEADLINE_EXCEEDED`), and 500 `INTERNAL_ERROR`. All of them, and when each is answered, are in [errors.md](errors.md).

Everything else is 404 `ENDPOINT_NOT_FOUND`; below `/api` also where only the method is wrong, which elsewhere is 405.
"""
_STANDINGS = {
    "served": "",
    "kept": "**Kept and echoed**, without effect on requests: splitter has nothing that it could act on.",
    "refused": "**Not there**: 501 `NOT_IMPLEMENTED`.",
}
_SHORT = {"served": "served", "kept": "kept and echoed", "refused": "501"}
_HEAD = ("method", "path", "what it does", "")
_PARAMETERS = ("parameter", "in", "value; default", "meaning")


def groups() -> dict[str, list[Call]]:
    """Every call that splitter answers, by the heading that it stands below."""
    api = [call for call, _ in routes.ROUTES]
    return {
        "Predictions": list(local.PREDICTIONS),
        "Endpoints": [call for call in api if call.standing != "refused"],
        "The process": [*local.LOCAL, *(call for call, _ in app.ROUTES)],
        "Known to clients, and not there": [call for call in api if call.standing == "refused"],
    }


def page() -> str:
    every = groups()
    parts = [note("the tables of routes in `splitter/controlplane/` and `splitter/dataplane/`"), "# Routes\n", prose(_INTRODUCTION)]
    for title, calls in every.items():
        parts.append(f"**{title}**\n\n{table(_HEAD, map(_row, calls))}")
    parts.append(prose(_EVERY))
    for title, calls in every.items():
        parts += [f"## {title}\n", *map(_section, calls)]
    return "\n".join(parts)


def _row(call: Call) -> tuple[str, ...]:
    return call.method, " or ".join(map(code, call.paths)), f"[{call.title}](#{_anchor(call.title)})", _SHORT[call.standing]


def _section(call: Call) -> str:
    more = f" [More](../api.md#{call.more})." if call.more else ""
    parts = [f"### {call.title}\n", f"{' or '.join(code(f'{call.method} {path}') for path in call.paths)}\n", prose(call.about + more)]
    if standing := _STANDINGS[call.standing]:
        parts.append(prose(standing))
    if call.parameters:
        parts.append(table(_PARAMETERS, map(_parameter, call.parameters)))
    facts = {"body": call.body, "answer": call.answer, "errors": ", ".join(errors_of(call.errors)) if call.standing != "refused" else ""}
    parts.append("".join(f"- **{name}**: {text}\n" for name, text in facts.items() if text))
    return "\n".join(part for part in parts if part)


def _parameter(parameter: Parameter) -> tuple[str, ...]:
    return code(parameter.name), parameter.place, parameter.value, parameter.about


def errors_of(kinds: Iterable[type[SplitterError]]) -> list[str]:
    """Status and code of each, in their order, each once."""
    return [f"{status} {code(name)}" for status, name in sorted({(kind.status, kind.code) for kind in kinds})]


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-").replace("'", "").replace(",", "")

"""docs/reference/configuration.md, from the tables by which files are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from reference.markdown import code, note, prose, table
from splitter.config import json_schema, kept
from splitter.config import vocabulary as words
from splitter.config.kept import Tags, Variables
from splitter.config.reading import scalars
from splitter.config.reading.schema import Anything, ByShape, Field, Listing, One, OneOrMany, Record, Shaped, Table

_INTRODUCTION = """
[configuration.md](../configuration.md) explains both forms; this page has every field. A field that is not here is an error. `splitter
schema` prints the same for editors.
"""
_OR_BODY = "Or, alone, one [endpoint in the long form](#an-endpoint-in-the-long-form): the body of a create call.\n"
_HEAD = ("field", "value", "default", "meaning")
_KEPT = "Kept and echoed by the API, without effect, since splitter starts no model servers:"
_PLACES = {
    id(words.SHORT_ENDPOINT): "an endpoint in the short form",
    id(words.LONG_ENDPOINT): "an endpoint in the long form",
    id(words.SHORT_ENTITY): "a served model",
    id(words.LONG_ENTITY): "a served entity",
    id(words.LONG_CONFIG): "config",
    id(words.TRAFFIC_CONFIG.kind): "traffic_config",
    id(words.ROUTE): "a route",
    id(words.TIMEOUTS.kind): "timeouts",
}
"""The heading of each record that has one."""


def page() -> str:
    return "\n".join(
        [
            note("`splitter/config/vocabulary.py`"),
            "# Fields of the configuration\n",
            prose(_INTRODUCTION),
            "## A file\n" + _fields(words.FILE.fields),
            _OR_BODY,
            _section(words.SHORT_ENDPOINT),
            _section(words.SHORT_ENTITY),
            _section(words.LONG_ENDPOINT, beside=words.SHORT_ENDPOINT),
            _section(words.LONG_CONFIG),
            _section(words.LONG_ENTITY, beside=words.SHORT_ENTITY),
            _section(_record(words.TRAFFIC_CONFIG)),
            _section(words.ROUTE),
            _section(_record(words.TIMEOUTS)),
            _values(),
        ]
    )


def _record(field: Field[Any]) -> Record:
    assert isinstance(field.kind, Record)
    return field.kind


def _section(record: Record, beside: Record | None = None) -> str:
    """A record; the fields that it shares with `beside`, which is on the page already, are not told again."""
    place = _PLACES[id(record)]
    head = f"## {place[0].upper()}{place[1:]}\n" if " " in place else f"## {place}\n"
    if beside is None:
        return head + _fields(record.fields)
    lacking = [code(field.name) for field in beside.fields if field not in record.fields]
    shared = f"\nAnd all fields of {_link(_PLACES[id(beside)])} but {' and '.join(lacking)}.\n"
    return head + _fields([field for field in record.fields if field not in beside.fields]) + shared


def _fields(fields: Sequence[Field[Any]]) -> str:
    """With effect, kept, refused."""
    said = [field for field in fields if not _is_only_kept(field) and field.refused is None]
    parts = [table(_HEAD, (_row(field) for field in said))]
    if only_kept := [field for field in fields if _is_only_kept(field)]:
        parts.append(f"\n{_KEPT}\n\n{table(('field', 'value'), ((code(field.name), _value(field.kind)) for field in only_kept))}")
    if refused := [field for field in fields if field.refused is not None]:
        parts.append("\nRefused:\n\n" + "".join(f"- {code(field.name)}: {field.refused}\n" for field in refused))
    return "".join(parts)


def _is_only_kept(field: Field[Any]) -> bool:
    return field.kept and field.about == words.WITHOUT_EFFECT


def _row(field: Field[Any]) -> tuple[str, ...]:
    default = "required" if field.required else "" if field.default is None else code(json.dumps(field.default).removesuffix(".0"))
    return code(field.name), _value(field.kind), default, field.about


def _value(kind: object) -> str:
    """What may be written, in words."""
    match kind:
        case One(what=what, convert=convert):
            return _link(_RULED[convert][0], "#values") if convert in _RULED else what
        case Listing(item=item, most=most):
            return f"a list{_up_to(most, ' of')}, each {_value(item)}"
        case OneOrMany(item=item, most=most):
            return f"{_value(item)}, or a list of up to {most}"
        case Table(value=Record() as value, most=most):
            return f"names{_up_to(most, ',')}, each with {_value(value)}"
        case Table(what=what):
            return what
        case ByShape(mapping=mapping, sequence=sequence):
            return f"{_value(mapping)}, or {_value(sequence)}"
        case Record():
            return _link(_PLACES[id(kind)])
        case Variables():
            return f"up to {kept.MAX_VARIABLES} names, each with a text; only `{{{{secrets/scope/key}}}}` is kept"
        case Tags():
            return "a list of `{key, value}`, each key once"
        case Shaped(outline=outline):
            return "a list" if isinstance(outline, tuple) else "a mapping"
        case Anything():
            return "anything"
    raise TypeError(f"no words are known for {kind!r}")


def _up_to(most: int, before: str) -> str:
    return "" if most == words.MAX_ROWS else f"{before} up to {most}"


def _link(place: str, target: str = "") -> str:
    return f"[{place}]({target or '#' + place.replace(' ', '-')})"


_SECONDS = json_schema.SCALARS[scalars.seconds]
_NAME = "1 to 63 letters, digits, `-` and `_`"
_RESERVED = f"{', '.join(map(code, words.RESERVED))} and what begins with {code(words.RESERVED_PREFIX)}"
_PERCENTAGE = "0 to 100 with up to two decimals, without a percent sign"
_RULED = {
    words.name: ("a name", _NAME),
    words.endpoint_name: ("a name of an endpoint", f"the same, without {_RESERVED}"),
    words.label: ("a name or a version of a model", f"1 to {words.MAX_LABEL_LENGTH} printable characters"),
    words.url: ("a URL", f"`http://`, a host, and if need be a port, a path and a query; up to {words.MAX_URL_LENGTH} characters"),
    words.share: ("a percentage", _PERCENTAGE),
    words.share_or_rest: ("a percentage or `rest`", f"{_PERCENTAGE}; or `rest`, what the others leave"),
    scalars.seconds: ("a number of seconds", f"{_SECONDS['minimum']} to {_SECONDS['maximum']}"),
}
"""What a single value is called on the page, and what may stand there, for those of which there is more to say."""


def _values() -> str:
    return f"## Values\n{table(('value', 'what may stand'), _RULED.values())}\nNumbers, true and false may stand in quotes, too.\n"

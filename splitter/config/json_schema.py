"""The JSON Schema of a configuration file, for editors: made of the tables in `vocabulary`, which the reader works by.

Every file that is accepted fits it. It refuses what a schema can see: unknown and missing fields, wrong kinds, shares below 0 or above
100. It cannot see what depends on two places (a sum, a name in a route) or on quotes that are gone once YAML is read, and it does not
count the decimals of a number: `multipleOf: 0.01` refuses 12.5 where that is computed in binary fractions, as editors do.

Draft 7: for most of its life yaml-language-server has read nothing newer, and this schema would gain nothing. `patternErrorMessage` is
a word of that server; other readers pass over it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from splitter.config import kept
from splitter.config import vocabulary as words
from splitter.config.kept import Tags, Variables
from splitter.config.reading import scalars
from splitter.config.reading.schema import Anything, ByShape, Field, Listing, One, OneOrMany, Record, Shaped, Table
from splitter.config.reading.tree import Scalar

Json = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"

# A plain whole number is its own text, and a quoted number is a number, since the examples of Databricks have both.
_TEXT: Json = {"type": ["string", "integer"], "minimum": 0}
_PLACEHOLDERS = "|".join(rf"\{{{name}\}}" for name in words.PLACEHOLDERS)
_SHARE = r"-?0(?:\.0+)?|(?:0|[1-9][0-9]?)(?:\.[0-9]{1,2}0*)?|100(?:\.0+)?"


def _matching(pattern: str, message: str, also: Json) -> Json:
    """`pattern` is for the whole of a text. Of other types it says nothing."""
    return {**also, "pattern": f"^(?:{pattern})$", "patternErrorMessage": message}


def _address(letter: str) -> str:
    """`letter`, too, may stand anywhere after the scheme. No user, no fragment."""
    return rf"[Hh][Tt][Tt][Pp]://(?:[^\s/?#@{{}}]{letter})+(?:[/?](?:[^\s#{{}}]{letter})*)?"


_NAME = _matching(words.NAME.pattern, "1 to 63 letters, digits, - and _", _TEXT)
_FREE_NAME = rf"(?!(?:{'|'.join(words.RESERVED)})$)(?!{words.RESERVED_PREFIX}){words.NAME.pattern}"
_URL: Json = {"type": "string", "maxLength": words.MAX_URL_LENGTH}

SCALARS: Mapping[Callable[[Scalar], Any], Json] = {
    scalars.text: _TEXT,
    scalars.boolean: _matching("[Tt]rue|TRUE|[Ff]alse|FALSE", "true or false", {"type": ["boolean", "string"]}),
    scalars.whole: _matching(
        "0|[1-9][0-9]{0,14}", "a whole number", {"type": ["integer", "string"], "minimum": 0, "maximum": 999_999_999_999_999}
    ),
    scalars.seconds: _matching(
        r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?",
        "a number of seconds from 0.001 to 86400",
        {"type": ["number", "string"], "minimum": 0.001, "maximum": 86_400},
    ),
    words.name: _NAME,
    words.endpoint_name: _matching(_FREE_NAME, "1 to 63 letters, digits, - and _; some names are taken by the API", _TEXT),
    words.label: {**_TEXT, "minLength": 1, "maxLength": words.MAX_LABEL_LENGTH},
    words.url: _matching(_address(""), "a URL such as http://127.0.0.1:5001/invocations", _URL),
    words.url_pattern: _matching(
        _address(f"|{_PLACEHOLDERS}"), "a URL, in which {entity_name} and {entity_version} may stand", _URL
    ),
    words.share: _matching(
        _SHARE, "a percentage from 0 to 100 with up to two decimals", {"type": ["number", "string"], "minimum": 0, "maximum": 100}
    ),
    words.share_or_rest: _matching(
        f"{words.REST}|{_SHARE}",
        "a percentage from 0 to 100 with up to two decimals, or rest",
        {"type": ["number", "string"], "minimum": 0, "maximum": 100, "examples": [words.REST, 10]},
    ),
    kept.variable: {"type": ["string", "number", "boolean", "null"]},
    kept.some_text: {**_TEXT, "minLength": 1},
}

_DEFINED = {
    "endpoint": words.SHORT_ENDPOINT,
    "served-model": words.SHORT_ENTITY,
    "create-body": words.LONG_ENDPOINT,
    "served-entity": words.LONG_ENTITY,
}
"""The records that stand in several places, or are worth a name."""


def json_schema() -> Json:
    """The schema as JSON values. `title` and `description` are for whoever opens it."""
    file = {**_record(words.FILE), "minProperties": 1}
    return {
        "$schema": DRAFT,
        "title": "Configuration of splitter",
        "description": "A file for `splitter serve`: endpoints and models, or the body of a Databricks create call alone.",
        "anyOf": [file, _reference("create-body")],
        "definitions": {name: _record(record) for name, record in _DEFINED.items()},
    }


def _of(kind: object) -> Json:
    """What a kind accepts, as far as a schema can say it. A new kind needs a line here."""
    match kind:
        case One(convert=convert):
            return SCALARS[convert]
        case Listing(item=item, most=most):
            return {"type": "array", "items": _of(item), **_most("maxItems", most)}
        case OneOrMany(item=item, most=most):
            return {"anyOf": [_of(item), {"type": "array", "items": _of(item), "minItems": 1, "maxItems": most}]}
        case Table(key=key, value=value, most=most, special=special):
            rows = {"type": "object", "propertyNames": _of(key), "additionalProperties": _of(value), **_most("maxProperties", most)}
            return {**rows, "properties": {name: _of(other) for name, other in special.items()}} if special else rows
        case ByShape(mapping=mapping, sequence=sequence):
            return {"anyOf": [_of(mapping), _of(sequence)]}
        case Record():
            name = next((name for name, record in _DEFINED.items() if record is kind), None)
            return _record(kind) if name is None else _reference(name)
        case Variables():
            return _of(kept.VARIABLE_ROWS)
        case Tags():
            return _of(kept.TAG_ROWS)
        case Shaped(outline=outline):
            return {"type": "array" if isinstance(outline, tuple) else "object"}
        case Anything():
            return {}
    raise TypeError(f"no JSON Schema is known for {kind!r}")


def _most(word: str, most: int) -> Json:
    return {} if most == words.MAX_ROWS else {word: most}


def _reference(name: str) -> Json:
    return {"$ref": f"#/definitions/{name}"}


def _record(record: Record) -> Json:
    fields = {field.name: _field(field) for field in record.fields if field.refused is None}
    required = [field.name for field in record.fields if field.required]
    return {
        "type": "object",
        "properties": fields,
        **({"required": required} if required else {}),
        "additionalProperties": False,
        **_RULES.get(id(record), {}),
    }


def _field(field: Field[Any]) -> Json:
    about = {"description": field.about} if field.about else {}
    default = {} if field.default is None else {"default": field.default}
    return {**about, **default, **_of(field.kind), **_MORE.get(id(field), {})}


def _either(*sets: tuple[str, ...]) -> list[Json]:
    return [{"required": list(each)} for each in sets]


_HAS_ADDRESS = {
    "anyOf": _either(
        (words.URL.name,),
        (words.URLS.name,),
        *product((words.ENTITY_NAME.name, words.MODEL_NAME.name), (words.ENTITY_VERSION.name, words.MODEL_VERSION.name)),
    )
}
_RULES: Mapping[int, Json] = {
    id(words.SHORT_ENTITY): _HAS_ADDRESS,
    id(words.LONG_ENTITY): _HAS_ADDRESS,
    id(words.ROUTE): {"anyOf": _either((words.ROUTE_MODEL.name,), (words.ROUTE_ENTITY.name,))},
    id(words.LONG_CONFIG): {"oneOf": _either((words.ENTITIES.name,), (words.LEGACY_ENTITIES.name,))},
}
_MORE: Mapping[int, Json] = {
    id(words.SERVED_MODELS): {"minProperties": 1},
    id(words.ENTITIES): {"minItems": 1},
    id(words.LEGACY_ENTITIES): {"minItems": 1},
}
"""What `forms` demands beyond the tables, by the record or the field that it is about."""


def written() -> str:
    """The schema as it is shipped, in `schema.json` beside this module."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"

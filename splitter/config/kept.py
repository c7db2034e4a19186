"""Kinds of the fields that are only kept for the API and yet have a shape."""

from __future__ import annotations

import re
from dataclasses import dataclass

from splitter.config.problems import Place, Report, quoted
from splitter.config.reading import scalars, tree
from splitter.config.reading.schema import Field, Listing, One, Outline, Read, Record, Shaped, Table

MAX_VARIABLES = 30  # the API's own limit
MAX_TAGS = 1000

_SECRET = re.compile(r"\{\{ *secrets/[^/{}\s]+/[^/{}\s]+ *\}\}")


def variable(scalar: tree.Scalar) -> str:
    """The reference to a secret, `{{secrets/scope/key}}`; an empty text in place of any other value."""
    return scalar.text if _SECRET.fullmatch(scalar.text) else ""


def some_text(scalar: tree.Scalar) -> str:
    text = scalars.text(scalar)
    if not text:
        raise scalars.Refused("a value is missing")
    return text


_NAME = One(some_text, "a text")
VARIABLE_ROWS = Table(_NAME, One(variable, "a text"), "names of variables, each with its value", MAX_VARIABLES)


@dataclass(frozen=True, slots=True)
class Variables:
    """Environment variables of a model server, as a mapping of names to text.

    splitter starts no model server, so it has no use for their values, and people put passwords there. Only references to secrets are
    kept: nothing plain reaches a fingerprint, a history or an answer.
    """

    def read(self, node: tree.Node, label: str, report: Report) -> Read[dict[str, str]] | None:
        rows = VARIABLE_ROWS.read(node, label, report)
        return None if rows is None else Read({key.value: value.value for key, value in rows.value}, rows.place)


TAG_KEY = Field("key", _NAME, required=True)
TAG_VALUE = Field("value", One(scalars.text, "a text"))
TAG_ROWS = Listing(Record("a tag", (TAG_KEY, TAG_VALUE)), MAX_TAGS)

Tag = dict[str, str]
"""`key`, and `value` if there is one."""


@dataclass(frozen=True, slots=True)
class Tags:
    """Tags of an endpoint: a list of `{key, value}`, each key once, in the order in which they were written."""

    def read(self, node: tree.Node, label: str, report: Report) -> Read[list[Tag]] | None:
        rows = TAG_ROWS.read(node, label, report)
        if rows is None:
            return None
        first: dict[str, Place] = {}
        tags: list[Tag] = []
        for row in rows.value:
            key, value = row.value.get(TAG_KEY), row.value.get(TAG_VALUE)
            if key is None:
                continue
            if key.value in first:
                report.add(key.place, f"{label}: the tag {quoted(key.value)} stands twice; it is already {first[key.value].within}")
            first.setdefault(key.value, key.place)
            tags.append({"key": key.value} if value is None else {"key": key.value, "value": value.value})
        return Read(tags, rows.place)


TAGS = Tags()

_ANY_OBJECT: dict[str, Outline] = {}
_GUARDRAILS: dict[str, Outline] = {"invalid_keywords": (None,), "valid_topics": (None,), "pii": _ANY_OBJECT}
AI_GATEWAY = Shaped(
    {
        "fallback_config": _ANY_OBJECT,
        "guardrails": {"input": _GUARDRAILS, "output": _GUARDRAILS},
        "inference_table_config": _ANY_OBJECT,
        "rate_limits": (_ANY_OBJECT,),
        "usage_tracking_config": _ANY_OBJECT,
    }
)
RATE_LIMITS = Shaped((None,))
EMAIL_NOTIFICATIONS = Shaped({"on_update_success": (None,), "on_update_failure": (None,)})
TELEMETRY = Shaped({"enabled_telemetry_features": (None,), "inference_table_config": _ANY_OBJECT, "table_names": _ANY_OBJECT})
CAPTURE = Shaped({"state": _ANY_OBJECT})

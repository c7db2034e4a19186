"""Endpoints made at random, as plain data, and the same as a JSON document from which targets are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from splitter.config.forms import default_name
from splitter.config.vocabulary import is_name

Draw = Callable[[st.SearchStrategy[Any]], Any]
Model = dict[str, Any]

NAMES = st.sampled_from(["current", "next", "v1", "on", "7", "a-long-name_2"])
ENDPOINT_NAMES = ["m", "other", "m-2", "no"]
URLS = st.sampled_from(["http://a/invocations", "http://b:81/x", "http://[::1]:8000/", "http://c/y?z=1&w='q'"])
LABELS = st.sampled_from(["1", "2", "1.10", "cat.sch.model-A", "it's", 'say "x"', "a b", "ключ", "true", "x#y", "- z", "a, b"])
ODD_TEXTS = ["", "two\nlines\n", "tab\there", "trailing ", "\u2028", "{x}", "null", "0x1f", "2024-01-01", "a: b"]
TEXTS = st.one_of(LABELS, st.sampled_from(ODD_TEXTS))
KEYS = st.sampled_from(["key", "value", "k 2", "10", "on"])
JSON = st.recursive(
    st.one_of(TEXTS, st.integers(0, 99), st.booleans(), st.none(), st.sampled_from([1.5, 0.25, -3])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=3)
TAGS = st.dictionaries(LABELS, st.one_of(st.none(), LABELS), max_size=3).map(
    lambda tags: [{"key": key} if value is None else {"key": key, "value": value} for key, value in tags.items()]
)
SECONDS = st.sampled_from([0.5, 1.0, 2.0, 30.0, 297.0])


@st.composite
def entities(draw: Draw, name: str) -> Model:
    has_url = draw(st.booleans())
    return {
        "name": name,
        "urls": draw(st.lists(URLS, min_size=1, max_size=3)) if has_url else [],
        "entity_name": draw(LABELS) if not has_url or draw(st.booleans()) else None,
        "entity_version": draw(LABELS) if not has_url or draw(st.booleans()) else None,
        "idempotent": draw(st.booleans()),
        "kept": draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "workload_size": st.sampled_from(["Small", "2"]),
                    "scale_to_zero_enabled": st.booleans(),
                    "min_provisioned_concurrency": st.integers(0, 8),
                    "instance_profile_arn": JSON,
                    "environment_vars": st.dictionaries(
                        st.sampled_from(["A", "B", "on"]), st.sampled_from(["{{secrets/s/k}}", "{{secrets/s/k2}}", "plain"]), max_size=3
                    ),
                },
            )
        ),
    }


def shares(count: int) -> st.SearchStrategy[list[int]]:
    """Tickets that sum to the whole."""
    cuts = st.lists(st.integers(0, 10_000) | st.sampled_from([0, 1000, 10_000]), min_size=count - 1, max_size=count - 1).map(sorted)
    return cuts.map(lambda at: [end - start for start, end in zip([0, *at], [*at, 10_000], strict=True)])


@st.composite
def models(draw: Draw, name: str) -> Model:
    """One endpoint."""
    rows = [draw(entities(each)) for each in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))]
    for row in rows:
        made = default_name(row["entity_name"] or " ", row["entity_version"] or " ")
        if is_name(made) and made not in [other["name"] for other in rows] and draw(st.booleans()):
            row["name"] = made
    return {
        "name": name,
        "entities": rows,
        "tickets": draw(shares(len(rows))),
        "timeouts": draw(st.dictionaries(st.sampled_from(["connect", "first_byte", "idle", "total"]), SECONDS, max_size=2)),
        "forward_credentials": draw(st.booleans()),
        "kept": draw(
            st.fixed_dictionaries(
                {}, optional={"tags": TAGS, "description": TEXTS, "ai_gateway": OBJECTS, "route_optimized": st.booleans(), "task": JSON}
            )
        ),
        "auto_capture": draw(st.one_of(st.just({}), st.fixed_dictionaries({"auto_capture_config": OBJECTS}))),
    }


def percent(tickets: int) -> float:
    return tickets // 100 if tickets % 100 == 0 else tickets / 100


def body(model: Model) -> dict[str, Any]:
    """A create body in JSON values."""
    rows = []
    for entity in model["entities"]:
        row = {"name": entity["name"], **({"urls": entity["urls"]} if entity["urls"] else {})}
        row |= {key: entity[key] for key in ("entity_name", "entity_version") if entity[key] is not None}
        rows.append({**row, "idempotent": entity["idempotent"], **entity["kept"]})
    routes = [
        {"served_model_name": entity["name"], "traffic_percentage": percent(tickets)}
        for entity, tickets in zip(model["entities"], model["tickets"], strict=True)
    ]
    return {
        "name": model["name"],
        "config": {"served_entities": rows, "traffic_config": {"routes": routes}, **model["auto_capture"]},
        "timeouts": model["timeouts"],
        "forward_credentials": model["forward_credentials"],
        **model["kept"],
    }


def document(*wanted: Model) -> str:
    """The endpoints as JSON."""
    return json.dumps({"endpoints": [body(model) for model in wanted]})

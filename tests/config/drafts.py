"""Hypothesis strategies: create bodies of the API that are valid, in every way of writing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from splitter.routing.document import TICKETS

names = st.from_regex(r"[A-Za-z0-9_-]{1,63}", fullmatch=True)
endpoint_names = names.filter(lambda name: name not in ("pt", "chat") and not name.startswith("databricks-"))
words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
urls = st.builds(
    "http://h{}:{}{}".format, st.integers(0, 99), st.integers(1, 65_535), st.sampled_from(["", "/", "/invocations", "/v1/x?y=z"])
)
json_values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
tags = st.lists(st.fixed_dictionaries({"key": texts.filter(bool)}, optional={"value": texts}), max_size=4, unique_by=lambda tag: tag["key"])
secrets = st.sampled_from(["{{secrets/scope/key}}", "plain", ""])


def _optional(kinds: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=kinds)


_kept_of_an_entity = _optional(
    {
        "workload_size": st.sampled_from(["Small", "Medium"]),
        "scale_to_zero_enabled": st.sampled_from([True, False, "true", "false"]),
        "min_provisioned_concurrency": st.integers(0, 64),
        "burst_scaling_enabled": st.booleans(),
        "environment_vars": st.dictionaries(texts.filter(bool), secrets, max_size=3),
        "instance_profile_arn": json_values,
        "idempotent": st.booleans(),
        "not_known": json_values,
        "state": json_values,
    }
)
_where = st.one_of(
    st.builds(lambda one: {"url": one}, urls),
    st.builds(lambda many: {"urls": many}, st.lists(urls, min_size=1, max_size=3)),
    st.builds(lambda model, version: {"entity_name": model, "entity_version": version}, words, words | st.integers(0, 99)),
    st.builds(lambda model, version: {"model_name": model, "model_version": version}, words, words),
    st.builds(lambda one, model, version: {"url": one, "entity_name": model, "entity_version": version}, urls, words, words),
)
_kept_of_an_endpoint = _optional(
    {
        "tags": tags,
        "description": texts,
        "route_optimized": st.booleans(),
        "email_notifications": json_objects,
        "ai_gateway": json_objects,
        "rate_limits": st.lists(json_values, max_size=3),
        "timeouts": _optional({key: st.floats(0.01, 1000).map(lambda value: round(value, 2)) for key in ("connect", "total")}),
        "forward_credentials": st.booleans(),
        "not_known": json_values,
    }
)


_WAYS: list[Callable[[float], Any]] = [float, str, lambda share: int(share) if share == int(share) else share]


@st.composite
def _shares(draw: st.DrawFn, count: int) -> list[int]:
    cuts = sorted(draw(st.lists(st.integers(0, TICKETS), min_size=count - 1, max_size=count - 1)))
    return [high - low for low, high in zip([0, *cuts], [*cuts, TICKETS], strict=True)]


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """What stands under `config`, and is the body of a PUT."""
    named = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    rows = [{"name": name, **draw(_where), **draw(_kept_of_an_entity)} for name in named]
    config: dict[str, Any] = {draw(st.sampled_from(["served_entities", "served_models"])): rows}
    if len(named) > 1 or draw(st.booleans()):
        routed = draw(st.lists(st.sampled_from(named), min_size=1, unique=True))
        percents = [share / 100 for share in draw(_shares(len(routed)))]
        word = draw(st.sampled_from(["served_model_name", "served_entity_name"]))
        way = draw(st.sampled_from(_WAYS))
        config["traffic_config"] = {
            "routes": [{word: name, "traffic_percentage": way(share)} for name, share in zip(routed, percents, strict=True)]
        }
    if draw(st.booleans()):
        config["auto_capture_config"] = draw(json_objects)
    return config


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A create body."""
    return {"name": draw(endpoint_names), "config": draw(configs()), **draw(_kept_of_an_endpoint)}

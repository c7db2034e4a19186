"""The two forms of a generated endpoint, as trees of plain data with every choice of words that a file has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from splitter.config.forms import default_name
from tests.config.writeback.generated_models import Draw, Model, percent


@dataclass(frozen=True)
class Either:
    """A number or a word that means the same with quotes and without."""

    text: str


def short(draw: Draw, model: Model) -> tuple[str, dict[str, Any]]:
    """The short form: one takes the rest, or none; who has 0 may be silent, and a single one too."""
    rest = draw(st.integers(-1, len(model["entities"]) - 1))
    rows: dict[str, Any] = {}
    for number, (entity, tickets) in enumerate(zip(model["entities"], model["tickets"], strict=True)):
        row = _entity(draw, entity, ("entity_name", "entity_version"))
        if number == rest:
            row["traffic"] = Either("rest")
        elif not ((len(model["entities"]) == 1 or tickets == 0) and draw(st.booleans())):
            row["traffic"] = Either(str(percent(tickets)))
        rows[entity["name"]] = dict(draw(st.permutations(list(row.items()))))
    fields = {"served_models": rows, **_fields(model), **model["auto_capture"]}
    return model["name"], dict(draw(st.permutations(list(fields.items()))))


def long(draw: Draw, model: Model) -> dict[str, Any]:
    """A create body, of either generation; who has 0 may be without a route, a single one without traffic_config."""
    is_legacy = draw(st.booleans())
    words = ("model_name", "model_version") if is_legacy else ("entity_name", "entity_version")
    rows = [{**_name(draw, entity), **_entity(draw, entity, words)} for entity in model["entities"]]
    route_word = draw(st.sampled_from(["served_model_name", "served_entity_name"]))
    routes = [
        {route_word: entity["name"], "traffic_percentage": Either(str(percent(tickets)))}
        for entity, tickets in zip(model["entities"], model["tickets"], strict=True)
        if tickets or draw(st.booleans())
    ]
    config = {"served_models" if is_legacy else "served_entities": rows, **model["auto_capture"]}
    if len(rows) > 1 or draw(st.booleans()):
        config["traffic_config"] = {"routes": draw(st.permutations(routes))}
    fields = {"name": model["name"], "config": config, **_fields(model)}
    return dict(draw(st.permutations(list(fields.items()))))


def _name(draw: Draw, entity: Model) -> dict[str, Any]:
    made = default_name(entity["entity_name"] or " ", entity["entity_version"] or " ")
    return {} if entity["name"] == made and draw(st.booleans()) else {"name": entity["name"]}


def _entity(draw: Draw, entity: Model, words: tuple[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if entity["urls"]:
        is_single = len(entity["urls"]) == 1 and draw(st.booleans())
        row[draw(st.sampled_from(["url", "urls"]))] = entity["urls"][0] if is_single else entity["urls"]
    for word, name in zip(words, ("entity_name", "entity_version"), strict=True):
        if entity[name] is not None:
            row[word] = Either(entity[name]) if entity[name].isdecimal() else entity[name]
    if entity["idempotent"]:
        row["idempotent"] = True
    return {**row, **entity["kept"]}


def _fields(model: Model) -> dict[str, Any]:
    fields = dict(model["kept"])
    if model["timeouts"]:
        fields["timeouts"] = model["timeouts"]
    if model["forward_credentials"]:
        fields["forward_credentials"] = True
    return fields

"""Bodies of API calls to test with, as the Databricks page prints them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def routes(**shares: Any) -> Json:
    """A `traffic_config`."""
    return {"routes": [{"served_model_name": name, "traffic_percentage": share} for name, share in shares.items()]}


def entities(**more: Any) -> list[Json]:
    """The two served entities of the page; `more` goes into both."""
    return [
        {"name": name, "entity_name": model, "entity_version": "1", "workload_size": "Small", "scale_to_zero_enabled": True, **more}
        for name, model in (("current", "model-A"), ("challenger", "model-B"))
    ]


def create(name: str = "multi-model", **more: Any) -> Json:
    """The page's create call, with its comma: 90/10, percentages as texts."""
    return {"name": name, "config": {"served_entities": entities(), "traffic_config": routes(current="90", challenger="10")}, **more}


def put() -> Json:
    """The page's PUT: 50/50."""
    return {"served_entities": entities(), "traffic_config": routes(current="50", challenger="50")}


def single(**entity: Any) -> Json:
    """A create body of one served entity."""
    return {"name": "m", "config": {"served_entities": [entity]}}

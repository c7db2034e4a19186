"""Shares with decimals: splitter splits by them exactly, and some clients of the API cannot read them."""

from __future__ import annotations

from splitter.config.endpoint import EndpointConfig
from splitter.config.problems import Place, quoted
from splitter.config.reading.scalars import PERCENT, percentage


def warning(endpoint: str, entity: str, tickets: int) -> str | None:
    """A sentence about the share of a served entity that is no whole percentage, else None."""
    if tickets % PERCENT == 0:
        return None
    share = f"{quoted(entity)} of endpoint {quoted(endpoint)} has {percentage(tickets)} percent"
    return f"{share}: some Databricks clients read whole percentages only and fail at this endpoint"


def warnings_of(endpoint: EndpointConfig) -> list[tuple[Place, str]]:
    """The warnings of one endpoint, each with the place of the number. A `rest` has decimals only because a number has."""
    found = [
        (entity.place, warning(endpoint.name, entity.name, entity.tickets)) for entity in endpoint.entities if not entity.is_rest
    ]
    return [(place, sentence) for place, sentence in found if sentence is not None]

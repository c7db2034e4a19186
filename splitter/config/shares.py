"""Percentages become tickets: exact, summing to the whole, and refused with each share named when they do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from splitter.config.forms import EndpointDraft, RouteDraft
from splitter.config.problems import Place, Report, quoted, suggestion
from splitter.config.reading.scalars import percentage
from splitter.routing.document import TICKETS


@dataclass(frozen=True, slots=True)
class Share:
    """An entity's tickets, and the place of the number or of the `rest` that decided them."""

    tickets: int
    place: Place
    is_rest: bool = False


def allot(endpoint: EndpointDraft, report: Report) -> Mapping[str, Share]:
    """The share of every entity by its name; without a route it is 0: reachable by name only. Meaningless after a report."""
    _check_names(endpoint, report)
    if endpoint.routes == () and len(endpoint.entities) == 1:
        return {entity.name: Share(TICKETS, entity.place) for entity in endpoint.entities if entity.name is not None}
    shares = {entity.name: Share(0, entity.place) for entity in endpoint.entities if entity.name is not None}
    if endpoint.routes is None:
        return shares
    routed = _routed(endpoint.routes, endpoint, report)
    rest = _rest(routed, report)
    written = {name: route.tickets.value for name, route in routed.items() if route.tickets and route.tickets.value is not None}
    left = TICKETS - sum(written.values())
    is_complete = len(routed) == len(endpoint.routes) and all(route.tickets for route in routed.values())
    if is_complete and endpoint.entities and (left < 0 if rest else left):
        _report_sum(endpoint, routed, report)
    for name, route in routed.items():
        if name in shares and route.tickets:
            value = route.tickets.value
            shares[name] = Share(left if value is None else value, route.tickets.place, value is None)
    return shares


def _check_names(endpoint: EndpointDraft, report: Report) -> None:
    first: dict[str, Place] = {}
    for entity in endpoint.entities:
        if entity.name is None:
            continue
        if entity.name in first:
            message = f"the served entity {quoted(entity.name)} stands twice; it is already {first[entity.name].within}"
            report.add(entity.place, message)
        first.setdefault(entity.name, entity.place)


def _routed(routes: tuple[RouteDraft, ...], endpoint: EndpointDraft, report: Report) -> dict[str, RouteDraft]:
    """The routes by name, unknown ones included: what they take is a part of the sum, so that one slip is one problem."""
    names = [entity.name for entity in endpoint.entities if entity.name is not None]
    all_known = len(names) == len(endpoint.entities)
    routed: dict[str, RouteDraft] = {}
    for route in routes:
        if route.entity is None:
            continue
        name, place = route.entity.value, route.entity.place
        if name not in names and all_known:
            report.add(place, f"the route names {quoted(name)}, which is no served entity here{suggestion(name, names)}")
        earlier = routed.setdefault(name, route)
        if earlier is not route and earlier.entity is not None:
            report.add(place, f"{quoted(name)} has two routes; the first is {earlier.entity.place.within}")
    return routed


def _rest(routed: Mapping[str, RouteDraft], report: Report) -> bool:
    """Whether one of them takes the rest."""
    rests = [(name, route.tickets) for name, route in routed.items() if route.tickets and route.tickets.value is None]
    for name, later in rests[1:]:
        first, read = rests[0]
        report.add(later.place, f"only one model can take the rest: {quoted(first)} {read.place.within} does, {quoted(name)} cannot")
    return bool(rests)


def _report_sum(endpoint: EndpointDraft, routed: Mapping[str, RouteDraft], report: Report) -> None:
    listed, total, place = [], 0, endpoint.place
    for name, route in routed.items():
        if route.tickets is None:
            continue
        place = route.tickets.place
        value = route.tickets.value
        total += value or 0
        listed.append(f"{name} {'rest' if value is None else percentage(value)}")
    shares = ", ".join(listed) or "no served model has traffic"
    report.add(place, f"the traffic of endpoint {quoted(endpoint.name)} sums to {percentage(total)}, not 100: {shares}")

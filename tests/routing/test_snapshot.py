from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.routing.document import DEFAULT_TIMEOUTS, TICKETS, ChangeDocument, EndpointDocument, EntityDocument
from splitter.routing.snapshot import EMPTY, Address, Snapshot, apply_change, build_endpoint, named_path, split_path
from splitter.routing.url import parse_upstream_url


def entity(name: str, tickets: int, slot: int = 1) -> EntityDocument:
    return {"name": name, "urls": [f"http://{name}:5001/x?y=1"], "tickets": tickets, "idempotent": False, "slot": slot}


def endpoint(name: str, tickets: dict[str, int], version: int = 1, *, stopped: bool = False) -> EndpointDocument:
    return {
        "name": name,
        "version": version,
        "entities": [entity(each, share) for each, share in tickets.items()],
        "timeouts": DEFAULT_TIMEOUTS,
        "forward_credentials": False,
        "stopped": stopped,
    }


def change(*documents: EndpointDocument, remove: tuple[str, ...] = (), full: bool = False) -> ChangeDocument:
    return {"full": full, "set": list(documents), "remove": list(remove), "notices": []}


# --- one endpoint -------------------------------------------------------------------------------------------------------------


def test_everything_that_an_answer_needs_is_encoded() -> None:
    built = build_endpoint(endpoint("chat", {"current": 9000, "challenger": 1000}, version=7))
    challenger = built.entities["challenger"]
    assert challenger.key == ("chat", "challenger")
    assert challenger.answer_lines == b"served-model-name: challenger\r\nx-config-version: 7\r\n"
    assert built.version_line == b"x-config-version: 7\r\n"
    assert challenger.addresses == (
        Address("challenger", 5001, None, b"/x?y=1", b" HTTP/1.1\r\nHost: challenger:5001\r\n"),
    )  # fmt: skip


def test_an_address_makes_a_whole_request_line() -> None:
    address = Address.of(parse_upstream_url("http://[::1]:9000"))
    assert b"POST " + address.target + address.fixed_lines == b"POST /invocations HTTP/1.1\r\nHost: [::1]:9000\r\n"


def test_replicas_keep_their_order() -> None:
    document = endpoint("chat", {"m": TICKETS})
    document["entities"][0]["urls"] = ["http://a", "http://b:1/z", "http://a"]
    assert [address.host for address in build_endpoint(document).entities["m"].addresses] == ["a", "b", "a"]


@pytest.mark.parametrize("tickets", [{"a": TICKETS - 1}, {"a": TICKETS, "b": 1}, {}])
def test_shares_that_are_not_the_whole_are_refused(tickets: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="tickets"):
        build_endpoint(endpoint("chat", tickets))


def test_a_stopped_endpoint_is_known_and_its_paths_lead_nowhere() -> None:
    running = apply_change(EMPTY, 1, change(endpoint("chat", {"m": TICKETS}), full=True))
    stopped = apply_change(running, 2, change(endpoint("chat", {"m": TICKETS}, 2, stopped=True)))
    assert stopped.endpoints["chat"].stopped
    assert not stopped.routes
    again = apply_change(stopped, 3, change(endpoint("chat", {"m": TICKETS}, 3)))
    assert again.routes.keys() == running.routes.keys()


def test_zero_is_never_picked_but_reachable_by_name() -> None:
    snapshot = apply_change(EMPTY, 1, change(endpoint("chat", {"off": 0, "on": TICKETS, "shadow": 0}), full=True))
    route = snapshot.routes[split_path("chat")]
    assert route.named is None
    assert {route.endpoint.split.pick(ticket).name for ticket in range(TICKETS)} == {"on"}
    for name in ("off", "on", "shadow"):
        named = snapshot.routes[named_path("chat", name)].named
        assert named is snapshot.endpoints["chat"].entities[name]


def test_a_snapshot_cannot_be_changed() -> None:
    snapshot = apply_change(EMPTY, 1, change(endpoint("chat", {"m": TICKETS})))
    for table in (snapshot.endpoints, snapshot.routes, snapshot.endpoints["chat"].entities):
        with pytest.raises(TypeError):
            table["x"] = None  # type: ignore[index]  # this is what must not be possible
    with pytest.raises(FrozenInstanceError):
        snapshot.revision = 2  # type: ignore[misc]  # the same


# --- changes ------------------------------------------------------------------------------------------------------------------


def test_what_did_not_change_is_the_same_object() -> None:
    before = apply_change(EMPTY, 1, change(endpoint("a", {"m": TICKETS}), endpoint("b", {"m": TICKETS})))
    after = apply_change(before, 2, change(endpoint("b", {"n": TICKETS}, version=2)))
    assert after.endpoints["a"] is before.endpoints["a"]
    assert after.endpoints["b"].version == 2
    assert named_path("b", "m") not in after.routes
    assert after.routes[split_path("b")].endpoint is after.endpoints["b"]


def test_all_routes_of_an_endpoint_are_of_one_version() -> None:
    before = apply_change(EMPTY, 1, change(endpoint("a", {"m": 5000, "n": 5000})))
    after = apply_change(before, 2, change(endpoint("a", {"m": 1, "n": 9999}, version=2)))
    assert {route.endpoint.version for route in after.routes.values()} == {2}


def test_notices_are_those_of_the_newest_change() -> None:
    first = apply_change(EMPTY, 1, {"full": True, "set": [], "remove": [], "notices": ["config/a.yaml is refused"]})
    assert first.notices == ("config/a.yaml is refused",)
    assert apply_change(first, 2, change()).notices == ()


def test_a_change_that_cannot_be_built_changes_nothing() -> None:
    before = apply_change(EMPTY, 1, change(endpoint("a", {"m": TICKETS})))
    seen = contents(before)
    with pytest.raises(ValueError, match="tickets"):
        apply_change(before, 2, change(endpoint("b", {"m": TICKETS}), endpoint("a", {"m": 1}), remove=("a",)))
    assert contents(before) == seen


def test_removing_what_is_not_there_is_no_error() -> None:
    assert apply_change(EMPTY, 1, change(remove=("ghost",))).endpoints == {}


def contents(snapshot: Snapshot) -> object:
    """Everything in it, to compare two by value."""
    return (dict(snapshot.endpoints), dict(snapshot.routes), snapshot.notices)


NAMES = st.sampled_from(["a", "b", "c", "a-b"])


@st.composite
def endpoint_documents(draw: st.DrawFn) -> EndpointDocument:
    names = draw(st.lists(st.sampled_from(["m", "n", "o", "invocations"]), min_size=1, max_size=4, unique=True))
    cuts = sorted(draw(st.lists(st.integers(0, TICKETS), min_size=len(names) - 1, max_size=len(names) - 1)))
    shares = [end - start for start, end in zip([0, *cuts], [*cuts, TICKETS], strict=True)]
    return endpoint(draw(NAMES), dict(zip(names, shares, strict=True)), draw(st.integers(1, 99)))


CHANGES = st.lists(
    st.builds(
        lambda full, documents, remove: change(*documents, remove=tuple(remove), full=full),
        st.booleans() | st.just(False),
        st.lists(endpoint_documents(), max_size=3, unique_by=lambda document: document["name"]),
        st.lists(NAMES, max_size=3),
    ),
    max_size=8,
)


@given(CHANGES)
def test_a_chain_of_differences_is_the_full_build(changes: list[ChangeDocument]) -> None:
    snapshot = EMPTY
    documents: dict[str, EndpointDocument] = {}
    earlier: list[tuple[Snapshot, object]] = []
    for revision, each in enumerate(changes, start=1):
        earlier.append((snapshot, contents(snapshot)))
        snapshot = apply_change(snapshot, revision, each)
        documents = {} if each["full"] else {name: kept for name, kept in documents.items() if name not in each["remove"]}
        documents |= {document["name"]: document for document in each["set"]}
    whole = apply_change(EMPTY, len(changes), change(*documents.values(), full=True))
    assert contents(snapshot) == contents(whole)
    assert snapshot.revision == len(changes)
    for old, seen in earlier:
        assert contents(old) == seen
    for name, document in documents.items():
        for each_entity in document["entities"]:
            assert (
                snapshot.routes[named_path(name, each_entity["name"])].named
                is snapshot.endpoints[name].entities[each_entity["name"]]
            )
    assert len(snapshot.routes) == sum(1 + len(document["entities"]) for document in documents.values())

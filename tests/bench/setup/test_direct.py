from __future__ import annotations

import pytest

from splitter.bench.plan import Side
from splitter.bench.setup.direct import direct_targets
from splitter.bench.setup.target import TargetRefused

ADDRESSES = {"current": "http://127.0.0.1:5001/invocations", "challenger": "http://127.0.0.1:5002/invocations", "idle": "http://127.0.0.1:5003/x"}
SHARES = {"current": 0.9, "challenger": 0.1, "idle": 0.0}


def test_auto_takes_every_model_that_gets_traffic_with_its_share() -> None:
    targets = direct_targets(["auto"], ADDRESSES, SHARES)
    assert [(target.name, target.url, target.weight) for target in targets] == [
        ("current", "http://127.0.0.1:5001/invocations", 0.9),
        ("challenger", "http://127.0.0.1:5002/invocations", 0.1),
    ]
    assert {target.side for target in targets} == {Side.DIRECT}


def test_a_url_belongs_to_the_model_at_its_address() -> None:
    targets = direct_targets(["http://127.0.0.1:5002", "http://127.0.0.1:5001"], ADDRESSES, SHARES)
    assert {target.name: target.path for target in targets} == {"challenger": "/invocations", "current": "/invocations"}


def test_a_name_wins_over_the_address_and_a_path_is_added_where_there_is_none() -> None:
    targets = direct_targets(["current=http://elsewhere:1", "challenger=http://elsewhere:2/v2/predict"], ADDRESSES, SHARES)
    assert [target.url for target in targets] == ["http://elsewhere:1/invocations", "http://elsewhere:2/v2/predict"]


def test_one_stranger_stands_for_the_whole_endpoint() -> None:
    (target,) = direct_targets(["http://nginx:80/predict"], ADDRESSES, SHARES)
    assert (target.name, target.weight) == ("nginx", 1.0)


def test_among_several_a_stranger_must_be_named() -> None:
    with pytest.raises(TargetRefused, match=r"which served model is nginx\? .* current, challenger, idle"):
        direct_targets(["http://127.0.0.1:5001", "http://nginx:80/predict"], ADDRESSES, SHARES)


@pytest.mark.parametrize("given", [["nobody=http://h:1"], ["current=http://h:1", "nobody=http://h:2"]])
def test_a_name_must_be_that_of_a_model(given: list[str]) -> None:
    with pytest.raises(TargetRefused, match="no served model there is called 'nobody'; there are current, challenger, idle"):
        direct_targets(given, ADDRESSES, SHARES)
    with pytest.raises(TargetRefused, match=r"called 'challengr'; did you mean challenger\?"):
        direct_targets(["challengr=http://h:1"], {}, SHARES)


def test_the_mix_must_be_whole() -> None:
    with pytest.raises(TargetRefused, match="no --direct for challenger"):
        direct_targets(["http://127.0.0.1:5001"], ADDRESSES, SHARES)


def test_auto_needs_a_server_that_says_its_addresses() -> None:
    with pytest.raises(TargetRefused, match="the address of its models"):
        direct_targets(["auto"], {}, {})
    with pytest.raises(TargetRefused, match="the address of challenger"):
        direct_targets(["auto"], {"current": "http://h:1/"}, SHARES)


def test_in_front_of_any_other_server_all_are_taken_alike() -> None:
    targets = direct_targets(["a=http://h:1", "b=http://h:2"], {}, {})
    assert [(target.name, target.weight) for target in targets] == [("a", 1.0), ("b", 1.0)]


def test_an_equals_sign_in_a_path_names_no_model() -> None:
    (target,) = direct_targets(["http://h:1/x?a=b"], {}, {})
    assert target.url == "http://h:1/x?a=b"

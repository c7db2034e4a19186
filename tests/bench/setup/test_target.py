from __future__ import annotations

import pytest

from splitter.bench.setup.target import TargetRefused, asked, parse_target


@pytest.mark.parametrize("tail", ["", "/", "/invocations"])
def test_an_endpoint_stands_for_its_invocations(tail: str) -> None:
    found = asked(f"http://127.0.0.1:8080/serving-endpoints/my%20model{tail}")
    assert found.target.path == "/serving-endpoints/my%20model/invocations"
    assert (found.server, found.endpoint, found.names_model) == ("http://127.0.0.1:8080", "my model", False)


def test_behind_a_prefix_the_api_is_there_too() -> None:
    found = asked("https://models.example/one/serving-endpoints/demo")
    assert found.server == "https://models.example/one"
    assert found.target.url == "https://models.example/one/serving-endpoints/demo/invocations"
    assert (found.target.port, found.target.authority) == (443, "models.example")


def test_a_url_that_names_the_model_says_so() -> None:
    found = asked("http://h:1/serving-endpoints/demo/served-models/challenger/invocations")
    assert (found.names_model, found.model) == (True, "challenger")
    assert found.endpoint == "demo"
    assert found.target.path.endswith("/served-models/challenger/invocations")


@pytest.mark.parametrize("path", ["/", "/invocations", "/model/demo/1/invocations", "/serving-endpoints/a/b", "/ping?x=1"])
def test_any_other_url_is_taken_as_it_is(path: str) -> None:
    found = asked(f"http://h:1{path}")
    assert (found.target.path, found.endpoint, found.server) == (path, "", "")


def test_a_query_stays() -> None:
    assert asked("http://h/serving-endpoints/demo?trace=1").target.path == "/serving-endpoints/demo/invocations?trace=1"


@pytest.mark.parametrize(
    "url", ["", "demo", "127.0.0.1:8080", "ftp://h/", "http://", "http://h:0/", "http://h:99999/", "http://h/a b", "http://h/\n", "http://[::1/"]
)
def test_what_is_no_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(TargetRefused, match=r"is not a URL like http://127\.0\.0\.1:8080/serving-endpoints/NAME"):
        asked(url)


def test_credentials_in_a_url_are_refused_without_showing_them() -> None:
    with pytest.raises(TargetRefused) as refused:
        asked("http://me:secret@h/")
    assert "secret" not in str(refused.value)
    assert "--token" in str(refused.value)


def test_what_is_not_ascii_is_encoded_once() -> None:
    target = parse_target("http://bücher.example/größe%20x?q=ä")
    assert target.host == "xn--bcher-kva.example"
    assert target.path == "/gr%C3%B6%C3%9Fe%20x?q=%C3%A4"


def test_a_host_of_ipv6_keeps_its_brackets_in_the_field_alone() -> None:
    target = parse_target("http://[::1]:9/x")
    assert (target.host, target.authority) == ("::1", "[::1]:9")

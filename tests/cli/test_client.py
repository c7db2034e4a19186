"""The client against sockets that do what servers on the way do, and worse."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from splitter.cli.address import Address
from splitter.cli.client import MOST_BYTES, NoAnswer, Refused, Server, endpoint_path
from tests.cli.api import Api, serving

PATH = "/-/config"


@contextmanager
def saying(raw: bytes) -> Iterator[Server]:
    """A listener that reads a head, says `raw` and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=_say, args=(listener, raw))
        thread.start()
        yield Server(Address.parse(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join()


def _say(listener: socket.socket, raw: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65_536)
        connection.sendall(raw)


@pytest.fixture
def closed() -> Iterator[str]:
    """The URL of a port where nothing listens and nothing else can."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


# --- calls ----------------------------------------------------------------------------------------------------------------------


def test_a_call(api: Api) -> None:
    api.answers["PUT", "/x"] = 200, {"a": "ü"}
    answer = Server(Address.parse(api.url)).ask("PUT", "/x", {"b": 1})
    assert (answer.status, answer.document) == (200, {"a": "ü"})
    (request,) = api.requests
    assert request.document == {"b": 1}
    assert request.fields["Content-Type"] == "application/json"
    assert "Authorization" not in request.fields


def test_a_token_is_sent_as_bearer(api: Api) -> None:
    api.has()
    Server(Address.parse(api.url), "dapi-123").get(PATH)
    assert api.requests[0].fields["Authorization"] == "Bearer dapi-123"


def test_a_prefix_stands_before_every_path() -> None:
    with serving("/behind/it") as api:
        api.has()
        Server(Address.parse(api.url + "/")).get(PATH)
        assert api.asked() == [f"GET {PATH}"]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_ipv6() -> None:
    with serving(host="::1") as api:
        api.has()
        assert "[::1]" in api.url
        Server(Address.parse(api.url)).get(PATH)
        assert api.requests[0].fields["Host"] == api.url.removeprefix("http://")


def test_proxies_of_the_environment_are_not_asked(api: Api, closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, closed)
    api.has()
    assert Server(Address.parse(api.url)).get(PATH)["endpoints"] == []


def test_names_cannot_leave_their_place_in_a_path() -> None:
    assert endpoint_path("a/../b?c d") == "/api/2.0/serving-endpoints/a%2F..%2Fb%3Fc%20d"


# --- refusals -------------------------------------------------------------------------------------------------------------------


def test_an_error_answer_is_its_message_and_its_code(api: Api) -> None:
    api.answers["GET", PATH] = 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "the sum is 99"}
    with pytest.raises(Refused, match=r"^the sum is 99 \(INVALID_PARAMETER_VALUE\)$") as caught:
        Server(Address.parse(api.url)).get(PATH)
    assert caught.value.code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("status", "body"), [(502, b"<html>"), (500, {}), (500, {"message": 7}), (200, b""), (200, [1]), (200, b"[" * 100_000), (301, b"")]
)
def test_what_splitter_would_not_say(api: Api, status: int, body: object) -> None:
    api.answers["GET", PATH] = status, body
    with pytest.raises(Refused) as caught:
        Server(Address.parse(api.url)).get(PATH)
    assert str(caught.value) == f"{api.url} answered with status {status} to GET /-/config: is that splitter?"


def test_an_unknown_endpoint_names_the_command_that_lists(api: Api) -> None:
    api.answers["GET", endpoint_path("x")] = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "there is no endpoint x"}
    with pytest.raises(Refused, match=r"x \(RESOURCE_DOES_NOT_EXIST\); `splitter endpoints list` shows"):
        Server(Address.parse(api.url)).endpoint("x")


# --- nobody there, and broken connections ---------------------------------------------------------------------------------------


def test_nothing_listens(closed: str) -> None:
    with pytest.raises(NoAnswer) as caught:
        Server(Address.parse(closed)).get(PATH)
    assert str(caught.value) == (
        f"no splitter answers at {closed} (connection refused). "
        "Is it running, and there? Name another place with --server URL or SPLITTER_SERVER"
    )
    assert not caught.value.was_sent


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
def test_a_host_that_cannot_be_a_name(host: str) -> None:
    with pytest.raises(NoAnswer, match=f"no splitter answers at http://{host}"):
        Server(Address.parse(f"http://{host}")).get(PATH)


def test_tls_where_none_is_spoken(api: Api) -> None:
    with pytest.raises(NoAnswer, match="no splitter answers at https://"):
        Server(Address.parse(api.url.replace("http", "https"))).get(PATH)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "remote end closed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", "its answer broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}", "its answer broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "its answer broke off"),
    ],
)
def test_broken_answers(raw: bytes, words: str) -> None:
    with saying(raw) as server, pytest.raises(NoAnswer, match=f"did not answer GET /-/config .*{words}") as caught:
        server.get(PATH)
    assert caught.value.was_sent


def test_a_chunked_answer() -> None:
    with saying(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n3\r\n:1}\r\n0\r\n\r\n') as server:
        assert server.get(PATH) == {"a": 1}


def test_an_answer_without_end_is_not_read_forever(api: Api) -> None:
    api.answers["GET", PATH] = 200, b" " * (MOST_BYTES + 1)
    with pytest.raises(NoAnswer, match="its answer is larger than 64 MB"):
        Server(Address.parse(api.url)).get(PATH)


def test_an_answer_that_trickles_is_not_waited_for_forever(api: Api) -> None:
    api.has()
    times = iter([0.0, 30.1])
    with pytest.raises(NoAnswer, match="its answer took longer than 30 s"):
        Server(Address.parse(api.url), clock=times.__next__).get(PATH)

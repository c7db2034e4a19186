from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.routing.url import UpstreamUrl, parse_upstream_url


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "authority"),
    [
        ("http://127.0.0.1:5001", "127.0.0.1", 5001, "/invocations", "127.0.0.1:5001"),
        ("http://127.0.0.1:5001/", "127.0.0.1", 5001, "/", "127.0.0.1:5001"),
        ("http://models", "models", 80, "/invocations", "models"),
        ("http://models:80/x", "models", 80, "/x", "models"),
        ("http://Models.Example.:8080/v2/models/a/infer?x=1&y=%20", "models.example.", 8080, "/v2/models/a/infer?x=1&y=%20",
         "models.example.:8080"),
        ("http://m?x=1", "m", 80, "/invocations?x=1", "m"),
        ("http://[::1]:9000/p", "::1", 9000, "/p", "[::1]:9000"),
        ("http://[2001:DB8:0::1]", "2001:db8::1", 80, "/invocations", "[2001:db8::1]"),
        ("HTTP://localhost:65535/a/../b", "localhost", 65535, "/a/../b", "localhost:65535"),
        ("http://model_a-v1.ns:8080/:predict@x", "model_a-v1.ns", 8080, "/:predict@x", "model_a-v1.ns:8080"),
    ],
)  # fmt: skip
def test_a_url_is_taken_apart(text: str, host: str, port: int, target: str, authority: str) -> None:
    assert parse_upstream_url(text) == UpstreamUrl(host, port, target, authority)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://m/", "https:// upstreams are not supported yet"),
        ("m:5001", "does not start with http://"),
        ("127.0.0.1:5001/invocations", "does not start with http://"),
        ("//m/x", "does not start with http://"),
        ("", "does not start with http://"),
        ("ftp://m/", "does not start with http://"),
        ("http://", "no valid host"),
        ("http:///x", "no valid host"),
        ("http://-m/", "no valid host"),
        ("http://m..n/", "no valid host"),
        ("http://m;x/", "no valid host"),
        (f"http://{'a' * 64}/", "no valid host"),
        (f"http://{'a.' * 127}/", "no valid host"),
        ("http://user:secret@m/", "user name or a password"),
        ("http://@m/", "user name or a password"),
        ("http://m/#x", "fragment"),
        ("http://m/#", "fragment"),
        ("http://m:0/", "not a number from 1 to 65535"),
        ("http://m:65536/", "not a number from 1 to 65535"),
        ("http://m:/", "not a number from 1 to 65535"),
        ("http://m:x/", "not a number from 1 to 65535"),
        ("http://m:-1/", "not a number from 1 to 65535"),
        ("http://m:8_0/", "not a number from 1 to 65535"),
        ("http://127.1/", "not an IPv4 address of four decimal numbers"),
        ("http://0x7f.1/", "not an IPv4 address"),
        ("http://2130706433/", "not an IPv4 address"),
        ("http://127.0.0.01/", "not an IPv4 address"),
        ("http://[::g]/", "IPv6|not a URL"),
        ("http://[::1/", "not a URL"),
        ("http://[fe80::1%eth0]/", "names a zone"),
        ("http://m/a b", "space"),
        ("http://m/\r\nX: y", "control character"),
        ("http://m/\x00", "control character"),
        ("http://m/\x7f", "control character"),
        ("http://m/größe", "outside ASCII"),
        ("http://m\U0001f600/", "outside ASCII"),
        ("http://m/\U0001f600", "outside ASCII"),
        ("http://m/%zz", "percent-encoded"),
        ("http://m/%2", "percent-encoded"),
        ("http://m/<x>", "percent-encoded"),
        ("http://m/a\\b", "percent-encoded"),
        ('http://m/"', "percent-encoded"),
    ],
)
def test_what_is_no_url_of_a_model_server_is_refused_with_a_reason(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_upstream_url(text)


def test_a_password_is_not_repeated_in_the_reason() -> None:
    with pytest.raises(ValueError, match="password") as refused:
        parse_upstream_url("http://user:secret@m/")
    assert "secret" not in str(refused.value)


@given(st.text(max_size=40) | st.text("htp:/[]@#?%.0123456789abx-_ \r\n", max_size=30).map("http://".__add__))
def test_any_text_is_refused_or_comes_out_as_it_goes_in_again(text: str) -> None:
    try:
        url = parse_upstream_url(text)
    except ValueError:
        return
    assert parse_upstream_url(str(url)) == url
    assert url.target.startswith("/")
    # It is written into the head of a request: nothing in it may end a line or a word.
    assert all("!" <= letter <= "~" for letter in url.target + url.authority)
    assert 1 <= url.port <= 65535

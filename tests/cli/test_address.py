from __future__ import annotations

import pytest

from splitter.cli.address import Address


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://127.0.0.1:8080", (False, "127.0.0.1", 8080, "")),
        ("http://127.0.0.1:8080/", (False, "127.0.0.1", 8080, "")),
        ("https://splitter.example", (True, "splitter.example", None, "")),
        ("http://[::1]:80/behind/a/gateway/", (False, "::1", 80, "/behind/a/gateway")),
    ],
)
def test_an_address(text: str, parts: tuple[bool, str, int | None, str]) -> None:
    assert Address.parse(text) == Address(text, *parts)


@pytest.mark.parametrize(
    "text", ["127.0.0.1:8080", "localhost", "ftp://host", "http://", "http://host:99999", "http://[::1", "http://host/?x", "http://host/#x"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a URL like http://127\.0\.0\.1:8080"):
        Address.parse(text)


@pytest.mark.parametrize("text", ["http://host/a b", "http://host/\n", "http://hôte", "http://host\x7f"])
def test_what_no_request_can_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a URL"):
        Address.parse(text)


def test_credentials_do_not_belong_in_an_address() -> None:
    with pytest.raises(ValueError, match="--token") as caught:
        Address.parse("http://me:secret@host")
    assert "secret" not in str(caught.value)

"""Where splitter listens, as it is named on a command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import click

DEFAULT_SERVER = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Address:
    """Where splitter listens. `prefix` is a path without a slash at its end; `text` is what was given."""

    text: str
    is_tls: bool
    host: str
    port: int | None
    prefix: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """An `http://` or `https://` URL with a host; a port and a path where it is behind something else.

        Raises:
            ValueError: a sentence.
        """
        wrong = ValueError(f"{text!r} is not a URL like {DEFAULT_SERVER}")
        try:
            url = urlsplit(text)
            host, port = url.hostname, url.port
        except ValueError:
            raise wrong from None
        if not host or url.scheme not in ("http", "https") or url.query or url.fragment:
            raise wrong
        if not text.isascii() or not text.isprintable() or " " in text:
            raise wrong
        if url.username is not None:
            raise ValueError("a URL with a user in it is not taken: give credentials with --token")
        return cls(text, url.scheme == "https", host, port, url.path.rstrip("/"))


class _Address(click.ParamType[Address]):
    name = "URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        try:
            return Address.parse(str(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


SERVER = click.option(
    "--server",
    type=_Address(),
    default=DEFAULT_SERVER,
    show_default=True,
    help="Where splitter listens: a URL, with a path where it is behind something else.",
)

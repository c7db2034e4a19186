"""The URL of a model server, taken apart once, when a snapshot is built."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

DEFAULT_PATH = "/invocations"
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_TARGET = re.compile(r"/[!$&-;=?-Z_a-z~%]*")


@dataclass(frozen=True, slots=True)
class UpstreamUrl:
    """`host` without brackets; `target` is path and query as they go on the wire; `authority` is the value of Host."""

    host: str
    port: int
    target: str
    authority: str

    def __str__(self) -> str:
        return f"http://{self.authority}{self.target}"


def parse_upstream_url(text: str) -> UpstreamUrl:
    """Take a URL apart. A URL without a path means `/invocations`; an explicit `/` stays.

    Raises:
        ValueError: with a sentence that says what is wrong and what to write instead.
    """
    if re.search(r"[^!-~]", text):
        raise ValueError(f"the URL {text!r} holds a space, a control character or a letter outside ASCII; percent-encode it")
    parts = _split(text)
    if parts.scheme == "https":
        raise ValueError(f"https:// upstreams are not supported yet ({text}); use http://, or put a TLS proxy beside splitter")
    if parts.scheme != "http":
        raise ValueError(f"the URL {text!r} does not start with http://; write for example http://127.0.0.1:5001/invocations")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL must not carry a user name or a password; they would be shown in logs")
    if "#" in text:
        raise ValueError(f"the URL {text!r} has a fragment (#), which is never sent to a server; remove it")
    host = _host(parts, text)
    port = _port(parts, text)
    target = parts.path or DEFAULT_PATH
    if parts.query:
        target += "?" + parts.query
    if not _TARGET.fullmatch(target) or re.search(r"%(?![0-9A-Fa-f]{2})", target):
        raise ValueError(f"the path of {text!r} holds a character that must be percent-encoded")
    bracketed = f"[{host}]" if ":" in host else host
    return UpstreamUrl(host, port, target, bracketed if port == 80 else f"{bracketed}:{port}")


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as exc:
        raise ValueError(f"{text!r} is not a URL: {exc}") from exc


def _host(parts: SplitResult, text: str) -> str:
    host = parts.hostname or ""
    if ":" in host:
        if "%" in host:
            raise ValueError(f"{host!r} names a zone (%), which has no place in the Host field; use an address without one")
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError as exc:
            raise ValueError(f"{host!r} is not an IPv6 address") from exc
    # 127.1, 0x7f.1 and 2130706433 mean 127.0.0.1 to some resolvers and a name to others: one reading only.
    if re.fullmatch(r"[0-9.]+|0[xX][0-9A-Fa-f.xX]*", host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as exc:
            raise ValueError(f"{host!r} is not an IPv4 address of four decimal numbers") from exc
    if len(host) > 253 or not _HOST_NAME.fullmatch(host):
        raise ValueError(f"the URL {text!r} has no valid host; write for example http://127.0.0.1:5001/invocations")
    return host


def _port(parts: SplitResult, text: str) -> int:
    try:
        port = parts.port
    except ValueError as exc:
        raise ValueError(f"the port of {text!r} is not a number from 1 to 65535") from exc
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"the port of {text!r} is not a number from 1 to 65535")
    return 80 if port is None else port

"""From URLs, as they are given, to targets. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from splitter.bench.errors import WrongCall
from splitter.bench.plan import Side, Target

_PORTS = {"http": 80, "https": 443}
_INVOCATIONS = "/invocations"
_ENDPOINT = re.compile(
    r"(?P<prefix>.*)/serving-endpoints/(?P<name>[^/]+)"
    r"(/served-models/(?P<model>[^/]+)/invocations|/invocations|(?P<end>/?))"
)  # fmt: skip


class TargetRefused(WrongCall):
    """A URL that no request can be sent to; the message is a sentence with what was expected."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the URL of a run speaks of: where requests go; and, by the form of its path, whose API to ask about which endpoint.

    `server` is a URL without a slash at its end and `endpoint` a name, both empty for a URL of another form. `model` is the served model
    that the path names, which gets every request, whatever its share; else empty.
    """

    target: Target
    server: str = ""
    endpoint: str = ""
    model: str = ""

    @property
    def names_model(self) -> bool:
        return bool(self.model)


def asked(url: str) -> Asked:
    """`…/serving-endpoints/NAME` stands for its invocations; any other URL is taken as it is. Raises TargetRefused."""
    target = parse_target(url)
    path, question, query = target.path.partition("?")
    found = _ENDPOINT.fullmatch(path)
    if found is None:
        return Asked(target)
    if found["end"] is not None:
        target = parse_target(f"{target.scheme}://{target.authority}{path.rstrip('/')}{_INVOCATIONS}{question}{query}")
    server = f"{target.scheme}://{target.authority}{found['prefix']}"
    return Asked(target, server, unquote(found["name"]), unquote(found["model"] or ""))


def parse_target(url: str, side: Side = Side.PROXY, name: str = "", weight: float = 1.0) -> Target:
    """Raises TargetRefused."""
    wrong = TargetRefused(f"{url!r} is not a URL like http://127.0.0.1:8080/serving-endpoints/NAME")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in _PORTS or not host or port == 0 or not url.isprintable() or " " in url:
        raise wrong
    if parts.username is not None:
        raise TargetRefused("a URL with a user in it is not taken: give credentials with --token or --header")
    # What is not ASCII is sent as its UTF-8 octets, percent-encoded (RFC 3986 §2.5); what is encoded already stays as it is.
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~") + (f"?{quote(parts.query, safe=_QUERY)}" if parts.query else "")
    return Target(side, name, parts.scheme, _host(host), port or _PORTS[parts.scheme], path, weight)


_QUERY = "/%:@!$&'()*+,;=-._~?"


def _host(name: str) -> str:
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        raise TargetRefused(f"{name!r} is not the name of a host") from None

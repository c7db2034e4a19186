"""Calls to a running splitter: one connection each, by the standard library alone. Proxies of the environment are not asked.

A call ends one of three ways: an `Answer`; `NoAnswer`, where nobody is there or the connection broke; `Refused`, where the answer is
an error.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from splitter.cli.address import Address

CONNECT_S = 5.0
ANSWER_S = 30.0
ENDPOINTS = "/api/2.0/serving-endpoints"
MOST_BYTES = 64 * 1024 * 1024  # of one answer


class NoAnswer(Exception):
    """Nobody is there, or the connection broke. After `was_sent`, what was asked for may have been done all the same."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class Refused(Exception):
    """An error answer, in words. `code` is its error_code, empty where it has none."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is the body as JSON; an empty one where it is no JSON object. `fields` are by their names in lower case; `tag` is what
    the `ETag` field says, if there is one."""

    status: int
    body: bytes
    document: dict[str, Any]
    tag: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_object(self) -> bool:
        """Whether the body is a JSON object, be it an empty one."""
        return bool(self.document) or self.body.strip() == b"{}"


class Server:
    """A splitter at an address, asked with a bearer token if there is one."""

    def __init__(self, address: Address, token: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = address
        self._token = token
        self._clock = clock

    def get(self, path: str) -> dict[str, Any]:
        """Raises NoAnswer, Refused."""
        return self.ask("GET", path).document

    def ask(self, method: str, path: str, body: object = None, *, if_match: str = "", within_s: float = ANSWER_S) -> Answer:
        """A call that is to succeed. Raises NoAnswer, Refused."""
        answer = self.call(method, path, body, if_match=if_match, within_s=within_s)
        if answer.status // 100 != 2 or not answer.is_object:
            raise self.refusal(answer, f"{method} {path}")
        return answer

    def endpoint(self, name: str, below: str = "", *, method: str = "GET", body: object = None) -> Answer:
        """A call about one endpoint, or about what is `below` it, that is to succeed. Raises NoAnswer, Refused."""
        try:
            return self.ask(method, endpoint_path(name) + below, body)
        except Refused as exc:
            if exc.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise Refused(f"{exc}; `splitter endpoints list` shows what there is", exc.code) from exc

    def call(self, method: str, path: str, body: object = None, *, if_match: str = "", within_s: float = ANSWER_S) -> Answer:
        """Whatever is answered. `body` is sent as JSON, bytes as they are, `if_match` unless it is empty. Raises NoAnswer."""
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = self._connect(within_s)
        try:
            connection.request(method, self.address.prefix + path, sent, self._fields(if_match))
            response = connection.getresponse()
            content = self._read(response, within_s)
        except (OSError, http.client.HTTPException) as exc:
            message = f"{self.address.text} did not answer {method} {path} ({_in_words(exc)})"
            raise NoAnswer(message, was_sent=True) from exc
        finally:
            connection.close()
        fields = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, content, _object(content), fields.get("etag", ""), fields)

    def refusal(self, answer: Answer, asked: str) -> Refused:
        """An answer that is none of those expected, as an error."""
        message, code = answer.document.get("message"), answer.document.get("error_code")
        if not isinstance(message, str) or not message:
            return Refused(f"{self.address.text} answered with status {answer.status} to {asked}: is that splitter?")
        return Refused(f"{message} ({code})", code) if isinstance(code, str) else Refused(message)

    def _connect(self, within_s: float) -> http.client.HTTPConnection:
        make = http.client.HTTPSConnection if self.address.is_tls else http.client.HTTPConnection
        connection = make(self.address.host, self.address.port, timeout=min(CONNECT_S, within_s))
        try:
            connection.connect()
        except (OSError, ValueError) as exc:  # ValueError: a host that cannot be a name
            connection.close()
            where = f"no splitter answers at {self.address.text} ({_in_words(exc)})"
            hint = "Is it running, and there? Name another place with --server URL or SPLITTER_SERVER"
            raise NoAnswer(f"{where}. {hint}", was_sent=False) from exc
        connection.sock.settimeout(within_s)
        return connection

    def _fields(self, if_match: str) -> dict[str, str]:
        fields = {"Accept": "application/json", "Content-Type": "application/json", "Connection": "close"}
        if if_match:
            fields["If-Match"] = if_match
        if self._token is not None:
            fields["Authorization"] = f"Bearer {self._token}"
        return fields

    def _read(self, response: http.client.HTTPResponse, within_s: float) -> bytes:
        """The body, in bounded time and size. Raises OSError, http.client.HTTPException."""
        end = self._clock() + within_s
        pieces: list[bytes] = []
        left = MOST_BYTES
        while piece := response.read1(65_536):
            pieces.append(piece)
            left -= len(piece)
            if left < 0:
                raise http.client.HTTPException(f"its answer is larger than {MOST_BYTES // 1024 // 1024} MB")
            if self._clock() > end:
                raise TimeoutError(f"its answer took longer than {within_s:g} s")
        if response.length:
            raise http.client.IncompleteRead(b"")
        return b"".join(pieces)


def endpoint_path(name: str) -> str:
    """The API's path of an endpoint."""
    return f"{ENDPOINTS}/{quote(name, safe='')}"


def _in_words(exc: Exception) -> str:
    if isinstance(exc, OSError):
        return (exc.strerror or str(exc)).lower()
    if isinstance(exc, http.client.IncompleteRead):
        return "its answer broke off"
    return str(exc) or type(exc).__name__


def _object(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}

"""A small client of splitter's API: what a run has to know of an endpoint, and the shares that `--reload` moves.

It says more than Databricks' API does (hash, history, `If-Match`), so a server that lacks these is told from splitter by its answers.
Proxies of the environment are not asked, and no redirect is followed: a token goes to nobody but the server that was named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote

import aiohttp

from splitter.bench import connecting
from splitter.bench.api.answers import InForce, Json, Standing, Version, read_in_force, read_standing, read_versions
from splitter.bench.api.errors import MalformedAnswer, NoAccess, NoAnswer, NotSplitter, Refused, Unreachable

T = TypeVar("T")

ENDPOINTS = "/api/2.0/serving-endpoints"
CONNECT_S = 5.0
ANSWER_S = 30.0
MOST_BYTES = 64 * 1024 * 1024  # of one answer
_PIECE = 65_536


class Api:
    """The API of the splitter at `server`, a URL without a slash at its end. Used as `async with`.

    Every call raises ApiError: Unreachable, NoAnswer, NotSplitter, NoAccess or Refused.
    """

    def __init__(self, server: str, token: str | None = None, *, within_s: float = ANSWER_S) -> None:
        self.server = server.rstrip("/")
        self._token = token
        self._within_s = within_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Api:
        fields = {"Accept": "application/json"}
        if self._token is not None:
            fields["Authorization"] = f"Bearer {self._token}"
        self._session = aiohttp.ClientSession(
            headers=fields,
            connector=aiohttp.TCPConnector(force_close=True),  # one that has been idle may be closed at the other end just now
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._within_s, sock_connect=CONNECT_S),
            trust_env=False,
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def standing(self, name: str) -> Standing:
        """The endpoint as it stands now."""
        return await self._ask("GET", _path(name), read_standing)

    async def versions(self, name: str, limit: int) -> tuple[Version, ...]:
        """The newest of its history, the newest first."""
        return await self._ask("GET", f"{_path(name)}/config/versions?limit={limit}", lambda document, _: read_versions(document))

    async def in_force(self) -> InForce:
        """Every endpoint, with the addresses of its models."""
        return await self._ask("GET", "/-/config", lambda document, _: read_in_force(document))

    async def put_shares(self, name: str, percent: Mapping[str, float], if_match: str, *, dry_run: bool = False) -> Standing:
        """Move the shares, and nothing else, from the version that `if_match` tags; answered when every worker holds them. `percent` by
        served model. `dry_run`: nothing is done, and every error is answered that would be."""
        routes = [{"served_model_name": model, "traffic_percentage": _number(share)} for model, share in percent.items()]
        path = f"{_path(name)}/config" + ("?dry_run=true" if dry_run else "")
        return await self._ask("PUT", path, read_standing, {"traffic_config": {"routes": routes}}, if_match)

    async def _ask(self, method: str, path: str, read: Callable[[Json, str], T], body: object = None, if_match: str = "") -> T:
        """The JSON object of an answer of 2xx and its tag, as `read` takes them."""
        asked = f"{method} {path}"
        try:
            status, content, tag = await self._call(method, path, body, if_match)
            return read(self._judge(status, content, asked), tag)
        except MalformedAnswer as exc:
            raise NotSplitter(f"{self.server} answered {asked} with something that splitter does not answer: {exc}") from exc
        except connecting.FAILURES as exc:
            raise Unreachable(connecting.in_words(self.server, exc)) from exc
        except aiohttp.ClientResponseError as exc:
            raise NotSplitter(f"{self.server} answered {asked} with something that is no HTTP answer ({_in_words(exc)})") from exc
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise NoAnswer(f"{self.server} did not answer {asked} ({_in_words(exc)})") from exc

    async def _call(self, method: str, path: str, body: object, if_match: str) -> tuple[int, bytes, str]:
        if self._session is None:
            raise RuntimeError("the client is used as `async with`")
        fields = {"If-Match": if_match} if if_match else {}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            fields["Content-Type"] = "application/json"
        async with self._session.request(method, self.server + path, data=data, headers=fields, allow_redirects=False) as answer:
            return answer.status, await _content(answer), answer.headers.get("ETag", "")

    def _judge(self, status: int, content: bytes, asked: str) -> Json:
        document = _object(content)
        if status // 100 == 2 and document is not None:
            return document
        message, code = ((document or {}).get(key) for key in ("message", "error_code"))
        words = f": {message} ({code})" if isinstance(message, str) and isinstance(code, str) else ""
        # A folder that cannot be written is a 403 too; no token helps there, and the message says what does.
        if status == 401 or (status == 403 and not (words and asked.startswith("PUT"))):
            help_ = "give a token that it accepts with --token, better with SPLITTER_TOKEN"
            raise NoAccess(f"{self.server} refused {asked} with status {status}{words}; {help_}")
        if not words:
            raise NotSplitter(f"{self.server} answered {asked} with status {status}: is that splitter?")
        raise Refused(f"{message} ({code})", status, str(code))


def _path(name: str) -> str:
    return f"{ENDPOINTS}/{quote(name, safe='')}"


def _number(percent: float) -> float:
    """Two decimals at most, and a whole number without any: files and clients show it as it comes."""
    rounded = round(percent, 2)
    return int(rounded) if rounded == int(rounded) else rounded


async def _content(answer: aiohttp.ClientResponse) -> bytes:
    pieces: list[bytes] = []
    left = MOST_BYTES
    async for piece in answer.content.iter_chunked(_PIECE):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise aiohttp.ClientPayloadError(f"it is larger than {MOST_BYTES // 1024 // 1024} MB")
    return b"".join(pieces)


def _object(content: bytes) -> Json | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _in_words(exc: BaseException) -> str:
    if isinstance(exc, TimeoutError):
        return "it took too long"
    return (connecting.reason(exc) if isinstance(exc, OSError) else str(exc)) or type(exc).__name__

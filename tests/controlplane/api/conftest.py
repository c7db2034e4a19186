from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from splitter.controlplane.api.routes import ROUTES
from splitter.controlplane.app import make_app
from splitter.controlplane.report import Report
from tests.controlplane.api.memory import MemoryControl

Client: TypeAlias = TestClient[web.Request, web.Application]
ENDPOINTS = "/api/2.0/serving-endpoints"


@dataclass
class Answer:
    status: int
    document: dict[str, Any]
    tag: str = ""

    @property
    def version(self) -> int:
        number: int = self.document["config"]["config_version"]
        return number

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and message; nothing else may stand in it."""
        assert self.document.keys() == {"error_code", "message"}
        return self.status, self.document["error_code"], self.document["message"]


Call: TypeAlias = Callable[..., Awaitable[Answer]]


def assert_described(method: str, path: str, status: int, code: str) -> None:
    """A call that there is answers no error that its description, and so the reference, does not have."""
    for described, _ in ROUTES:
        pattern = "|".join(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(each)) for each in described.paths)
        if method == described.method and re.fullmatch(pattern, path):
            assert (status, code) in {(kind.status, kind.code) for kind in described.errors}, described.title
            return


@pytest.fixture
def control() -> MemoryControl:
    return MemoryControl()


@pytest.fixture
def err() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, control: MemoryControl, err: io.StringIO) -> Client:
    return await aiohttp_client(make_app(control, Report(io.StringIO(), err)))


@pytest.fixture
def call(client: Client) -> Call:
    """`await call("PUT", "/multi-model/config", body)`: a path of the collection, or one that begins with /api; the body is JSON, or bytes
    as they are."""

    async def send(method: str, path: str = "", body: Any = None, **fields: str) -> Answer:
        data = body if isinstance(body, bytes | None) else orjson.dumps(body)
        target = path if path.startswith("/api") else ENDPOINTS + path
        content = None if data is None else io.BytesIO(data)
        answer = await client.request(method, target, data=content, headers=fields, allow_redirects=False)
        assert answer.content_type == "application/json"
        document = orjson.loads(await answer.read())
        assert isinstance(document, dict)
        if answer.status != 200:
            assert_described(method, target.partition("?")[0], answer.status, document["error_code"])
        return Answer(answer.status, document, answer.headers.get("ETag", ""))

    return send

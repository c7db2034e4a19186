"""The calls of docs/api.md, in their order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.controlplane.api.conftest import Call
from tests.controlplane.api.memory import MemoryControl

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
HOST = "http://127.0.0.1:8080"


def calls() -> list[tuple[str, str, bytes | None]]:
    """Method, path and body of each `$ curl`."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            words = iter(shlex.split(command))
            assert next(words) == "curl"
            method, body, url = "", None, ""
            for word in words:
                if word == "-X":
                    method = next(words)
                elif word == "-d":
                    body = next(words).encode()
                else:
                    url = word
            assert url.startswith(HOST)
            found.append((method or ("POST" if body else "GET"), url.removeprefix(HOST), body))
    return found


async def test_every_call_of_the_page_succeeds(call: Call, control: MemoryControl) -> None:
    answers = [await call(*each) for each in calls()]
    assert [answer.status for answer in answers] == [200] * 6
    created, moved, all_to_one, tagged, read, deleted = (answer.document for answer in answers)
    shares = [
        [route["traffic_percentage"] for route in each["config"]["traffic_config"]["routes"]] for each in (created, moved, all_to_one)
    ]
    assert shares == [[90, 10], [50, 50], [0, 100]]
    assert tagged["tags"] == read["tags"] == [{"key": "team", "value": "ads"}]
    assert deleted == {}
    assert not control.entries

"""The calls of docs/api.md, in their order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.controlplane.api.conftest import Call
from tests.controlplane.api.memory import MemoryControl

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
HOST = "http://127.0.0.1:8080"


def calls() -> list[tuple[str, str, bytes | None, dict[str, str]]]:
    """Method, path, body and fields of each `$ curl`."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            words = iter(shlex.split(command))
            assert next(words) == "curl"
            method, body, url = "", None, ""
            fields: dict[str, str] = {}
            for word in words:
                if word == "-X":
                    method = next(words)
                elif word == "-d":
                    body = next(words).encode()
                elif word == "-H":
                    field, _, value = next(words).partition(": ")
                    fields[field] = value
                else:
                    url = word
            assert url.startswith(HOST)
            found.append((method or ("POST" if body else "GET"), url.removeprefix(HOST), body, fields))
    return found


async def test_every_call_of_the_page_succeeds(call: Call, control: MemoryControl) -> None:
    answers = [await call(method, path, body, **fields) for method, path, body, fields in calls()]
    assert [answer.status for answer in answers] == [200] * 11
    created, moved, all_to_one, tagged, read, expecting, dry, versions, back, deleted, again = (answer.document for answer in answers)
    shares = [
        [route["traffic_percentage"] for route in each["config"]["traffic_config"]["routes"]]
        for each in (created, moved, all_to_one, expecting, dry, back, again)
    ]
    assert shares == [[90, 10], [50, 50], [0, 100], [75, 25], [20, 80], [90, 10], [90, 10]]
    assert dry["dry_run"]
    assert tagged["tags"] == read["tags"] == [{"key": "team", "value": "ads"}]
    assert [row["config_version"] for row in versions["versions"]] == [5, 4, 3, 2, 1]
    assert deleted == {}
    assert control.entries["multi-model"].version == 8

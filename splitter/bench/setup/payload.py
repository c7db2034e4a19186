"""The bodies to send: from one JSON or CSV file, or from JSON lines, one body a line."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

from splitter.bench.errors import WrongCall

MOST_BYTES = 1 << 30  # they are held in memory, by each generator


class PayloadRefused(WrongCall):
    """The file cannot be sent; the message says where it is wrong and what was expected."""


@dataclass(frozen=True, slots=True)
class Payload:
    """`name` is the file's name, `sha256` the hash of its content in hexadecimal digits."""

    name: str
    sha256: str
    content_type: str
    bodies: tuple[bytes, ...]


NO_PAYLOAD = Payload("", "", "", (b"",))


def read_payload(path: str) -> Payload:
    """The content of a file, or of standard input for `-`, which is taken for JSON lines. Raises PayloadRefused."""
    name = "standard input" if path == "-" else path
    try:
        content = sys.stdin.buffer.read(MOST_BYTES + 1) if path == "-" else _content(Path(path))
    except OSError as exc:
        raise PayloadRefused(f"{name}: cannot be read: {exc.strerror}") from None
    if len(content) > MOST_BYTES:
        raise PayloadRefused(f"{name}: more than 1 GB, which is held in memory here; send a part of it")
    return parse_payload(name, content)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def parse_payload(name: str, content: bytes) -> Payload:
    """What a file of this name says. Pure. Raises PayloadRefused.

    `*.csv` is one body of CSV. Anything else is JSON: one document over the whole file, else one on each line.
    """
    if not content.strip():
        raise PayloadRefused(f"{name}: empty; expected a JSON document, JSON lines or CSV")
    digest = hashlib.sha256(content).hexdigest()
    if name.lower().endswith(".csv"):
        return Payload(name, digest, "text/csv", (content,))
    return Payload(name, digest, "application/json", _documents(name, content.removeprefix(b"\xef\xbb\xbf")))


def _documents(name: str, content: bytes) -> tuple[bytes, ...]:
    is_lines = name.lower().endswith((".jsonl", ".ndjson"))
    whole = None if is_lines else _problem(content)
    if not is_lines and whole is None:
        return (content,)
    bodies: list[bytes] = []
    # By \n alone: U+2028 and its like may stand in a JSON string as they are.
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not (body := line.strip()):
            continue
        if (problem := _problem(body)) is not None:
            # A file that fails on its first line was meant as one document, so its own error is the one to show.
            if not bodies and whole is not None:
                lines = "" if name.lower().endswith(".json") or whole == problem else f", nor one on each line ({number}: {problem})"
                raise PayloadRefused(f"{name}: not a JSON document: {whole}{lines}")
            raise PayloadRefused(f"{name}:{number}: not JSON: {problem}; each line is one request body")
        bodies.append(body)
    return tuple(bodies)


def _problem(text: bytes) -> str | None:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        return str(exc)
    return None

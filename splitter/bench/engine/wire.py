"""The bytes of requests, and a reader of answers that is as fast as Python allows and as strict as a measurement has to be. Pure.

An answer that can be read in two ways would be counted as two, so the framing is that of `splitter.http`: one reading, or none.
"""

from __future__ import annotations

import re

from splitter.bench.plan import Plan, Target
from splitter.bench.sample import NO_LABEL, Label
from splitter.errors import UpstreamMalformed
from splitter.http.answer import UNTIL_CLOSE, parse_answer_head
from splitter.http.body import BodyReader, MalformedBody, body_reader
from splitter.http.fields import Memory

MAX_HEAD = 65_536
"""Bytes of a head. What is longer is not an answer that anybody would take."""
MAX_INTERIM = 16
"""1xx answers to one request."""
MAX_LABELS = 1_000
"""Different pairs of model and version. A server that says something new in every answer would fill the memory."""
OTHERS = Label("(others)", "(others)")
"""What is counted for the labels beyond MAX_LABELS."""

_MAX_FIELDS = 1_000
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_ID = re.compile(rb"\r\n[Xx]-[Rr]equest-[Ii][Dd]: [!-~]*(?=\r\n|\Z)")
"""Different in each answer of splitter. Without it the heads of a second are the same, and are read once (4 µs) and looked up (0.1 µs)."""


class Malformed(ValueError):
    """What came is not an HTTP/1.1 answer to the request; the text says why."""


class Requests:
    """The bytes of each request of a plan, without what the connection adds (nothing)."""

    def __init__(self, plan: Plan) -> None:
        self._heads = [_head(plan, target) for target in plan.targets]
        # RFC 9110 §8.6: the length of an empty body is said where the method leads one to expect a body
        empty = b"Content-Length: 0\r\n\r\n" if plan.method in _WITH_BODY else b"\r\n"
        self._ends = [b"Content-Length: %d\r\n\r\n%b" % (len(body), body) if body else empty for body in plan.bodies]

    def of(self, target: int, body: int) -> bytes:
        """The whole request, by the indices of a Due. Joining takes 0.1 µs; one piece for each pair would multiply large payloads."""
        return self._heads[target] + self._ends[body]


def _head(plan: Plan, target: Target) -> bytes:
    """Of each request to `target`, up to the length of its body. A Host that was asked for is sent instead of the target's own."""
    fields = [(name, value) for name, value in plan.fields_of(target) if name.lower() != "content-length"]
    if all(name.lower() != "host" for name, _ in fields):
        fields.insert(0, ("Host", target.authority))
    lines = (f"{plan.method} {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "")
    return "\r\n".join(lines).encode("latin-1")


class Head:
    """What the head of an answer says. `length` of the body is a number, CHUNKED or UNTIL_CLOSE; `label` is an index into
    `Heads.labels`. Shared between answers, so never changed."""

    __slots__ = ("has_retry_after", "label", "length", "reusable", "status")

    def __init__(self, status: int, length: int, reusable: bool, label: int, has_retry_after: bool) -> None:
        self.status = status
        self.length = length
        self.reusable = reusable
        self.label = label
        self.has_retry_after = has_retry_after


class Heads:
    """Reads heads and remembers them, with the labels that came so far; one for a process."""

    def __init__(self, method: str) -> None:
        self._to_head = method == "HEAD"
        self._seen: Memory[Head] = Memory()
        self._indices = {NO_LABEL: 0}
        self.labels = [NO_LABEL]

    def read(self, head: bytes) -> Head:
        """`head` is what stands before the empty line. Raises Malformed."""
        key = _ID.sub(b"", head, 1)
        return self._seen.get(key) or self._seen.keep(key, self._parse(head))

    def _parse(self, head: bytes) -> Head:
        try:
            answer = parse_answer_head(head + b"\r\n\r\n", _MAX_FIELDS, self._to_head)
        except UpstreamMalformed as exc:
            raise Malformed(str(exc)) from exc
        if answer.status == 101:
            raise Malformed("the server switched protocols without being asked to")
        values = _values(head)
        label = self._label(Label(values.get(b"served-model-name", ""), values.get(b"x-config-version", "")))
        return Head(answer.status, answer.length, answer.reusable, label, b"retry-after" in values)

    def _label(self, label: Label) -> int:
        index = self._indices.get(label)
        if index is None:
            index = self._indices[label] = min(len(self.labels), MAX_LABELS)
            if index == len(self.labels):
                self.labels.append(label if index < MAX_LABELS else OTHERS)
        return index


def _values(head: bytes) -> dict[bytes, str]:
    """The fields that a sample is about. RFC 9110 §5.2: one that came twice is its values, joined by a comma."""
    values: dict[bytes, str] = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in (b"served-model-name", b"x-config-version", b"retry-after"):
            text = value.strip(b" \t").decode("utf-8", "replace")
            values[name] = f"{values[name]}, {text}" if name in values else text
    return values


class AnswerReader:
    """Cuts one answer out of what arrives on a connection; `begin` before each request.

    `head` is None until the head is whole. `has_more` says that bytes came behind the end of the answer, which nobody asked for.
    """

    __slots__ = ("_body", "_heads", "_held", "_interim", "has_more", "head")

    def __init__(self, heads: Heads) -> None:
        self._heads = heads
        self.has_more = False
        self.begin()

    def begin(self) -> None:
        self.head: Head | None = None
        self._body: BodyReader | None = None
        self._held = b""
        self._interim = 0

    def feed(self, data: bytes) -> Head | None:
        """The head, when with `data` the answer is whole. Raises Malformed."""
        if self._body is not None:
            return self._feed_body(self._body, data)
        if self._held:
            data = self._held + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD:
            self._hold(data)
            return None
        head = self._heads.read(data[:end])
        if head.length == len(data) - end - 4 and head.status >= 200:
            self.head = head
            return head
        self._held = b""
        return self._feed_more(head, data[end + 4 :])

    def ended(self) -> Head | None:
        """The connection was closed in order. Returns the head when that was the end of the answer."""
        return self.head if self.head is not None and self.head.length == UNTIL_CLOSE else None

    def _feed_more(self, head: Head, rest: bytes) -> Head | None:
        """The head came with less or more than its body, or was an interim one."""
        if head.status >= 200:
            self.head = head
            self._body = body_reader(head.length)
            return self._feed_body(self._body, rest)
        self._interim += 1
        if self._interim > MAX_INTERIM:
            raise Malformed(f"more than {MAX_INTERIM} interim answers to one request")
        return self.feed(rest) if rest else None

    def _feed_body(self, body: BodyReader, data: bytes) -> Head | None:
        try:
            _, rest = body.feed(data)
        except MalformedBody as exc:
            raise Malformed(str(exc)) from exc
        if rest is None:
            return None
        self.has_more = bool(rest)
        return self.head

    def _hold(self, data: bytes) -> None:
        """What cannot become a head is refused now: its end may never come."""
        if len(data) > MAX_HEAD:
            raise Malformed(f"the head of the answer is larger than {MAX_HEAD} bytes")
        if not b"HTTP/1.".startswith(data[:7]):
            raise Malformed("the answer does not start with an HTTP/1.1 status line")
        if b"\n" in data.replace(b"\r\n", b""):
            raise Malformed("a line of the answer's head does not end in CRLF")
        self._held = data

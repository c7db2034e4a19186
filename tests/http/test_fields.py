from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from splitter.http.fields import HOP_BY_HOP, NOT_NOMINATED, Memory, tokens, without


def test_tokens_are_lower_case_and_without_the_empty_ones() -> None:
    assert tokens(b"Keep-Alive, ,\tX-Foo ,,close") == [b"keep-alive", b"x-foo", b"close"]
    assert tokens(b"") == []


def test_without_drops_whole_names_only() -> None:
    lines = [b"", b"X-Foo: 1", b"x-foo: 2", b"X-Foo-Bar: 3", b"y: x-foo"]
    assert without(lines, {b"x-foo"}) == [b"", b"X-Foo-Bar: 3", b"y: x-foo"]


def test_what_frames_or_routes_cannot_be_nominated() -> None:
    assert {b"host", b"content-length", b"content-type", b"authorization"} <= NOT_NOMINATED
    assert b"transfer-encoding" in HOP_BY_HOP


def test_a_memory_keeps_what_it_was_given() -> None:
    memory: Memory[int] = Memory()
    assert memory.keep(b"a", 1) == 1
    assert memory[b"a"] == 1


def test_long_keys_are_not_kept() -> None:
    memory: Memory[int] = Memory()
    assert memory.keep(b"x" * (Memory.MAX_KEY + 1), 1) == 1
    assert not memory
    memory.keep(b"x" * Memory.MAX_KEY, 1)
    assert len(memory) == 1


@given(st.integers(1, 3 * Memory.MAX_ENTRIES))
def test_a_memory_is_bounded(count: int) -> None:
    memory: Memory[int] = Memory()
    for number in range(count):
        memory.keep(b"%d" % number, number)
    assert len(memory) <= Memory.MAX_ENTRIES
    assert memory[b"%d" % (count - 1)] == count - 1

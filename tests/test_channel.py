from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.channel import MAX_PAYLOAD, Frame, FrameReader, Kind, encode

FRAMES = st.lists(
    st.builds(Frame, st.sampled_from(Kind), st.integers(0, 2**64 - 1), st.binary(max_size=300)),
    max_size=8,
)


@given(FRAMES, st.lists(st.integers(0, 3000), max_size=20))
def test_frames_survive_any_cut_of_the_stream(frames: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(encode(*frame) for frame in frames)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = FrameReader()
    read = [frame for start, end in pairwise(edges) for frame in reader.feed(stream[start:end])]
    assert read == frames


def test_the_header_on_the_wire() -> None:
    assert encode(Kind.HELD, 0x0102, b"ab") == b"\x0b" + b"\x02\x01" + b"\0" * 6 + b"\x02\0\0\0" + b"ab"


def test_a_frame_comes_out_with_its_last_byte_and_not_before() -> None:
    encoded = encode(Kind.SNAPSHOT, 5, b"payload")
    reader = FrameReader()
    assert [reader.feed(encoded[i : i + 1]) for i in range(len(encoded) - 1)] == [[]] * (len(encoded) - 1)
    assert reader.feed(encoded[-1:]) == [Frame(Kind.SNAPSHOT, 5, b"payload")]


@pytest.mark.parametrize("code", sorted(set(range(256)) - set(Kind)))
def test_an_unknown_kind_is_refused_at_its_header(code: int) -> None:
    with pytest.raises(ValueError, match=str(code)):
        FrameReader().feed(bytes([code]) + b"\0" * 8 + b"\xff\xff\xff\x0f")


def test_a_frame_that_is_too_long_is_refused_at_its_header() -> None:
    header = encode(Kind.SNAPSHOT, 1)[:9]
    assert FrameReader().feed(header + MAX_PAYLOAD.to_bytes(4, "little")) == []
    with pytest.raises(ValueError, match=f"a frame of {MAX_PAYLOAD + 1} bytes"):
        FrameReader().feed(header + (MAX_PAYLOAD + 1).to_bytes(4, "little"))


def test_a_reader_may_have_a_tighter_bound() -> None:
    assert len(FrameReader(10).feed(encode(Kind.ACKNOWLEDGE, 1, bytes(10)))) == 1
    with pytest.raises(ValueError, match="a frame of 11 bytes"):
        FrameReader(10).feed(encode(Kind.ACKNOWLEDGE, 1, bytes(11)))


def test_kinds_have_the_codes_that_both_sides_were_started_with() -> None:
    assert {kind.name: kind.value for kind in Kind} == {
        "PUBLISH_FULL": 1, "PUBLISH_CHANGE": 2, "BEAT": 3, "FATAL": 4, "RELOADED": 5,
        "START": 10, "HELD": 11, "RELOAD": 12, "WORKER_DIED": 13, "REFRESH": 14, "RETIRE": 15, "ALONE": 16,
        "SNAPSHOT": 20, "ACCEPT": 21, "DRAIN": 22, "REOPEN": 23,
        "ACKNOWLEDGE": 30, "DRAINED": 31, "QUIET": 32,
    }  # fmt: skip

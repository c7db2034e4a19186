from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from splitter.bench.engine.frames import FrameReader, Kind, batch, frame, read_batch
from splitter.bench.sample import SAMPLE, Label, Sample

FRAMES = st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=40)), max_size=6)


@given(FRAMES, st.lists(st.integers(1, 30), max_size=20))
def test_frames_come_out_as_they_went_in_whatever_the_pieces(frames: list[tuple[Kind, bytes]], sizes: list[int]) -> None:
    data = b"".join(frame(kind, payload) for kind, payload in frames)
    reader = FrameReader()
    found: list[tuple[Kind, bytes]] = []
    for size in [*sizes, len(data)]:
        found += reader.feed(data[:size])
        data = data[size:]
    assert found == frames


def test_a_batch_is_samples_and_new_labels() -> None:
    samples = [Sample(1.5, 2.5, 3.5, 0.25, 1, 200, 0, 0, 1), Sample(-1.0, 0.0, 1.0, 0.0, 70_000, 65_535, 65_535, 7, 0)]
    labels = [Label("current", "3"), Label("café", "")]
    assert read_batch(batch(b"".join(SAMPLE.pack(*sample) for sample in samples), labels)) == (samples, labels)


def test_a_batch_without_new_labels() -> None:
    assert read_batch(batch(b"", [])) == ([], [])

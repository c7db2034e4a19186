from __future__ import annotations

import pytest

from splitter.channel import Frame, Kind, encode
from splitter.supervisor.publications import REFRESH_BYTES, REFRESH_FRAMES, Publications


def full(revision: int, payload: bytes = b"{}") -> Frame:
    return Frame(Kind.PUBLISH_FULL, revision, payload)


def change(revision: int, payload: bytes = b"{}") -> Frame:
    return Frame(Kind.PUBLISH_CHANGE, revision, payload)


def test_a_publication_becomes_a_snapshot_frame_with_the_same_payload() -> None:
    assert Publications().add(full(3, b"any bytes \xff")) == encode(Kind.SNAPSHOT, 3, b"any bytes \xff")


def test_the_replay_is_the_newest_full_snapshot_and_what_came_after_it() -> None:
    publications = Publications()
    for frame in (full(1), change(2), full(5), change(6, b"six"), change(9)):
        publications.add(frame)
    assert publications.newest == 9
    assert publications.replay() == [
        (5, encode(Kind.SNAPSHOT, 5, b"{}")),
        (6, encode(Kind.SNAPSHOT, 6, b"six")),
        (9, encode(Kind.SNAPSHOT, 9, b"{}")),
    ]


@pytest.mark.parametrize(
    ("before", "frame", "reason"),
    [
        ([], change(1), "before any full snapshot"),
        ([], full(0), "revision 0 was published after 0"),
        ([full(2)], full(2), "revision 2 was published after 2"),
        ([full(2), change(3)], change(3), "revision 3 was published after 3"),
        ([full(2)], Frame(Kind.BEAT, 3, b""), "a BEAT frame"),
    ],
)
def test_what_breaks_the_order_is_refused_and_changes_nothing(before: list[Frame], frame: Frame, reason: str) -> None:
    publications = Publications()
    for earlier in before:
        publications.add(earlier)
    held, newest = publications.replay(), publications.newest
    with pytest.raises(ValueError, match=reason):
        publications.add(frame)
    assert (publications.replay(), publications.newest) == (held, newest)


def test_a_refresh_is_due_once_after_many_differences() -> None:
    publications = Publications()
    publications.add(full(1))
    due = []
    for revision in range(2, REFRESH_FRAMES + 10):
        publications.add(change(revision))
        if publications.refresh_due():
            due.append(revision)
    assert due == [REFRESH_FRAMES + 1]
    publications.add(full(1000))
    assert not publications.refresh_due()


def test_a_refresh_is_due_after_large_differences_but_not_for_a_large_full_snapshot() -> None:
    publications = Publications()
    publications.add(full(1, bytes(REFRESH_BYTES + 1)))
    assert not publications.refresh_due()
    publications.add(change(2, bytes(REFRESH_BYTES)))
    assert publications.refresh_due()

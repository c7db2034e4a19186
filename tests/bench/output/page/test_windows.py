from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from splitter.bench.output.page.windows import proxied, windows
from splitter.bench.report import Moment


def moment(
    second: int, count: int = 10, errors: int = 0, p50: float | None = 5.0, highest: float | None = 9.0, side: str = "proxy"
) -> Moment:
    return Moment(float(second), 1.0, side, count, errors, p50, highest, highest, {"a": count - 1, "": 1})


@given(st.integers(0, 500), st.integers(1, 60), st.lists(st.floats(0, 500), max_size=5))
def test_every_slice_is_in_one_window_and_no_window_reaches_over_a_cut(slices: int, most: int, cuts: list[float]) -> None:
    found = windows([moment(second) for second in range(slices)], most, sorted(cuts))
    assert sum(one.count for one in found) == 10 * slices
    assert len(found) <= most + len(cuts) + 1
    assert all(before.end_s == after.start_s for before, after in pairwise(found))
    for cut in cuts:
        assert not [one for one in found if one.start_s + 0.5 < cut < one.end_s - 0.5]


def test_no_stall_is_lost_when_slices_are_put_together() -> None:
    (found,) = windows([moment(0), moment(1, 30, 2, 7.0, 900.0), moment(2, 5, 1, None, None)], 1)
    assert (found.count, found.errors, found.p50, found.p99, found.maximum) == (45, 3, 6.0, 900.0, 900.0)
    assert (found.start_s, found.end_s, found.lasted_s) == (0.0, 3.0, 3.0)
    assert found.models == {"a": 42, "": 3}
    assert found.named == 42


def test_slices_without_requests_have_no_latency() -> None:
    (found,) = windows([moment(0, 1, 0, None, None)], 10)
    assert (found.p50, found.p99, found.maximum) == (None, None, None)


def test_direct_slices_are_left_out() -> None:
    assert [one.start_s for one in proxied([moment(0), moment(1, side="direct"), moment(2)])] == [0.0, 2.0]

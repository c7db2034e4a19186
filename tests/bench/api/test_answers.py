from __future__ import annotations

from splitter.bench.api.answers import fractions


def test_fractions_are_whole_basis_points() -> None:
    assert fractions({"a": 12.34, "b": 87.66}) == {"a": 0.1234, "b": 0.8766}

"""The Prometheus text format (version 0.0.4): families of series, put together as bytes.

Pure. A page is a list of pieces of bounded size, so that whoever builds or sends one can rest in between: with 10,000 endpoints under
traffic it has 150 MB, and to join or to encode it in one go would take a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from splitter.telemetry.metric import Metric
from splitter.telemetry.slab import SUM

PIECE_BYTES = 65_536
"""A piece of a family is closed when it has these. One of a page has less than twice as many, by lines of usual length."""


class Family:
    """One metric with all its series."""

    __slots__ = ("_head", "_open", "_pieces", "name")

    def __init__(self, metric: Metric) -> None:
        self.name = metric.name
        self._head = f"# HELP {metric.name} {metric.text}\n# TYPE {metric.name} {metric.kind}\n"
        self._open = bytearray()
        self._pieces: list[bytes] = []

    def add(self, labels: str, value: int | float) -> None:
        """One sample. `labels` is what `label_text` returned."""
        self.add_lines(f"{self.name}{{{labels}}} {value}\n" if labels else f"{self.name} {value}\n")

    def add_lines(self, lines: str) -> None:
        """Samples of this family, complete with their line ends."""
        if not self._open and not self._pieces:
            self._open += self._head.encode()
        self._open += lines.encode()
        if len(self._open) >= PIECE_BYTES:
            self._pieces.append(bytes(self._open))
            self._open.clear()

    def pieces(self) -> list[bytes]:
        """Head and samples; nothing at all for a family without a sample."""
        return [*self._pieces, bytes(self._open)] if self._open else list(self._pieces)


class Histogram(Family):
    """A family of histograms over the same bounds. The slabs count microseconds, `per_unit` of which are the
    unit of the page."""

    __slots__ = ("_per_unit", "_template")

    def __init__(self, metric: Metric, bounds: Iterable[float | str], per_unit: float) -> None:
        """`bounds` are in the unit of the page."""
        super().__init__(metric)
        name = metric.name
        self._per_unit = per_unit
        # All lines of a histogram by one operation: a tenth of a microsecond each, and a page may have two million of them.
        buckets = [f'{name}_bucket{{%s,le="{le}"}} %d\n' for le in (*bounds, "+Inf")]
        self._template = "".join([*buckets, f"{name}_sum{{%s}} %s\n{name}_count{{%s}} %d\n"])

    def add_words(self, labels: str, words: Sequence[int]) -> None:
        """One series set by the words of its buckets and of its sum; nothing when it has counted nothing. `labels` must not be empty."""
        values: list[int | float] = list(accumulate(words[:SUM]))
        count = values[-1]
        if not count:
            return
        values += (words[SUM] / self._per_unit, count)
        arguments: list[object] = [labels] * (2 * len(values))
        arguments[1::2] = values
        self.add_lines(self._template % tuple(arguments))


def label_text(**labels: str) -> str:
    r"""`a="x",b="y"`, with backslash, quote and line end escaped."""
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())


def page_of(families: Iterable[Family]) -> list[bytes]:
    """The pieces of the whole page, in the order of the families. Small ones become one; large ones are not copied again."""
    page: list[bytes] = []
    small = bytearray()
    for piece in (piece for family in families for piece in family.pieces()):
        is_large = len(piece) >= PIECE_BYTES
        if not is_large:
            small += piece
        if small and (is_large or len(small) >= PIECE_BYTES):
            page.append(bytes(small))
            small.clear()
        if is_large:
            page.append(piece)
    return [*page, bytes(small)] if small else page


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

"""A history in the words of its changes: what each version did to the one before it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from splitter.config.changes import changes
from splitter.config.endpoint import EndpointConfig
from splitter.config.recorded import recorded
from splitter.errors import SplitterError
from splitter.store.interface import Record

ELSEWHERE = "registered models run elsewhere"
"""The documents say the same and the fingerprints do not: another address stands under `models:`."""
UNREADABLE = "not readable by this version of splitter"


def words_of(records: Sequence[Record]) -> list[str]:
    """What each record changed, for records of one endpoint, the newest first and none left out between them.

    The last one has nothing to be compared with: its words are empty unless it is the one that made the endpoint.
    """
    befores: list[Record | None] = [*records[1:], None]
    return [words(before, record) for record, before in zip(records, befores, strict=False)]  # of no record there is none before


def words(before: Record | None, record: Record) -> str:
    """`challenger 10 → 50`; `new: current 90, challenger 10` of the first version of an endpoint; `removed`."""
    if record.document is None:
        return "removed"
    if before is None and record.time_ms != record.created_ms:  # what was before has been trimmed
        return ""
    try:
        was, now = _config(before), _config(record)
    except SplitterError:
        return UNREADABLE
    found = changes(was, now)
    is_same = before is not None and before.fingerprint == record.fingerprint
    return found or ("" if is_same else ELSEWHERE)


def _config(record: Record | None) -> EndpointConfig | None:
    return recorded(record.document) if record is not None and record.document is not None else None

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

from splitter.config.compiled import EndpointConfig, compile_sources
from splitter.config.source import Drafted, read_source
from splitter.store.interface import Entry, Record
from splitter.store.ledger import Standing
from splitter.store.versions import Stamp, at_start, moved, record_of, removal_of


def read(share: int, name: str = "multi-model") -> tuple[Mapping[str, EndpointConfig], Mapping[str, Drafted]]:
    text = f"endpoints: {{{name}: {{served_models: {{a: {{url: http://h:1, traffic: rest}}, b: {{url: http://h:2, traffic: {share}}}}}}}}}"
    source = read_source("config/a.yaml", text.encode())
    return compile_sources([source]).endpoints, {each.draft.name: each for each in source.endpoints}


def stamp(time_ms: int = 1000, first: int = 1) -> Stamp:
    ids = (f"{number:032}" for number in count())
    return Stamp(time_ms, "file", lambda: next(ids), first=first)


def entries(share: int, before: Mapping[str, Entry] | None = None, tops: Mapping[str, int] | None = None) -> dict[str, Entry]:
    old = before or {}
    return moved(old, *read(share), tops or {name: entry.version for name, entry in old.items()}, stamp(2000 if before else 1000))


def record(version: int, share: int) -> Record:
    return replace(record_of(entries(share)["multi-model"], stamp(), "/config/a.yaml", "hash"), version=version)


def test_a_new_endpoint_begins_with_the_first_number() -> None:
    assert entries(10)["multi-model"].version == 1
    assert moved({}, *read(10), {}, stamp(first=1_795_353_281))["multi-model"].version == 1_795_353_281


def test_what_does_the_same_stays_as_it_is_wherever_it_stands() -> None:
    before = entries(10)
    config, drafted = read(10)
    elsewhere = {"multi-model": replace(config["multi-model"], place=config["multi-model"].place._replace(line=7))}
    after = moved(before, elsewhere, drafted, {"multi-model": 1}, stamp(2000))["multi-model"]
    assert (after.version, after.updated_ms, after.config.place.line) == (1, 1000, 7)


def test_what_nobody_touched_is_the_same_object() -> None:
    config, drafted = read(10)
    before = moved({}, config, drafted, {}, stamp())
    assert moved(before, config, drafted, {"multi-model": 1}, stamp(2000))["multi-model"] is before["multi-model"]


def test_a_change_is_the_next_version_of_the_same_endpoint() -> None:
    before = entries(10)
    after = entries(50, before)["multi-model"]
    was = before["multi-model"]
    assert (after.version, after.id, after.creator, after.created_ms, after.updated_ms) == (2, was.id, was.creator, 1000, 2000)


def test_an_endpoint_that_comes_back_is_another_one_and_goes_on_counting() -> None:
    assert entries(10, tops={"multi-model": 4})["multi-model"].version == 5


def test_numbers_that_were_given_once_are_not_given_again() -> None:
    assert entries(50, entries(10), tops={"multi-model": 8})["multi-model"].version == 9


# --- the start ----------------------------------------------------------------------------------------------------------------


def start(
    standing: Standing, share: int | None, file_hash: str = "another"
) -> tuple[int | None, tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
    """The version that the file's content is known as (None: as no one), what landed and what is dropped."""
    config = read(share)[0] if share is not None else {}
    remembered = at_start({"multi-model": standing}, config, {}, lambda _: file_hash)
    entry = remembered.before.get("multi-model")
    is_known = entry is not None and share is not None and entry.config.fingerprint() == config["multi-model"].fingerprint()
    return entry.version if entry is not None and is_known else None, remembered.landed, remembered.dropped


def test_unchanged_content_is_the_version_that_it_was() -> None:
    assert start(Standing(record(3, 10), (), 3), 10) == (3, (), ())


def test_content_that_changed_while_down_is_no_known_version() -> None:
    assert start(Standing(record(3, 10), (), 3), 20) == (None, (), ())


def test_a_recorded_change_that_its_file_holds_is_that_version() -> None:
    assert start(Standing(record(3, 10), (record(4, 50),), 4), 50) == (4, (("multi-model", 4),), ())


def test_a_recorded_change_that_its_file_does_not_hold_never_was() -> None:
    assert start(Standing(record(3, 10), (record(4, 50),), 4), 10) == (3, (), (("multi-model", 4),))


def test_of_changes_written_together_the_last_one_is_the_content_and_the_others_were_too() -> None:
    pending = (record(4, 50), record(5, 60))
    assert start(Standing(record(3, 10), pending, 5), 60) == (5, (("multi-model", 4), ("multi-model", 5)), ())


def test_of_changes_written_one_after_another_only_what_the_file_holds_has_landed() -> None:
    pending = (replace(record(4, 50), file_hash="earlier"), record(5, 60), replace(record(6, 70), file_hash="later"))
    assert start(Standing(record(3, 10), pending, 6), 60) == (5, (("multi-model", 5),), (("multi-model", 4), ("multi-model", 6)))


def test_a_recorded_change_is_known_by_the_hash_of_its_file_when_a_model_has_moved_since() -> None:
    moved_on = start(Standing(record(3, 10), (record(4, 50),), 4), 60, file_hash="hash")
    assert moved_on == (None, (("multi-model", 4),), ())
    remembered = at_start({"multi-model": Standing(record(3, 10), (record(4, 50),), 4)}, read(60)[0], {}, lambda _: "hash")
    assert remembered.before["multi-model"].version == 4


def test_a_recorded_removal_whose_file_is_gone_has_landed() -> None:
    entry = entries(10)["multi-model"]
    pending = (removal_of(entry, 3, stamp(), "/config/a.yaml"),)
    assert start(Standing(record(3, 10), pending, 4), None) == (None, (("multi-model", 4),), ())
    assert start(Standing(record(3, 10), pending, 4), 10) == (3, (), (("multi-model", 4),))


def test_an_endpoint_that_was_removed_is_not_before() -> None:
    entry = entries(10)["multi-model"]
    remembered = at_start({"multi-model": Standing(removal_of(entry, 3, stamp(), ""), (), 4)}, {}, {}, lambda _: "")
    assert remembered.before == {}

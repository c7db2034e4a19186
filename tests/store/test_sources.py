from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from splitter.config.problems import Place, Problem
from splitter.config.source import Source, read_source, unreadable
from splitter.errors import ConfigError
from splitter.store.files import Look
from splitter.store.sources import Sources
from tests.store.conformance import MODELS, canary, drafted, registered
from tests.store.desk import short, yaml

CONFIG = "config"
A, B, M = "config/a.yaml", "config/b.yaml", "config/models.yaml"


def source(file: str, text: str) -> Source:
    return read_source(file, text.encode())


def look(*found: Source, gone: tuple[str, ...] = (), problems: tuple[str, ...] = (), pending: bool = False) -> Look:
    candidates: Mapping[str, Source | None] = {**{each.file: each for each in found}, **dict.fromkeys(gone)}
    return Look(candidates, tuple(Problem.at(Place(path), "there is no such folder") for path in problems), pending)


def in_force(*found: Source) -> Sources:
    sources = Sources([CONFIG])
    sources.accept(sources.gather(look(*found)))
    return sources


def taken(sources: Sources, *found: Source) -> None:
    sources.accept(sources.gather(look(*found)))


def shares(sources: Sources) -> dict[str, int]:
    return {name: config.entities[-1].tickets // 100 for name, config in sources.endpoints.items()}


# --- reading ------------------------------------------------------------------------------------------------------------------


def test_what_is_in_force_is_not_parsed_again() -> None:
    one = source(A, yaml(short(10)))
    sources = in_force(one)
    assert sources.read(A, bytes(bytearray(one.data))) is one
    assert sources.read(B, one.data) is not one
    assert sources.read(A, one.data + b"# more\n").data.endswith(b"# more\n")


def test_what_was_saved_and_still_stands_in_its_file_is_not_parsed_again(tmp_path: Path) -> None:
    file = str(tmp_path / "a.yaml")
    one = source(file, yaml(short(10)))
    sources = Sources([str(tmp_path)])
    assert sources.restore({file: one.data}, look(one)) == ""
    assert sources.in_force[file] is one
    assert not sources.is_news


# --- what is news -------------------------------------------------------------------------------------------------------------


def test_news_is_what_says_something_else_than_what_is_in_force() -> None:
    one = source(A, yaml(short(10)))
    sources = in_force(one)
    for found, is_news in [
        (look(), False),
        (look(source(A, yaml(short(10)))), False),
        (look(source(A, yaml(short(10)) + "# a comment\n")), True),
        (look(source(B, yaml(short(10, "n")))), True),
        (look(gone=(A,)), True),
        (look(gone=(B,)), False),
    ]:
        fresh = in_force(one)
        fresh.note(found)
        assert fresh.is_news is is_news
    assert not sources.is_news


def test_news_stay_until_they_are_taken_in() -> None:
    sources = in_force(source(A, yaml(short(10))))
    sources.note(look(source(A, yaml(short(20)))))
    sources.note(look())
    sources.gather(look())
    assert sources.is_news  # a failure between the two loses nothing
    sources.accept(sources.gather(look()))
    assert not sources.is_news
    assert shares(sources) == {"m": 20}


def test_of_two_looks_the_later_one_holds() -> None:
    sources = in_force(source(A, yaml(short(10))))
    sources.note(look(source(A, yaml(short(20)))))
    sources.note(look(source(A, yaml(short(30)))))
    taken(sources)
    assert shares(sources) == {"m": 30}


def test_a_refused_file_is_news_once_and_again_when_it_is_written_again() -> None:
    sources = in_force(source(A, yaml(short(10))))
    bad = source(A, yaml(short(101)))
    taken(sources, bad)
    assert (shares(sources), sources.refused(A), sources.is_news) == ({"m": 10}, bad, False)
    sources.note(look(source(A, yaml(short(10)))))
    assert sources.is_news  # the old content is back: in order again
    gathered = sources.gather(look())
    assert (gathered.mended, gathered.changed, gathered.problems) == ((A,), False, ())
    sources.accept(gathered)
    assert sources.refused(A) is None


# --- gathering ----------------------------------------------------------------------------------------------------------------


def test_without_news_nothing_is_compiled_again() -> None:
    sources = in_force(source(A, yaml(short(10))))
    config = sources.endpoints["m"]
    again = sources.gather(look(source(A, yaml(short(10)))))
    assert again.endpoints["m"] is config
    assert not again.changed
    sources.accept(again)
    assert sources.endpoints["m"] is config


def test_what_was_gathered_does_not_change_with_later_calls() -> None:
    sources = in_force(source(A, yaml(short(10))))
    gathered = sources.gather(look())
    sources.put(A, source(A, yaml(short(20), short(10, "n"))))
    assert list(gathered.endpoints) == ["m"]
    assert gathered.drafted["m"].shares["challenger"].tickets == 1000
    assert list(gathered.contents.values()) == [yaml(short(10)).encode()]


def test_what_is_refused_is_tried_again_when_another_file_changes() -> None:
    sources = in_force(source(A, yaml(short(10))))
    taken(sources, source(B, yaml(short(20, "m"))))
    assert "already defined" in sources.objection(B)
    gathered = sources.gather(look(gone=(A,)))
    assert (gathered.mended, gathered.problems) == ((B,), ())
    sources.accept(gathered)
    assert shares(sources) == {"m": 20}


def test_a_refused_file_that_goes_is_told_of() -> None:
    sources = in_force(source(A, yaml(short(10))))
    taken(sources, source(B, yaml(short(101, "n"))))
    assert sources.gather(look(gone=(B,))).gone == (B,)


# --- what is held back --------------------------------------------------------------------------------------------------------


def test_a_name_that_stands_in_a_refused_file_is_found() -> None:
    sources = in_force(source(A, yaml(short(10))))
    bad = source(B, yaml(short(101, "n"), short(10, "o")))
    taken(sources, bad)
    assert sources.refused_with("o") is bad
    assert sources.refused_with("m") is None
    assert "from 0 to 100" in sources.objection(B)
    sources.note(look(source(B, "")))  # not judged yet
    assert sources.refused_with("o") is bad
    taken(sources, unreadable(B, "cannot be read"))
    assert sources.refused_with("o") is None
    taken(sources, source(B, yaml(short(10, "o"))))
    assert sources.refused_with("o") is None
    assert sources.refused(B) is None


# --- changes of our own -------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_resolved_beside_what_is_in_force() -> None:
    sources = in_force(source(M, MODELS.decode()))
    assert sources.resolve(registered("m", ("model-A", "1"))).entities[0].urls == ("http://127.0.0.1:5001/invocations",)
    with pytest.raises(ConfigError, match="model-A version 2 is not registered"):
        sources.resolve(registered("m", ("model-A", "2")))
    taken(sources, source(M, MODELS.decode().replace("5001", "6001")))
    assert sources.resolve(registered("m", ("model-A", "1"))).entities[0].urls == ("http://127.0.0.1:6001/invocations",)


def test_what_cannot_be_resolved_has_a_reason_in_any_case() -> None:
    nowhere = drafted("endpoints: {m: {served_models: {a: {traffic: 100}}}}")
    with pytest.raises(ConfigError, match=r"draft\.yaml:1:13: error: a served entity lacks"):
        in_force(source(A, yaml(short(10)))).resolve(nowhere)


def test_a_file_that_could_not_be_read_whole_is_named_when_a_model_is_missing() -> None:
    sources = in_force(source(M, MODELS.decode()))
    taken(sources, unreadable(B, "cannot be read"))
    with pytest.raises(ConfigError, match=r"config/b\.yaml could not be read whole"):
        sources.resolve(registered("m", ("model-Z", "1")))
    taken(sources, source(B, "models: {model-Z: {1: http://127.0.0.1:6001/invocations}}\n"))
    assert sources.resolve(registered("m", ("model-Z", "1"))).entities[0].urls == ("http://127.0.0.1:6001/invocations",)


def test_what_is_put_is_in_force_and_its_neighbours_are_too() -> None:
    sources = in_force(source(A, yaml(short(10), short(10, "n"))), source(B, yaml(short(10, "o"))))
    other = sources.endpoints["o"]
    mine = sources.put(A, source(A, "# a line\n" + yaml(short(20), short(10, "n"))))
    assert {name: config.place.line for name, config in mine.items()} == {"m": 3, "n": 7}
    assert shares(sources) == {"m": 20, "n": 10, "o": 10}
    assert list(sources.endpoints) == ["m", "n", "o"]
    assert sources.endpoints["o"] is other
    assert sources.is_news  # places have moved, which others may want to know
    taken(sources)
    assert not sources.is_news


def test_what_is_put_takes_away_what_its_file_does_not_hold_any_more() -> None:
    sources = in_force(source(A, yaml(short(10), short(10, "n"))), source(B, yaml(short(10, "o"))))
    sources.put(A, source(A, yaml(short(10, "n"))))
    assert set(shares(sources)) == {"n", "o"}
    assert sources.put(A, None) == {}
    assert set(shares(sources)) == {"o"}
    assert set(sources.in_force) == {B}


def test_a_put_takes_the_place_of_what_was_found_in_its_file_before() -> None:
    """The watch has seen `30`, it was taken back, and then a call came: what was seen first must not come into force after it."""
    sources = in_force(source(A, yaml(short(10))))
    sources.note(look(source(A, yaml(short(30)))))
    sources.put(A, source(A, yaml(short(20))))
    taken(sources)
    assert shares(sources) == {"m": 20}


def test_a_put_takes_the_place_of_what_was_refused_of_its_file_before() -> None:
    """The refused edit was taken back, and nobody has seen that yet. What it clashed with goes away: it must not come into force."""
    sources = in_force(source(A, yaml(short(10))), source(B, yaml(short(10, "n"))))
    taken(sources, source(A, yaml(short(30), short(10, "n"))))
    assert sources.refused(A) is not None
    sources.put(A, source(A, yaml(short(20))))
    gathered = sources.gather(look(gone=(B,)))
    assert gathered.mended == (A,)
    sources.accept(gathered)
    assert shares(sources) == {"m": 20}


def test_own_content_that_is_found_again_is_no_news() -> None:
    sources = in_force(source(A, yaml(short(10))))
    mine = source(A, yaml(short(20)))
    sources.put(A, mine)
    taken(sources)
    sources.note(look(sources.read(A, mine.data)))
    assert not sources.is_news
    sources.put(A, None)
    taken(sources)
    sources.note(look(gone=(A,)))
    assert not sources.is_news


# --- the start ----------------------------------------------------------------------------------------------------------------


def test_what_was_saved_is_in_force_where_its_file_is_bad(tmp_path: Path) -> None:
    file = str(tmp_path / "a.yaml")
    sources = Sources([str(tmp_path)])
    found = look(source(file, "endpoints: 3\n"))
    assert sources.restore({file: yaml(short(10)).encode(), "/elsewhere/b.yaml": b"endpoints: 3\n"}, found) == ""
    gathered = sources.gather(found)
    assert (list(gathered.endpoints), gathered.keeps_old, gathered.without) == (["m"], True, ())


def test_a_file_that_is_gone_since_it_was_saved_takes_its_endpoints_with_it(tmp_path: Path) -> None:
    file = str(tmp_path / "a.yaml")
    sources = Sources([str(tmp_path)])
    found = look()
    sources.restore({file: yaml(short(10)).encode()}, found)
    assert list(sources.endpoints) == ["m"]  # what was served last
    assert list(sources.gather(found).endpoints) == []


def test_a_folder_that_cannot_be_looked_at_takes_nothing_with_it(tmp_path: Path) -> None:
    folder = str(tmp_path / "gone")
    file = f"{folder}/a.yaml"
    sources = Sources([folder])
    found = look(problems=(folder,))
    sources.restore({file: yaml(short(10)).encode()}, found)
    gathered = sources.gather(found)
    assert (list(gathered.endpoints), gathered.keeps_old) == (["m"], True)
    assert "its last good content stays in force" in gathered.notices[0]
    sources.accept(gathered)
    assert list(sources.gather(look(pending=True)).endpoints) == ["m"]
    assert list(sources.gather(look()).endpoints) == []  # it can be looked at, and there is no such file


def test_what_was_saved_and_does_not_hold_together_is_not_used(tmp_path: Path) -> None:
    saved = {str(tmp_path / name): yaml(short(10)).encode() for name in ("a.yaml", "b.yaml")}
    sources = Sources([str(tmp_path)])
    complaint = sources.restore(saved, look())
    assert "is not valid any more and is not used" in complaint
    assert sources.endpoints == {}


def test_a_draft_of_a_call_is_resolved_like_that_of_a_file() -> None:
    sources = in_force(source(A, yaml(short(10))))
    assert sources.resolve(canary(10)).fingerprint() == sources.endpoints["m"].fingerprint()

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from splitter.config.problems import Place
from splitter.config.reading.parse import MAX_BYTES
from splitter.config.source import Source, read_source
from splitter.store.files import SETTLE_S, FileWatch, Look, Merge, merge

ONE = b"endpoints: {one: {served_models: {a: {url: http://h}}}}\n"
TWO = b"endpoints: {two: {served_models: {a: {url: http://h}}}}\n"


class Clock:
    """Time as the test tells it. What was written in the test counts as new, whatever the machine's clock says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """A folder that is watched. `settled` looks twice, with the settling time in between."""

    def __init__(self, folder: Path, *paths: str) -> None:
        self.folder = folder
        self.clock = Clock()
        self.watch = FileWatch(paths or (str(folder),), self.clock, wall=lambda: 0.0)

    def write(self, name: str, data: bytes) -> str:
        (self.folder / name).write_bytes(data)
        return str(self.folder / name)

    def look(self, *, forced: bool = False) -> Look:
        return self.watch.look(forced=forced)

    def settled(self) -> Look:
        first = self.look()
        assert not first.candidates
        self.clock.now += SETTLE_S
        return self.look()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def contents(look: Look) -> dict[str, bytes | None]:
    return {os.path.basename(file): source.data if source else None for file, source in look.candidates.items()}


def test_a_file_is_read_once_it_has_been_unchanged_for_the_settling_time(scene: Scene) -> None:
    scene.write("a.yaml", ONE)
    assert scene.look() == Look({}, (), True)
    scene.clock.now += SETTLE_S - 0.01
    assert scene.look() == Look({}, (), True)
    scene.clock.now += 0.02
    look = scene.look()
    assert contents(look) == {"a.yaml": ONE}
    assert not look.pending
    assert scene.look() == Look({}, (), False)


def test_a_file_that_was_written_from_here_and_goes_before_it_was_read_is_gone(scene: Scene) -> None:
    other, mine = scene.write("a.yaml", ONE), str(scene.folder / "b.yaml")
    scene.settled()
    scene.watch.know(mine)
    scene.watch.know(other)
    assert contents(scene.settled()) == {"b.yaml": None}
    assert scene.look() == Look({}, (), False)
    scene.write("b.yaml", TWO)
    scene.watch.know(mine)
    scene.look()
    scene.watch.know(mine)
    os.unlink(mine)
    assert contents(scene.settled()) == {"b.yaml": None}


def test_a_file_that_grows_is_not_read_before_it_is_whole(scene: Scene) -> None:
    both = ONE + b"models: {}\n"
    with (scene.folder / "a.yaml").open("wb", buffering=0) as stream:
        for byte in range(len(both)):
            stream.write(both[byte : byte + 1])
            assert scene.look() == Look({}, (), True)
            scene.clock.now += SETTLE_S * 0.9
    assert contents(scene.settled()) == {"a.yaml": both}


def test_at_the_start_a_file_that_is_old_enough_is_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(ONE)
    born = (tmp_path / "a.yaml").stat().st_ctime
    young = FileWatch([str(tmp_path)], Clock(), wall=lambda: born + SETTLE_S / 2)
    assert young.look().pending
    old = FileWatch([str(tmp_path)], Clock(), wall=lambda: born + SETTLE_S * 2)
    assert contents(old.look()) == {"a.yaml": ONE}
    (tmp_path / "b.yaml").write_bytes(TWO)
    assert old.look() == Look({}, (), True), "later the wall clock is not asked"


def replaced(file: Path) -> None:
    file.with_name(".new").write_bytes(TWO)
    file.with_name(".new").rename(file)


def rewritten(file: Path) -> None:
    file.write_bytes(TWO)


def sed(file: Path) -> None:
    subprocess.run(["sed", "-i", "s/one/two/", str(file)], check=True)


def rewritten_with_old_time(file: Path) -> None:
    """The same size, inode and mtime: ctime alone tells."""
    before = file.stat()
    file.write_bytes(TWO)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("edit", [replaced, rewritten, sed, rewritten_with_old_time])
def test_every_way_to_save_is_seen(scene: Scene, edit: Callable[[Path], None]) -> None:
    file = scene.folder / "a.yaml"
    file.write_bytes(ONE)
    scene.settled()
    waited_for_tick(file)
    edit(file)
    assert contents(scene.settled()) == {"a.yaml": TWO}


def waited_for_tick(file: Path) -> None:
    """File systems count time in ticks of some milliseconds. An edit within the tick of the last one cannot be seen by stat, and
    the settling time keeps that from happening outside of tests."""
    probe = file.with_name(".tick")
    deadline = time.monotonic() + 5
    while True:
        probe.write_bytes(b"")
        if probe.stat().st_ctime_ns > file.stat().st_ctime_ns:
            return
        assert time.monotonic() < deadline


def test_the_swap_of_a_mounted_config_map_is_seen(scene: Scene) -> None:
    for version, data in (("..1", ONE), ("..2", TWO)):
        (scene.folder / version).mkdir()
        (scene.folder / version / "a.yaml").write_bytes(data)
    (scene.folder / "..data").symlink_to("..1")
    (scene.folder / "a.yaml").symlink_to("..data/a.yaml")
    assert contents(scene.settled()) == {"a.yaml": ONE}
    (scene.folder / "..next").symlink_to("..2")
    (scene.folder / "..next").rename(scene.folder / "..data")
    assert contents(scene.settled()) == {"a.yaml": TWO}


def test_a_deleted_file_is_reported_once_and_not_before_it_has_been_gone_for_a_while(scene: Scene) -> None:
    scene.write("b.yaml", TWO)
    file = scene.write("a.yaml", ONE)
    scene.settled()
    os.unlink(file)
    assert scene.look() == Look({}, (), True)
    scene.clock.now += SETTLE_S
    assert contents(scene.look()) == {"a.yaml": None}
    assert scene.look() == Look({}, (), False)


def test_a_file_that_is_moved_away_and_written_again_is_only_changed(scene: Scene) -> None:
    file = Path(scene.write("a.yaml", ONE))
    scene.settled()
    file.rename(file.with_name("a.yaml~"))
    assert scene.look().pending
    scene.clock.now += SETTLE_S / 2
    file.write_bytes(TWO)
    assert contents(scene.settled()) == {"a.yaml": TWO}


def test_a_file_that_came_and_went_unread_is_no_news(scene: Scene) -> None:
    scene.write("b.yaml", TWO)
    scene.settled()
    file = scene.write("a.yaml", ONE)
    assert scene.look().pending
    os.unlink(file)
    scene.look()
    scene.clock.now += SETTLE_S
    assert scene.look() == Look({}, (), False)


def test_forced_reads_everything_again_but_nothing_that_has_just_changed(scene: Scene) -> None:
    scene.write("a.yaml", ONE)
    scene.write("b.yaml", TWO)
    scene.settled()
    waited_for_tick(scene.folder / "b.yaml")
    scene.write("b.yaml", ONE)
    look = scene.look(forced=True)
    assert contents(look) == {"a.yaml": ONE}
    assert look.pending
    scene.clock.now += SETTLE_S
    assert contents(scene.look()) == {"b.yaml": ONE}


def test_only_visible_yaml_files_that_lie_directly_in_a_folder_are_read(scene: Scene) -> None:
    (scene.folder / "deeper").mkdir()
    for name in ("a.yaml", "b.yml", ".hidden.yaml", "c.yaml~", "d.json", "deeper/e.yaml"):
        scene.write(name, ONE)
    assert set(contents(scene.settled())) == {"a.yaml", "b.yml"}


def test_a_path_may_be_a_file_of_any_name_and_none_is_read_twice(tmp_path: Path) -> None:
    scene = Scene(tmp_path, str(tmp_path / "x.json"), str(tmp_path), str(tmp_path / "a.yaml"))
    scene.write("x.json", ONE)
    scene.write("a.yaml", TWO)
    assert contents(scene.settled()) == {"x.json": ONE, "a.yaml": TWO}


@pytest.mark.parametrize("name", ["", "a.yaml"])
def test_a_path_that_is_missing_is_a_problem_and_deletes_nothing(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    path = str(folder / name) if name else str(folder)
    scene = Scene(folder, path)
    scene.write("a.yaml", ONE)
    scene.settled()
    folder.rename(tmp_path / "away")
    assert scene.look() == Look({}, (), True), "it may come back at once"
    scene.clock.now += SETTLE_S
    look = scene.look()
    assert not look.candidates
    assert [str(problem) for problem in look.problems] == [f"{path}: error: there is no such file or folder (looked for {path})"]
    (tmp_path / "away").rename(folder)
    assert scene.look() == Look({}, (), False)


def test_at_the_start_a_missing_path_is_a_problem_at_once(tmp_path: Path) -> None:
    (problem,) = Scene(tmp_path, str(tmp_path / "nowhere")).look().problems
    assert problem.place == Place(str(tmp_path / "nowhere"))


def test_a_folder_without_yaml_is_a_problem_and_its_files_are_deleted(scene: Scene) -> None:
    file = scene.write("a.yaml", ONE)
    scene.settled()
    os.unlink(file)
    look = scene.settled()
    assert contents(look) == {"a.yaml": None}
    assert "the folder holds no file *.yaml or *.yml" in str(look.problems[0])


def test_what_is_no_readable_file_is_reported_and_does_not_block(scene: Scene) -> None:
    scene.look()
    os.mkfifo(scene.folder / "pipe.yaml")
    (scene.folder / "folder.yaml").mkdir()
    (scene.folder / "lost.yaml").symlink_to("nowhere")
    look = scene.settled()
    said = {os.path.basename(f): str(s.problems[0]).partition("error: ")[2] for f, s in look.candidates.items() if s}
    assert said["pipe.yaml"] == said["folder.yaml"]
    assert said["pipe.yaml"].startswith("this is not a regular file")
    assert said["lost.yaml"].startswith("there is no such file")
    assert not look.pending


def test_a_file_without_permission_is_reported_and_read_when_it_is_readable_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal is played, since nothing is refused to root."""
    file = scene.write("a.yaml", ONE)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        (source,) = scene.settled().candidates.values()
    assert source is not None
    assert "cannot be read: Permission denied; check its permissions" in str(source.problems[0])
    waited_for_tick(Path(file))
    os.chmod(file, 0o640)
    assert contents(scene.settled()) == {"a.yaml": ONE}


def test_a_change_while_a_file_is_read_is_noticed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(scene.write("a.yaml", ONE))
    scene.look()
    waited_for_tick(file)
    real = os.open

    def open_and_change(path: str, flags: int) -> int:
        descriptor = real(path, flags)
        file.write_bytes(TWO + b"# longer")
        return descriptor

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", open_and_change)
        scene.clock.now += SETTLE_S
        assert scene.look() == Look({}, (), True)
    assert contents(scene.settled()) == {"a.yaml": TWO + b"# longer"}


def test_more_than_the_most_bytes_are_never_read(scene: Scene) -> None:
    with open(scene.folder / "a.yaml", "wb") as stream:
        stream.truncate(1 << 30)
    (source,) = scene.settled().candidates.values()
    assert source is not None
    assert len(source.data) == MAX_BYTES + 1
    assert "more than 1048576" in str(source.problems[0])


# --- merge --------------------------------------------------------------------------------------------------------------------


def entity(model: str, endpoint: str) -> str:
    return f"endpoints: {{{endpoint}: {{served_models: {{a: {{entity_name: {model}, entity_version: 1}}}}}}}}"


def own(endpoint: str, port: int = 1) -> str:
    return f"endpoints: {{{endpoint}: {{served_models: {{a: {{url: http://h:{port}}}}}}}}}"


def models(*names: str) -> str:
    return "models: {" + ", ".join(f"{name}: {{1: http://{name.lower()}}}" for name in names) + "}"


def read(texts: Mapping[str, str | None]) -> dict[str, Source | None]:
    return {file: None if text is None else read_source(file, text.encode()) for file, text in texts.items()}


def start(**texts: str) -> Merge:
    merged = merge({}, read(texts))
    assert not merged.problems, merged.problems
    return merged


def then(before: Merge, **texts: str | None) -> Merge:
    """As the control plane does: what is refused is tried again with what is new."""
    merged = merge(before.in_force, {**before.refused, **read(texts)})
    assert not merged.compiled.problems
    assert set(merged.refused) == {file for file in merged.refused if any(file in problem.files for problem in merged.problems)}
    return merged


def served(merged: Merge) -> set[str]:
    return {f"{name}:{endpoint.entities[0].urls[0].split('/')[2]}" for name, endpoint in merged.compiled.endpoints.items()}


def test_new_edited_and_deleted_files_come_into_force() -> None:
    merged = then(start(a=own("x"), b=own("y")), a=own("x", 2), b=None, c=own("z"))
    assert served(merged) == {"x:h:2", "z:h:1"}
    assert set(merged.in_force) == {"a", "c"}
    assert not merged.refused


def test_a_bad_file_holds_back_only_its_own() -> None:
    merged = then(start(a=own("x"), b=own("y")), a="endpoints: {", b=own("y", 2))
    assert served(merged) == {"x:h:1", "y:h:2"}
    assert set(merged.refused) == {"a"}
    assert [problem.place.file for problem in merged.problems] == ["a"]
    healed = then(merged, a=own("x", 3))
    assert served(healed) == {"x:h:3", "y:h:2"}
    assert not healed.refused


def test_an_empty_file_holds_back_its_endpoints() -> None:
    merged = then(start(a=own("x")), a="")
    assert served(merged) == {"x:h:1"}
    assert "the file is empty" in merged.problems[0].message


def test_at_the_start_the_good_files_are_in_force_without_the_bad_ones() -> None:
    merged = merge({}, read({"a": own("x"), "b": "x: ["}))
    assert served(merged) == {"x:h:1"}
    assert set(merged.refused) == {"b"}


def test_of_two_new_files_that_clash_the_later_path_is_held_back() -> None:
    merged = merge({}, read({"b": own("x", 2), "a": own("x", 1)}))
    assert served(merged) == {"x:h:1"}
    assert str(merged.problems[0]).startswith('b:1:13: error: the endpoint "x" is already defined at a:1:13')


def test_what_is_in_force_wins_over_a_new_file_with_an_earlier_path() -> None:
    merged = then(start(b=own("x", 2)), a=own("x", 1))
    assert served(merged) == {"x:h:2"}
    assert str(merged.problems[0]).startswith('a:1:13: error: the endpoint "x" is already defined at b:1:13')
    assert set(merged.refused) == {"a"}


def test_an_edited_file_wins_over_a_new_one() -> None:
    merged = then(start(b=own("y")), b=own("x", 2), a=own("x", 1))
    assert served(merged) == {"x:h:2"}
    assert set(merged.refused) == {"a"}


def test_a_clash_heals_when_the_other_file_gives_the_name_up() -> None:
    merged = then(start(b=own("x", 2)), a=own("x", 1))
    assert served(then(merged, b=own("y", 2))) == {"x:h:1", "y:h:2"}
    assert served(then(merged, b=None)) == {"x:h:1"}


def test_an_endpoint_may_move_between_files_in_one_go() -> None:
    merged = then(start(a=own("x"), b=own("y")), a=own("y", 2), b=own("x", 2))
    assert served(merged) == {"x:h:2", "y:h:2"}
    assert not merged.problems


def test_models_of_a_bad_file_stay_in_force_for_all() -> None:
    merged = then(start(m=models("A"), a=entity("A", "x")), m="models: {A: {1: https://a}}", b=entity("A", "y"))
    assert served(merged) == {"x:a", "y:a"}
    assert set(merged.refused) == {"m"}


@pytest.mark.parametrize("edit", [None, models("B")])
def test_models_that_are_needed_cannot_be_taken_away(edit: str | None) -> None:
    before = start(m=models("A"), a=entity("A", "x"))
    merged = then(before, m=edit)
    assert served(merged) == {"x:a"}
    (problem,) = merged.problems
    assert problem.place.file == "a"
    assert problem.message.endswith("; therefore the change of m is held back")
    assert served(then(merged, a=own("x", 5))) == {"x:h:5"}, "nothing needs them any more"


def test_an_edit_beside_models_that_are_taken_away_comes_into_force() -> None:
    before = start(m=models("A"), a=entity("A", "x"))
    merged = then(before, m=models("B"), a=entity("A", "renamed"), c=own("z"))
    assert served(merged) == {"renamed:a", "z:h:1"}
    assert set(merged.refused) == {"m"}


def test_an_endpoint_and_its_model_may_come_in_one_go_and_in_any_order() -> None:
    merged = merge({}, read({"a": entity("A", "x")}))
    assert served(merged) == set()
    assert set(merged.refused) == {"a"}
    assert served(then(merged, m=models("A"))) == {"x:a"}


def test_a_model_that_may_stand_in_a_bad_file_is_missed_with_a_note() -> None:
    merged = merge({}, read({"a": entity("A", "x"), "m": "models: {"}))
    assert any("(m could not be read whole, so more may be registered there)" in problem.message for problem in merged.problems)
    assert set(merged.refused) == {"a", "m"}


def test_the_same_version_in_a_new_file_holds_the_new_one_back() -> None:
    merged = then(start(m=models("A"), a=entity("A", "x")), b=models("A"))
    assert set(merged.refused) == {"b"}
    assert merged.problems[0].files == {"b", "m"}


def test_a_file_that_is_not_in_force_may_be_gone() -> None:
    merged = then(merge({}, read({"a": "x: ["})), a=None)
    assert not merged.refused
    assert not merged.in_force


def test_a_thousand_clashes_are_all_held_back() -> None:
    merged = merge({}, read({f"{number:04}": own("x") for number in range(1000)}))
    assert set(merged.in_force) == {"0000"}
    assert len(merged.refused) == 999

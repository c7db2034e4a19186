from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from splitter.bench.api.errors import NoAnswer, Refused, Unreachable
from splitter.bench.plan import Side
from splitter.bench.reload.proof import ReloadRefused
from splitter.bench.report import Change
from splitter.bench.sample import Ending, Label, Sample
from tests.bench.reload.scene import CONFLICT, NAME, Scene, check, failing, refused

TWO = {"current": 90.0, "challenger": 10.0}


@pytest.fixture
def scene() -> Scene:
    return Scene(TWO)


# --- nothing is wrong -----------------------------------------------------------------------------------------------------------


async def test_a_fair_run_holds(scene: Scene) -> None:
    reload = await scene.whole()
    assert failing(reload) == []
    assert reload.holds
    assert reload.restored
    assert scene.api.present == TWO
    assert [row.shares["challenger"] for row in scene.api.rows] == [10, 50, 90, 0, 100, 10]
    assert [change.version for change in reload.changes] == ["8", "9", "10", "11", "12"]
    assert reload.changes[2].shares == {"current": 1.0, "challenger": 0.0}
    assert check(reload, "nothing lost").text == f"{scene.sent:,} requests with the warm-up, each answered by a model"
    assert check(reload, "every move confirmed").text == "5 moves, each confirmed within 20 ms by every worker"


async def test_moves_are_spread_over_the_measured_time(scene: Scene) -> None:
    reload = await scene.whole()
    assert [round(change.at_s, 2) for change in reload.changes] == [1.69, 3.35, 5.02, 6.69, 8.35]


async def test_three_models() -> None:
    scene = Scene({"a": 70.0, "b": 20.0, "c": 10.0}, seconds=40, rate=200)
    reload = await scene.whole()
    assert failing(reload) == []
    assert scene.api.present == scene.shares
    assert len(scene.api.rows) == 9


async def test_a_rare_model_of_three_gets_what_the_others_should() -> None:
    """Too few answers are expected of it for a test by chi-square."""
    scene = Scene({"a": 80.0, "b": 19.0, "c": 1.0}, rate=200)
    scene.spoil = lambda number, sample, label: (sample, label._replace(model="c") if label.version == "7" and number % 20 == 0 else label)
    reload = await scene.whole()
    assert failing(reload) == ["shares right within each version"]
    assert "(exact binomial for each, p < 0.001)" in check(reload, "shares right within each version").text


async def test_an_error_of_a_model_is_no_loss_and_is_told(scene: Scene) -> None:
    scene.spoil = lambda number, sample, label: (sample._replace(status=500 if number % 100 == 0 else 200), label)
    reload = await scene.whole()
    assert failing(reload) == []
    assert "errors of the models' own, which is no loss: " in check(reload, "nothing lost").text
    assert " x 500 from current" in check(reload, "nothing lost").text


async def test_what_never_left_the_generator_is_no_loss(scene: Scene) -> None:
    scene.spoil = lambda number, sample, label: (sample._replace(ending=Ending.UNSENT) if number == 50 else sample, label)
    reload = await scene.whole()
    assert reload.holds
    assert check(reload, "nothing lost").text.startswith(f"{scene.sent - 1:,} requests")


async def test_what_went_to_a_model_server_itself_is_not_looked_at(scene: Scene) -> None:
    [proxy] = scene.plan.targets
    scene.plan = replace(scene.plan, targets=(proxy, replace(proxy, side=Side.DIRECT)))
    direct = Sample(0, 0, 0, 0, 0, 0, 1, int(Ending.REFUSED), 0)
    scene.spoil = lambda number, sample, label: (direct if number % 7 == 0 else sample, label)
    assert (await scene.whole()).holds


async def test_until_every_worker_holds_a_version_an_older_one_may_answer(scene: Scene) -> None:
    """The API says so in its answer, and the proof asks on."""
    await scene.prepared()
    until: list[float] = []

    def before(put: int) -> None:
        if put == 2:
            scene.api.unheld = 4
            until.append(scene.now_s)

    def spoil(number: int, sample: Sample, label: Label) -> tuple[Sample, Label]:
        is_behind = bool(until) and sample.sent < until[0] + 0.1
        return sample, label._replace(version="8", model="current") if is_behind and number % 9 == 0 else label

    scene.api.before_put, scene.spoil = before, spoil
    await scene.run()
    await scene.proof.restore()
    assert failing(scene.proof.result()) == []


# --- each assertion fails when it should ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending.REFUSED, "found no connection"),
        (Ending.CONNECT_TIMEOUT, "got no connection in time"),
        (Ending.RESET, "were cut off before an answer"),
        (Ending.TRUNCATED, "were cut off in the answer"),
        (Ending.TIMEOUT, "were not answered in time"),
        (Ending.MALFORMED, "were answered with something that is not HTTP"),
    ],
)
async def test_one_lost_request(scene: Scene, ending: Ending, words: str) -> None:
    scene.spoil = lambda number, sample, label: (sample._replace(ending=ending), label) if number == 2000 else (sample, label)
    reload = await scene.whole()
    assert failing(reload) == ["nothing lost"]
    assert not reload.holds
    assert check(reload, "nothing lost").text == f"1 of {scene.sent:,} requests lost: 1 {words}"


@pytest.mark.parametrize("label", [Label("", ""), Label("", "9")])
async def test_an_error_that_no_model_gave(scene: Scene, label: Label) -> None:
    scene.spoil = lambda number, sample, its: (sample._replace(status=503), label) if number == 2000 else (sample, its)
    reload = await scene.whole()
    assert failing(reload) == ["nothing lost"]
    assert "1 were answered with 503 by no model" in check(reload, "nothing lost").text


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_model_that_was_not_reached_counts_as_lost(scene: Scene, status: int) -> None:
    scene.spoil = lambda number, sample, label: (sample._replace(status=status), label) if number == 2000 else (sample, label)
    reload = await scene.whole()
    assert failing(reload) == ["nothing lost"]
    assert f"1 were answered with {status} on the way to " in check(reload, "nothing lost").text


async def test_a_model_that_is_not_reached_any_more_got_its_share(scene: Scene) -> None:
    """It is lost, and yet splitter chose rightly."""
    scene.spoil = lambda number, sample, label: (sample._replace(status=502) if label.model == "challenger" else sample, label)
    reload = await scene.whole()
    assert failing(reload) == ["nothing lost"]
    assert "were answered with 502 on the way to challenger" in check(reload, "nothing lost").text


async def test_a_model_that_hangs_got_its_share(scene: Scene) -> None:
    """A timeout names nobody."""

    def spoil(number: int, sample: Sample, label: Label) -> tuple[Sample, Label]:
        if label.model != "challenger" or number % 2:
            return sample, label
        return sample._replace(status=0, ending=Ending.TIMEOUT), Label("", "")

    scene.spoil = spoil
    assert failing(await scene.whole()) == ["nothing lost"]


@pytest.mark.parametrize("version", ["8, 9", "", "new"])
async def test_not_one_version_in_an_answer(scene: Scene, version: str) -> None:
    scene.spoil = lambda number, sample, label: (sample, label._replace(version=version) if number == 1000 else label)
    reload = await scene.whole()
    assert failing(reload) == ["one version per answer"]
    assert f"1 with x-config-version {version!r}" in check(reload, "one version per answer").text


@pytest.mark.parametrize("model", ["current, challenger", ""])
async def test_not_one_model_in_an_answer(scene: Scene, model: str) -> None:
    scene.spoil = lambda number, sample, label: (sample, label._replace(model=model) if number == 1000 else label)
    assert "one version per answer" in failing(await scene.whole())


async def test_a_version_that_goes_backwards(scene: Scene) -> None:
    def spoil(number: int, sample: Sample, label: Label) -> tuple[Sample, Label]:
        return sample, label._replace(version="8") if label.version == "9" and number == 1600 else label

    scene.spoil = spoil
    reload = await scene.whole()
    assert failing(reload) == ["no version goes back"]
    assert check(reload, "no version goes back").text.startswith("1 answer by version 8 to requests that were sent after")


async def test_what_was_sent_before_the_confirmation_may_be_answered_by_the_version_before(scene: Scene) -> None:
    """And come after it: the moment of sending counts."""

    def spoil(number: int, sample: Sample, label: Label) -> tuple[Sample, Label]:
        if label.version == "9" and number == 1600:
            return sample._replace(sent=sample.sent - 2.0, intended=sample.intended - 2.0), label._replace(version="8")
        return sample, label

    scene.spoil = spoil
    assert failing(await scene.whole()) == []


async def test_a_share_that_is_off(scene: Scene) -> None:
    """50 % are to come, and 60 % do."""

    def spoil(number: int, sample: Sample, label: Label) -> tuple[Sample, Label]:
        return sample, label._replace(model="challenger" if number % 10 < 6 else "current") if label.version == "8" else label

    scene.spoil = spoil
    reload = await scene.whole()
    assert failing(reload) == ["shares right within each version"]
    assert check(reload, "shares right within each version").text.startswith("version 8: current 39.9 % instead of 50.0 %")


@pytest.mark.parametrize(("version", "model"), [("10", "challenger"), ("11", "current")])
async def test_0_percent_is_exact(scene: Scene, version: str, model: str) -> None:
    """One answer in hundreds would pass any test of shares."""
    spoilt: list[int] = []

    def spoil(number: int, sample: Sample, label: Label) -> tuple[Sample, Label]:
        if label.version == version and not spoilt:
            spoilt.append(number)
            return sample, label._replace(model=model)
        return sample, label

    scene.spoil = spoil
    reload = await scene.whole()
    assert failing(reload) == ["shares right within each version"]
    assert f"1 by {model}, which has 0 %" in check(reload, "shares right within each version").text


async def test_a_model_that_the_endpoint_does_not_have(scene: Scene) -> None:
    scene.spoil = lambda number, sample, label: (sample, label._replace(model="other\x1b[2J") if number == 9 else label)
    reload = await scene.whole()
    assert failing(reload) == ["shares right within each version"]
    assert "\x1b" not in check(reload, "shares right within each version").text


async def test_a_version_that_nobody_made(scene: Scene) -> None:
    scene.spoil = lambda number, sample, label: (sample, label._replace(version="99") if number == 9 else label)
    reload = await scene.whole()
    assert failing(reload) == ["versions as confirmed"]
    assert check(reload, "versions as confirmed").text == "version 99 answered, and nobody has put it in force"


async def test_a_version_that_answers_before_it_was_asked_for(scene: Scene) -> None:
    scene.spoil = lambda number, sample, label: (sample, label._replace(version="8") if number == 9 else label)
    reload = await scene.whole()
    assert failing(reload) == ["versions as confirmed"]
    assert "version 8 answered 1." in check(reload, "versions as confirmed").text


async def test_without_an_answer_nothing_is_proved() -> None:
    scene = Scene(TWO, rate=0.0001)
    reload = await scene.whole()
    assert failing(reload) == ["shares right within each version", "every move confirmed"]
    assert reload.restored


# --- others, errors, Ctrl-C -----------------------------------------------------------------------------------------------------


async def test_a_foreign_change_is_told_and_not_overwritten(scene: Scene) -> None:
    theirs = {"current": 77.0, "challenger": 23.0}
    await scene.prepared()

    def before(put: int) -> None:
        if put == 3:
            scene.api.change(theirs, "ann", "file", "current 10 → 77")

    scene.api.before_put = before
    await scene.run()
    assert not await scene.proof.restore()
    reload = scene.proof.result()
    assert scene.api.present == theirs
    assert scene.api.puts == 3
    assert not reload.restored
    assert failing(reload) == ["every move confirmed", "nobody else changed it"]
    assert check(reload, "nobody else changed it").text == "version 10 came meanwhile from ann, by file: current 10 → 77"
    assert scene.notes[-1] == (
        "NOT RESTORED: version 10 is not of this run, and is left as it is; version 10 came meanwhile from ann, by file: current 10 → 77; "
        f"what was found comes back by: splitter rollback {NAME} --to 7 --server http://127.0.0.1:8080"
    )
    assert reload.changes[-1].version == "10"
    assert reload.changes[-1].shares == {"current": 0.77, "challenger": 0.23}


async def test_a_foreign_change_after_the_last_move(scene: Scene) -> None:
    await scene.prepared()
    await scene.run()
    scene.api.change({"current": 5.0, "challenger": 95.0}, "ann")
    assert not await scene.proof.restore()
    assert scene.api.version == 13
    assert failing(scene.proof.result()) == ["nobody else changed it"]


async def test_a_foreign_change_between_the_look_and_the_way_back(scene: Scene) -> None:
    await scene.prepared()
    scene.api.before_put = lambda put: scene.api.change({"current": 5.0, "challenger": 95.0}, "ann") if put == 2 else None
    scene.begin()
    await scene.proof._mover.move({"current": 50.0, "challenger": 50.0})
    assert not await scene.proof.restore()
    assert (scene.api.version, scene.api.present["challenger"]) == (9, 95.0)


async def test_somebody_else_has_put_it_back_already(scene: Scene) -> None:
    await scene.prepared()
    scene.api.before_put = lambda put: scene.api.change(TWO, "ann", "rollback") if put == 3 else None
    await scene.run()
    assert await scene.proof.restore()
    assert scene.api.version == 10
    assert "nobody else changed it" in failing(scene.proof.result())


async def test_a_removed_endpoint_is_not_made_again(scene: Scene) -> None:
    await scene.prepared()
    scene.api.before_put = lambda put: scene.api.change({}, "ann", "api", "removed") if put == 3 else None
    await scene.run()
    assert not await scene.proof.restore()
    reload = scene.proof.result()
    assert check(reload, "nobody else changed it").text == "version 10 came meanwhile from ann, by api: removed"
    assert scene.api.version == 10


async def test_a_refused_move(scene: Scene) -> None:
    await scene.prepared()

    def before(put: int) -> None:
        if put == 3:
            raise refused("PERMISSION_DENIED", 403, "the folder cannot be written")

    scene.api.before_put = before
    await scene.run()
    assert await scene.proof.restore()
    reload = scene.proof.result()
    assert scene.api.present == TWO
    assert failing(reload) == ["every move confirmed"]
    assert check(reload, "every move confirmed").text == "2 of 5 moves, then: the folder cannot be written (PERMISSION_DENIED)"


async def test_a_move_whose_answer_is_lost_is_put_back_too(scene: Scene) -> None:
    await scene.prepared()

    def after(put: int) -> None:
        if put == 3:
            raise NoAnswer("the connection broke")

    scene.api.after_put = after
    await scene.run()
    assert await scene.proof.restore()
    reload = scene.proof.result()
    assert scene.api.present == TWO
    assert failing(reload) == ["every move confirmed"]


async def test_a_change_by_somebody_else_is_not_taken_for_the_move_whose_answer_is_lost(scene: Scene) -> None:
    await scene.prepared()

    def before(put: int) -> None:
        if put == 3:
            scene.api.change({"current": 1.0, "challenger": 99.0}, "ann")
            raise NoAnswer("the connection broke")

    scene.api.before_put = before
    await scene.run()
    assert not await scene.proof.restore()
    assert scene.api.present == {"current": 1.0, "challenger": 99.0}


async def test_ctrl_c_between_two_moves(scene: Scene) -> None:
    await scene.prepared()
    reached = asyncio.Event()
    sleep = scene.time.sleep

    async def until_interrupted(seconds: float) -> None:
        if scene.api.puts == 2:
            reached.set()
            await asyncio.Event().wait()
        await sleep(seconds)

    scene.proof._sleep = until_interrupted
    running = asyncio.create_task(scene.run())
    await reached.wait()
    running.cancel()
    await asyncio.wait({running})
    assert scene.api.present["challenger"] == 90
    assert await scene.proof.restore()
    reload = scene.proof.result()
    assert scene.api.present == TWO
    assert failing(reload) == []
    assert (reload.moves, reload.planned) == (2, len(scene.proof.moves))
    text = check(reload, "every move confirmed").text
    assert text.startswith(f"2 of {reload.planned} moves, the rest was not tried, since the run was ended early; each confirmed within ")
    assert reload.changes[-1] == Change(reload.changes[-1].at_s, "10", {"current": 0.9, "challenger": 0.1}), "the way back is no move"


async def test_no_move_after_the_end_of_a_load_that_is_ended_early(scene: Scene) -> None:
    """What is in flight may last much longer."""
    await scene.prepared()
    scene.api.before_put = lambda put: scene.proof.stop() if put == 2 else None
    await scene.run()
    assert scene.api.puts == 2
    assert await scene.proof.restore()
    assert failing(scene.proof.result()) == []


async def test_ctrl_c_while_a_move_is_on_its_way(scene: Scene) -> None:
    """Its answer is waited for, so that it is known from which version the way back leads."""
    await scene.prepared()
    put_shares, reached, goes_on = scene.api.put_shares, asyncio.Event(), asyncio.Event()

    async def slow(name: str, percent: dict[str, float], if_match: str, *, dry_run: bool = False) -> object:
        answer = await put_shares(name, percent, if_match, dry_run=dry_run)
        if scene.api.puts == 2:
            reached.set()
            await goes_on.wait()
        return answer

    scene.api.put_shares = slow  # type: ignore[assignment,method-assign]
    running = asyncio.create_task(scene.run())
    await reached.wait()
    running.cancel()
    await asyncio.wait({running})
    restoring = asyncio.create_task(scene.proof.restore())
    await asyncio.sleep(0)
    assert scene.api.puts == 2
    goes_on.set()
    assert await restoring
    assert (scene.api.version, scene.api.present) == (10, TWO)
    assert failing(scene.proof.result()) == []


async def test_the_api_is_away_for_a_moment_at_the_end(scene: Scene) -> None:
    await scene.prepared()
    scene.begin()
    await scene.proof._mover.move({"current": 50.0, "challenger": 50.0})
    scene.api.away += [Unreachable("gone"), refused("TEMPORARILY_UNAVAILABLE", 503)]
    assert await scene.proof.restore()
    assert scene.api.present == TWO


async def test_the_api_stays_away(scene: Scene) -> None:
    await scene.prepared()
    scene.begin()
    await scene.proof._mover.move({"current": 50.0, "challenger": 50.0})
    scene.api.away += [Unreachable("nobody is there")] * 20
    assert not await scene.proof.restore()
    assert scene.notes[-1] == (
        f"NOT RESTORED: nobody is there; what was found comes back by: splitter rollback {NAME} --to 7 --server http://127.0.0.1:8080"
    )
    assert not scene.proof.result().holds


async def test_a_history_that_cannot_be_read_proves_nothing(scene: Scene) -> None:
    async def versions(name: str, limit: int) -> object:
        raise Unreachable("gone")

    await scene.prepared()
    await scene.run()
    scene.api.versions = versions  # type: ignore[assignment,method-assign]
    await scene.proof.restore()
    reload = scene.proof.result()
    found = check(reload, "nobody else changed it")
    assert (found.holds, found.text) == (False, "not known, since the history could not be read")


async def test_nothing_was_moved(scene: Scene) -> None:
    """The load failed before the first move."""
    await scene.prepared()
    assert await scene.proof.restore()
    assert await scene.proof.restore()
    assert scene.api.puts == 0
    assert scene.notes == [f"{NAME} is as it was found: version 7"]


async def test_an_answer_that_does_not_say_what_was_asked_for(scene: Scene) -> None:
    await scene.prepared()
    put_shares = scene.api.put_shares

    async def deaf(name: str, percent: dict[str, float], if_match: str, *, dry_run: bool = False) -> object:
        answer = await put_shares(name, percent, if_match, dry_run=dry_run)
        return replace(answer, shares=TWO) if scene.api.puts == 1 else answer

    scene.api.put_shares = deaf  # type: ignore[assignment,method-assign]
    await scene.run()
    assert await scene.proof.restore()
    assert failing(scene.proof.result()) == ["every move confirmed"]


# --- before any load ------------------------------------------------------------------------------------------------------------


async def test_the_question(scene: Scene) -> None:
    proof = await scene.prepared()
    assert proof.question == (
        "--reload moves real shares: those of multi-model at http://127.0.0.1:8080, under load.\n"
        "  now       current 90 %, challenger 10 % (version 7)\n"
        "  moves     current 50 %, challenger 50 %\n"
        "            current 10 %, challenger 90 %\n"
        "            current 100 %, challenger 0 %\n"
        "            current 0 %, challenger 100 %\n"
        "            current 90 %, challenger 10 %\n"
        "  restored  at the end, also on an error or Ctrl-C. By hand:\n"
        "            splitter rollback multi-model --to 7 --server http://127.0.0.1:8080"
    )
    assert scene.api.puts == 0


async def test_the_question_names_a_model_that_has_no_traffic_now() -> None:
    proof = await Scene({"current": 100.0, "new": 0.0}, seconds=100).prepared()
    assert "  beware    new has no traffic now, and gets up to all of it\n" in proof.question
    assert "            ... and 14 more\n            current 100 %, new 0 %\n" in proof.question


async def test_the_restoring_command_is_told_once_and_before_the_first_move(scene: Scene) -> None:
    await scene.prepared()
    assert f"splitter rollback {NAME} --to 7 --server http://127.0.0.1:8080" in scene.proof.question
    await scene.run()
    assert scene.notes[:2] == ["version 8: challenger 10 → 50, current 90 → 50", "version 9: challenger 50 → 90, current 50 → 10"]


async def refusal(scene: Scene) -> str:
    with pytest.raises(ReloadRefused) as caught:
        await scene.prepared()
    assert scene.api.puts == 0
    return str(caught.value)


async def test_one_model() -> None:
    assert await refusal(Scene({"only": 100.0})) == (
        "--reload cannot move the shares of multi-model: it has one served model, which gets everything"
    )


async def test_a_stopped_endpoint(scene: Scene) -> None:
    scene.api.is_stopped = True
    assert "it is stopped" in await refusal(scene)


async def test_a_change_on_its_way(scene: Scene) -> None:
    scene.api.unheld = 2
    assert "a change is on its way" in await refusal(scene)


async def test_an_api_without_tags(scene: Scene) -> None:
    scene.api.has_tag = False
    assert "ETag" in await refusal(scene)


@pytest.mark.parametrize(("code", "status"), [("PERMISSION_DENIED", 403), (CONFLICT, 409)])
async def test_a_file_that_cannot_be_changed(scene: Scene, code: str, status: int) -> None:
    scene.api.refuses = Refused(f"config/a.yaml cannot be changed from here ({code})", status, code)
    assert await refusal(scene) == (
        f"--reload cannot move the shares of multi-model: config/a.yaml cannot be changed from here ({code})"
    )


@pytest.mark.parametrize("path", ["/invocations", f"/serving-endpoints/{NAME}/served-models/current/invocations"])
async def test_a_url_whose_answers_are_not_shared_out(path: str) -> None:
    assert "proves nothing" in await refusal(Scene(TWO, url_path=path))


async def test_no_result_without_restoring(scene: Scene) -> None:
    await scene.prepared()
    with pytest.raises(RuntimeError):
        scene.proof.result()

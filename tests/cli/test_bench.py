from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from click.testing import Result

from splitter.bench import run as bench_run
from splitter.bench.output.live import Live
from splitter.bench.output.report_json import dump, load
from splitter.bench.plan import Arrival, Stage
from splitter.bench.report import Change, Check, Reload, Report, Verdict
from splitter.bench.run import RunRefused
from splitter.bench.setup.prepare import Wish
from splitter.cli.bench import exit_code
from tests.bench import simulated
from tests.cli.calling import call

URL = "http://127.0.0.1:8080/serving-endpoints/demo"
MOVE = "This moves real shares of demo."
RELOAD = Reload(1, 1, (Change(1.0, "8", {}),), (Check("nothing lost", True, ""),), True, "splitter traffic set demo current=90")


@cache
def report() -> Report:
    return simulated.report(simulated.plan(100, 4))


class Load:
    """Stands for the run itself: what it was asked for, and what it answers. With `asks` it wants to move shares first."""

    def __init__(self) -> None:
        self.wishes: list[Wish] = []
        self.answer = report()
        self.asks = False
        self.refuses = ""

    async def __call__(self, wish: Wish, live: Live, confirm: Callable[[str], bool]) -> Report:
        self.wishes.append(wish)
        live.note("a note")
        if self.refuses:
            raise RunRefused(self.refuses)
        if self.asks and not confirm(MOVE):
            raise RunRefused("nothing was sent, and nothing was changed")
        return self.answer


@pytest.fixture
def load_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    load = Load()
    monkeypatch.setattr(bench_run, "run", load)
    return load


def wish(load: Load, *flags: str) -> Wish:
    result = call("bench", URL, *flags)
    assert result.exit_code == 0, result.stderr
    return load.wishes[-1]


def refused(*flags: str) -> str:
    """The message of a wrong call, on one line."""
    result = call("bench", URL, *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    return " ".join(result.stderr.split("Error: ")[1].split())


# --- what is asked for ----------------------------------------------------------------------------------------------------------


def test_without_flags_it_is_a_constant_open_loop(load_of: Load) -> None:
    found = wish(load_of)
    assert (found.url, found.arrival, found.stages) == (URL, Arrival.CONSTANT, (Stage(30.0, 100.0, 100.0),))
    assert (found.connections, found.processes, found.timeout_s, found.warmup_s, found.method) == (64, 1, 30.0, 2.0, "POST")
    assert (found.payload, found.token, found.fields, found.direct, found.thresholds) == (None, None, (), (), ())
    assert (found.probe, found.reload) == (True, False)


def test_bench_run_is_the_same(load_of: Load) -> None:
    assert call("bench", "run", URL, "--seed", "3").exit_code == 0
    assert call("bench", "--seed", "3", URL).exit_code == 0
    assert load_of.wishes[0] == load_of.wishes[1]


def test_seeds_are_new_each_time_unless_one_is_given(load_of: Load) -> None:
    assert wish(load_of).seed != wish(load_of).seed
    assert wish(load_of, "--seed", "7").seed == 7


@pytest.mark.parametrize("arrival", Arrival)
def test_each_arrival_can_be_asked_for(load_of: Load, arrival: Arrival) -> None:
    flags = ("--closed",) if arrival is Arrival.CLOSED else ("--arrival", arrival.value)
    assert wish(load_of, *flags).arrival is arrival


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("500ms", 0.5), ("2m", 120), ("1m30s", 90), ("45", 45), ("1.5s", 1.5)])
def test_durations(load_of: Load, text: str, seconds: float) -> None:
    found = wish(load_of, "--duration", text, "--timeout", text, "--warmup", text)
    assert (found.stages[0].seconds, found.timeout_s, found.warmup_s) == (seconds, seconds, seconds)


def test_no_warm_up(load_of: Load) -> None:
    assert wish(load_of, "--warmup", "0").warmup_s == 0


def test_stages_begin_where_the_one_before_ended(load_of: Load) -> None:
    stages = ("--stages", "30s:100,2m:1000,10s:0")
    assert wish(load_of, *stages).stages == (Stage(30, 0, 100), Stage(120, 100, 1000), Stage(10, 1000, 0))
    assert wish(load_of, "--rate", "50", *stages).stages[0] == Stage(30, 50, 100)


def test_methods_are_written_as_one_likes(load_of: Load) -> None:
    assert wish(load_of, "--method", "get").method == "GET"


def test_fields_and_the_token(load_of: Load) -> None:
    found = wish(load_of, "-H", "X-Team: blue", "--header", "X-Empty:", "-H", "X-Time: 12:30", "--token", "t0k")
    assert found.fields == (("X-Team", "blue"), ("X-Empty", ""), ("X-Time", "12:30"))
    assert found.token == "t0k"


def test_several_thresholds_after_one_name(load_of: Load) -> None:
    found = wish(load_of, "--threshold", "p99<20ms", "errors<0.1%", "share:challenger=10±1", "--rate", "5")
    assert [threshold.text for threshold in found.thresholds] == ["p99<20ms", "errors<0.1%", "share:challenger=10±1"]
    assert found.stages[0].begin == 5


def test_several_models_after_one_direct(load_of: Load) -> None:
    assert wish(load_of, "--direct", "a=http://x:1", "b=http://x:2").direct == ("a=http://x:1", "b=http://x:2")


def test_a_payload_is_read_before_anything_is_sent(load_of: Load, folder: Path) -> None:
    (folder / "requests.jsonl").write_text('{"inputs": [1]}\n{"inputs": [1}\n')
    result = call("bench", URL, "--payload", "requests.jsonl")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("splitter: error: requests.jsonl:2: not JSON: ")
    assert not load_of.wishes


# --- wrong calls ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", [("--rate", "5"), ("--stages", "1s:5"), ("--arrival", "poisson")])
def test_a_closed_loop_has_no_schedule(load_of: Load, flag: tuple[str, ...]) -> None:
    assert f"--closed sends when an answer has come, so there is no {flag[0]}; leave one of them out" in refused("--closed", *flag)


def test_stages_have_their_own_duration(load_of: Load) -> None:
    assert "--stages say how long the run is, so there is no --duration" in refused("--stages", "1s:5", "--duration", "3s")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--duration", "soon"), "'soon' is not a duration like 30s, 500ms, 2m or 1m30s"),
        (("--duration", "0"), "--duration: it must be more than 0"),
        (("--timeout", "0s"), "--timeout: it must be more than 0"),
        (("--duration", "8h9h500h"), "more than a week"),
        (("--rate", "0"), "'0' is not a rate like 500 (a second) or 30/m"),
        (("--rate", "-5"), "not a rate like"),
        (("--stages", "1s"), "stage '1s' of '1s' is not DURATION:RATE, as in 30s:100,2m:1000"),
        (("--stages", "1s:5,"), "stage '' of '1s:5,' is not DURATION:RATE"),
        (("--method", "GE T"), "'GE T' is not one of 'get', 'head', 'post'"),
        (("--stages", "1s:5,0s:5"), "stage '0s:5' lasts no time; expected DURATION:RATE, as in 30s:100"),
        (("--stages", "1s:0"), "never sends anything"),
        (("--connections", "0"), "0 is not in the range"),
        (("--seed", "-1"), "-1 is not in the range"),
        (("--arrival", "closed"), "'closed' is not one of 'constant', 'poisson'"),
        (("--token", "two words"), "a token is printable ASCII without spaces"),
        (("--threshold", "p99"), "'p99' is not a threshold; expected FIGURE<LIMIT"),
        (("--threshold", "speed<5ms"), "there is no figure 'speed'; expected one of p50, p90"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_what_cannot_be_read_is_said_with_what_was_expected(load_of: Load, flags: tuple[str, ...], message: str) -> None:
    assert message in refused(*flags)


@pytest.mark.parametrize(
    "field", ["no colon", "Bad Name: x", ": x", "X-Änder: x", "X: ü", "X: a\r\nInjected: b", "Host: x", "content-length: 5"]
)
def test_fields_that_would_break_the_request(load_of: Load, field: str) -> None:
    refused("-H", field)
    assert not load_of.wishes


@pytest.mark.parametrize("url", ["demo", "localhost:8080", "ftp://127.0.0.1/", "http://", "http://a b/", "http://x:99999/"])
def test_what_is_no_url_is_a_wrong_call(load_of: Load, url: str) -> None:
    result = call("bench", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{url!r} is not a URL like http://127.0.0.1:8080/serving-endpoints/NAME" in " ".join(result.stderr.split())


def test_a_user_in_the_url_is_not_repeated(load_of: Load) -> None:
    result = call("bench", "http://me:s3cret@127.0.0.1/")
    assert result.exit_code == 2
    assert "give credentials with --token or --header" in " ".join(result.stderr.split())
    assert "s3cret" not in result.output


# --- what comes out -------------------------------------------------------------------------------------------------------------


def test_the_summary_goes_to_stdout_and_the_rest_to_stderr(load_of: Load) -> None:
    result = call("bench", URL)
    assert result.stdout.startswith("VALID   4 seconds at 100/s, open loop (poisson arrivals)\n")
    assert result.stderr == "a note\n"


def test_files_are_written_and_named(load_of: Load, folder: Path) -> None:
    result = call("bench", URL, "--json", "a.json", "--hgrm", "a.hgrm", "--html", "a.html")
    assert result.exit_code == 0
    assert result.stderr.endswith("wrote a.json\nwrote a.hgrm\nwrote a.html\n")
    assert load((folder / "a.json").read_bytes()) == load_of.answer
    assert "#[Mean" in (folder / "a.hgrm").read_text()
    assert (folder / "a.html").read_bytes().lower().startswith(b"<!doctype html>")


def test_a_report_on_standard_output_is_alone_there(load_of: Load) -> None:
    result = call("bench", URL, "--json", "-")
    assert load(result.stdout.encode()) == load_of.answer
    assert result.stderr.startswith("a note\nVALID ")
    assert "wrote" not in result.stderr


@pytest.mark.parametrize(("word", "meant"), [("compar", "compare"), ("rum", "run")])
def test_a_misspelt_command_is_no_url(load_of: Load, word: str, meant: str) -> None:
    result = call("bench", word, "a.json")
    assert result.exit_code == 2
    assert f"there is no command {word!r}; did you mean {meant!r}?" in result.stderr


def test_a_file_that_cannot_be_written_is_said_before_the_load(load_of: Load, folder: Path) -> None:
    result = call("bench", URL, "--json", "nowhere/a.json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nowhere/a.json cannot be written: there is no folder nowhere" in result.stderr
    assert not load_of.wishes


def test_what_is_not_begun_is_said_without_a_report(load_of: Load, folder: Path) -> None:
    load_of.refuses = "no body"
    result = call("bench", URL, "--json", "a.json")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "a note\nsplitter: error: no body\n")
    assert not (folder / "a.json").exists()


def test_nobody_is_asked_where_nobody_can_answer(load_of: Load) -> None:
    load_of.asks = True
    result = call("bench", URL, "--reload")
    assert (result.exit_code, result.stdout) == (2, "")
    assert MOVE in result.stderr
    assert "--yes says that it may" in result.stderr


def test_yes_answers_the_question(load_of: Load) -> None:
    load_of.asks = True
    result = call("bench", URL, "--reload", "--yes")
    assert result.exit_code == 0
    assert MOVE in result.stderr


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_a_person_is_asked_before_shares_are_moved(load_of: Load, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    load_of.asks = True
    monkeypatch.setattr("splitter.cli.bench.is_terminal", lambda: True)
    result = call("bench", URL, "--reload", stdin=answer)
    assert result.exit_code == code
    assert ("nothing was sent, and nothing was changed" in result.stderr) == (code == 1)


# --- exit codes -----------------------------------------------------------------------------------------------------------------

INVALID = replace(report(), validity=replace(report().validity, valid=False))
EARLY = replace(report(), validity=replace(report().validity, interrupted=True))
LATE, BROKEN = Verdict("p99<1ms", 5.0, False, ""), Verdict("errors<1%", 0.1, False, "")
KEPT = Verdict("p99<9s", 5.0, True, "")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (report(), 0),
        (replace(report(), verdicts=(KEPT,)), 0),
        (replace(report(), verdicts=(KEPT, LATE)), 99),
        (INVALID, 1),
        (replace(INVALID, verdicts=(BROKEN,)), 1),
        (EARLY, 130),
        (replace(EARLY, verdicts=(LATE,)), 99),
        (replace(report(), reload=RELOAD), 0),
        (replace(report(), reload=replace(RELOAD, restored=False)), 1),
        (replace(report(), reload=replace(RELOAD, checks=(Check("nothing lost", False, ""),)), verdicts=(BROKEN,)), 1),
    ],
    ids=["valid", "kept", "broken", "invalid", "invalid and broken", "early", "early and broken", "reload", "not restored", "lost"],
)
def test_exit_codes(load_of: Load, found: Report, code: int) -> None:
    load_of.answer = found
    assert exit_code(found) == call("bench", URL).exit_code == code


# --- secrets --------------------------------------------------------------------------------------------------------------------


def test_the_command_that_is_kept_is_the_one_that_was_given(load_of: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/splitter", "bench", URL, "--rate", "5"])
    assert wish(load_of).command == ("splitter", "bench", URL, "--rate", "5")


# --- compare --------------------------------------------------------------------------------------------------------------------


def compared(folder: Path, before: bytes, after: bytes) -> Result:
    (folder / "before.json").write_bytes(before)
    (folder / "after.json").write_bytes(after)
    return call("bench", "compare", "before.json", "after.json")


def test_two_runs_are_compared(folder: Path) -> None:
    result = compared(folder, dump(report()), dump(report()))
    assert result.exit_code == 0
    assert "p50" in result.stdout
    assert not result.stdout.endswith("\n\n")


def test_what_is_no_report_is_named(folder: Path) -> None:
    result = compared(folder, dump(report()), b"{}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("splitter: error: after.json: the document has no field `format`")


def test_a_report_that_is_not_there_is_named(folder: Path) -> None:
    result = call("bench", "compare", "a.json", "b.json")
    assert (result.exit_code, result.stderr) == (1, "splitter: error: a.json: No such file or directory\n")

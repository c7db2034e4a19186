"""`splitter bench`: the command line of the load tester. What it measures with is in splitter/bench/."""

from __future__ import annotations

import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from splitter.bench.errors import BenchError
from splitter.bench.figures.thresholds import Threshold, parse
from splitter.bench.plan import Arrival, Stage
from splitter.bench.setup import amounts
from splitter.bench.setup.target import asked
from splitter.cli.asking import TOKEN
from splitter.cli.bench_call import Bench, Field, Read, Run
from splitter.cli.flags import SETTINGS
from splitter.cli.terminal import fail, is_terminal, on_interrupt, open_closed_streams, say

if TYPE_CHECKING:
    from splitter.bench.report import Report
    from splitter.bench.setup.prepare import Wish

BROKEN_THRESHOLD = 99
"""The exit code for a valid run that broke a threshold; k6's, too."""

ENDED_EARLY = 130
"""The exit code for a run that was ended by Ctrl-C or TERM, lest a script goes on as if it had been whole; the shells', too."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_DEFAULT_RATE = 100.0
_DEFAULT_S = 30.0


def _file(name: str, help_: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(f"--{name}", f"{name}_file", type=click.Path(), metavar="FILE|-", allow_from_autoenv=False, help=help_)


def _url(text: str) -> str:
    asked(text)
    return text


_DURATION, _RATE = Read("DURATION", amounts.seconds), Read("RATE", amounts.rate)


@click.group(cls=Bench, context_settings=SETTINGS)
def bench() -> None:
    """Load test an endpoint: `splitter bench URL` is short for `splitter bench run URL`.

    \b
    Examples:
      splitter bench http://127.0.0.1:8080/serving-endpoints/demo --rate 200 --duration 30s
      splitter bench run --help
      splitter bench compare before.json after.json
    """


@bench.command(cls=Run, context_settings=SETTINGS)
@click.argument("url", type=Read("URL", _url), metavar="URL")
@click.option("--rate", type=_RATE, help=f"Requests a second, whether answers come or not.  [default: {_DEFAULT_RATE:g}]")
@click.option("--duration", type=_DURATION, help="How long to measure.  [default: 30s]")
@click.option("--stages", metavar="DURATION:RATE,...", help="Ramps, each from where the one before ended; the first from --rate, or 0.")
@click.option(
    "--arrival",
    type=click.Choice([Arrival.CONSTANT.value, Arrival.POISSON.value]),
    help="Evenly, or at random as independent clients send.  [default: constant]",
)
@click.option("--closed", is_flag=True, help="A closed loop: each connection waits for its answer. It hides stalls, and is labelled so.")
@click.option("--connections", type=click.IntRange(1, 60_000), default=64, show_default=True, help="Kept open: the most requests at once.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="So many send, where one core is not enough.")
@click.option("--payload", metavar="FILE|-", help="Bodies to send: JSON lines, or one JSON or CSV file. The demo needs none.")
@click.option(
    "--method", type=click.Choice(_METHODS, case_sensitive=False), default="POST", show_default=True, help="GET, for one, needs no payload."
)
@click.option("--header", "-H", "fields", type=Field(), multiple=True, allow_from_autoenv=False, help="A field of every request.")
@TOKEN
@click.option("--timeout", type=_DURATION, default="30s", show_default=True, help="For the whole of an answer.")
@click.option("--warmup", type=_DURATION, default="2s", show_default=True, help="Sent before at the first rate, and not measured.")
@click.option("--seed", type=click.IntRange(0), help="Repeats the schedule of another run.  [default: a new one]")
@click.option(
    "--direct",
    multiple=True,
    metavar="auto|MODEL=URL|URL",
    help="The model servers themselves, in turns with the proxy, to see what the proxy costs; may be repeated.",
)
@click.option(
    "--reload",
    is_flag=True,
    allow_from_autoenv=False,
    help="Move the shares while the load runs, prove that nothing is lost, and restore them.",
)
@click.option("--yes", "-y", is_flag=True, allow_from_autoenv=False, help="Do not ask before shares are moved.")
@click.option(
    "--threshold",
    "thresholds",
    type=Read("THRESHOLD", parse),
    multiple=True,
    metavar="'p99<20ms'",
    allow_from_autoenv=False,
    help="Exit with 99 unless it holds: 'p99<20ms' 'errors<0.1%' 'share:challenger=10±1' 'overhead_p99<2ms'; may be repeated.",
)
@_file("json", "Write the report as JSON; - is standard output.")
@_file("hgrm", "Write the latencies as a histogram that HdrHistogram's plotter reads.")
@_file("html", "Write the report as one page with plots.")
@click.option("--no-probe", is_flag=True, help="Do not send one request first, to see whether all would be refused.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the report.")
def run(**flags: Any) -> None:
    """Send requests to URL by the clock, and say how it did: latency, errors, and the share of each served model.

    URL is an endpoint, http://HOST:PORT/serving-endpoints/NAME, or any other URL. Latency counts from the moment at which a request was to
    be sent. Exit codes: 1 for a run that is INVALID, since its schedule was not kept, or that lost something in a reload; 99 for a broken
    threshold; 130 for one that was ended early.

    \b
    Examples:
      splitter bench http://127.0.0.1:8080/serving-endpoints/demo --rate 200 --direct auto --html report.html
      splitter bench http://127.0.0.1:8080/serving-endpoints/my-model --rate 500 --duration 2m --payload requests.jsonl
      splitter bench http://127.0.0.1:8080/serving-endpoints/demo --reload --threshold 'p99<50ms' 'errors<1%'
    """
    import uvloop

    from splitter.bench.output.files import Outputs
    from splitter.bench.output.live import Live
    from splitter.bench.output.summary import summary
    from splitter.bench.run import run as load

    open_closed_streams()
    outputs = Outputs(flags.pop("json_file"), flags.pop("hgrm_file"), flags.pop("html_file"))
    live = Live(sys.stderr, is_quiet=flags.pop("quiet"))
    agrees = flags.pop("yes")
    try:
        wish = _wish(**flags)
        outputs.check()
        report = uvloop.run(load(wish, live, lambda question: _confirm(question, agrees)))
        with on_interrupt(signal.SIG_IGN):  # it was pressed to see the report, which is only just being written
            try:
                written = outputs.write(report)  # before it is shown: who reads that may have gone, as `head` has
            finally:
                _show(summary(report), err=outputs.take_standard_output)
        for path in written:
            say(f"wrote {path}", err=True)
    except BenchError as exc:
        fail(str(exc), exc.exit_code)
    sys.exit(exit_code(report))


def _wish(
    url: str,
    rate: float | None,
    duration: float | None,
    stages: str | None,
    arrival: str | None,
    closed: bool,
    payload: str | None,
    timeout: float,
    warmup: float,
    seed: int | None,
    no_probe: bool,
    thresholds: Sequence[Threshold],
    **as_given: Any,
) -> Wish:
    """Raises BenchError; ends the process with 2 for flags that contradict each other."""
    from splitter.bench.setup.payload import read_payload
    from splitter.bench.setup.prepare import Wish

    return Wish(
        url=url,
        arrival=_arrival(closed, arrival, rate, stages),
        stages=_stages(rate, duration, stages),
        timeout_s=_positive(timeout, "--timeout"),
        warmup_s=warmup,
        seed=secrets.randbits(32) if seed is None else seed,
        payload=None if payload is None else read_payload(payload),
        probe=not no_probe,
        thresholds=tuple(thresholds),
        command=("splitter", *sys.argv[1:]),
        **as_given,
    )


def _arrival(closed: bool, arrival: str | None, rate: float | None, stages: str | None) -> Arrival:
    if not closed:
        return Arrival(arrival or Arrival.CONSTANT)
    for flag, value in (("--rate", rate), ("--stages", stages), ("--arrival", arrival)):
        if value is not None:
            raise click.UsageError(f"--closed sends when an answer has come, so there is no {flag}; leave one of them out")
    return Arrival.CLOSED


def _stages(rate: float | None, duration: float | None, stages: str | None) -> tuple[Stage, ...]:
    if stages is None:
        steady = _DEFAULT_RATE if rate is None else rate
        return (Stage(_positive(_DEFAULT_S if duration is None else duration, "--duration"), steady, steady),)
    if duration is not None:
        raise click.UsageError("--stages say how long the run is, so there is no --duration; leave one of them out")
    try:
        return amounts.stages(stages, rate or 0.0)
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--stages") from None


def _positive(seconds: float, flag: str) -> float:
    if not seconds:
        raise click.BadParameter("it must be more than 0", param_hint=flag)
    return seconds


def _confirm(question: str, agrees: bool) -> bool:
    """Whether the shares may be moved. Nobody is asked where nobody can answer."""
    say(question, err=True)
    if agrees:
        return True
    if not is_terminal():
        fail("--reload moves real shares and nobody is here to be asked; --yes says that it may", 2)
    with on_interrupt(signal.default_int_handler):  # the event loop would keep Ctrl-C for later
        return click.confirm("Go on?", err=True)


def _show(text: str, *, err: bool = False) -> None:
    """In colours on a terminal; in ASCII on one that has nothing else."""
    from splitter.bench.output.summary.layout import ascii_only
    from splitter.bench.output.summary.paint import painted

    try:
        text.encode((sys.stderr if err else sys.stdout).encoding or "ascii")
    except UnicodeEncodeError:
        text = ascii_only(text)
    try:
        click.echo(painted(text), err=err)  # click takes the colours away where no terminal is
    except BrokenPipeError:
        raise  # click knows it: who has seen enough is no error
    except OSError as exc:
        fail(f"the report cannot be shown: {exc.strerror}")


def exit_code(report: Report) -> int:
    """An invalid run says nothing about thresholds, so it comes first."""
    if not report.validity.valid or (report.reload is not None and not report.reload.holds):
        return 1
    if not all(verdict.holds for verdict in report.verdicts):
        return BROKEN_THRESHOLD
    return ENDED_EARLY if report.validity.interrupted else 0


@bench.command(context_settings=SETTINGS)
@click.argument("before", type=click.Path())
@click.argument("after", type=click.Path())
def compare(before: str, after: str) -> None:
    """Compare two runs by the reports that --json wrote: what the second does better or worse, as far as the data can show.

    \b
    Example:
      splitter bench compare before.json after.json
    """
    from splitter.bench.figures.compare import compare as compared
    from splitter.bench.output.summary import comparison

    try:
        _show(comparison(compared(_report(before), _report(after))))
    except BenchError as exc:
        fail(str(exc))


def _report(path: str) -> Report:
    """Raises ReportError; a file that cannot be read ends the process."""
    from splitter.bench.output.report_json import ReportError, load

    try:
        return load(Path(path).read_bytes())
    except OSError as exc:
        fail(f"{path}: {exc.strerror}")
    except ReportError as exc:
        raise ReportError(f"{path}: {exc}") from None

from __future__ import annotations

import io

import pytest

from splitter.bench.api.discovery import Found, demo_payload
from splitter.bench.errors import BenchError
from splitter.bench.figures.thresholds import parse
from splitter.bench.output.live import Live
from splitter.bench.plan import Stage
from splitter.bench.run import PayloadMissing, RunRefused, payload_of, run
from splitter.bench.setup.judgeable import ThresholdRefused
from splitter.bench.setup.payload import NO_PAYLOAD, parse_payload
from splitter.bench.setup.prepare import Wish
from splitter.bench.setup.probe import ProbeFailed
from splitter.bench.setup.target import TargetRefused
from tests.bench.engine.scripted import OK, Responders, closed_port, responders
from tests.bench.setup.test_prepare import wish

ENDPOINT = "http://127.0.0.1:8080/serving-endpoints/demo"
JSON = parse_payload("requests.jsonl", b"{}")
PLAIN = Found("demo", "7", {"7": {"current": 1.0}})
DEMO = Found("demo", "7", {"7": {"current": 1.0}}, is_demo=True)


def short(server: Responders, **changed: object) -> Wish:
    """A run of 0.2 s with 20 requests to each side that there is."""
    given: dict[str, object] = {
        "url": f"http://127.0.0.1:{server.port}/x",
        "stages": (Stage(0.2, 100, 100),),
        "connections": 4,
        "warmup_s": 0.0,
        "payload": JSON,
    }
    return wish(**given | changed)


def yes(_: str) -> bool:
    return True


class Out(io.StringIO):
    @property
    def live(self) -> Live:
        return Live(self, is_quiet=True)


# --- what to send ---------------------------------------------------------------------------------------------------------------


def test_what_was_given_is_sent() -> None:
    assert payload_of(wish(payload=JSON), DEMO) is JSON
    assert payload_of(wish(payload=JSON, method="GET"), None) is JSON


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
def test_some_methods_need_no_body(method: str) -> None:
    assert payload_of(wish(method=method), None) is NO_PAYLOAD


def test_the_demo_needs_no_payload() -> None:
    assert payload_of(wish(), DEMO) == demo_payload()


@pytest.mark.parametrize("found", [None, PLAIN])
def test_else_it_is_asked_for_with_an_example(found: Found | None) -> None:
    with pytest.raises(PayloadMissing, match=r"^POST http://127.*/demo is to have a body, .* --payload FILE(.|\n)*echo(.|\n)*--method GET"):
        payload_of(wish(url=ENDPOINT), found)


# --- a run from its beginning to its end ----------------------------------------------------------------------------------------


async def test_any_url_can_be_loaded() -> None:
    async with responders() as server:
        report = await run(short(server, thresholds=(parse("errors<1%"), parse("p50<1us"))), Out().live, yes)
        assert len(server.bodies) == report.whole.count + 1  # the first look
    assert (report.whole.count, report.whole.errors, report.endpoint) == (20, 0, None)
    assert [verdict.holds for verdict in report.verdicts] == [True, False]
    assert report.setting.seed == 7


async def test_a_body_is_asked_for_before_anything_is_sent() -> None:
    async with responders() as server:
        with pytest.raises(PayloadMissing, match="--payload FILE"):
            await run(short(server, payload=None), Out().live, yes)
        assert not server.bodies


async def test_with_direct_both_sides_get_their_half_and_the_proxy_its_price() -> None:
    async with responders() as proxy, responders() as model:
        proxy.hold = lambda: 0.01
        wished = short(proxy, direct=(f"http://127.0.0.1:{model.port}/x",), stages=(Stage(0.8, 100, 100),), connections=10)
        report = await run(wished, Out().live, yes)
        assert (len(proxy.bodies), len(model.bodies)) == (40 + 1, 40 + 1)
    assert (report.whole.count, sum(group.count for group in report.direct)) == (40, 40)
    (overhead,) = report.overhead
    assert overhead.mean is not None
    assert 8 < overhead.mean.value < 100  # the 10 ms, on a machine that does something else too


async def test_the_token_goes_to_the_proxy_and_not_to_the_models() -> None:
    async with responders() as proxy, responders() as model:
        await run(short(proxy, direct=(f"http://127.0.0.1:{model.port}/x",), token="t0k", fields=(("X-Team", "blue"),)), Out().live, yes)
        assert len(model.heads) > 1
        assert all(b"\r\nAuthorization: Bearer t0k" in head for head in proxy.heads)
        assert not any(b"t0k" in head for head in model.heads)
        assert all(b"\r\nX-Team: blue" in head for head in model.heads)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"url": f"http://127.0.0.1:{closed_port()}/x"}, ProbeFailed, "nobody answers at .*: connection refused"),
        ({"direct": (f"http://127.0.0.1:{closed_port()}",)}, ProbeFailed, "nobody answers at .*/invocations: connection refused"),
        ({"direct": ("auto",)}, TargetRefused, "the server does not say the address of its models"),
        ({"thresholds": (parse("overhead_p99<2ms"),)}, ThresholdRefused, "add --direct auto"),
        ({"reload": True}, RunRefused, "--reload moves shares through splitter's API, and .* is no endpoint of splitter"),
    ],
    ids=["nobody", "no model", "auto", "threshold", "reload"],
)
async def test_what_cannot_be_is_said_instead_of_a_load(changed: dict[str, object], error: type[BenchError], message: str) -> None:
    async with responders() as server:
        with pytest.raises(error, match=message):
            await run(short(server, **changed), Out().live, yes)
        assert len(server.bodies) <= 1


async def test_a_server_that_only_speaks_of_errors_is_warned_of_and_loaded() -> None:
    async with responders() as server:
        server.answer = OK.replace(b"200 OK", b"503 No")
        out = Out()
        report = await run(short(server), out.live, yes)
    assert out.getvalue() == f"warning: http://127.0.0.1:{server.port}/x answers 503: ok\n"
    assert report.whole.errors == 20


async def test_without_the_first_look_nothing_is_sent_but_the_load() -> None:
    async with responders() as server:
        await run(short(server, probe=False), Out().live, yes)
        assert len(server.bodies) == 20

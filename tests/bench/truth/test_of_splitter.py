"""The whole of it: a real splitter before two models of known delays, which count by hand what came to them by either way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from statistics import median

import pytest

from tests.bench.truth.running import bench, holds, serving
from tests.bench.truth.server import Model, Spec
from tests.process.serving import serve

TEXT = """\
endpoints:
  multi-model:
    served_models:
      current:    {{url: {}, traffic: rest}}
      challenger: {{url: {}, traffic: 30}}
"""
SECONDS = 2
RATE = 600


async def test_which_model_is_slower_whether_the_share_is_right_and_what_splitter_costs(tmp_path: Path) -> None:
    slow, fast = Spec({"": Model(delay_ms=15, sigma=0.2)}), Spec({"": Model(delay_ms=5, sigma=0.2)})
    (tmp_path / "requests.jsonl").write_text('{"inputs": [1]}\n')
    with serving(fast) as current, serving(slow) as challenger:
        (tmp_path / "a.yaml").write_text(TEXT.format(current.url, challenger.url))
        async with serve("a.yaml", cwd=tmp_path) as splitter:
            url = f"{splitter.address}/serving-endpoints/multi-model"
            flags = (
                "--quiet", "--warmup", "0", "--no-probe", "--direct", "auto", "--payload", "requests.jsonl",
                "--rate", f"{RATE}", "--duration", f"{SECONDS}s", "--seed", "3",
            )  # fmt: skip
            ran = await asyncio.to_thread(bench, tmp_path, url, *flags)
        seen = {"current": current.seen(), "challenger": challenger.seen()}
    report = ran.report
    proxied = {group.name: group.count for group in report.models}
    direct = {group.name: group.count for group in report.direct}
    assert report.whole.errors == 0
    assert {name: proxied[name] + direct[name] for name in seen} == {name: account.requests for name, account in seen.items()}
    assert report.validity.sent == sum(proxied.values()) + sum(direct.values()) == RATE * SECONDS
    # The share, the version and the configured one
    assert report.endpoint is not None
    (split,) = report.splits
    assert split.version == report.endpoint.version_before == report.endpoint.version_after
    assert {share.model: share.configured for share in split.shares} == {"current": 0.7, "challenger": 0.3}
    assert split.p is not None
    assert split.p > 1e-6  # splitter's choice cannot be seeded from here
    # Which one is slower
    truth = median(seen["challenger"].took_ms[""]) - median(seen["current"].took_ms[""])
    (p50,) = (difference for difference in report.differences if difference.quantile == "p50")
    assert p50.estimate is not None
    assert p50.estimate.value == pytest.approx(truth, abs=2.5)
    assert "challenger is" in p50.text
    assert "slower at p50" in p50.text
    # What splitter costs: less than what lies between the models, even on a busy machine
    costs = {found.model: found for found in report.overhead}
    assert costs[""].pairs >= 8
    of_current = costs["current"].p50  # that of the mix jumps between the models, as the share of a round has it
    assert of_current is not None
    assert -3 < of_current.value < 8
    assert not holds(p50.estimate, of_current.value)

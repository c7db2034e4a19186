from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from splitter.config.source import read_source
from splitter.config.template import commented_file
from splitter.config.writeback.rewrite import CannotEdit, new_file, rewrite
from splitter.config.writeback.rewrite import rewritten as rewritten_source
from tests.config.writeback.rewriting import m, rewritten, source_of, targets_of

ROOT = Path(__file__).parents[3]
A, B, C = "url: http://a/invocations", "url: http://b/invocations", "url: http://c/invocations"
MODELS = 'models: {A: {1: "http://a/invocations", 2: "http://a2/invocations"}, B: {1: "http://b/invocations"}}\n'

FLOW = """\
# head
endpoints:
  m:   # the one
    served_models:
      # what has served since May
      current:    {url: http://a/invocations, traffic: rest}   # stays
      # the candidate

      challenger: {url: "http://b/invocations", traffic: 10}  # the number
      # below
    tags: []
# foot
"""
BLOCK = """\
endpoints:
    m:
        served_models:
            current:
                url: http://a/invocations   # about a
                # more about a
                traffic: rest

            # about the next
            'next':
                url: [http://b/invocations,
                      http://c/invocations]
                traffic: '10'       # the number
                environment_vars:
                    A: "{{secrets/s/k}}"
        description: >-
            folded text,
            two lines
    other:
        served_models: {x: {url: http://x/invocations}}
"""
LONG = (
    MODELS
    + """\
endpoints:
- name: m                 # the name
  config:
    served_entities:
    # the first
    - name: current
      entity_name: A
      entity_version: '1'
      scale_to_zero_enabled: "true"     # text
    - name: next
      entity_name: B
      entity_version: '1'
    traffic_config:
      routes:
      - served_model_name: current
        traffic_percentage: "90"
      - served_model_name: next   # the challenger
        traffic_percentage: "10"
  description: |
    lines

    kept
- {name: other, config: {served_entities: [{name: x, url: http://x/invocations}]}}
"""
)


@pytest.mark.parametrize(
    ("before", "wanted", "old", "new"),
    [
        (FLOW, m(f"current: {{{A}, traffic: 50}}, challenger: {{{B}, traffic: 50}}"), "traffic: 10}", "traffic: 50}"),
        (FLOW, m(f"current: {{{A}, traffic: 99.5}}, challenger: {{{B}, traffic: 0.5}}"), "traffic: 10}", "traffic: 0.5}"),
        (FLOW, m(f"current: {{{A}, traffic: 0}}, challenger: {{{B}, traffic: 100}}"), "traffic: 10}", "traffic: 100}"),
    ],
)
def test_a_new_share_is_one_number_beside_rest(before: str, wanted: str, old: str, new: str) -> None:
    assert rewritten(before, wanted.replace("served", "tags: []\n    served", 1)) == before.replace(old, new)


def test_a_share_keeps_its_quotes() -> None:
    wanted = BLOCK.replace("traffic: '10'", "traffic: 25.5")
    assert rewritten(BLOCK, wanted) == BLOCK.replace("'10'", "'25.5'")
    wanted = LONG.replace('"90"', "60").replace('"10"', "40")
    assert rewritten(LONG, wanted) == LONG.replace('"90"', '"60"').replace('"10"', '"40"')


@pytest.mark.parametrize("text", [FLOW, BLOCK, LONG])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_the_byte_order_mark_stay(text: str, line_end: str, mark: str) -> None:
    before = text.replace("\n", line_end)
    after = text.replace("10", "20").replace('"90"', '"80"')
    data = rewrite(source_of((mark + before).encode()), targets_of(after))
    assert data == (mark + after.replace("\n", line_end)).encode()
    # Without a line end at the end of the file there is none afterwards.
    data = rewrite(source_of((mark + before.rstrip()).encode()), targets_of(after))
    assert data == (mark + after.rstrip().replace("\n", line_end)).encode()


@pytest.mark.parametrize("path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda path: path.name)
def test_shipped_files_are_edited_in_place(path: Path) -> None:
    before = path.read_text()
    after = before.replace(": 10}", ": 30}").replace(": 90}", ": 70}")
    assert after != before
    assert rewritten(before, after) == after
    assert rewritten(before, before) == before


def test_the_file_of_init_is_edited_in_place() -> None:
    before = commented_file(["http://a/invocations", "http://b/invocations", "http://c/invocations"])
    after = before.replace("traffic: 10 ", "traffic: 30 ").replace("traffic: 0 ", "traffic: 20 ")
    assert rewritten(before, after) == after


def test_the_only_endpoint_leaves_an_empty_mapping() -> None:
    text = MODELS + FLOW
    assert rewritten(text, "endpoints: {}", "m") == MODELS + "# head\nendpoints: {}\n# foot\n"


def test_a_create_body_as_a_file_is_edited_and_never_emptied() -> None:
    body = {
        "name": "m",
        "config": {
            "served_models": [
                {"name": "a", "model_name": "A", "model_version": "1", "workload_size": "Small"},
                {"name": "b", "model_name": "B", "model_version": "1", "workload_size": "Small"},
            ],
            "traffic_config": {"routes": [{"served_model_name": n, "traffic_percentage": p} for n, p in (("a", 90), ("b", 10))]},
        },
    }
    before = json.dumps(body, indent=2)
    after = before.replace("90", "55").replace("10", "45").replace('"model_version": "1"', '"model_version": "2"', 1)
    assert rewritten(before, after) == after
    with pytest.raises(CannotEdit, match=r"^f.yaml:1: .*edit the file by hand$"):
        rewritten(before, "endpoints: {}", "m")
    with pytest.raises(CannotEdit, match='no place for the endpoint "n"'):
        rewritten(before, m("x: {url: http://x}").replace("m:", "n:"))


def test_a_file_with_errors_is_not_edited() -> None:
    with pytest.raises(CannotEdit, match=r"f.yaml:2: the file has errors; edit the file by hand"):
        rewrite(read_source("f.yaml", b"# c\nendpoints: 3\n"), {"m": None})


def test_a_new_file_is_short_and_the_canary_is_one_number() -> None:
    (drafted,) = targets_of(m(f"current: {{{A}, traffic: 90}}, next: {{urls: [http://b, http://c/], traffic: 10}}")).values()
    assert (
        new_file(drafted, "# made").decode()
        == """\
# made
endpoints:
  m:
    served_models:
      current:
        url: http://a/invocations
        traffic: rest
      next:
        url: [http://b/invocations, http://c/]
        traffic: 10
"""
    )


def test_what_means_the_same_is_the_same_source() -> None:
    source = source_of(LONG)
    assert rewritten_source(source, targets_of(BLOCK.replace("    m:", "    x:"))) is not source
    same = (
        "endpoints: {m: {description: \"lines\\n\\nkept\\n\", served_models: {current: {entity_name: A, entity_version: '1', traffic: 90, "
    )
    same += "scale_to_zero_enabled: true}, next: {entity_name: B, entity_version: '1', traffic: rest}}}}"
    assert rewritten_source(source, targets_of(same)) is source
    assert rewritten_source(source, {"unknown": None}) is source
    with pytest.raises(ValueError, match="the target of x is called m"):
        rewrite(source, {"x": targets_of(same)["m"]})


def test_several_endpoints_at_once() -> None:
    wanted = m(f"current: {{{A}, traffic: 50}}, challenger: {{{B}, traffic: 50}}", "    tags: []\n")
    wanted += "  new:\n    served_models: {x: {url: http://x}}\n"
    wanted += "  last:\n    served_models: {x: {url: http://x}, z: {url: http://z, traffic: 100}}\n"
    before = FLOW.replace("# foot", "  other:\n    served_models: {x: {url: http://x}}\n  # below other\n# foot")
    assert rewritten(before, wanted, "other") == FLOW.replace("traffic: 10}", "traffic: 50}").replace(
        "# foot",
        "  new:\n    served_models:\n      x: {url: http://x/invocations, traffic: rest}\n"
        "  last:\n    served_models:\n      x: {url: http://x/invocations, traffic: 0}\n"
        "      z: {url: http://z/invocations, traffic: rest}\n"
        "  # below other\n# foot",
    )


@pytest.mark.parametrize("empty", ["{}", "{ }", "\n  {}", "{}   # none yet", "[]   # none yet"])
@pytest.mark.parametrize("more", ["", "\nmodels: {}", "\n# foot\n"])
def test_where_no_endpoint_was_a_new_one_stands_on_lines(empty: str, more: str) -> None:
    after = rewritten(f"# head\nendpoints: {empty}{more}", m("x: {url: http://x}"))
    assert after.startswith("# head\nendpoints:" + empty[empty.find("   #") :] * ("#" in empty) + "\n  ")
    assert after.endswith("\n" + more.lstrip("\n") if more else "rest" if "{" in empty else "traffic_percentage: 100")
    assert "url: http://x/invocations\n" in after


def test_a_file_of_models_gets_endpoints() -> None:
    assert rewritten("models: {}\n# foot", m("x: {url: http://x}")) == (
        "models: {}\nendpoints:\n  m:\n    served_models:\n      x:\n        url: http://x/invocations\n        traffic: rest\n# foot"
    )


def test_characters_of_every_plane_count_as_one() -> None:
    models = f"a: {{{A}, traffic: rest, workload_size: '😀'}}, b: {{{B}, traffic: 10}}"
    before = "# 😀 ключ\n" + m(models, "    description: ключ 😀 # é\n")
    assert rewritten(before, before.replace("10}", "55}")) == before.replace("10}", "55}")


def test_a_value_that_no_file_can_hold_is_refused() -> None:
    (target,) = targets_of(m("x: {url: http://x}")).values()
    huge = replace(target, draft=replace(target.draft, kept={"task": 1e300}))
    with pytest.raises(CannotEdit, match=r"^f.yaml:3: the change .* surely, since the endpoint .* would not be what was asked for; edit"):
        rewrite(source_of("# a\nendpoints:\n  m: {served_models: {x: {url: http://x}}}"), {"m": huge})
    with pytest.raises(
        CannotEdit, match=r"^m.yaml: the endpoint cannot be written to a file, since it would be read as something else; .*$"
    ):
        new_file(huge)


@pytest.mark.parametrize(("head", "start"), [("", "endpoints:"), ("# a\n# b\n", "# a\n# b\nendpoints:"), ("# a", "# a\nendpoints:")])
def test_a_new_file_has_a_head(head: str, start: str) -> None:
    (drafted,) = targets_of(m("x: {url: http://x}")).values()
    assert new_file(drafted, head).decode().startswith(start)


def test_a_new_file_says_everything() -> None:
    more = "    timeouts: {idle: 1}\n    forward_credentials: true\n    tags: [{key: a}]\n    auto_capture_config: {}\n"
    models = 'a: {entity_name: "1", entity_version: 1.10a, environment_vars: {A: "{{secrets/s/k}}"}, idempotent: true}'
    (drafted,) = targets_of(m(models, more).replace("  m:", "  'no':")).values()
    assert (
        new_file(drafted).decode()
        == """\
endpoints:
  "no":
    served_models:
      a:
        entity_name: "1"
        entity_version: "1.10a"
        idempotent: true
        environment_vars: {A: "{{secrets/s/k}}"}
        traffic: rest
    timeouts: {idle: 1}
    forward_credentials: true
    tags: [{key: a}]
    auto_capture_config: {}
"""
    )


def test_one_of_a_thousand_endpoints_costs_little_beside_reading_them() -> None:
    text = "endpoints:\n" + "".join(
        f"  e{number}:\n    served_models:\n      a:   # c\n        {A}\n        traffic: rest\n      b: {{{B}, traffic: 10}}\n\n"
        for number in range(1000)
    )
    source = source_of(text)
    target = {"e500": targets_of(text.replace("10}", "20}"))["e500"]}

    assert calls(lambda: rewrite(source, target)) < 3 * calls(lambda: source_of(text))


def calls(work: Callable[[], object]) -> int:
    """How many functions it calls: its time, on a machine that does nothing else."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count

"""Entries between braces and brackets, before and after: commas, comments, lines, and JSON."""

from __future__ import annotations

import json

import pytest

from splitter.config.writeback.page import CannotEdit
from tests.config.writeback.rewriting import m, rewritten

A, B, C = "url: http://a/invocations", "url: http://b/invocations", "url: http://c/invocations"
BOTH = f"current: {{{A}, traffic: rest}}, next: {{{B}, traffic: 10}}"
LINE = m(BOTH)
LINES = f"""\
endpoints: {{      # all
  m: {{
    served_models: {{   # the models
      # above a
      current: {{{A}, traffic: rest}},   # about a

      # above b
      next: {{{B}, traffic: 10}}   # about b
      # end
    }}
  }}
}}
"""


def test_one_line() -> None:
    assert rewritten(LINE, m(f"current: {{{A}, traffic: 100}}")) == m(f"current: {{{A}, traffic: rest}}")
    assert rewritten(LINE, m(f"next: {{{B}, traffic: 100}}")) == m(f"next: {{{B}, traffic: rest}}")
    assert rewritten(LINE, m(f"next: {{{B}, traffic: 10}}, current: {{{A}, traffic: 90}}")) == m(
        f"next: {{{B}, traffic: 10}}, current: {{{A}, traffic: rest}}"
    )
    assert rewritten(LINE, m(f"current: {{{A}, traffic: 70}}, x: {{{C}, traffic: 20}}, next: {{{B}, traffic: 10}}")) == m(
        f"current: {{{A}, traffic: rest}}, x: {{{C}, traffic: 20}}, next: {{{B}, traffic: 10}}"
    )
    assert rewritten(LINE, m(f"x: {{{C}, traffic: 90}}, other: {{{B}, traffic: 10}}")) == m(
        f"x: {{{C}, traffic: rest}}, other: {{{B}, traffic: 10}}"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"current:  {{ {A} ,  traffic: rest , }},", f"current:  {{ {A} ,  traffic: rest ,  idempotent: true, }},"),
        (f"current:  {{ {A},  traffic: rest }}", f"current:  {{ {A},  traffic: rest,  idempotent: true }}"),
        ('"current": {"traffic": "rest", "url": ["http://a"]}', '"current": {"traffic": "rest", "url": ["http://a"], "idempotent": true}'),
        ('"current":{"traffic":"rest","url":"http://a"}', '"current":{"traffic":"rest","url":"http://a","idempotent":true}'),
        (f"current: {{{A},\n       traffic: rest}}", f"current: {{{A},\n       traffic: rest,\n       idempotent: true}}"),
        (f"current: {{\n{A}}}", f"current: {{\n{A},\nidempotent: true}}"),
        (f"current: {{{A}  # c\n  }}", f"current: {{{A},  # c\n      idempotent: true\n  }}"),
        (f"current: {{  # c\n {A}  , # d\n  }}", f"current: {{  # c\n {A}  , # d\n idempotent: true,\n  }}"),
        (f"current: {{ {A}\n , traffic: rest\n }}", f"current: {{ {A}\n , traffic: rest, idempotent: true\n }}"),
    ],
)
def test_a_field_is_added_in_the_manner_of_the_others(before: str, after: str) -> None:
    assert rewritten(m(before), m(f"current: {{{A}, idempotent: true}}")) == m(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"current: {{workload_size: x, {A}, traffic: rest}}", f"current: {{{A}, traffic: rest}}"),
        (f"current: {{{A}, workload_size: x, traffic: rest}}", f"current: {{{A}, traffic: rest}}"),
        (f"current: {{{A}, traffic: rest, workload_size: x}}", f"current: {{{A}, traffic: rest}}"),
        (f"current: {{ {A}, traffic: rest, workload_size: x, }}", f"current: {{ {A}, traffic: rest, }}"),
        (f"current: {{workload_size: x, # c\n {A}}}", f"current: {{{A}}}"),
        (f"current: {{ # c\n workload_size: x, # d\n # e\n {A}}}", f"current: {{ # c\n # e\n {A}}}"),
        (f"current: {{{A}, workload_size: x # both\n }}", f"current: {{{A} # both\n }}"),
        (f"current: {{{A}, # a\n # b\n workload_size: x}}", f"current: {{{A} # a\n # b\n }}"),
        (f"current: {{ {A} # a\n , workload_size: x }}", f"current: {{ {A} # a\n  }}"),
        (f"current: {{ {A}\n # a\n , workload_size: x }}", f"current: {{ {A}\n # a\n  }}"),
        (f"current: {{ {A}\n , workload_size: x\n , traffic: rest }}", f"current: {{ {A}\n , traffic: rest }}"),
    ],
)
def test_a_field_is_removed_with_its_comma(before: str, after: str) -> None:
    assert rewritten(m(before), m(f"current: {{{A}}}")) == m(after)


def test_lines_with_comments() -> None:
    assert rewritten(LINES, m(f"current: {{{A}, traffic: 100}}")) == LINES.replace("rest},", "rest}").replace(
        f"      next: {{{B}, traffic: 10}}   # about b\n", ""
    )
    assert rewritten(LINES, m(f"next: {{{B}, traffic: 100}}")) == LINES.replace(
        f"      current: {{{A}, traffic: rest}},   # about a\n", ""
    ).replace("traffic: 10", "traffic: rest")
    added = rewritten(LINES, m(f"current: {{{A}, traffic: 70}}, next: {{{B}, traffic: 10}}, x: {{{C}, traffic: 20}}"))
    assert added == LINES.replace("10}   # about b\n", f"10}},   # about b\n      x: {{{C}, traffic: 20}}\n")
    moved = rewritten(LINES, m(f"next: {{{B}, traffic: 10}}, current: {{{A}, traffic: 90}}"))
    assert (
        moved
        == f"""\
endpoints: {{      # all
  m: {{
    served_models: {{   # the models

      # above b
      next: {{{B}, traffic: 10}},   # about b
      # above a
      current: {{{A}, traffic: rest}}   # about a
      # end
    }}
  }}
}}
"""
    )


@pytest.mark.parametrize("indent", [None, 2, 4, "\t"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_json_stays_json_as_its_writer_writes_it(indent: int | str | None, separators: tuple[str, str]) -> None:
    def written(rows: dict[str, object], more: dict[str, object]) -> str:
        return json.dumps({"endpoints": {"m": {"served_models": rows, **more}}}, indent=indent, separators=separators)

    if indent is not None:
        separators = (",", ": ")
    a, b, x = ({"url": f"http://{name}/invocations", "traffic": share} for name, share in (("a", "rest"), ("b", 10), ("c", 20)))
    before = written({"a": a, "b": b}, {"description": "x"})
    wanted = written({"a": {**a, "traffic": 70}, "b": b, "x": x}, {"description": "y\u2028", "task": [1, {"k": None}]})
    after = rewritten(before, wanted)
    rows: dict[str, object] = {"a": a, "b": b, "x": x}
    assert json.loads(after) == json.loads(written(rows, {"description": "y\u2028", "task": [1, {"k": None}]}))
    assert "\u2028" not in after
    assert rewritten(after, before) == before
    if indent is None:
        assert after == written(rows, {"description": "y\u2028", "task": [1, {"k": None}]})


def test_json_with_comments_keeps_its_manner() -> None:
    before = """\
{ # JSON with comments
  "name":"m", "config":{"served_entities":[{"name":"a","url":"http://a/invocations"}]} # the end
}
"""
    assert rewritten(before, m(f"a: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}")) == before.replace(
        "}]}",
        '},{"name":"b","url":"http://b/invocations"}],"traffic_config":{"routes":['
        '{"served_entity_name":"a","traffic_percentage":90},{"served_entity_name":"b","traffic_percentage":10}]}}',
    )


def test_endpoints_are_removed_and_added() -> None:
    before = m(BOTH).replace("\n  m:\n    served_models: ", " {m: {served_models: ").rstrip() + "}}\n"
    assert rewritten(before, "endpoints: {}", "m") == "endpoints: {}\n"
    assert rewritten(before, m(f"x: {{{C}}}").replace("m:", "k:")) == before.replace(
        "}}}}", "}}}, k: {served_models: {x: {url: http://c/invocations, traffic: rest}}}}"
    )
    assert rewritten("{endpoints: {}, models: {}}", m(f"x: {{{C}}}")) == (
        "{endpoints: {m: {served_models: {x: {url: http://c/invocations, traffic: rest}}}}, models: {}}"
    )
    assert rewritten("{endpoints: [ ]}", m(f"x: {{{C}}}")).startswith("{endpoints: [{name: m, config: {served_entities: [{name: x,")


def test_a_pair_without_braces_is_not_edited() -> None:
    before = m(BOTH, "    task: [a: 1, b]\n")
    with pytest.raises(
        CannotEdit, match=r"^f.yaml:4: a mapping without braces within a list is in the way of an edit; edit the file by hand$"
    ):
        rewritten(before, m(BOTH, "    task: [{a: 1, c: 2}, b]\n"))
    assert rewritten(before, m(BOTH, "    task: [{a: 2}, b]\n")) == before.replace("a: 1", "a: 2")

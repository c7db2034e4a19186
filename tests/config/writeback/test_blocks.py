"""Entries on lines of their own, before and after: what is removed, added, moved and renamed, and what stays around it."""

from __future__ import annotations

import pytest

from tests.config.writeback.rewriting import m, rewritten

A, B, C = "url: http://a/invocations", "url: http://b/invocations", "url: http://c/invocations"

BLOCK = """\
# head
endpoints:
  m:                              # clients call this
    served_models:
      # since May
      current:
        url: http://a/invocations # where
        # more of a
        traffic: rest             # the others leave it
          # deeper

      # since June
      next:
        url: http://b/invocations
        traffic: 10               # the number
      # end of the models
    # end of m
# end of all
"""


def test_a_removed_entry_takes_its_lines_and_no_comment_beside_it() -> None:
    assert (
        rewritten(BLOCK, m(f"current: {{{A}, traffic: 100}}"))
        == """\
# head
endpoints:
  m:                              # clients call this
    served_models:
      # since May
      current:
        url: http://a/invocations # where
        # more of a
        traffic: rest             # the others leave it
          # deeper

      # since June
      # end of the models
    # end of m
# end of all
"""
    )
    # The rest passes to the one whose share has to be written anyway, so that a canary stays one number.
    assert (
        rewritten(BLOCK, m(f"next: {{{B}, traffic: 100}}"))
        == """\
# head
endpoints:
  m:                              # clients call this
    served_models:
      # since May
      # since June
      next:
        url: http://b/invocations
        traffic: rest               # the number
      # end of the models
    # end of m
# end of all
"""
    )


def test_a_new_entry_stands_below_the_one_before_it() -> None:
    assert rewritten(BLOCK, m(f"current: {{{A}, traffic: 70}}, next: {{{B}, traffic: 10}}, last: {{{C}, traffic: 20}}")) == BLOCK.replace(
        "# the number\n",
        "# the number\n\n      last:\n        url: http://c/invocations\n        traffic: 20\n",
    )
    between = rewritten(BLOCK, m(f"current: {{{A}, traffic: 70}}, x: {{{C}, traffic: 20}}, next: {{{B}, traffic: 10}}"))
    assert between == BLOCK.replace(
        "          # deeper\n", "          # deeper\n\n      x:\n        url: http://c/invocations\n        traffic: 20\n"
    )
    first = rewritten(BLOCK, m(f"x: {{{C}, traffic: 20}}, current: {{{A}, traffic: 70}}, next: {{{B}, traffic: 10}}"))
    assert first == BLOCK.replace(
        "      # since May\n", "      x:\n        url: http://c/invocations\n        traffic: 20\n\n      # since May\n"
    )


def test_an_entry_moves_with_the_comments_above_it() -> None:
    assert (
        rewritten(BLOCK, m(f"next: {{{B}, traffic: 10}}, current: {{{A}, traffic: 90}}"))
        == """\
# head
endpoints:
  m:                              # clients call this
    served_models:
      # since June
      next:
        url: http://b/invocations
        traffic: 10               # the number

      # since May
      current:
        url: http://a/invocations # where
        # more of a
        traffic: rest             # the others leave it
          # deeper
      # end of the models
    # end of m
# end of all
"""
    )


def test_a_renamed_entry_keeps_everything_else() -> None:
    wanted = m(f"champion: {{{A}, traffic: 80}}, next: {{{B}, traffic: 20}}")
    assert rewritten(BLOCK, wanted) == BLOCK.replace("current:", "champion:").replace("traffic: 10 ", "traffic: 20 ")
    quoted = BLOCK.replace("current:", "'current':").replace("next:", '"next" :')
    wanted = m(f"champion: {{{A}, traffic: 90}}, other: {{{B}, traffic: 10}}")
    assert rewritten(quoted, wanted) == quoted.replace("'current'", "'champion'").replace('"next" :', '"other" :')


def test_a_field_is_added_after_the_last_and_removed_with_its_own_comment() -> None:
    wanted = m(
        f"current: {{{A}, traffic: 90, idempotent: true, workload_size: Small}}, next: {{{B}, traffic: 10}}", "    description: x y\n"
    )
    after = BLOCK.replace("          # deeper\n", "          # deeper\n        idempotent: true\n        workload_size: Small\n")
    after = after.replace("    # end of m\n", '    description: "x y"\n    # end of m\n')
    assert rewritten(BLOCK, wanted) == after
    assert rewritten(after, m(f"current: {{{A}, traffic: 90}}, next: {{{B}, traffic: 10}}")) == BLOCK.replace(
        "          # deeper\n", "          # deeper\n        idempotent: false\n"
    )
    before = BLOCK.replace("        url: http://b", "        # small\n        workload_size: Small   # for now\n        url: http://b")
    assert rewritten(before, m(f"current: {{{A}, traffic: 90}}, next: {{{B}, traffic: 10}}")) == before.replace(
        "        workload_size: Small   # for now\n", ""
    )


LONG = """\
endpoints:
- name: m      # the name
  config:
    served_entities:
    - name: a  # first
      # where
      url: http://a/invocations
    # above b

    -   url: http://b/invocations
        name: b
    traffic_config:
      routes:
      - traffic_percentage: 90
        served_model_name: a   # route of a
      - traffic_percentage: 10
        served_model_name: b
"""


def test_items_of_a_list() -> None:
    assert (
        rewritten(LONG, m(f"a: {{{A}, traffic: 60}}, b: {{{B}, traffic: 10}}, c: {{{C}, traffic: 30}}"))
        == """\
endpoints:
- name: m      # the name
  config:
    served_entities:
    - name: a  # first
      # where
      url: http://a/invocations
    # above b

    -   url: http://b/invocations
        name: b

    - name: c
      url: http://c/invocations
    traffic_config:
      routes:
      - traffic_percentage: 60
        served_model_name: a   # route of a
      - traffic_percentage: 10
        served_model_name: b
      - served_model_name: c
        traffic_percentage: 30
"""
    )
    assert (
        rewritten(LONG, m(f"b: {{{B}, traffic: 100}}"))
        == """\
endpoints:
- name: m      # the name
  config:
    served_entities:
    # above b

    -   url: http://b/invocations
        name: b
    traffic_config:
      routes:
      - traffic_percentage: 100
        served_model_name: b
"""
    )
    assert (
        rewritten(LONG, m(f"b: {{{B}, traffic: 10}}, other: {{{A}, traffic: 90}}"))
        == """\
endpoints:
- name: m      # the name
  config:
    served_entities:
    # above b

    -   url: http://b/invocations
        name: b

    - name: other  # first
      # where
      url: http://a/invocations
    traffic_config:
      routes:
      - traffic_percentage: 90
        served_model_name: other   # route of a
      - traffic_percentage: 10
        served_model_name: b
"""
    )


def test_the_first_field_of_an_item_is_removed() -> None:
    before = LONG.replace("- name: a  # first", "- workload_size: Small  # first\n      # the name\n      name: a")
    wanted = m(f"a: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}")
    assert rewritten(before, wanted) == before.replace("- workload_size: Small  # first\n      # the name\n", "- # the name\n")
    before = LONG.replace("- name: a  # first", "- workload_size: Small  # first\n      name: a")
    assert rewritten(before, wanted) == before.replace("- workload_size: Small  # first\n      name: a", "- name: a")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "\n", "\n\n", "\n# foot", "\n...\n"])
def test_any_line_end_and_any_end_of_the_file(line_end: str, last: str) -> None:
    before = (LONG.rstrip() + last).replace("\n", line_end)
    wanted = m(f"a: {{{A}, traffic: 60}}, b: {{{B}, traffic: 10}}, c: {{{C}, traffic: 30}}")
    after = rewritten(before, wanted)
    assert after.endswith(("served_model_name: c\n        traffic_percentage: 30" + last).replace("\n", line_end))
    assert set(after.replace(line_end, "")) & {"\r", "\n"} == set()
    assert rewritten(after, m(f"a: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}")) == before


def test_blank_lines_are_not_doubled_by_a_removal() -> None:
    before = "endpoints:\n" + "\n".join(f"  {name}:\n    served_models: {{x: {{{A}}}}}\n" for name in "abc")
    assert rewritten(before, "endpoints: {}", "b") == before.replace(f"  b:\n    served_models: {{x: {{{A}}}}}\n\n", "")
    assert rewritten(before, "endpoints: {}", "c") == before[: before.index("\n  c:")]
    assert rewritten(before, "endpoints: {}", "a") == "endpoints:\n" + before[before.index("  b:") :]


def test_values_form_a_column() -> None:
    before = f"""\
endpoints:
  m:
    served_models:
      current:    {{{A}, traffic: rest}}
      challenger: {{{B}, traffic: 10}}   # c
"""
    wanted = m(
        f"current: {{{A}, traffic: 70}}, challenger: {{{B}, traffic: 10}}, x: {{{C}, traffic: 20}}, much-too-long: {{{C}, traffic: 0}}"
    )
    assert rewritten(before, wanted) == before + (f"      x:          {{{C}, traffic: 20}}\n      much-too-long: {{{C}, traffic: 0}}\n")


def test_block_scalars_before_and_behind() -> None:
    before = f"""\
endpoints:
  m:
    description: |+   # kept
      text

        more
      # no comment

    served_models:
      a:
        {A}
        traffic: 100
        instance_profile_arn: >-
          folded
          text

      b:
        url: >-   # folded
          http://b/invocations
        traffic: 0
    task: |
      text
"""
    more = '    description: "text\\n\\n  more\\n# no comment\\n\\n"\n'
    wanted = m(f"a: {{{A}, traffic: 60, instance_profile_arn: folded text}}, b: {{{C}, traffic: 40}}", more)
    assert rewritten(before, wanted) == before.replace("100", "60").replace("traffic: 0", "traffic: 40").replace(
        "url: >-   # folded\n          http://b/invocations", "url: http://c/invocations  # folded"
    ).replace("    task: |\n      text\n", "")
    added = wanted.replace("traffic: 60", "traffic: 60, idempotent: true")
    assert "text\n        idempotent: true\n\n      b:" in rewritten(before, added)


def test_lines_keep_their_own_ends() -> None:
    before = f"endpoints:\r\n  m:\n    served_models:\r\n      a: {{{A}, traffic: rest}}\n      b: {{{B}, traffic: 10}}\r\n"
    after = rewritten(before, m(f"b: {{{B}, traffic: 10}}, c: {{{C}, traffic: 0}}, a: {{{A}, traffic: 90}}"))
    assert after == (
        "endpoints:\r\n  m:\n    served_models:\r\n"
        f"      b: {{{B}, traffic: 10}}\r\n      c: {{{C}, traffic: 0}}\r\n      a: {{{A}, traffic: rest}}\n"
    )


def test_a_key_stays_a_number_only_in_quotes() -> None:
    before = m(f"7: {{{A}, traffic: rest}}, b: {{{B}, traffic: 10}}").replace("7", "7 ")
    assert rewritten(before, m(f"8: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}")) == before.replace("7", '"8"')


def test_the_space_after_a_dash_is_that_of_the_first_item() -> None:
    before = f"name: m\nconfig:\n    served_entities:\n    -   name: a\n        {A}\n"
    after = rewritten(before, m(f"b: {{{B}, traffic: 0}}, a: {{{A}, traffic: 100}}"))
    assert after.startswith(
        f"name: m\nconfig:\n    served_entities:\n    -   name: b\n        {B}\n    -   name: a\n        {A}\n    traffic_config:"
    )

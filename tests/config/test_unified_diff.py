from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.config.unified_diff import unified

OLD = "a: 1\nb: 2\nc: 3\n"


def test_a_changed_line() -> None:
    assert unified(OLD, OLD.replace("2", "5"), "config/a.yaml") == (
        "--- config/a.yaml\n+++ config/a.yaml\n@@ -1,3 +1,3 @@\n a: 1\n-b: 2\n+b: 5\n c: 3\n"
    )


def test_two_names() -> None:
    assert unified("a\n", "b\n", "m v1", "m v2").splitlines()[:2] == ["--- m v1", "+++ m v2"]


def test_a_file_that_comes_and_one_that_goes() -> None:
    assert unified(None, "a\n", "x.yaml") == "--- /dev/null\n+++ x.yaml\n@@ -0,0 +1 @@\n+a\n"
    assert unified("a\n", None, "x.yaml") == "--- x.yaml\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"


@pytest.mark.parametrize("text", [None, "", OLD])
def test_nothing_is_different(text: str | None) -> None:
    assert unified(text, text, "a.yaml") == ""


def test_a_line_without_an_end_is_told() -> None:
    assert unified("a\nb", "a\nb\n", "x") == "--- x\n+++ x\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"


def test_only_a_line_feed_ends_a_line() -> None:
    assert unified("a\r\nb\u2028c\n", "a\r\nb\u2028d\n", "x") == "--- x\n+++ x\n@@ -1,2 +1,2 @@\n a\r\n-b\u2028c\n+b\u2028d\n"


lines = st.lists(st.sampled_from(["a", "b", "", "-- x", "++ y", "@@", "ü", "c\r"]), max_size=12).map("\n".join)


@given(lines, lines)
def test_applied_to_the_old_text_it_gives_the_new_one(old: str, new: str) -> None:
    assert _patched(old, unified(old, new, "x")) == new


def _patched(old: str, diff: str) -> str:
    """What a reader of the format makes of it, hunk by hunk and without looking at `old` where the diff tells."""
    if not diff:
        return old
    was, made, at = old.split("\n"), "", 0
    rest = [f"{line}\n" for line in was[:-1]] + ([was[-1]] if was[-1] else [])
    rows = diff.split("\n")[2:-1]
    for number, row in enumerate(rows):
        if row.startswith("@@ -"):
            start = row.split(" ")[1][1:]
            first = int(start.partition(",")[0]) - (0 if start.endswith(",0") else 1)
            made += "".join(rest[at:first])
            at = first
        elif not row.startswith("\\"):
            has_end = not (number + 1 < len(rows) and rows[number + 1].startswith("\\"))
            text = row[1:] + ("\n" if has_end else "")
            if row[0] in " -":
                assert rest[at] == text
                at += 1
            if row[0] in " +":
                made += text
    return made + "".join(rest[at:])


def test_patch_applies_it(tmp_path: Path) -> None:
    old, new = "# ü\n" + OLD * 5, ("# ü\n" + OLD * 5).replace("c: 3\na", "c: 4\na", 1).removesuffix("\n")
    file = tmp_path / "a.yaml"
    file.write_text(old)
    try:
        subprocess.run(["patch", "-s", str(file)], input=unified(old, new, "a.yaml").encode(), check=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("there is no patch(1) here")
    assert file.read_text() == new

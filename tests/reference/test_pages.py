"""The generated pages: what is committed is what the code says."""

from __future__ import annotations

import io
import re
from pathlib import Path

import click
import pytest
from aiohttp import web

from reference import __main__ as writing
from reference import calls, commands, configuration, markdown, metrics
from reference.pages import ROOT, pages
from splitter import cli, errors
from splitter.config import vocabulary as words
from splitter.controlplane.app import make_app
from splitter.controlplane.report import Report
from splitter.dataplane import plane
from splitter.dataplane.calls import LOCAL
from splitter.telemetry.endings import ENDINGS, MEANINGS
from tests.contrib.pages import databricks_page, process_page
from tests.controlplane.api.memory import MemoryControl
from tests.telemetry.reading import parsed

PAGES = pages()
DOCS = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code_says(name: str) -> None:
    assert (ROOT / name).read_text() == PAGES[name], "run `make docs`"


def test_nothing_else_is_in_the_folder_of_generated_pages() -> None:
    assert {f"docs/reference/{file.name}" for file in (ROOT / "docs/reference").iterdir()} == {name for name in PAGES if "docs/" in name}


def test_only_what_has_changed_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(writing, "ROOT", tmp_path)
    monkeypatch.setattr(writing, "pages", lambda: {"docs/a.md": "new", "docs/b.md": "old"})
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/b.md").write_text("old")
    writing.main()
    assert capsys.readouterr().out == "wrote docs/a.md\n"
    assert (tmp_path / "docs/a.md").read_text() == "new"


# --- nothing is forgotten -----------------------------------------------------------------------------------------------------------


def test_every_flag_is_there_with_its_variable() -> None:
    page = PAGES["docs/reference/cli.md"]
    for name, command in commands._commands(cli.commands):
        section = page.partition(f"\n## splitter {name}\n")[2].partition("\n## ")[0]
        common = page.partition("\n## Commands that ask a running splitter\n")[2]
        assert f"`splitter {name}" in section
        for option in command.params:
            if isinstance(option, click.Option):
                assert all(f"`{flag}`" in section for flag in option.opts[:1])
                variable = f"`SPLITTER_{str(option.name).upper()}`"
                assert not option.allow_from_autoenv or variable in section or variable in common



def test_every_field_is_there() -> None:
    page = PAGES["docs/reference/configuration.md"]
    records = (words.FILE, words.SHORT_ENDPOINT, words.LONG_ENDPOINT, words.SHORT_ENTITY, words.LONG_ENTITY, words.LONG_CONFIG, words.ROUTE)
    for record in records:
        for field in record.fields:
            assert f"`{field.name}`" in page, field.name
    for name in ("connect", "first_byte", "idle", "total"):
        assert re.search(rf"^\| `{name}` \| .* \| `[0-9]+` \| ", page, re.MULTILINE)


def test_every_answered_error_is_there() -> None:
    page = PAGES["docs/reference/errors.md"]
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.ClientError):
            assert f"| {kind.status} | `{kind.code}` |" in page
    assert "| 503 | `TEMPORARILY_UNAVAILABLE` | No connection to the model server" in page


def test_every_route_is_there() -> None:
    """All that aiohttp has, and all that a worker looks for."""
    calls_there = [call for group in calls.groups().values() for call in group]
    described = {(call.method, path) for call in calls_there for path in call.paths}
    routed = {(route.method, route.resource.canonical) for route in application().router.routes() if route.resource is not None}
    assert {(method, path) for method, path in routed if method not in ("HEAD", "*")} <= described
    assert {path.decode() for path in plane._LOCAL} == {call.path for call in LOCAL}
    page = PAGES["docs/reference/api.md"]
    for call in calls_there:
        assert f"\n### {call.title}\n\n`{call.method} {call.path}`" in page
        assert set(re.findall(r"{(\w+)}", call.path)) <= {parameter.name for parameter in call.parameters} or call.standing == "refused"


async def test_every_metric_is_written_as_it_is_described() -> None:
    """Each that there is, with the labels that are told of it, and no other word in those whose words are told."""
    described = {metric.name: metric for group in metrics.groups().values() for metric in group}
    families = parsed(await process_page()) | parsed(databricks_page())
    assert {name: (family.type, family.documentation) for name, family in families.items()} == {
        name: (metric.kind, metric.text) for name, metric in described.items()
    }
    for name, family in families.items():
        labels = {label.name: label.values for label in described[name].labels}
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == labels.keys(), sample
            assert all(value in labels[label] for label, value in sample.labels.items() if labels.get(label)), sample
    assert set(MEANINGS) == set(ENDINGS)


def application() -> web.Application:
    return make_app(MemoryControl(), Report(io.StringIO(), io.StringIO()))


@pytest.mark.parametrize("page", [*DOCS, ROOT / "README.md"], ids=lambda page: page.name)
def test_every_link_within_the_documents_leads_somewhere(page: Path) -> None:
    for target, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text()):
        file = page if not target else page.parent / target
        assert file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}, f"{target}#{heading}"


# --- the parts ----------------------------------------------------------------------------------------------------------------------


def test_a_table_without_empty_columns() -> None:
    assert markdown.table(("a", "b", "c"), [("1", "", "x|y\nz")]) == "| a | c |\n| --- | --- |\n| 1 | x\\|y z |\n"


def test_a_kind_that_has_no_words_is_an_error() -> None:
    with pytest.raises(TypeError, match="no words are known"):
        configuration._value(object())


def test_an_option_whose_default_stands_in_its_help() -> None:
    option = click.Option(["--name"], help="Its name.  [default: mine]", metavar="NAME")
    assert commands._row(option) == ("`--name`", "`NAME`", "mine", "`SPLITTER_NAME`", "Its name.")

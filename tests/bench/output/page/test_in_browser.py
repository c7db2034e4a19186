"""The page in a real browser: quiet, whole at every width, light and dark, with values under the pointer and without a script too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from splitter.bench.output.page import page
from splitter.bench.report import Report
from tests.bench.output.page import scenes
from tests.bench.output.page.browser import browser, needs_browser, opened
from tests.bench.output.summary import scenes as summary_scenes

pytestmark = needs_browser

SHOWN = (
    summary_scenes.canary,
    summary_scenes.direct,
    summary_scenes.overloaded,
    summary_scenes.closed,
    summary_scenes.reload,
    summary_scenes.nothing,
    summary_scenes.empty,
    scenes.no_splitter,
    scenes.long_run,
    scenes.hostile,
)
every_page = pytest.mark.parametrize("scene", SHOWN, ids=lambda scene: f"{scene.__module__.split('.')[-2]}-{scene.__name__}")

LUMINANCE = """() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (; node instanceof Element; node = node.parentNode) {
      const color = getComputedStyle(node).backgroundColor;
      if (!color.startsWith("rgba(0, 0, 0, 0")) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || node.closest("script, title, desc, defs")) continue;
    const style = getComputedStyle(node), front = node instanceof SVGElement ? style.fill : style.color, back = behind(node);
    const [a, b] = [light(front), light(back)].sort((one, other) => other - one);
    found.set(`${front} on ${back}: ${walker.currentNode.data.trim().slice(0, 30)}`, (a + 0.05) / (b + 0.05));
  }
  return Object.fromEntries(found);
}"""

DRAWN_WIDTH = """new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(() => done(document.documentElement.scrollWidth)));
})"""


@pytest.fixture(scope="module")
def started() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[], Report]], Path]:
    folder = tmp_path_factory.mktemp("pages")

    def write(scene: Callable[[], Report]) -> Path:
        file = folder / f"{scene.__module__.split('.')[-2]}-{scene.__name__}.html"
        if not file.exists():
            file.write_bytes(page(scene()))
        return file

    return write


Written = Callable[[Callable[[], Report]], Path]


@every_page
@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_quiet_and_needs_no_scrolling_to_the_side(started: Any, written: Written, scene: Any, width: int, scheme: str) -> None:
    file = written(scene)
    with opened(started, file, width, scheme) as found:
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
        for chart in found.page.query_selector_all(".chart"):
            box = chart.bounding_box()
            assert box["width"] > width * 0.5
            assert box["height"] > 100
        found.assert_quiet(file)


@every_page
def test_nothing_sticks_out_at_any_width(started: Any, written: Written, scene: Any) -> None:
    """Between a telephone and a wide screen there once were tables wider than the window."""
    with opened(started, written(scene)) as found:
        for width in (*range(360, 1000, 40), 641, 1024, 1025):
            found.page.set_viewport_size({"width": width, "height": 900})
            # The script learns of the new width with the next frame
            assert found.page.evaluate(DRAWN_WIDTH) <= width


@every_page
def test_curves_lie_within_their_plots(started: Any, written: Written, scene: Any) -> None:
    with opened(started, written(scene)) as found:
        outside = found.page.evaluate("""() => [...document.querySelectorAll(".lines path")].filter((path) => {
          const drawn = path.getBoundingClientRect(), plot = path.closest(".chart").getBoundingClientRect();
          return !(drawn.width + drawn.height > 0) || drawn.left < plot.left - 2 || drawn.right > plot.right + 2 || drawn.top < plot.top - 2
            || drawn.bottom > plot.bottom + 2;
        }).length""")
        assert outside == 0


@every_page
def test_what_is_drawn_has_its_colour(started: Any, written: Written, scene: Any) -> None:
    """Areas are filled and lines are not; once a rule of greater weight left bars and bands unseen."""
    with opened(started, written(scene)) as found:
        wrong = found.page.evaluate("""() => [...document.querySelectorAll(".lines path")].filter((path) => {
          const {fill, stroke} = getComputedStyle(path), is_area = path.matches(".band, .bars");
          return is_area !== (fill !== "none") || is_area !== (stroke === "none");
        }).map((path) => path.getAttribute("class"))""")
        assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(started: Any, written: Written, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text."""
    for scene in (*SHOWN[:5], scenes.long_run):
        with opened(started, written(scene), scheme=scheme) as found:
            ratios = found.page.evaluate(LUMINANCE)
            assert len(ratios) > 50
            assert {text: round(ratio, 2) for text, ratio in ratios.items() if ratio < 4.5} == {}


def test_light_and_dark_differ(started: Any, written: Written) -> None:
    backgrounds = []
    for scheme in ("light", "dark"):
        with opened(started, written(summary_scenes.canary), scheme=scheme) as found:
            backgrounds.append(found.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert backgrounds == ["rgb(253, 253, 252)", "rgb(21, 24, 28)"]


@pytest.mark.parametrize("width", [400, 1400])
def test_the_pointer_is_told_values(started: Any, written: Written, width: int) -> None:
    file = written(summary_scenes.canary)
    with opened(started, file, width) as found:
        over = found.page.locator("#percentiles .over")
        over.scroll_into_view_if_needed()
        box = over.bounding_box()
        found.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
        tip = found.page.locator("#percentiles .tip")
        assert "% of the requests" in tip.inner_text()
        assert tip.inner_text().count(" ms") == 4  # two models, since due and since sent
        inside = tip.bounding_box()
        assert inside["x"] >= 0
        assert inside["x"] + inside["width"] <= width
        found.page.mouse.move(0, 0)
        assert not tip.is_visible()
        found.assert_quiet(file)


def test_both_ways_are_told_beside_each_other(started: Any, written: Written) -> None:
    with opened(started, written(summary_scenes.direct)) as found:
        found.page.locator("#both-ways .over").focus()
        found.page.keyboard.press("Home")
        lines = found.page.locator("#both-ways .tip").inner_text()
        assert lines.count("through the proxy") == lines.count("asked directly") == 2
        button = found.page.get_by_role("button", name="asked directly")
        button.click()
        curves = found.page.locator("#both-ways .lines path")
        assert {curve.get_attribute("data-in").split()[1] for curve in curves.all() if curve.is_visible()} == {"proxied"}


def test_plots_over_time_show_the_same_moment_and_the_keys_move_it(started: Any, written: Written) -> None:
    with opened(started, written(summary_scenes.reload)) as found:
        over = found.page.locator("#latency-over-time .over")
        over.focus()
        for key in ("Home", "ArrowRight", "ArrowRight"):
            found.page.keyboard.press(key)
        assert found.page.locator("#latency-over-time .tip").inner_text().startswith("1 s to 1.5 s")
        assert found.page.locator("#rate .cross").is_visible()
        assert not found.page.locator("#rate .tip").is_visible()
        assert not found.page.locator("#percentiles .cross").is_visible()
        found.page.keyboard.press("Escape")
        assert not found.page.locator("#rate .cross").is_visible()


def test_curves_can_be_put_away(started: Any, written: Written) -> None:
    with opened(started, written(summary_scenes.canary)) as found:
        curves = found.page.locator("#percentiles .lines path")
        button = found.page.get_by_role("button", name="challenger").first
        before = [curve.is_visible() for curve in curves.all()]
        button.click()
        after = [curve.is_visible() for curve in curves.all()]
        assert all(before)
        assert after.count(False) == after.count(True)
        button.click()
        assert [curve.is_visible() for curve in curves.all()] == before


def test_hostile_names_are_text_under_the_pointer_too(started: Any, written: Written) -> None:
    file = written(scenes.hostile)
    with opened(started, file) as found:
        found.page.on("dialog", lambda dialog: found.complaints.append(dialog.message))
        for over in found.page.locator(".over").all():
            over.focus()
            found.page.keyboard.press("End")
        assert found.page.locator(".tip img, .tip script").count() == 0
        found.assert_quiet(file)


def test_without_a_script_the_plots_and_tables_are_there(started: Any, written: Written) -> None:
    with opened(started, written(summary_scenes.reload), java_script_enabled=False) as found:
        assert all(chart.is_visible() for chart in found.page.locator(".chart").all())
        assert not found.page.locator(".legend button:enabled").count()
        assert found.page.locator(".tip").count() == 0
        found.page.locator("summary").first.click()
        assert found.page.locator("details table").first.is_visible()


def test_it_prints_on_paper_with_its_plots(started: Any, written: Written) -> None:
    with opened(started, written(summary_scenes.canary), scheme="dark") as found:
        found.page.emulate_media(media="print")
        assert found.page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 33, 38)"  # dark letters, whatever the screen has
        assert found.page.locator(".chart").first.is_visible()
        assert not found.page.locator("nav").is_visible()
        assert found.page.pdf().startswith(b"%PDF")

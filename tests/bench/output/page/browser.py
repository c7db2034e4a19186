"""Debian's Chromium, driven by Playwright for Python, where both are there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "chromium is not on PATH" if CHROMIUM is None else "" if find_spec("playwright") else "Playwright is not installed"
needs_browser = pytest.mark.skipif(bool(MISSING), reason=f"{MISSING}; `make check-report` says how to get it")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Opened:
    """A page in the browser, and what it said and asked for meanwhile."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def assert_quiet(self, file: Path) -> None:
        """Nothing on the console, no request but for the file itself."""
        assert self.complaints == []
        assert self.requests == [file.as_uri()]


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium without a window; it ends with the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield started
        finally:
            started.close()


@contextmanager
def opened(started: Any, file: Path, width: int = 1400, scheme: str = "light", **more: Any) -> Iterator[Opened]:
    """The file in a window of that width."""
    context = started.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **more)
    try:
        found = Opened(context.new_page())
        found.page.goto(file.as_uri())
        yield found
    finally:
        context.close()

"""docs/how-to/first-canary.md, typed by hand: from two model servers to 100 % and back, each command in its order."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

from tests.contract.background import background
from tests.contract.scoring import scoring
from tests.contract.test_command_pages import FENCED, needs_curl, ported
from tests.contract.typing_in import Shell, console
from tests.process.models import model
from tests.process.serving import ROOT, serve

PAGE = (ROOT / "docs/how-to/first-canary.md").read_text()


@needs_curl
def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    [logged] = [text.strip() for language, text in FENCED.findall(PAGE) if not language]
    with ExitStack() as stack:
        around = stack.enter_context(background())
        current, challenger = (stack.enter_context(around.entered(model(scoring(name)))).url for name in ("current", "challenger"))
        steps = console(ported(PAGE, current, challenger))
        for command, shown in steps:
            if command == "splitter serve config/":
                break
            shell.show(command, shown)
        serving = stack.enter_context(around.entered(serve("config", cwd=tmp_path, workers=2)))
        for command, shown in steps:
            shell.show(command.replace("http://127.0.0.1:8080", serving.address), shown)
            if command == "splitter reload":
                around.call(serving.until("^" + re.escape(logged)))
    assert len(shell.typed) == 16
    assert re.search(r"challenger:\n *url: .*\n *traffic: 50 ", (tmp_path / "config/endpoints.yaml").read_text())

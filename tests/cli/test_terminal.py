from __future__ import annotations

import io
import os
import signal
import subprocess
import sys

import pytest

from splitter.cli.terminal import columns, fail, on_interrupt, plural, say, show_answer, warn


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns() -> None:
    rows = [("NAME", "VERSION", "STATE"), ("a", "3", "READY"), ("longer", "1200", "")]
    assert columns(rows) == "NAME    VERSION  STATE\na       3        READY\nlonger  1200"
    assert columns(rows, right=1) == "NAME    VERSION  STATE\na             3  READY\nlonger     1200"


def test_a_cell_keeps_to_its_line() -> None:
    assert columns([("a\nb", "c"), ("d", "e")]) == "a\\nb  c\nd     e"


def test_what_would_steer_the_terminal_is_shown_instead(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[31m → b\nc\r\x9b")
    assert capsys.readouterr().out == "a\\x1b[31m → b\nc\\r\\x9b\n"


def test_a_terminal_without_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    say("10 → 50")
    assert raw.getvalue() == b"10 \\u2192 50\n"


def test_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    warn("w")
    with pytest.raises(SystemExit) as ended:
        fail("e")
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", "splitter: warning: w\nsplitter: error: e\n")


def test_an_answer_is_indented_on_a_terminal_only(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    show_answer('{"a":"→"}\n'.encode(), {"a": "→"})
    assert capsysbinary.readouterr().out == '{"a":"→"}\n'.encode()
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    show_answer('{"a":"→"}'.encode(), {"a": "→"})
    assert terminal.getvalue() == '{\n  "a": "→"\n}\n'


def test_plural() -> None:
    assert [plural(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]


def test_what_ctrl_c_does_for_a_while() -> None:
    before = signal.getsignal(signal.SIGINT)
    with on_interrupt(signal.SIG_IGN):
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), on_interrupt(signal.default_int_handler):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_stream_that_was_closed_leads_nowhere(closed: int) -> None:
    called = "from splitter.cli.terminal import open_closed_streams; open_closed_streams()"
    program = f"import os; {called}; os.fstat({closed}); os.write(1, b'done')"
    command = f'"$0" -c "$1" {closed}{"<" if closed == 0 else ">"}&-'
    ended = subprocess.run(["sh", "-c", command, sys.executable, program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "" if closed == 1 else "done", "")

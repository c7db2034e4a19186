from __future__ import annotations

import os
import socket
from contextlib import closing

import pytest

from splitter.errors import StartError
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.listener import open_listener, url
from splitter.supervisor.systemd import inherited_listener, notify


def opened(host: str, port: int = 0) -> socket.socket:
    return open_listener(host, port, {}, Intervals(port_retry=0), lambda _: False)


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("localhost", socket.AF_INET), ("", socket.AF_INET)])
def test_it_listens_without_blocking_and_for_no_child_by_accident(host: str, family: int) -> None:
    with closing(opened(host)) as listener:
        assert listener.family == family
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert not listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        assert not listener.getblocking()
        assert not listener.get_inheritable()


def test_the_url_of_an_ipv4_listener() -> None:
    with closing(opened("127.0.0.1")) as listener:
        assert url(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_the_url_of_an_ipv6_listener() -> None:
    try:
        listener = opened("::1")
    except StartError:
        pytest.skip("no IPv6 here")
    with closing(listener):
        assert url(listener) == f"http://[::1]:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("203.0.113.7", r"--host 203\.0\.113\.7 is not an address of this machine"),
        ("no.such.host.invalid", r"--host no\.such\.host\.invalid: not an address and not a name that resolves"),
        ("a" * 300, "not an address and not a name that resolves"),
    ],
)
def test_a_host_that_is_not_ours_is_said(host: str, said: str) -> None:
    with pytest.raises(StartError, match=said):
        opened(host)


def test_listen_fds_for_another_process_are_not_ours() -> None:
    assert inherited_listener({"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1"}) is None
    assert inherited_listener({"LISTEN_FDS": "1"}) is None
    assert inherited_listener({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"}) is None
    assert inherited_listener({}) is None


def test_more_than_one_descriptor_is_refused() -> None:
    with pytest.raises(StartError, match="exactly one listening TCP socket"):
        inherited_listener({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"})


@pytest.mark.parametrize("name", ["/state", "@splitter-test"])
def test_the_service_manager_is_told(name: str, folder: os.PathLike[str]) -> None:
    path = f"@{os.getpid()}{name[1:]}" if name.startswith("@") else f"{folder}{name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + path[1:] if path.startswith("@") else path)
        notify({"NOTIFY_SOCKET": path}, "READY=1")
        assert manager.recv(100, socket.MSG_DONTWAIT) == b"READY=1"


def test_a_service_manager_that_is_gone_is_no_error() -> None:
    notify({"NOTIFY_SOCKET": "/nowhere/at/all"}, "READY=1")
    notify({}, "READY=1")

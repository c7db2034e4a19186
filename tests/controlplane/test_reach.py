from __future__ import annotations

import asyncio
import socket

from splitter.controlplane.reach import unreachable


async def test_who_listens_is_not_in_the_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there, socket.create_server(("127.0.0.1", 0)) as soon_gone:
        url = f"http://127.0.0.1:{there.getsockname()[1]}/invocations"
        gone = f"http://127.0.0.1:{soon_gone.getsockname()[1]}/invocations"
        soon_gone.close()
        assert await unreachable([url, gone, gone + "?x"]) == {gone: "connection refused", gone + "?x": "connection refused"}


async def test_no_answer_ends_after_the_patience() -> None:
    # A queue that is full: the kernel drops what else wants to connect.
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"
        async with asyncio.timeout(5):
            assert await unreachable([url], patience_s=0.2) == {url: "no answer within 0.2 s"}


async def test_a_name_that_nobody_knows() -> None:
    url = "http://no-such-host.invalid:80/"
    assert await unreachable([url], patience_s=20) == {url: "the name no-such-host.invalid is not known"}

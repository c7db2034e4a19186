"""An event loop in a thread of its own: what a test needs around it runs there, so that blocking clients run in the test's own
thread, where pytest's time limit reaches them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

_BOUND_S = 40.0


class Background:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it there, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_BOUND_S)

    @contextmanager
    def entered(self, context: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enter the context there, leave it there."""
        value = self.call(context.__aenter__())
        try:
            yield value
        finally:
            self.call(context.__aexit__(None, None, None))


@contextmanager
def background() -> Iterator[Background]:
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="around the test")
    thread.start()
    try:
        yield Background(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

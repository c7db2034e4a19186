from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """`splitter bench` runs on uvloop, both the generators and who collects from them."""
    return {"uvloop": uvloop.new_event_loop}

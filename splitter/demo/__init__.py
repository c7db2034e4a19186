"""`splitter demo`: two model servers, splitter in front of them, some traffic, and one file to edit.

`session.py` is the whole of it from start to end; the rest are its parts.
"""

from __future__ import annotations


def run(host: str, port: int, workers: int | None, traffic: bool) -> int:
    """See `session.run`."""
    # Imported here, since the process of the model servers has no use for the supervisor.
    from splitter.demo import session

    return session.run(host, port, workers, traffic)

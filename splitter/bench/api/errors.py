"""How a call of splitter's API ends without what was asked for: one tree, whose messages are sentences for whoever runs a load."""

from __future__ import annotations

from splitter.bench.errors import BenchError


class ApiError(BenchError):
    """The root. The message says which call it was, what came of it, and what to do."""


class Unreachable(ApiError):
    """There is no connection, so nothing was asked."""


class NoAnswer(ApiError):
    """The connection broke, or the answer took too long. What was asked for may have been done all the same."""


class NotSplitter(ApiError):
    """Something answers, and not as splitter does."""


class NoAccess(ApiError):
    """401, or a 403 for want of a right."""


class Refused(ApiError):
    """An error of splitter's API; `code` is its `error_code`."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def is_conflict(self) -> bool:
        """The endpoint is at another version, or its file is not what is in force. Nothing was changed."""
        return self.code == "RESOURCE_CONFLICT"

    @property
    def is_passing(self) -> bool:
        """The control plane is on its way up, or did not answer; asking again may do."""
        return self.status in (503, 504)


class MalformedAnswer(ValueError):
    """A JSON object that lacks what every answer of splitter has."""

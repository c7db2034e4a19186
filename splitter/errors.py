"""Every error that splitter itself answers or reports, in one tree.

A class says four things: the HTTP status, the stable `error_code` of the JSON body, who is to blame (`client`, `upstream` or
`splitter`), and whether a second try upstream is safe by itself. An upstream's own error answer is not in this tree: it passes
through unchanged.
"""

from __future__ import annotations

import json
from typing import ClassVar, Literal

Blame = Literal["client", "upstream", "splitter"]


class SplitterError(Exception):
    """The root. `message` is one or two sentences for the person who reads the answer."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    blame: ClassVar[Blame] = "splitter"
    retryable: ClassVar[bool] = False
    # The framing of what follows on the connection is not known any more, so it must not be read on.
    close: ClassVar[bool] = False
    # Seconds for a Retry-After field; None leaves it out.
    retry_after_s: ClassVar[int | None] = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def body(self) -> bytes:
        """The JSON body of the answer: `{"error_code", "message"}`."""
        return json.dumps({"error_code": self.code, "message": self.message}, ensure_ascii=False).encode()


# --- the client's fault -------------------------------------------------------------------------------------------------------


class ClientError(SplitterError):
    """The body of an API call is no JSON object, or does not come whole."""

    status = 400
    code = "BAD_REQUEST"
    blame = "client"


class BadRequest(ClientError):
    """The bytes are not a request that has exactly one reading (RFC 9112 §2 to §7)."""

    close = True


class BodyTooLarge(ClientError):
    """The body is larger than `--max-body-mb`. 400 and not 413, since the clients of this API send a 413 again, up to eight times."""

    close = True


class UnknownEndpoint(ClientError):
    """There is no such endpoint, served model or version; the message lists what there is."""

    status = 404
    code = "RESOURCE_DOES_NOT_EXIST"


class InvalidParameter(ClientError):
    """A field of an API call has a value that cannot be."""

    code = "INVALID_PARAMETER_VALUE"


class AlreadyExists(ClientError):
    """The endpoint that is to be created is there already."""

    status = 409
    code = "RESOURCE_ALREADY_EXISTS"


class Conflict(ClientError):
    """What is stored is not what the caller believes, or cannot be changed safely; nothing was changed."""

    status = 409
    code = "RESOURCE_CONFLICT"


class ReadOnly(ClientError):
    """The configuration cannot be written from here; the message names the file to edit."""

    status = 403
    code = "PERMISSION_DENIED"


class NotSupported(ClientError):
    """A part of the API that splitter does not have: permissions, `chat/completions`, external models."""

    status = 501
    code = "NOT_IMPLEMENTED"


class EndpointStopped(ClientError):
    """The endpoint is stopped. 400, as by Databricks: it does not start because somebody asks again."""


class NoSuchRoute(ClientError):
    """A path that belongs to no API of splitter."""

    status = 404
    code = "ENDPOINT_NOT_FOUND"


class MethodNotAllowed(ClientError):
    """A path of splitter's own does not take the method; the message says which it takes."""

    status = 405
    code = "BAD_REQUEST"


class RequestTimeout(ClientError):
    """The head or the body of the request came too slowly (RFC 9110 §15.5.9)."""

    status = 408
    close = True


class ExpectationFailed(ClientError):
    """An `Expect` field with something else than `100-continue`."""

    status = 417
    close = True


class HeadTooLarge(ClientError):
    """The head of the request has more than 64 KB or 128 fields."""

    status = 431
    close = True


class MethodNotImplemented(ClientError):
    """CONNECT, TRACE, or a method that is not known."""

    status = 501
    code = "NOT_IMPLEMENTED"
    close = True


class UpgradeNotImplemented(ClientError):
    """A change of protocol is asked for. That to h2c is passed over instead, as HTTP allows."""

    status = 501
    code = "NOT_IMPLEMENTED"
    close = True


class VersionNotSupported(ClientError):
    """The request says another version than HTTP/1.0 or HTTP/1.1."""

    status = 505
    close = True


# --- the model server's fault -------------------------------------------------------------------------------------------------


class UpstreamError(SplitterError):
    status = 502
    code = "BAD_GATEWAY"
    blame = "upstream"


class UpstreamUnreachable(UpstreamError):
    """No connection to the model server, so nothing was sent to it. 503, since clients then ask again by themselves."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"
    retryable = True
    retry_after_s = 1


class UpstreamClosed(UpstreamError):
    """The model server closed or reset the connection before the head of its answer was complete.

    Retryable only by the rules of RFC 9110 §9.2.2.
    """


class UpstreamMalformed(UpstreamError):
    """The answer of the model server is not HTTP that has exactly one reading."""


class UpstreamTimeout(UpstreamError):
    """No answer of the model server in time. 504, which none of the known clients sends again: the model may still be at work."""

    status = 504
    code = "DEADLINE_EXCEEDED"


class UpstreamTruncated(UpstreamError):
    """The answer of the model server broke off after its head had been relayed: no status can be sent any more, the connection is cut."""


# --- splitter's own -----------------------------------------------------------------------------------------------------------


class NoCapacity(SplitterError):
    """A bound of splitter is reached: connections, bytes in buffers."""

    status = 503
    code = "RESOURCE_EXHAUSTED"
    retry_after_s = 1


class ControlPlaneAway(SplitterError):
    """An API call whose control plane ended before it answered, or cannot be reached. It is replaced within a second."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"
    retry_after_s = 1


class ControlPlaneSlow(SplitterError):
    """No answer of the control plane in time. 504, which none of the known clients sends again: the change may still be made."""

    status = 504
    code = "DEADLINE_EXCEEDED"


class InternalError(SplitterError):
    """A fault in splitter. The answer names no detail; the log does."""


# --- start-up and configuration -----------------------------------------------------------------------------------------------


class StartError(SplitterError):
    """splitter cannot start; printed as it is, exit 1."""


class NoConfiguration(StartError):
    """`looked` holds each PATH with what was found there."""

    def __init__(self, looked: list[tuple[str, str]]) -> None:
        where = "".join(f"\n  {path}: {found}" for path, found in looked)
        super().__init__(
            f"no configuration found. splitter looked for *.yaml and *.yml here:{where}\n"
            "Write a first one from the URLs of your model servers:\n"
            "  splitter init http://127.0.0.1:5001 http://127.0.0.1:5002\n"
            "or name a file or a folder that exists: splitter serve PATH"
        )


class ConfigError(SplitterError):
    """A configuration, or the body of a create or a change, has errors; the message has a line for each of them.

    `problems` are complete lines `file:line:col: error: …`.
    """

    status = 400
    code = "INVALID_PARAMETER_VALUE"
    blame = "client"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

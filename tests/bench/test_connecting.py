from __future__ import annotations

import errno
import socket
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from splitter.bench.connecting import FAILURES, in_words

URL = "http://models.example/x"
_KEY = ConnectionKey("models.example", 80, False, True, None, None, None)  # type: ignore[call-arg,unused-ignore]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            aiohttp.ClientConnectorError(_KEY, OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")),
            f"nobody answers at {URL}: connection refused. Does the server run?",
        ),
        (
            aiohttp.ClientConnectorDNSError(_KEY, socket.gaierror(-2, "Name or service not known")),
            f"no address is found for the host of {URL}. Is its name right?",
        ),
        (
            aiohttp.ClientConnectorSSLError(_KEY, ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")),
            f"{URL} does not speak TLS: [ssl: wrong version number] wrong version number ( ssl.c:1006). Is it http:// there?",
        ),
        (
            aiohttp.ClientConnectorCertificateError(_KEY, ssl.SSLCertVerificationError(1, "self-signed certificate")),
            f"the certificate of {URL} is not accepted: self-signed certificate",
        ),
        (aiohttp.ConnectionTimeoutError(), f"nobody answers at {URL}: it took too long. Does the server run?"),
        (aiohttp.InvalidURL(URL), f"{URL} is not a URL that can be asked"),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, Exception) else "",
)
def test_each_way_in_which_there_is_no_connection_has_its_sentence(error: Exception, said: str) -> None:
    assert isinstance(error, FAILURES)
    assert in_words(URL, error) == said

"""Why there is no connection to a server, in words: for the one request before a load, and for calls of splitter's API."""

from __future__ import annotations

import os

import aiohttp

FAILURES = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
"""What aiohttp raises before anything was sent."""


def in_words(url: str, error: Exception) -> str:
    """One of FAILURES as a sentence, without a full stop before its advice; `url` is what was asked."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {url} is not accepted: {error.certificate_error}"
        case aiohttp.ClientConnectorSSLError():  # its number is OpenSSL's, not the system's
            why = str(getattr(error.os_error, "reason", None) or error.os_error)
            return f"{url} does not speak TLS: {why.replace('_', ' ').lower()}. Is it http:// there?"
        case aiohttp.ClientConnectorDNSError():
            return f"no address is found for the host of {url}. Is its name right?"
        case aiohttp.ConnectionTimeoutError():
            return f"nobody answers at {url}: it took too long. Does the server run?"
        case aiohttp.ClientConnectorError():
            return f"nobody answers at {url}: {reason(error.os_error)}. Does the server run?"
        case _:
            return f"{url} is not a URL that can be asked"


def reason(error: OSError) -> str:
    """asyncio's own words for it hold the address once more, and aiohttp's one of Python's making."""
    return os.strerror(error.errno).lower() if isinstance(error.errno, int) and error.errno > 0 else str(error)

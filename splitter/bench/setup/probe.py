"""One request to each target before the load: what is wrong with all of them is better said once, in words, than counted."""

from __future__ import annotations

import asyncio
import os

import aiohttp
from yarl import URL

from splitter.bench.errors import BenchError
from splitter.bench.plan import Plan, Target

_EXCERPT = 300
_PASSING = (408, 425, 429)  # of 4xx, what may be otherwise at the next request


class ProbeFailed(BenchError):
    """A load would be of errors only; the message says what is wrong, and what to do."""


async def probe(plan: Plan) -> list[str]:
    """Send the first body to each target. Returns warnings: what a model server fails may be what is to be measured.

    Raises ProbeFailed: nobody answers, or the request itself is refused.
    """
    limit = aiohttp.ClientTimeout(total=plan.timeout_s)
    async with aiohttp.ClientSession(timeout=limit, skip_auto_headers=("Accept-Encoding",), auto_decompress=False) as session:
        warnings = [await _ask(session, plan, target) for target in plan.targets]
    return [warning for warning in warnings if warning]


async def _ask(session: aiohttp.ClientSession, plan: Plan, target: Target) -> str:
    url = URL(target.url, encoded=True)
    body = plan.bodies[0] or None
    try:
        async with session.request(plan.method, url, data=body, headers=list(plan.fields_of(target)), allow_redirects=False) as answer:
            excerpt = (await answer.content.read(_EXCERPT)).decode("utf-8", "replace").strip()
            status = answer.status
    except TimeoutError:
        raise ProbeFailed(f"{target.url} gave no answer within {plan.timeout_s:g} s. More time: --timeout") from None
    except aiohttp.ClientConnectorCertificateError as exc:
        raise ProbeFailed(f"the certificate of {target.url} is not accepted: {exc.certificate_error}") from None
    except aiohttp.ClientSSLError as exc:  # its number is OpenSSL's, not the system's
        raise ProbeFailed(f"{target.url} does not speak TLS: {exc.strerror or exc}. Is it http:// there?") from None
    except aiohttp.ClientConnectorError as exc:
        raise ProbeFailed(f"nobody answers at {target.url}: {_reason(exc.os_error)}. Does the server run?") from None
    except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError) as exc:
        raise ProbeFailed(f"{target.url} does not answer as an HTTP server: {_in_words(exc)}") from None
    if status < 400:
        return f"{target.url} answers {status}, a redirection, which is not followed" if status // 100 == 3 else ""
    said = f"{target.url} answers {status}{f': {excerpt}' if excerpt else ''}"
    if status < 500 and status not in _PASSING:
        raise ProbeFailed(f"{said}\n{_remedy(status)} A load of such answers is sent with --no-probe")
    return said


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "Credentials are given with --token or --header."
    if status in (404, 405):
        return "Is the URL right? An endpoint of splitter is http://HOST:PORT/serving-endpoints/NAME."
    return "Is the payload right?"


def _in_words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError):  # which shows the bytes on further lines, and a status that nobody sent
        return error.message.partition("\n")[0].rstrip(": ").lower()
    return _reason(error) if isinstance(error, OSError) else str(error)


def _reason(error: OSError) -> str:
    # asyncio's own words for it hold the address once more.
    return os.strerror(error.errno).lower() if isinstance(error.errno, int) and error.errno > 0 else str(error)

"""One request to each target before the load: what is wrong with all of them is better said once, in words, than counted."""

from __future__ import annotations

import asyncio
import re

import aiohttp
from yarl import URL

from splitter.bench import connecting
from splitter.bench.errors import BenchError
from splitter.bench.plan import Plan, Target

_EXCERPT = 300
_LOOKED_AT = 4096
_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)
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
            excerpt = _excerpt((await answer.content.read(_LOOKED_AT)).decode("utf-8", "replace"))
            status = answer.status
    except TimeoutError:
        raise ProbeFailed(f"{target.url} gave no answer within {plan.timeout_s:g} s. More time: --timeout") from None
    except connecting.FAILURES as exc:
        raise ProbeFailed(connecting.in_words(target.url, exc)) from None
    except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError) as exc:
        raise ProbeFailed(f"{target.url} does not answer as an HTTP server: {_in_words(exc)}") from None
    if status < 400:
        return f"{target.url} answers {status}, a redirection, which is not followed" if status // 100 == 3 else ""
    said = f"{target.url} answers {status}{f': {excerpt}' if excerpt else ''}"
    if status < 500 and status not in _PASSING:
        raise ProbeFailed(f"{said}\n{_remedy(status)} A load of such answers is sent with --no-probe")
    return said


def _excerpt(said: str) -> str:
    """What the answer says, on one line; a page for browsers by its title."""
    is_page = said.lstrip().startswith("<")
    title = _TITLE.search(said)
    words = (title[1] if title else "") if is_page else said
    return " ".join(words.split())[:_EXCERPT]


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "Credentials are given with --token or --header."
    if status in (404, 405):
        return "Is the URL right? An endpoint of splitter is http://HOST:PORT/serving-endpoints/NAME."
    return "Is the payload right?"


def _in_words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError):  # which shows the bytes on further lines, and a status that nobody sent
        return error.message.partition("\n")[0].rstrip(": ").lower()
    return connecting.reason(error) if isinstance(error, OSError) else str(error)

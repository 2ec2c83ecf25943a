"""One request to one TorchServe, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx

from assay_engine import framing
from assay_engine.errors import BadFrame
from assay_engine.framing import Found, Item
from assay_inference.errors import EngineUnreached
from assay_shared.errors import AssayError, EngineUnavailable

PATH = "/predictions/engine"
HEADERS = {"Content-Type": framing.CONTENT_TYPE}
CONNECT_SECONDS = 1.0
"""A box that is off answers nothing at all; its brands must move within two seconds."""


def make_client(timeout_seconds: float, connections: int) -> httpx.AsyncClient:
    """The client for `ask`, which keeps so many connections open."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=connections),
        headers=HEADERS,
        trust_env=False,
    )


async def ask(http: httpx.AsyncClient, url: str, items: Sequence[Item]) -> list[Found | AssayError]:
    """The engine's result for each item. Raises EngineUnreached where nobody listens, and EngineUnavailable
    for whatever else is not a whole response frame."""
    try:
        answer = await http.post(url + PATH, content=framing.write_request(items))
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise EngineUnreached(f"The detector does not answer ({type(error).__name__})") from error
    except httpx.HTTPError as error:
        raise EngineUnavailable(f"The detector does not answer ({type(error).__name__})") from error
    if not answer.is_success:
        raise EngineUnavailable(f"The detector answered {answer.status_code}: {answer.text[:200]}")
    try:
        results = framing.read_response(answer.content)
    except BadFrame as error:
        raise EngineUnavailable(f"The detector's answer cannot be read: {error.detail}") from error
    if len(results) != len(items):
        raise EngineUnavailable(f"The detector gave {len(results)} answers to {len(items)} pictures")
    return results


def check_engine(urls: list[str], timeout_seconds: float) -> None:
    """Asks all TorchServes at once for a real prediction, of no picture; blocks until one answers.

    Raises EngineUnavailable when none does.
    """
    pool = ThreadPoolExecutor(len(urls))
    try:
        asked = {pool.submit(ask_now, url, [], httpx.Timeout(timeout_seconds)): url for url in urls}
        reason = ""
        for done in as_completed(asked):
            try:
                done.result()
                return
            except (httpx.HTTPError, BadFrame) as error:
                reason = f"{asked[done]}: {type(error).__name__}"
        raise EngineUnavailable(f"No detector answers; last {reason}")
    finally:
        pool.shutdown(wait=False)


def ask_now(url: str, items: Sequence[Item], timeout: httpx.Timeout) -> list[Found | AssayError]:
    """The engine's results, outside of an event loop; blocks. Raises httpx.HTTPError and BadFrame."""
    answer = httpx.post(
        url + PATH,
        content=framing.write_request(items),
        headers=HEADERS,
        timeout=timeout,
        trust_env=False,
    )
    return framing.read_response(answer.raise_for_status().content)

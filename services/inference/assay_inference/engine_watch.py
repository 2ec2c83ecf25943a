"""Sees which TorchServes live, by real predictions: a dead one is asked until it answers, an idle one now and
then, and one that answers nothing loses what it has in hand."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from assay_inference.engine_hosts import Host, Hosts
from assay_inference.transport import Transport
from assay_shared import logs
from assay_shared.errors import EngineUnavailable

TICK_SECONDS = 0.25
PROBE_SECONDS = 3.0
"""For a probe's answer; it waits in line behind what the host still has in hand."""

log = logs.get_logger(__name__)


async def watch(host: Host, hosts: Hosts, transport: Transport, on_change: Callable[[], None]) -> None:
    """Watches one host until cancelled; `on_change` is called when it is back and when it is lost."""
    while True:
        try:
            await _look(host, hosts, transport, on_change)
        except Exception:
            log.exception("watching a host failed", host=host.url)
        await _rest(host)


async def _look(host: Host, hosts: Hosts, transport: Transport, on_change: Callable[[], None]) -> None:
    if not host.alive:
        if time.monotonic() - host.probed < transport.lost_seconds:
            return
        host.probed = time.monotonic()
        if await _answers(host, transport):
            host.hear()
            on_change()
    elif host.is_silent():
        # The only host that lives keeps what it has: there is nobody to give it to.
        if hosts.others_live(host):
            host.lose("silent")
            host.give_up()
            on_change()
    elif host.idle and time.monotonic() - host.heard > transport.idle_seconds:
        if await _answers(host, transport):
            host.hear()
        elif host.idle:
            host.lose("no answer to a probe")
            on_change()


async def _answers(host: Host, transport: Transport) -> bool:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await transport.ask(host.url, [])
    except (EngineUnavailable, TimeoutError):
        return False
    return True


async def _rest(host: Host) -> None:
    """A tick; shorter where the host was lost meanwhile."""
    host.changed.clear()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TICK_SECONDS):
            await host.changed.wait()

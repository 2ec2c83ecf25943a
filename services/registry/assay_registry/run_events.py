"""A training run's changes as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anyio.to_thread
from sse_starlette import ServerSentEvent

from assay_registry.context import Context
from assay_registry.models import TrainingRunRow
from assay_registry.run_states import describe_run
from assay_shared.errors import Unavailable
from assay_shared.wire import ACTIVE_STATES, TrainingRun

POLL_SECONDS = 1.0
PING_SECONDS = 15
"""How often a comment is sent, so that gateways do not take a stream without news for dead."""


async def stream_run(context: Context, run: str) -> AsyncIterator[ServerSentEvent]:
    """Events named `run`, each with the whole wire.TrainingRun as JSON: one at once, one for each change,
    the last when the run is over. Then the stream ends. While the database is away it is silent."""
    last = ""
    while True:
        described = await anyio.to_thread.run_sync(_read, context, run)
        text = described.model_dump_json() if described else last
        if text != last:
            last = text
            yield ServerSentEvent(text, event="run", sep="\n")
        if described and described.state not in ACTIVE_STATES:
            return
        await asyncio.sleep(POLL_SECONDS)


def _read(context: Context, run: str) -> TrainingRun | None:
    try:
        with context.database.session() as session:
            row = session.get(TrainingRunRow, run)
            return describe_run(session, row) if row else None
    except Unavailable:
        return None

"""How a batch of pictures reaches an engine: one small protocol, TorchServe and SageMaker behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from assay_engine.framing import Found, Item
from assay_inference.engine_calls import ask, check_engine, make_client
from assay_shared.errors import AssayError


class Transport(Protocol):
    """What `EngineClient` needs to reach the hosts that it was given."""

    idle_seconds: float
    """Between two probes of a host that nobody asks anything."""
    lost_seconds: float
    """Between two probes of a host that was lost, beside the watcher's own rest."""

    async def ask(self, host: str, items: Sequence[Item]) -> list[Found | AssayError]:
        """The host's result for each item; without items a probe. Raises EngineUnreached where nothing was
        sent, EngineUnavailable for whatever else went wrong with all of them."""

    def check(self) -> None:
        """Blocks until a host answers a real prediction. Raises EngineUnavailable when none does."""

    async def close(self) -> None:
        """Ends all connections."""


class TorchServeTransport:
    """TorchServes at addresses of their own, asked over HTTP for at most `timeout_seconds` a call."""

    idle_seconds, lost_seconds = 5.0, 0.0

    def __init__(self, urls: Sequence[str], slots: Sequence[int], timeout_seconds: float) -> None:
        self._urls, self._timeout = list(urls), timeout_seconds
        self._http = make_client(timeout_seconds, sum(slots) + len(urls))

    async def ask(self, host: str, items: Sequence[Item]) -> list[Found | AssayError]:
        """See `Transport`."""
        return await ask(self._http, host, items)

    def check(self) -> None:
        """See `Transport`."""
        check_engine(self._urls, self._timeout)

    async def close(self) -> None:
        """See `Transport`."""
        await self._http.aclose()

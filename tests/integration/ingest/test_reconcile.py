from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import redis

from assay_ingest.reconcile import LOCK, Reconciler
from assay_shared.errors import BrokerUnavailable, RegistryUnavailable
from assay_shared.keys import UPLOADS
from assay_shared.queue import INGEST
from assay_shared.registry_client import RegistryClient
from deploy.local.ports import free_port
from tests.integration.ingest.support import Inbox, queued
from tests.integration.ingest.test_bad_input import GOOD, photo


@pytest.fixture
def broker_url(inbox: Inbox) -> str:
    """The broker of `ingest`, emptied; the inbox is emptied of other tests' files too."""
    url = inbox.clients.settings.broker_url.get_secret_value()
    with redis.Redis.from_url(url) as broker:
        broker.flushdb()
    for stored in inbox.store.list(UPLOADS):
        inbox.store.delete(UPLOADS, stored.key)
    return url


def test_sends_once_what_no_record_knows(inbox: Inbox, broker_url: str) -> None:
    inbox.put("known.json", GOOD)
    inbox.ingest("known.json")
    inbox.put("a b+c.jpg", photo(1))
    stray = f"{inbox.brand}-stray.jpg"
    inbox.store.put(UPLOADS, stray, b"x")
    reconciler = Reconciler(inbox.clients)
    assert [reconciler.scan() for _ in range(2)] == [2, 0]
    assert {event["key"] for event in queued(broker_url, INGEST)} == {inbox.key("a b+c.jpg"), stray}
    inbox.store.delete(UPLOADS, stray)


def test_sends_again_what_is_still_there_after_a_while(inbox: Inbox, broker_url: str) -> None:
    inbox.put("a.jpg", photo(1))
    quick = replace(
        inbox.clients, settings=inbox.clients.settings.model_copy(update={"resend_seconds": 0.01})
    )
    reconciler = Reconciler(quick)
    assert reconciler.scan() == 1
    time.sleep(0.02)
    assert reconciler.scan() == 1
    inbox.ingest("a.jpg")
    time.sleep(0.2)
    assert reconciler.scan() == 0


def test_an_empty_inbox_costs_one_listing_and_one_call(inbox: Inbox, broker_url: str) -> None:
    calls: list[str] = []

    class Watched:
        def __init__(self, real: Any) -> None:
            self._real = real

        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(self._real, name)

    watched: Any = replace(
        inbox.clients,
        store=Watched(inbox.clients.store),  # type: ignore[arg-type]
        registry=Watched(inbox.clients.registry),  # type: ignore[arg-type]
    )
    assert Reconciler(watched).scan() == 0
    assert calls == ["list", "list_awaited_models"]


def test_another_replica_that_scans_is_left_alone(inbox: Inbox, broker_url: str) -> None:
    inbox.put("a.jpg", photo(1))
    with redis.Redis.from_url(broker_url) as broker:
        broker.set(LOCK, "another")
        assert Reconciler(inbox.clients).scan() == 0
        broker.delete(LOCK)
        assert Reconciler(inbox.clients).scan() == 1
        assert broker.get(LOCK) is None


def test_says_what_is_down(inbox: Inbox, broker_url: str) -> None:
    inbox.put("a.jpg", photo(1))
    away = RegistryClient(f"http://127.0.0.1:{free_port()}", "no-token", 1.0)
    with pytest.raises(RegistryUnavailable):
        Reconciler(replace(inbox.clients, registry=away)).scan()
    away.close()
    nowhere = inbox.clients.settings.model_copy(
        update={"broker_url": type(inbox.clients.settings.broker_url)(f"redis://127.0.0.1:{free_port()}/0")}
    )
    with pytest.raises(BrokerUnavailable):
        Reconciler(replace(inbox.clients, settings=nowhere)).scan()


def test_the_thread_outlives_errors(inbox: Inbox, broker_url: str) -> None:
    away = RegistryClient(f"http://127.0.0.1:{free_port()}", "no-token", 1.0)
    settings = inbox.clients.settings.model_copy(update={"reconcile_seconds": 0.2})
    reconciler = Reconciler(replace(inbox.clients, settings=settings, registry=away))
    reconciler.start()
    time.sleep(0.5)
    assert reconciler.is_running
    reconciler.stop()
    away.close()
    assert not reconciler.is_running

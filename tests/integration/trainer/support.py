"""A registry on real parts, a brand with pictures in it, and trainers that work for it in threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import update

from assay_registry.context import Context
from assay_registry.models import ImageRow, LabelRow, TrainingRunRow
from assay_shared import keys
from assay_shared.errors import Conflict
from assay_shared.ids import utc_now
from assay_shared.registry_client import RegistryClient
from assay_shared.storage import ObjectStore
from assay_shared.wire import Backend, DatasetManifest, Lease, ModelPlace
from assay_trainer.backend import TrainingBackend
from assay_trainer.run import train_leased_run
from tests.support.waiting import wait_until
from tests.unit.trainer.test_train_child import SIZE, draw_pictures

LENIENT = {"gate": {"min_map50": 0, "min_image_accuracy": 0}, "min_images_per_label": 2}
"""Settings of a brand that trains on a few pictures and takes what comes."""
HANGS = 240.0
"""Seconds after which what should have ended is taken to hang."""


@dataclass(frozen=True)
class Assay:
    """A registry that answers over HTTP, its own context, and a brand."""

    url: str
    context: Context
    http: httpx.Client
    client: RegistryClient
    store: ObjectStore
    brand: str
    token: str

    @property
    def address(self) -> str:
        """The brand's address."""
        return f"/v1/brands/{self.brand}"

    def teach(self, folder: Path, count: int = 12) -> DatasetManifest:
        """Accepted pictures of a card with a logo, in the store and in the registry."""
        drawn = draw_pictures(folder, count)
        self.http.patch(self.address, json={"settings": LENIENT}).raise_for_status()
        for item in drawn.items:
            path = folder / f"{item.sha256}.{item.extension}"
            self.store.put_file(keys.IMAGES, keys.image_key(self.brand, item.sha256, item.extension), path)
        with self.context.database.session() as session:
            session.add_all(
                LabelRow(brand=self.brand, name=label.name, role=label.role.value, created_at=utc_now())
                for label in drawn.labels
                if label.name in ("carton", "logo")
            )
            session.add_all(
                ImageRow(
                    brand=self.brand,
                    sha256=item.sha256,
                    extension=item.extension,
                    width=item.width,
                    height=item.height,
                    perceptual_hash=item.sha256[:16],
                    method="lossless",
                    state="accepted",
                    upload="up1",
                    name=f"{item.sha256}.jpg",
                    stem=item.sha256,
                    annotations=[box.model_dump() for box in item.annotations],
                )
                for item in drawn.items
            )
        return drawn

    def finish(self, epochs: int = 2, **options: Any) -> str:
        """The brand has finished; gives the run."""
        tiny = {"image_size": SIZE, "epochs": epochs, "batch": 4}
        answer = self.http.post(f"{self.address}/training-runs", json={"options": tiny | options})
        assert answer.status_code == 202, answer.text
        run: str = answer.json()["id"]
        return run

    def read(self, run: str) -> dict[str, Any]:
        """The run as the brand sees it."""
        found: dict[str, Any] = self.http.get(f"{self.address}/training-runs/{run}").json()
        return found

    def read_log(self, run: str) -> list[str]:
        """The run's log without times."""
        text = self.http.get(f"{self.address}/training-runs/{run}/log").text
        return [line.split(" ", 1)[1] for line in text.splitlines() if " " in line]

    def cancel(self, run: str) -> None:
        """The brand cancels."""
        self.http.delete(f"{self.address}/training-runs/{run}").raise_for_status()

    def wait_for(self, run: str, *states: str) -> dict[str, Any]:
        """The run when it is in one of these states."""

        def look() -> dict[str, Any] | None:
            found = self.read(run)
            return found if found["state"] in states else None

        return wait_until(look, HANGS, f"{run} is {states}")

    def wait_for_line(self, run: str, words: str) -> str:
        """The first line of the run's log with these words."""
        return wait_until(
            lambda: next((line for line in self.read_log(run) if words in line), None),
            HANGS,
            f"the log of {run} says {words!r}",
        )

    def wait_for_lines(self, run: str, words: str, count: int) -> None:
        """Until so many lines of the run's log have these words."""
        wait_until(
            lambda: sum(words in line for line in self.read_log(run)) >= count, HANGS, f"{count} x {words!r}"
        )

    def judge(self, run: str) -> dict[str, Any]:
        """The run's model.json has arrived, as the store's notification says; gives the run after that."""
        self.client.judge_model(ModelPlace(brand=self.brand, version=self.read(run)["model_version"]))
        return self.read(run)

    def let_expire(self, run: str) -> None:
        """The run's lease is over, as if its owner had died a while ago."""
        with self.context.database.session() as session:
            session.execute(
                update(TrainingRunRow).where(TrainingRunRow.id == run).values(lease_expires_at=utc_now())
            )


@dataclass
class Trainer:
    """A trainer service: takes runs as the Celery task does, each in a thread."""

    assay: Assay
    backends: dict[Backend, TrainingBackend]
    data_dir: Path
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def take(self, run: str) -> Lease:
        """Leases a run and trains it in a thread. Raises Conflict."""
        lease = self.assay.client.acquire_lease(run, f"trainer-{id(self)}", list(self.backends))
        arguments = (
            *(lease, self.assay.client, self.assay.store, self.backends[lease.backend]),
            *(self.data_dir, self.stopping),
        )
        thread = threading.Thread(target=train_leased_run, args=arguments)
        thread.start()
        self.threads.append(thread)
        return lease

    def take_if_free(self, runs: Sequence[str]) -> None:
        """Takes those that nobody holds, as a task that comes twice does."""
        for run in runs:
            try:
                self.take(run)
            except Conflict:
                continue

    def stop(self) -> None:
        """Tells it to stop, and waits until it has."""
        self.stopping.set()
        self.wait()

    def wait(self) -> None:
        """Until all it works on has ended."""
        for thread in self.threads:
            thread.join(HANGS)
            assert not thread.is_alive(), "a trainer hangs"

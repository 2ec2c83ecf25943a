"""Which backends this trainer has, by its settings: the one it begins runs in comes first."""

from __future__ import annotations

from assay_shared.registry_client import RegistryClient
from assay_shared.storage import ObjectStore
from assay_shared.wire import Backend
from assay_trainer.backend import TrainingBackend
from assay_trainer.local_backend import LocalBackend
from assay_trainer.orphans import OrphanSweep
from assay_trainer.sagemaker_backend import SageMakerBackend
from assay_trainer.sagemaker_events import EventQueue
from assay_trainer.sagemaker_settings import SettingsMissing, TrainingJobSettings, read_job_settings
from assay_trainer.settings import TrainerSettings


class Backends:
    """The backends of this process, and the threads that belong to SageMaker's.

    With `celery` and SageMaker's settings there as well, runs that have a job in AWS are finished there.
    Raises SettingsMissing where SageMaker is chosen and its settings are not whole.
    """

    def __init__(self, settings: TrainerSettings, registry: RegistryClient) -> None:
        self._settings = settings
        self.store = ObjectStore(settings.store)
        self._made: dict[Backend, TrainingBackend] = {}
        self.job_settings = _read_jobs(settings)
        self._threads: list[EventQueue | OrphanSweep] = []
        if settings.training_backend == "celery":
            self._made["celery"] = LocalBackend(self.store, settings.pretrained_weights, settings.device)
        if self.job_settings is not None:
            self._made["sagemaker"] = self._make_sagemaker(self.job_settings, registry)

    @property
    def names(self) -> tuple[Backend, ...]:
        """The names, that in which runs begin first."""
        return tuple(self._made)

    @property
    def runs_at_once(self) -> int:
        """How many runs one worker owns at once: jobs in AWS as many as may be, but one beside itself."""
        if self._settings.training_backend == "sagemaker" and self.job_settings is not None:
            return self.job_settings.training_jobs
        return 1

    def get(self, name: Backend) -> TrainingBackend:
        """The backend of this name, one of `names`."""
        return self._made[name]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the threads; nobody waits for them."""
        for thread in self._threads:
            thread.stop()

    def _make_sagemaker(self, jobs: TrainingJobSettings, registry: RegistryClient) -> SageMakerBackend:
        events = EventQueue(jobs.events_queue_url, jobs.region) if jobs.events_queue_url else None
        reads_store = jobs.reads_store
        backend = SageMakerBackend(
            self.store,
            jobs,
            self._settings.pretrained_weights,
            reads_store=self._settings.store.is_amazon if reads_store is None else reads_store,
            events=events,
        )
        self._threads = [OrphanSweep(backend.clients, registry), *([events] if events else [])]
        return backend


def _read_jobs(settings: TrainerSettings) -> TrainingJobSettings | None:
    try:
        return read_job_settings()
    except SettingsMissing:
        if settings.training_backend == "sagemaker":
            raise
        return None

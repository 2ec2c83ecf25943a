"""Judging a model version that has arrived, and putting it live; either ends its training run."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from pydantic import ValidationError

from assay_registry import gate, promotion
from assay_registry.context import Context
from assay_registry.models import ModelVersionRow, TrainingRunRow
from assay_registry.promotion import find_version
from assay_registry.run_states import is_active, lock_brand, lock_run, move
from assay_shared import logs
from assay_shared.errors import InvalidRequest
from assay_shared.keys import MODELS, model_folder, model_json_key
from assay_shared.model_description import WEIGHTS_FILE, ModelDescription
from assay_shared.storage import ObjectStore
from assay_shared.wire import BrandSettings, ModelPlace, RunState

REPORT = "report/"
"""The folder of a model version that its page shows."""
MAX_DESCRIPTION_BYTES = 64 << 20

log = logs.get_logger(__name__)


def judge(context: Context, place: ModelPlace, run: TrainingRunRow) -> ModelVersionRow:
    """Records a version that has arrived as a candidate, or as rejected with reasons; gives the row.

    Raises NotFound without a model.json; InvalidRequest, and the run has failed, when the model is not whole.
    """
    try:
        document, description = _read_description(context, place, run)
    except InvalidRequest as error:
        _fail_run(context, run.id, error.detail)
        raise
    with context.database.session() as session:
        brand = lock_brand(session, place.brand)
        known = session.get(ModelVersionRow, (place.brand, place.version))
        if known is not None:
            return known
        locked = lock_run(session, run.id)
        reasons = _find_obstacle(locked)
        if not reasons:
            reasons = gate.judge(BrandSettings.model_validate(brand.settings).gate, description)
        row = ModelVersionRow(
            brand=place.brand,
            version=place.version,
            run=run.id,
            state="rejected" if reasons else "candidate",
            reasons=reasons,
            description=document,
            report=sorted(name.removeprefix(REPORT) for name in description.files if name.startswith(REPORT)),
        )
        session.add(row)
        locked.metrics = document["metrics"]
        if reasons and is_active(locked):
            _end_run(locked, reasons)
    log.info("model judged", brand=place.brand, version=place.version, state=row.state, reasons=reasons)
    return row


def put_live(context: Context, row: ModelVersionRow, *, rollback: bool) -> None:
    """Puts a version live that passed; its run has succeeded then. Without `rollback` only a candidate: one
    that was live already is left where the brand put it."""
    promotion.copy_served_files(context, row.brand, row.version)
    with context.database.session() as session:
        lock_brand(session, row.brand)
        current = find_version(session, row.brand, row.version)
        if current.state == "candidate":
            run = lock_run(session, current.run)
            reasons = _find_obstacle(run)
            if reasons and not rollback:
                current.state, current.reasons = "rejected", reasons
                return
            if is_active(run):
                _end_run(run, [])
        elif not rollback:
            return
        promotion.make_live(session, current)
    promotion.point(context, row.brand)
    log.info("model live", brand=row.brand, version=row.version)


def _find_obstacle(run: TrainingRunRow) -> list[str]:
    """Why no model of this run goes live by itself, whatever its figures."""
    if run.cancel_requested or run.state == RunState.CANCELLED:
        return ["the training run was cancelled"]
    if run.state == RunState.FAILED:
        return [f"the training run had failed: {run.reason}"]
    return []


def _end_run(run: TrainingRunRow, reasons: list[str]) -> None:
    """The run of a judged version is over; it has succeeded even when the gate did not let its model pass."""
    if run.cancel_requested:
        move(run, RunState.CANCELLED, "cancelled by the brand")
    else:
        move(run, RunState.SUCCEEDED, f"not live: {'; '.join(reasons)}" if reasons else None)


def _fail_run(context: Context, run: str, reason: str) -> None:
    with context.database.session() as session:
        row = lock_run(session, run)
        if is_active(row):
            move(row, RunState.FAILED, reason)


def _read_description(
    context: Context, place: ModelPlace, run: TrainingRunRow
) -> tuple[dict[str, Any], ModelDescription]:
    """The version's model.json, as it is and as it is understood. Raises NotFound when it is not there,
    InvalidRequest when it cannot be that of this run, a file that it names is missing, or the weights are
    damaged."""
    key = model_json_key(place.brand, place.version)
    data = context.store.get(MODELS, key, MAX_DESCRIPTION_BYTES)
    try:
        document: dict[str, Any] = orjson.loads(data)
        description = ModelDescription.model_validate(document)
    except (orjson.JSONDecodeError, ValidationError) as error:
        what = error.errors()[0] if isinstance(error, ValidationError) else error
        raise InvalidRequest(f"The model description {key} cannot be read: {what}") from error
    said = (description.brand, description.version, description.run)
    if said != (place.brand, place.version, run.id):
        raise InvalidRequest(f"The model description {key} is that of another model: it says {said}")
    folder = model_folder(place.brand, place.version)
    absent = [name for name in description.files if context.store.stat(MODELS, folder + name) is None]
    if absent:
        raise InvalidRequest(
            f"The model version is not whole: {', '.join(absent[:5])} of {folder} is missing in the store"
        )
    named = description.files.get(WEIGHTS_FILE)
    if named is None or named != _hash_stored(context.store, folder + WEIGHTS_FILE):
        raise InvalidRequest(
            f"The model version is damaged: {folder}{WEIGHTS_FILE} has another SHA-256 than its description "
            "says; start a new training run"
        )
    return document, description


def _hash_stored(store: ObjectStore, key: str) -> str:
    """SHA-256 of an object of bucket `models` in hex."""
    digest = hashlib.sha256()
    with store.open(MODELS, key) as stream:
        for chunk in stream.stream(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()

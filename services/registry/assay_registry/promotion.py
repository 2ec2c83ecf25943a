"""Promotion and rollback: the version that judges, in the database and as the pointer in bucket `live`.

The database is the truth. The pointer is written after it; a process that dies in between leaves that to the
sweep. Files are copied before either, so verifying never follows a pointer to what is not there.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry.context import Context
from assay_registry.models import ModelVersionRow
from assay_shared import logs
from assay_shared.errors import NotFound, Unavailable
from assay_shared.ids import utc_now
from assay_shared.keys import LIVE, MODELS, model_folder, pointer_key
from assay_shared.model_description import DESCRIPTION_FILE, WEIGHTS_FILE, ModelDescription
from assay_shared.wire import LivePointer

SERVED = (WEIGHTS_FILE, DESCRIPTION_FILE)
"""What verifying reads, in the order in which it is copied: the description last, as ever."""
RECENT = timedelta(minutes=10)
"""For this long after a change the sweep compares the pointer; older ones were right at a sweep before."""

log = logs.get_logger(__name__)


def copy_served_files(context: Context, brand: str, version: str) -> None:
    """Copies what verifying reads from `models` to `live`, unless it is there. Raises NotFound."""
    folder = model_folder(brand, version)
    if context.store.stat(LIVE, folder + DESCRIPTION_FILE) is not None:
        return
    for name in (*_list_appearances(context, folder), *SERVED):
        if context.store.stat(LIVE, folder + name) is None:
            context.store.copy((MODELS, folder + name), (LIVE, folder + name))


def _list_appearances(context: Context, folder: str) -> list[str]:
    """The files of the products' appearances."""
    description = ModelDescription.model_validate_json(context.store.get(MODELS, folder + DESCRIPTION_FILE))
    return [one.file for one in (description.appearance or {}).values() if one.file]


def make_live(session: Session, row: ModelVersionRow) -> None:
    """Puts a version live and retires the one before. Call with the brand's row locked, the files copied."""
    if row.state == "live":
        return
    before = _find_live(session, row.brand)
    if before is not None:
        before.state = "retired"
        # The index allows one live version: the old one must be gone when the new one is written.
        session.flush()
    row.state, row.live_since = "live", utc_now()
    session.flush()


def point(context: Context, brand: str) -> None:
    """Writes the pointer as the database says. A store that is away is no error: the sweep writes it."""
    try:
        _point(context, brand)
    except Unavailable as error:
        log.warning("pointer not written yet", brand=brand, error=error.detail)


def repair_pointers(context: Context, *, everything: bool) -> None:
    """Writes the pointers that differ from the database: of all brands, or of those that changed lately.

    A brand whose files are gone is logged and does not keep the others from it. Raises Unavailable.
    """
    query = select(ModelVersionRow).where(ModelVersionRow.state == "live")
    if not everything:
        query = query.where(ModelVersionRow.live_since > utc_now() - RECENT)
    with context.database.session() as session:
        wanted = [(row.brand, _describe(row)) for row in session.scalars(query)]
    for brand, pointer in wanted:
        if read_pointer(context, brand) == pointer:
            continue
        try:
            copy_served_files(context, brand, pointer.version)
        except NotFound as error:
            log.warning("pointer not repaired: the live version is gone", brand=brand, error=error.detail)
            continue
        _point(context, brand)
        log.warning("pointer repaired", brand=brand, version=pointer.version)


def read_pointer(context: Context, brand: str) -> LivePointer | None:
    """The pointer as it lies in the store; None when there is none or it cannot be read."""
    try:
        return LivePointer.model_validate_json(context.store.get(LIVE, pointer_key(brand)))
    except (NotFound, ValidationError):
        return None


def read_truth(context: Context, brand: str) -> LivePointer | None:
    """The pointer as it should be; None while the brand has no live version."""
    with context.database.session() as session:
        live = _find_live(session, brand)
        return _describe(live) if live else None


def find_version(session: Session, brand: str, version: str) -> ModelVersionRow:
    """The version's row. Raises NotFound."""
    row = session.get(ModelVersionRow, (brand, version), populate_existing=True)
    if row is None:
        raise NotFound(f"Brand {brand!r} has no model version {version!r}")
    return row


def _point(context: Context, brand: str) -> None:
    # No lock is held while the store works. Whoever writes looks again after it, so of two that write at once
    # the one with the older answer writes again.
    wanted = read_truth(context, brand)
    while wanted is not None:
        context.store.put_json(LIVE, pointer_key(brand), wanted.model_dump(mode="json"))
        now = read_truth(context, brand)
        if now == wanted:
            return
        wanted = now


def _find_live(session: Session, brand: str) -> ModelVersionRow | None:
    return session.scalar(
        select(ModelVersionRow).where(ModelVersionRow.brand == brand, ModelVersionRow.state == "live")
    )


def _describe(row: ModelVersionRow) -> LivePointer:
    return LivePointer(version=row.version, since=row.live_since or row.created_at)

"""`Idempotency-Key`: a POST that is sent again gets the answer that the first one got.

The key is taken in a transaction of its own before the work begins, so that two at once cannot both do it.
A process that dies in between leaves the key taken; after ABANDONED it may be used again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from fastapi import Header, Request, Response
from pydantic import BaseModel
from sqlalchemy import and_, delete, or_
from sqlalchemy.exc import IntegrityError

from assay_registry.context import Context
from assay_registry.models import IdempotencyRow
from assay_shared.auth import Principal
from assay_shared.errors import Conflict, InvalidRequest
from assay_shared.ids import utc_now

KEPT = timedelta(hours=24)
ABANDONED = timedelta(minutes=5)
"""No request lasts this long; one without an answer after it died with its process."""
MAX_KEY = 255

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="sent again within 24 hours with the same body, the first answer comes again",
    ),
]
Action = Callable[[], tuple[int, BaseModel]]


def make_fingerprint(request: Request, body: BaseModel | None = None) -> bytes:
    """What makes two requests the same: method, path and body."""
    content = body.model_dump_json() if body else ""
    return f"{request.method} {request.url.path}\n{content}".encode()


def replay_or_run(
    context: Context,
    request_key: str | None,
    principal: Principal,
    fingerprint: bytes,
    action: Action,
    *,
    hidden: frozenset[str] = frozenset(),
) -> Response:
    """The answer of `action` (status and body), or the one it gave when the same caller used this key before.

    `hidden`: members of the answer that may not be stored, such as an API key; a replay lacks them. Whatever
    `action` raises frees the key. Raises InvalidRequest when the key came with another request, Conflict
    while the first is still at work.
    """
    if request_key is None:
        status, body = action()
        return _answer(status, body.model_dump_json())
    if not 0 < len(request_key) <= MAX_KEY:
        raise InvalidRequest(f"Idempotency-Key must have 1 to {MAX_KEY} characters")
    claim = IdempotencyRow(
        caller=principal.key_id or "admin",
        key=request_key,
        request_sha256=hashlib.sha256(fingerprint).hexdigest(),
        created_at=utc_now(),
    )
    known = _claim(context, claim)
    if known is not None:
        return _answer(*known)
    try:
        status, body = action()
    except BaseException:
        _free(context, claim)
        raise
    _keep(context, claim, status, body.model_dump_json(exclude=set(hidden)))
    return _answer(status, body.model_dump_json())


def sweep(context: Context) -> None:
    """Forgets answers after 24 hours, and keys of requests that died."""
    now = utc_now()
    with context.database.session() as session:
        session.execute(
            delete(IdempotencyRow).where(
                or_(
                    IdempotencyRow.created_at < now - KEPT,
                    and_(IdempotencyRow.status.is_(None), IdempotencyRow.created_at < now - ABANDONED),
                )
            )
        )


def _claim(context: Context, claim: IdempotencyRow) -> tuple[int, str] | None:
    """Takes the key, or gives the answer it has already."""
    sweep(context)
    try:
        with context.database.session() as session:
            session.add(claim)
    except IntegrityError:
        return _read_answer(context, claim)
    return None


def _read_answer(context: Context, claim: IdempotencyRow) -> tuple[int, str]:
    with context.database.session() as session:
        known = session.get(IdempotencyRow, (claim.caller, claim.key))
    if known is not None and known.request_sha256 != claim.request_sha256:
        raise InvalidRequest("This Idempotency-Key was used for another request; make a new one for this")
    if known is None or known.status is None or known.body is None:
        raise Conflict("A request with this Idempotency-Key is still at work; ask again in a moment")
    return known.status, known.body


def _keep(context: Context, claim: IdempotencyRow, status: int, body: str) -> None:
    with context.database.session() as session:
        row = session.get(IdempotencyRow, (claim.caller, claim.key))
        if row is not None:
            row.status, row.body = status, body


def _free(context: Context, claim: IdempotencyRow) -> None:
    with context.database.session() as session:
        session.execute(
            delete(IdempotencyRow).where(
                IdempotencyRow.caller == claim.caller,
                IdempotencyRow.key == claim.key,
                IdempotencyRow.status.is_(None),
            )
        )


def _answer(status: int, body: str) -> Response:
    return Response(body, status, media_type="application/json")

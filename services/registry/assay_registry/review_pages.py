"""The page on which a brand's people review verifications, and take kept pictures into training."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from assay_registry.context import ContextDep, find_brand
from assay_registry.files import RECEIVED
from assay_registry.models import FileRow, ImageRow
from assay_registry.pages import find_principal, render
from assay_registry.proposals import find_proposal
from assay_registry.review_queue import read_queue
from assay_shared.auth import Scope
from assay_shared.errors import NotAllowed, NotFound
from assay_shared.keys import KEPT_PICTURES
from assay_shared.wire import Annotation, ReviewTruth

SHOWN = 20
"""Verifications on the page; what was reviewed makes room for the next when it is loaded again."""
PICTURES_SHOWN = 20

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/brands/{brand}/review")
def show_review(request: Request, context: ContextDep, brand: str) -> Response:
    """What to review first, and reviewed pictures that wait for their boxes. Needs the scope `manage`."""
    principal = find_principal(request, context)
    if principal is None:
        return RedirectResponse(f"/login?next=/brands/{brand}/review", 303)
    try:
        principal.require(brand, Scope.MANAGE)
        with context.database.session() as session:
            row = find_brand(session, brand)
            queue = read_queue(session, row, SHOWN)
            pictures = _read_pictures(session, brand)
    except (NotFound, NotAllowed) as error:
        return render(request, "missing.html", principal=principal, problem=error.detail, status=error.status)
    return render(
        request,
        "review.html",
        principal=principal,
        brand=row,
        queue=queue,
        pictures=pictures,
        truths=[truth.value for truth in ReviewTruth],
    )


def _read_pictures(session: Session, brand: str) -> list[dict[str, Any]]:
    """Reviewed pictures without boxes, each with the boxes that are proposed."""
    kept = exists().where(
        FileRow.brand == brand, FileRow.upload == KEPT_PICTURES, FileRow.sha256 == ImageRow.sha256
    )
    images = session.scalars(
        select(ImageRow)
        .where(ImageRow.brand == brand, ImageRow.state == RECEIVED, ImageRow.truth.is_not(None), kept)
        .order_by(ImageRow.created_at.desc())
        .limit(PICTURES_SHOWN)
    ).all()
    return [
        {"image": image, "boxes": find_proposal(session, image) or list[Annotation]()} for image in images
    ]

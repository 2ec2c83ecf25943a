"""Reviews: what a brand's people say of a verification afterwards. The last word replaces those before."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from assay_registry.context import Context, ContextDep, PrincipalDep
from assay_registry.files import lock_brand
from assay_registry.idempotency import IdempotencyKey, make_fingerprint, replay_or_run
from assay_registry.kept_pictures import apply_review, drop_unusable
from assay_registry.models import ReviewRow, VerificationRow
from assay_registry.verifications import describe
from assay_shared import logs
from assay_shared.auth import Principal, Scope
from assay_shared.errors import NotFound, StoreUnavailable
from assay_shared.ids import utc_now
from assay_shared.wire import LoggedVerification, NewReview, ReviewTruth

router = APIRouter(prefix="/v1/verifications", tags=["verifications"])
log = logs.get_logger(__name__)


@router.post(
    "/{verification}/review",
    status_code=201,
    response_model=LoggedVerification,
    responses={200: {"model": LoggedVerification, "description": "an earlier review was replaced"}},
    summary="Review a verification",
)
def post_review(
    request: Request,
    context: ContextDep,
    principal: PrincipalDep,
    verification: str,
    body: NewReview,
    key: IdempotencyKey = None,
) -> Response:
    """Says what the picture of a verification shows. A kept picture that is genuine or counterfeit is offered
    for annotation, an unusable one is deleted. A second review replaces the first (200). Needs the scope
    `manage`."""
    brand = _find_brand(context, principal, verification)
    return replay_or_run(
        context,
        key,
        principal,
        make_fingerprint(request, body),
        lambda: _review(context, principal, brand, verification, body),
    )


def _find_brand(context: Context, principal: Principal, verification: str) -> str:
    """The brand of a verification that the caller may review. Raises NotFound, NotAllowed."""
    with context.database.session() as session:
        row = session.get(VerificationRow, verification)
    if row is None or not (principal.admin or principal.brand == row.brand):
        raise NotFound(f"There is no verification {verification!r} that this key may see")
    principal.require(row.brand, Scope.MANAGE)
    return row.brand


def _review(
    context: Context, principal: Principal, brand: str, verification: str, body: NewReview
) -> tuple[int, LoggedVerification]:
    with context.database.session() as session:
        lock_brand(session, brand)
        row = session.get(VerificationRow, verification)
        if row is None:
            raise NotFound(f"The verification {verification!r} was deleted: its retention has ended")
        known = session.get(ReviewRow, verification)
        review = known or ReviewRow(verification=verification, brand=brand)
        review.truth, review.note = body.truth.value, body.note
        review.reviewer, review.created_at = principal.key_id or "admin", utc_now()
        session.add(review)
        session.flush()
        apply_review(session, brand, verification)
        session.flush()
        described = describe(session, [row])[0]
    log.info("reviewed", verification=verification, truth=body.truth, reviewer=review.reviewer)
    if body.truth is ReviewTruth.UNUSABLE and _drop(context, brand, verification):
        described = described.model_copy(update={"picture": None})
    return (200 if known else 201), described


def _drop(context: Context, brand: str, verification: str) -> bool:
    try:
        return drop_unusable(context, brand, verification) > 0
    except StoreUnavailable as error:
        # The sweep deletes it.
        log.warning("unusable picture not deleted yet", verification=verification, error=error.detail)
        return False

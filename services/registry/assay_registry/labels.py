"""Labels: the classes that a brand's detector learns, each with a role."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry.context import ContextDep, PrincipalDep, find_brand
from assay_registry.models import LabelRow, ProductRow
from assay_registry.paging import Paging, paginate
from assay_registry.upsert import insert_missing
from assay_shared.auth import Scope
from assay_shared.errors import Conflict, InvalidRequest
from assay_shared.ids import utc_now
from assay_shared.wire import Label, LabelName, LabelRole, NewLabel, Page

router = APIRouter(prefix="/v1/brands/{brand}/labels", tags=["labels"])
_NAME: TypeAdapter[str] = TypeAdapter(LabelName)


@router.put("/{name}", summary="Set a label's role")
def put_label(context: ContextDep, principal: PrincipalDep, brand: str, name: str, body: NewLabel) -> Label:
    """Makes a label or changes its role; the next model version judges by it. Needs the scope `manage`.

    Raises Conflict for the label of a product, which keeps its role."""
    principal.require(brand, Scope.MANAGE)
    try:
        checked = _NAME.validate_python(name)
    except ValidationError as error:
        raise InvalidRequest(
            f"The label {name[:120]!r} must have 1 to 100 characters, without slashes and control characters"
        ) from error
    with context.database.session() as session:
        find_brand(session, brand)
        ensure_labels(session, brand, [checked])
        product = session.scalar(
            select(ProductRow).where(ProductRow.brand == brand, ProductRow.label == checked)
        )
        if product is not None and body.role is not LabelRole.PRODUCT:
            raise Conflict(
                f"The label {checked!r} stands for the product {product.gtin}: give that another first"
            )
        row = session.get_one(LabelRow, (brand, checked))
        row.role = body.role.value
    return Label(name=checked, role=body.role)


@router.get("", summary="List labels")
def list_labels(context: ContextDep, principal: PrincipalDep, brand: str, paging: Paging) -> Page[Label]:
    """The brand's labels by name."""
    principal.require(brand)
    with context.database.session() as session:
        find_brand(session, brand)
        query = select(LabelRow).where(LabelRow.brand == brand)
        rows, cursor = paginate(session, query, LabelRow.name, paging, newest_first=False)
    return Page(items=[Label(name=row.name, role=LabelRole(row.role)) for row in rows], next_cursor=cursor)


def ensure_labels(session: Session, brand: str, names: Iterable[str]) -> None:
    """Makes the labels that are not there yet, with the role `product`."""
    rows = [
        {"brand": brand, "name": name, "role": LabelRole.PRODUCT.value, "created_at": utc_now()}
        for name in sorted(set(names))
    ]
    insert_missing(session, LabelRow, rows)

"""Products: what a brand sells, by GTIN. A GTIN names its brand in verifying, so it belongs to one alone."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import select

from assay_registry.context import ContextDep, PrincipalDep, find_brand, touch_brand
from assay_registry.labels import ensure_labels
from assay_registry.models import LabelRow, ProductRow
from assay_registry.paging import Paging, paginate
from assay_registry.publishing import publish
from assay_registry.upsert import insert_missing
from assay_shared.auth import Scope
from assay_shared.errors import Conflict
from assay_shared.gtin import normalise_gtin
from assay_shared.ids import utc_now
from assay_shared.wire import LabelRole, NewProduct, Page, Product

router = APIRouter(prefix="/v1/brands/{brand}/products", tags=["products"])


@router.put("/{gtin}", summary="Make or change a product")
def put_product(
    context: ContextDep, principal: PrincipalDep, brand: str, gtin: str, body: NewProduct
) -> Product:
    """Makes or changes the product of this GTIN (8, 12, 13 or 14 digits; the check digit is verified). A
    label that is not there yet is made with the role `product`. Raises Conflict when the label
    has another role or the GTIN is another brand's. Needs the scope `manage`."""
    principal.require(brand, Scope.MANAGE)
    number = normalise_gtin(gtin)
    with context.database.session() as session:
        touch_brand(find_brand(session, brand))
        values = {"gtin": number, "brand": brand, "name": body.name, "label": body.label}
        insert_missing(session, ProductRow, [{**values, "created_at": utc_now()}])
        row = session.get_one(ProductRow, number)
        if row.brand != brand:
            raise Conflict(f"GTIN {number} belongs to another brand already")
        row.name, row.label = body.name, body.label
        ensure_labels(session, brand, [body.label])
        role = session.get_one(LabelRow, (brand, body.label)).role
        if role != LabelRole.PRODUCT:
            raise Conflict(
                f"The label {body.label!r} has the role {role!r}; a product needs one of role 'product'"
            )
    publish(context, brand)
    return Product(gtin=number, name=body.name, label=body.label)


@router.get("", summary="List products")
def list_products(context: ContextDep, principal: PrincipalDep, brand: str, paging: Paging) -> Page[Product]:
    """The brand's products by GTIN."""
    principal.require(brand)
    with context.database.session() as session:
        find_brand(session, brand)
        query = select(ProductRow).where(ProductRow.brand == brand)
        rows, cursor = paginate(session, query, ProductRow.gtin, paging, newest_first=False)
    return Page(
        items=[Product(gtin=row.gtin, name=row.name, label=row.label) for row in rows], next_cursor=cursor
    )

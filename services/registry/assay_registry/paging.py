"""Lists by page: the cursor is the last row's value of one sortable, unique column, made opaque."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, Query
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from assay_shared.errors import InvalidRequest

MAX_LIMIT = 200
Row = TypeVar("Row")


@dataclass(frozen=True)
class PageRequest:
    """Which page is asked for: what follows `cursor`, at most `limit` rows."""

    cursor: str | None = None
    limit: int = 50


def read_page_request(
    cursor: Annotated[
        str | None, Query(max_length=4000, description="`next_cursor` of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> PageRequest:
    """The page that a request asks for."""
    return PageRequest(cursor, limit)


Paging = Annotated[PageRequest, Depends(read_page_request)]


def paginate(
    session: Session,
    query: Select[Row],
    column: InstrumentedAttribute[Any],
    paging: PageRequest,
    *,
    newest_first: bool = True,
) -> tuple[list[Row], str | None]:
    """The rows of one page, sorted by `column` (text or numbers, unique within the query), and the cursor of
    the next, None on the last. Rows that come or go in between neither repeat nor hide others.

    Raises InvalidRequest for a cursor that this list never gave.
    """
    if paging.cursor is not None:
        after = _read_cursor(paging.cursor, column.type.python_type)
        query = query.where(column < after if newest_first else column > after)
    order = column.desc() if newest_first else column.asc()
    rows = list(session.scalars(query.order_by(order).limit(paging.limit + 1)))
    if len(rows) <= paging.limit:
        return rows, None
    kept = rows[: paging.limit]
    return kept, _make_cursor(getattr(kept[-1], column.key))


def _make_cursor(value: str | int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def _read_cursor(cursor: str, kind: type) -> Any:
    try:
        value = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("cursor must be the `next_cursor` of the page before") from error
    if type(value) is not kind or "\x00" in str(value):
        raise InvalidRequest("cursor must be the `next_cursor` of the page before")
    return value

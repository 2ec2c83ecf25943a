"""Inserting what may be there already, without failing when another transaction was faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects.postgresql import insert as insert_postgres
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.orm import Session

from assay_registry.models import Base


def insert_missing(session: Session, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Inserts those rows whose key is not there yet. Give rows of one table in one order everywhere, or two
    transactions may wait for each other."""
    if not rows:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(insert_postgres(table).on_conflict_do_nothing(), list(rows))
    else:
        session.execute(insert_sqlite(table).on_conflict_do_nothing(), list(rows))

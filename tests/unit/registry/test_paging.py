from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from assay_registry.models import Base, BrandRow
from assay_registry.paging import PageRequest, paginate
from assay_shared.errors import InvalidRequest


@given(
    slugs=st.sets(st.text("ab0-ü", min_size=1, max_size=4), max_size=12),
    limit=st.integers(1, 5),
    newest_first=st.booleans(),
)
def test_pages_together_are_the_list(slugs: set[str], limit: int, newest_first: bool) -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine, tables=[Base.metadata.tables["brands"]])
    with Session(engine) as session:
        session.add_all(BrandRow(slug=slug, name=slug, settings={}) for slug in slugs)
        session.flush()
        found: list[str] = []
        cursor: str | None = None
        while True:
            page, cursor = paginate(
                session,
                select(BrandRow),
                BrandRow.slug,
                PageRequest(cursor, limit),
                newest_first=newest_first,
            )
            assert len(page) <= limit
            found += [row.slug for row in page]
            if cursor is None:
                break
    engine.dispose()
    assert found == sorted(slugs, key=str.encode, reverse=newest_first)


@pytest.mark.parametrize("cursor", ["", "x", "MQ", "bnVsbA", "W10", "ü", "IgAi"])
def test_cursors_of_nobody_are_refused(cursor: str) -> None:
    engine = create_engine("sqlite://")
    with Session(engine) as session, pytest.raises(InvalidRequest):
        paginate(session, select(BrandRow), BrandRow.slug, PageRequest(cursor))
    engine.dispose()

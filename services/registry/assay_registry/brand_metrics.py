"""Figures of brands for `/metrics`: of the MAX_BRANDS that verified most in the last day, so that the number
of series is bounded however many brands there are."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assay_registry.context import Context
from assay_registry.figures import count_newest, measure_drift
from assay_registry.models import VerificationRow
from assay_shared.ids import utc_now

MAX_BRANDS = 50
"""With the four gauges 200 series; their queries take half a second at most, once a minute."""
PERIOD = timedelta(days=1)

VERIFICATIONS = Gauge("assay_brand_verifications", "verifications of the last day, by brand", ["brand"])
DOUBTED = Gauge(
    "assay_brand_doubted_share",
    "share of the brand's last 200 verifications that are not genuine",
    ["brand"],
)
INCONCLUSIVE = Gauge(
    "assay_brand_inconclusive_share",
    "share of the brand's last 200 verifications that are inconclusive",
    ["brand"],
)
DRIFTED = Gauge(
    "assay_brand_drifted",
    "whether the brand's live pictures no longer look like those that its model was calibrated on",
    ["brand"],
)
GAUGES = (VERIFICATIONS, DOUBTED, INCONCLUSIVE, DRIFTED)


def count_brands(context: Context) -> None:
    """Reads the database and sets the gauges anew; brands that no longer count are gone from them. Raises
    Unavailable when the database does not answer, and then there are none."""
    try:
        with context.database.session() as session:
            busiest = _find_busiest(session)
            found = {
                brand: (count_newest(session, brand), measure_drift(session, brand)) for brand in busiest
            }
    finally:
        for gauge in GAUGES:
            gauge.clear()
    for brand, (newest, drift) in found.items():
        VERIFICATIONS.labels(brand).set(busiest[brand])
        DOUBTED.labels(brand).set(newest.doubted / newest.verifications)
        INCONCLUSIVE.labels(brand).set(newest.inconclusive / newest.verifications)
        DRIFTED.labels(brand).set(drift.drifted)


def _find_busiest(session: Session) -> dict[str, int]:
    """The brands with the most verifications of the last day, and how many."""
    number = func.count()
    rows = session.execute(
        select(VerificationRow.brand, number)
        .where(VerificationRow.created_at >= utc_now() - PERIOD)
        .group_by(VerificationRow.brand)
        .order_by(number.desc(), VerificationRow.brand)
        .limit(MAX_BRANDS)
    ).all()
    return dict(rows)

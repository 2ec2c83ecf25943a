"""What lies on a product."""

from __future__ import annotations

import pytest

from assay_shared.detector.on_product import AROUND, lies_on_product
from assay_shared.wire import LabelRole

PRODUCT = (100.0, 200.0, 300.0, 300.0)


def around(x: float, y: float) -> tuple[float, float, float, float]:
    """A box of which the middle is there."""
    return x - 8, y - 3, x + 8, y + 3


@pytest.mark.parametrize("role", [LabelRole.MARK, LabelRole.COUNTERFEIT])
def test_the_middle_may_stick_out_by_a_share_of_each_side(role: LabelRole) -> None:
    across, down = AROUND[role] * 200, AROUND[role] * 100
    for x, y in ((100 - across, 250), (300 + across, 250), (200, 200 - down), (200, 300 + down)):
        towards = (200 - x) / 1e3, (250 - y) / 1e3
        assert lies_on_product(PRODUCT, around(x + towards[0], y + towards[1]), role)
        assert not lies_on_product(PRODUCT, around(x - towards[0], y - towards[1]), role)


def test_a_tell_tale_may_stick_out_farther_than_a_mark_and_a_product_lies_on_none() -> None:
    beside = around(315, 250)
    assert lies_on_product(PRODUCT, beside, LabelRole.COUNTERFEIT)
    assert not lies_on_product(PRODUCT, beside, LabelRole.MARK)
    assert not lies_on_product(PRODUCT, around(200, 250), LabelRole.PRODUCT)

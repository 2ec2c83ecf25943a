"""What lies on a product. Evaluation and verdict ask here, so that both look at the same. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

from assay_shared.wire import LabelRole

AROUND = {LabelRole.MARK: 0.05, LabelRole.COUNTERFEIT: 0.1}
"""By role: the share of the product's box by which the middle of what lies on it may stick out. Boxes are
found a few percent off; a tell-tale counts sooner than a mark, for it may hang on the product."""


def lies_on_product(product: Sequence[float], box: Sequence[float], role: LabelRole) -> bool:
    """Whether a box of a label of this role lies on the product: its middle is within the product's box,
    grown by AROUND. Both are (left, top, right, bottom) in the same unit. A product lies on no product."""
    if role is LabelRole.PRODUCT:
        return False
    left, top, right, bottom = product
    across, down = AROUND[role] * (right - left), AROUND[role] * (bottom - top)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return bool(left - across <= x <= right + across and top - down <= y <= bottom + down)

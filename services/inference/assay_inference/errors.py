"""What only the verify API can say."""

from __future__ import annotations

from assay_shared.errors import EngineUnavailable, InvalidRequest, TooManyRequests, Unavailable


class BrandUnknown(InvalidRequest):
    """Neither `brand` nor `gtin` was sent, and no barcode in the picture names the brand.

    There is no verdict then, not even an inconclusive one: no model version judged. `guidance` of the
    problem document tells the person how to photograph the barcode.
    """

    type = "brand-unknown"
    title = "The picture does not say of which brand the product is"


class Busy(Unavailable):
    """More pictures are in work than this process takes at once."""

    type = "busy"
    title = "Too many pictures are being verified"
    retry_after = 1


class BrandFlood(TooManyRequests):
    """One brand sends more than its share of what can be judged; the others are served."""

    type = "brand-flood"
    title = "Too many pictures of this brand are being verified"


class EngineUnreached(EngineUnavailable):
    """Nobody listens at a detector's address: nothing was sent, so nothing was tried."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assay_engine import framing
from assay_engine.framing import Item
from assay_inference.sagemaker_transport import MAX_BODY, split

SIDES = (0, 32, 640, 1024)
ITEMS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(("mdl_1", "mdl_2")), st.sampled_from(SIDES)),
    max_size=20,
)


@given(ITEMS, st.booleans())
def test_every_picture_goes_once_and_no_body_is_too_large(
    given_items: list[tuple[str, str, int]], single: bool
) -> None:
    items = [
        Item(brand, version, np.zeros((side, side, 3), np.uint8)) for brand, version, side in given_items
    ]
    parts = split(items, single=single)
    assert sorted(place for part in parts for place in part) == list(range(len(items)))
    for part in parts:
        own = [items[place] for place in part]
        assert len(framing.write_request(own)) <= MAX_BODY
        if single:
            assert len({(item.brand, item.version) for item in own}) == 1

"""Several products in one picture, over HTTP, judged with a real TorchServe and real prints."""

from __future__ import annotations

import io

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image

from assay_inference.products import MOST
from assay_inference.verdict import WORST_FIRST
from assay_shared.appearance.files import pack_appearance
from assay_shared.appearance.fitting import LEAST_PHOTOS, fit_appearance
from assay_shared.appearance.patches import cut_patch
from assay_shared.wire import Outcome, Verdict, Verification
from tests.integration.inference.conftest import ADMIN, OTHER_KEY, Inference
from tests.support.live_model import CELL, grid_weights, publish_brand, publish_model
from tests.support.prints import draw_art, photograph
from tests.support.waiting import wait_until

ROW, ROW_KEY = "row", "assay_row"
CARTON, POUCH = "00012345678905", "00614141000036"
SIDE = 700
"""Pixels of a product's cell in the picture."""


@pytest.fixture(scope="module")
def row(inference: Inference) -> Inference:
    """The brand `row`, whose model finds a carton in every cell of 32 pixels, and knows its print."""
    photos = [photograph(draw_art(2), seed) for seed in range(LEAST_PHOTOS)]
    fit = fit_appearance([cut_patch(photo.pixels, photo.box) for photo in photos])
    assert fit.model is not None, fit.reason
    publish_brand(
        inference.store, ROW, gtins=[CARTON], other_products={POUCH: "pouch"}, verify_keys=[ROW_KEY]
    )
    appearances = {"carton": pack_appearance(fit.model)}
    publish_model(inference.store, ROW, "mdl_1", grid_weights(), 2 * CELL, appearances=appearances)
    picture = lay_out([2])
    wait_until(
        lambda: inference.verify(picture, ROW_KEY, brand=ROW).status_code == 200,
        20,
        "the brand is known",
    )
    return inference


def lay_out(arts: list[int]) -> bytes:
    """A JPEG of prints in a row."""
    cells = []
    for place, art in enumerate(arts):
        photo = photograph(draw_art(art), 500 + place)
        middle = photo.pixels.shape[1] // 2
        cells.append(photo.pixels[:SIDE, middle - SIDE // 2 : middle + SIDE // 2])
    file = io.BytesIO()
    Image.fromarray(np.concatenate(cells, 1)).save(file, "JPEG", quality=95)
    return file.getvalue()


def explain(row: Inference, verification: str, product: int | None, key: str = ROW_KEY) -> httpx.Response:
    return httpx.get(
        f"{row.api}/v1/verifications/{verification}/explanation",
        params={} if product is None else {"product": product},
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )


def test_each_product_is_judged_listed_and_explained(row: Inference) -> None:
    answer = row.verify(lay_out([2, 5]), ROW_KEY, brand=ROW)
    assert answer.status_code == 200, answer.text
    found = Verification.model_validate(answer.json())
    assert [(one.label, one.gtin, one.decides) for one in found.products] == [
        ("carton", CARTON, True),
        ("carton", CARTON, False),
    ]
    assert {round(one.box.left / SIDE) for one in found.products} == {0, 1}
    decider, other = found.products
    assert (found.verdict, found.score, found.checks) == (decider.verdict, decider.score, decider.checks)
    worst_first = list(WORST_FIRST)
    assert (worst_first.index(decider.verdict), decider.score) <= (
        worst_first.index(other.verdict),
        other.score,
    )
    by_place = {round(one.box.left / SIDE): one for one in found.products}
    prints = {
        place: next(check for check in one.checks if check.name == "appearance")
        for place, one in by_place.items()
    }
    assert prints[0].values["p"] is not None
    assert prints[1].values["p"] is None
    assert prints[1].outcome is Outcome.UNCLEAR
    pictures = [explain(row, found.id, place) for place in (None, 0, 1)]
    for picture in pictures:
        assert picture.status_code == 200, picture.text
        assert picture.headers["content-type"] == "image/jpeg"
        assert cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR) is not None
    assert pictures[0].content == pictures[1].content != pictures[2].content
    assert explain(row, found.id, 0, ADMIN).status_code == 200
    assert explain(row, found.id, 0, OTHER_KEY).status_code == 404
    assert explain(row, found.id, 2).status_code == 404
    assert explain(row, found.id, -1).status_code == 422


def test_where_the_product_asked_for_is_not_there_it_says_so(row: Inference) -> None:
    found = Verification.model_validate(row.verify(lay_out([2, 5]), ROW_KEY, brand=ROW, gtin=POUCH).json())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert [one.decides for one in found.products] == [False, False]
    [check] = [one for one in found.checks if one.name == "product"]
    assert check.reason == "The picture shows 'carton', but not 'pouch', which the GTIN names"
    assert found.gtin == POUCH
    asked = Verification.model_validate(row.verify(lay_out([2, 5]), ROW_KEY, gtin=CARTON).json())
    assert [one.decides for one in asked.products] == [True, False]


def test_a_shelf_is_judged_in_part_and_it_says_so(row: Inference) -> None:
    publish_brand(row.store, "shelf", verify_keys=["assay_shelf"])
    publish_model(row.store, "shelf", "mdl_1", grid_weights(), 4 * CELL)

    def verify() -> httpx.Response | None:
        answer = row.verify(lay_out([2]), "assay_shelf", brand="shelf")
        return answer if answer.status_code == 200 else None

    found = Verification.model_validate(wait_until(verify, 20, "the brand is known").json())
    assert len(found.products) == MOST
    assert found.products_left_out == 16 - MOST
    assert len(found.detections) == 16
    assert found.verdict is not Verdict.GENUINE
    assert "Photograph the products one by one" in found.guidance or found.verdict is Verdict.COUNTERFEIT

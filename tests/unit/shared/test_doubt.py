from __future__ import annotations

from typing import Any

import pytest

from assay_shared.doubt import find_appearance_p, is_doubted, is_near
from assay_shared.ids import utc_now
from assay_shared.wire import Box, Check, JudgedProduct, Outcome, Verdict, Verification


def with_check(
    name: str, outcome: Outcome, values: dict[str, Any], score: float | None = 0.3
) -> Verification:
    return Verification(
        id="ver_1",
        brand="acme",
        verdict=Verdict.GENUINE,
        score=0.9,
        checks=[Check(name=name, outcome=outcome, score=score, reason="", values=values)],
        detections=[],
        model_version="v1",
        image={"width": 1, "height": 1},
        guidance=[],
        timings_ms={},
        created_at=utc_now(),
    )


@pytest.mark.parametrize(
    ("name", "outcome", "values", "p"),
    [
        ("appearance", Outcome.PASS, {"p": 0.25}, 0.25),
        ("appearance", Outcome.FAIL, {"p": 0}, 0.0),
        ("appearance", Outcome.UNCLEAR, {"p": 0.05}, 0.05),
        ("appearance", Outcome.NOT_APPLICABLE, {}, None),
        ("appearance", Outcome.PASS, {}, None),
        ("appearance", Outcome.PASS, {"p": None}, None),
        ("appearance", Outcome.PASS, {"p": True}, None),
        ("appearance", Outcome.PASS, {"p": 1.5}, None),
        ("appearance", Outcome.PASS, {"p": float("nan")}, None),
        ("marks", Outcome.PASS, {"p": 0.25}, None),
    ],
)
def test_the_p_value_is_that_of_a_judgement(
    name: str, outcome: Outcome, values: dict[str, Any], p: float | None
) -> None:
    assert find_appearance_p(with_check(name, outcome, values)) == p


def test_what_could_not_be_compared_says_nothing_of_drift() -> None:
    assert find_appearance_p(with_check("appearance", Outcome.UNCLEAR, {"p": 0.25}, score=None)) is None


def test_the_worst_of_several_products_says_nothing_of_drift() -> None:
    alone = with_check("appearance", Outcome.PASS, {"p": 0.25})
    product = JudgedProduct(
        label="tea",
        confidence=0.9,
        box=Box(left=0, top=0, width=1, height=1),
        verdict=Verdict.GENUINE,
        score=0.9,
        checks=alone.checks,
        guidance=[],
        decides=True,
    )
    assert find_appearance_p(alone.model_copy(update={"products": [product]})) == 0.25
    assert find_appearance_p(alone.model_copy(update={"products": [product, product]})) is None


@pytest.mark.parametrize(
    ("score", "near"), [(0.44, False), (0.45, True), (0.5, True), (0.55, True), (0.56, False)]
)
def test_what_is_near_the_middle(score: float, near: bool) -> None:
    assert is_near(score) is near


def test_what_is_not_genuine_is_doubted() -> None:
    assert [verdict for verdict in Verdict if is_doubted(verdict)] == [
        Verdict.COUNTERFEIT,
        Verdict.INCONCLUSIVE,
    ]

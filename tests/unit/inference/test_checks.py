from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_inference.barcodes import Barcode
from assay_inference.checks import (
    barcode,
    counterfeit_marks,
    image_quality,
    marks,
    product,
    run_checks,
)
from assay_inference.checks.evidence import Evidence, Judged, Seen, grade
from assay_inference.quality import Quality
from assay_inference.verdict import rule
from assay_shared.wire import LabelRole, Outcome, PublishedProduct, Verdict

GOOD = Quality(
    long_side=900,
    short_side=700,
    fill=0.7,
    sharpness=0.15,
    brightness=120,
    contrast=50,
    dark=0.0,
    glare=0.0,
)
BOX = (100.0, 100.0, 1000.0, 800.0)
TEA, SOAP, OTHERS = "00036000291452", "04006381333931", "09521234543213"
PRODUCTS = (
    PublishedProduct(gtin=TEA, label="tea", name="Tea"),
    PublishedProduct(gtin=SOAP, label="soap", name="Soap"),
)
ROLES = {
    "tea": LabelRole.PRODUCT,
    "soap": LabelRole.PRODUCT,
    "logo": LabelRole.MARK,
    "seal": LabelRole.MARK,
    "dots": LabelRole.COUNTERFEIT,
}


def seen(label: str, confidence: float = 0.9, box: tuple[float, float, float, float] | None = None) -> Seen:
    return Seen(label, ROLES[label], confidence, 0.5, box or (300.0, 300.0, 400.0, 400.0))


def code(gtin: str | None, problem: str | None = None, x: float = 500.0) -> Barcode:
    return Barcode(gtin or "text", "EAN-13", (x, 500.0, x + 100, 560.0), gtin, problem)


GENUINE = Evidence(
    width=1280,
    height=960,
    image_size=640,
    quality=GOOD,
    barcodes=(code(TEA),),
    seen=(seen("tea", 0.9, BOX), seen("logo"), seen("seal", 0.8)),
    roles=ROLES,
    required_marks={"tea": ("logo", "seal")},
    products=PRODUCTS,
)


def outcome_of(judged: list[Judged], name: str) -> Outcome:
    return next(one.check.outcome for one in judged if one.check.name == name)


def test_a_genuine_product_passes_everything() -> None:
    judged = run_checks(GENUINE)
    passed = ["image_quality", "barcode", "product", "marks", "counterfeit_marks"]
    assert {one.check.name: one.check.outcome for one in judged} == {
        **dict.fromkeys(passed, Outcome.PASS),
        # This model version knows no appearance.
        "appearance": Outcome.NOT_APPLICABLE,
    }
    ruling = rule(judged)
    assert (ruling.verdict, ruling.guidance) == (Verdict.GENUINE, ())
    assert ruling.score == pytest.approx(grade(0.8, 0.5))


# What makes the genuine picture something else: the check that changes, its outcome, the verdict.
CASES: dict[str, tuple[dict[str, Any], str, Outcome, Verdict]] = {
    "missing mark": (
        {"seen": GENUINE.seen[:2]},
        "marks",
        Outcome.FAIL,
        Verdict.COUNTERFEIT,
    ),
    "mark beside the product": (
        {"seen": (*GENUINE.seen[:2], seen("seal", 0.9, (1100.0, 0.0, 1200.0, 100.0)))},
        "marks",
        Outcome.FAIL,
        Verdict.COUNTERFEIT,
    ),
    "mark half seen": (
        {"seen": (*GENUINE.seen[:2], seen("seal", 0.3))},
        "marks",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "missing mark in a blurred picture": (
        {"seen": GENUINE.seen[:2], "quality": replace(GOOD, sharpness=0.001)},
        "marks",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "missing mark under glare": (
        {"seen": GENUINE.seen[:2], "quality": replace(GOOD, glare=0.05)},
        "marks",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "missing mark of a product cut off": (
        {"seen": (seen("tea", 0.9, (0.0, 100.0, 900.0, 800.0)), seen("logo"))},
        "marks",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "no required marks": ({"required_marks": {}}, "marks", Outcome.NOT_APPLICABLE, Verdict.GENUINE),
    "sign of counterfeits": (
        {"seen": (*GENUINE.seen, seen("dots", 0.6))},
        "counterfeit_marks",
        Outcome.FAIL,
        Verdict.COUNTERFEIT,
    ),
    "sign of counterfeits in a dark picture": (
        {"seen": (*GENUINE.seen, seen("dots", 0.6)), "quality": replace(GOOD, brightness=20)},
        "counterfeit_marks",
        Outcome.FAIL,
        Verdict.COUNTERFEIT,
    ),
    "sign of counterfeits elsewhere": (
        {"seen": (*GENUINE.seen, seen("dots", 0.6, (1200.0, 900.0, 1270.0, 950.0)))},
        "counterfeit_marks",
        Outcome.PASS,
        Verdict.GENUINE,
    ),
    "a whole fake, product unseen": (
        {"seen": (seen("dots", 0.9, BOX),)},
        "counterfeit_marks",
        Outcome.FAIL,
        Verdict.COUNTERFEIT,
    ),
    "no counterfeit labels known": (
        {"roles": {"tea": LabelRole.PRODUCT}},
        "counterfeit_marks",
        Outcome.NOT_APPLICABLE,
        Verdict.GENUINE,
    ),
    "no product": ({"seen": ()}, "product", Outcome.UNCLEAR, Verdict.INCONCLUSIVE),
    "product under its threshold": (
        {"seen": (seen("tea", 0.4, BOX),)},
        "product",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "caller names another product": ({"gtin": SOAP}, "product", Outcome.UNCLEAR, Verdict.INCONCLUSIVE),
    "caller names no product of the brand": (
        {"gtin": "00000096385074"},
        "product",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "caller names this product": ({"gtin": TEA}, "product", Outcome.PASS, Verdict.GENUINE),
    "no barcode": ({"barcodes": ()}, "barcode", Outcome.NOT_APPLICABLE, Verdict.GENUINE),
    "unregistered barcode": (
        {"barcodes": (code("00000096385074"),)},
        "barcode",
        Outcome.FAIL,
        Verdict.COUNTERFEIT,
    ),
    "unregistered barcode beside the product": (
        {"barcodes": (code("00000096385074", x=1150.0),)},
        "barcode",
        Outcome.NOT_APPLICABLE,
        Verdict.GENUINE,
    ),
    "another product's barcode": (
        {"barcodes": (code(SOAP),)},
        "barcode",
        Outcome.FAIL,
        Verdict.COUNTERFEIT,
    ),
    "another product's barcode, and it may be that product": (
        {"barcodes": (code(SOAP),), "seen": (*GENUINE.seen, seen("soap", 0.8, BOX))},
        "barcode",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "right barcode and a sticker": (
        {"barcodes": (code("00000096385074"), code(TEA, x=700.0))},
        "barcode",
        Outcome.PASS,
        Verdict.GENUINE,
    ),
    "a shop's own number": (
        {"barcodes": (code("02012345678900"),)},
        "barcode",
        Outcome.NOT_APPLICABLE,
        Verdict.GENUINE,
    ),
    "wrong check digit": (
        {"barcodes": (code(None, "Invalid GTIN check digit"),)},
        "barcode",
        Outcome.FAIL,
        Verdict.COUNTERFEIT,
    ),
    "a code without a GTIN": (
        {"barcodes": (code(None),)},
        "barcode",
        Outcome.NOT_APPLICABLE,
        Verdict.GENUINE,
    ),
    "foreign barcode, no product": (
        {"barcodes": (code("00000096385074"),), "seen": ()},
        "barcode",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "another brand's code on the product": (
        {"barcodes": (code(OTHERS),), "elsewhere": frozenset({OTHERS})},
        "barcode",
        Outcome.FAIL,
        Verdict.COUNTERFEIT,
    ),
    "another brand's code, partly beside the product": (
        {"barcodes": (code(OTHERS, x=960.0),), "elsewhere": frozenset({OTHERS})},
        "barcode",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "another brand's code on what may be another product": (
        {
            "barcodes": (code(OTHERS),),
            "elsewhere": frozenset({OTHERS}),
            "seen": (*GENUINE.seen, seen("soap", 0.3, (450.0, 400.0, 700.0, 700.0))),
        },
        "barcode",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "another brand's code beside the right one": (
        {"barcodes": (code(OTHERS), code(TEA, x=700.0)), "elsewhere": frozenset({OTHERS})},
        "barcode",
        Outcome.PASS,
        Verdict.GENUINE,
    ),
    "another brand's code, no product": (
        {"barcodes": (code(OTHERS),), "elsewhere": frozenset({OTHERS}), "seen": ()},
        "barcode",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "GS1 data without a whole GTIN": (
        {"barcodes": (replace(code(None), malformed="no pattern"),)},
        "barcode",
        Outcome.UNCLEAR,
        Verdict.INCONCLUSIVE,
    ),
    "malformed GS1 data with the right GTIN": (
        {"barcodes": (replace(code(TEA), malformed="no date"),)},
        "barcode",
        Outcome.PASS,
        Verdict.GENUINE,
    ),
    "own barcode, no product": ({"seen": ()}, "barcode", Outcome.PASS, Verdict.INCONCLUSIVE),
}


@pytest.mark.parametrize("case", CASES)
def test_cases(case: str) -> None:
    changes, name, outcome, verdict = CASES[case]
    judged = run_checks(replace(GENUINE, **changes))
    assert outcome_of(judged, name) is outcome
    ruling = rule(judged)
    assert ruling.verdict is verdict
    if verdict is Verdict.INCONCLUSIVE:
        assert ruling.guidance
        assert ruling.score <= 0.5
    else:
        assert (ruling.score >= 0.5) == (verdict is Verdict.GENUINE)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"short_side": 80.0}, "closer"),
        ({"fill": 0.1}, "closer"),
        ({"sharpness": 0.005}, "focus"),
        ({"brightness": 30.0}, "brighter"),
        ({"contrast": 5.0}, "lens"),
        ({"glare": 0.3}, "direct light"),
        ({"grid": 9.0}, "product itself"),
    ],
)
def test_a_bad_picture_is_unclear_and_says_how_to_do_better(change: dict[str, float], hint: str) -> None:
    judged = image_quality.judge(replace(GENUINE, quality=replace(GOOD, **change)))
    assert judged.check.outcome is Outcome.UNCLEAR
    assert hint in " ".join(judged.guidance)
    assert judged.check.score is not None
    assert judged.check.score <= 0.5
    assert judged.check.values["sharpness"] == replace(GOOD, **change).sharpness


LIMITS = [
    ("short_side", image_quality.LEAST_SHORT_SIDE, False),
    ("fill", image_quality.LEAST_DETECTOR_PIXELS / GENUINE.image_size, False),
    ("sharpness", image_quality.LEAST_SHARPNESS, False),
    ("brightness", image_quality.LEAST_BRIGHTNESS, False),
    ("contrast", image_quality.LEAST_CONTRAST, False),
    ("glare", image_quality.MOST_GLARE, True),
    ("grid", image_quality.MOST_GRID, True),
]


@given(st.sampled_from(LIMITS), st.floats(0.01, 0.5))
def test_each_limit_parts_what_is_better_from_what_is_worse(
    limit: tuple[str, float, bool], part: float
) -> None:
    name, value, most = limit
    better, worse = (value * (1 - part), value * (1 + part))[:: 1 if most else -1]
    for measured, outcome in ((better, Outcome.PASS), (worse, Outcome.UNCLEAR)):
        judged = image_quality.judge(replace(GENUINE, quality=replace(GOOD, **{name: measured})))
        assert judged.check.outcome is outcome
        assert judged.check.score is not None
        assert (judged.check.score >= 0.5) == (outcome is Outcome.PASS)


def test_a_finer_detector_needs_less_of_the_frame() -> None:
    small = replace(GENUINE, quality=replace(GOOD, fill=0.35))
    assert image_quality.judge(replace(small, image_size=640)).check.outcome is Outcome.PASS
    coarse = image_quality.judge(replace(small, image_size=416)).check
    assert coarse.outcome is Outcome.UNCLEAR
    assert coarse.values["detector_pixels"] == 0.35 * 416


def test_half_of_the_frame_is_enough_for_the_coarsest_detector() -> None:
    for fill, outcome in ((0.52, Outcome.PASS), (0.48, Outcome.UNCLEAR)):
        coarse = replace(GENUINE, image_size=96, quality=replace(GOOD, fill=fill))
        assert image_quality.judge(coarse).check.outcome is outcome


def test_without_a_product_its_share_of_the_frame_is_nobodys() -> None:
    check = image_quality.judge(replace(GENUINE, seen=(), quality=replace(GOOD, fill=0.01))).check
    assert check.outcome is Outcome.PASS
    assert "detector_pixels" not in check.values


def test_the_product_that_the_caller_names_is_judged() -> None:
    both = replace(GENUINE, seen=(*GENUINE.seen, seen("soap", 0.6, (500.0, 0.0, 600.0, 90.0))), gtin=SOAP)
    assert product.judge(both).check.values["label"] == "soap"
    assert product.judge(replace(both, gtin=None)).check.values["label"] == "tea"


def test_every_number_is_told() -> None:
    told = {one.check.name: one.check.values for one in run_checks(replace(GENUINE, seen=GENUINE.seen[:2]))}
    assert told["marks"]["missing"] == ["seal"]
    assert told["marks"]["confidence"] == {"logo": 0.9, "seal": 0.0}
    assert told["product"]["threshold"] == 0.5
    assert told["barcode"]["read"] == [{"text": TEA, "format": "EAN-13", "gtin": TEA}]


def test_a_code_of_another_brand_is_said_to_be_another_products_and_no_more() -> None:
    for things in (GENUINE.seen, ()):
        evidence = replace(GENUINE, barcodes=(code(OTHERS),), elsewhere=frozenset({OTHERS}), seen=things)
        check = barcode.judge(evidence).check
        assert "belongs to another product" in check.reason
        assert check.values == {"read": [{"text": OTHERS, "format": "EAN-13", "gtin": OTHERS}]}


def test_what_is_wrong_with_a_code_is_told() -> None:
    odd = (code(None, "wrong check digit"), replace(code(TEA), malformed="no date"))
    told = barcode.judge(replace(GENUINE, barcodes=odd)).check.values["read"]
    assert [one["problem"] for one in told] == ["wrong check digit", "no date"]


def test_time_that_ran_out_is_told() -> None:
    check = barcode.judge(replace(GENUINE, barcodes=(), barcode_ran_out=True)).check
    assert check.outcome is Outcome.NOT_APPLICABLE
    assert "time" in check.reason
    assert check.values == {"read": [], "ran_out": True}


confidences = st.floats(0.05, 1)


@given(confidences, confidences, confidences, confidences, st.sampled_from([None, TEA, SOAP]))
def test_the_verdict_and_the_score_always_agree(
    tea: float, logo: float, seal: float, dots: float, gtin: str | None
) -> None:
    things = (seen("tea", tea, BOX), seen("logo", logo), seen("seal", seal), seen("dots", dots))
    judged = run_checks(replace(GENUINE, seen=things, barcodes=(code(gtin),) if gtin else ()))
    ruling = rule(judged)
    assert 0 <= ruling.score <= 1
    if ruling.verdict is Verdict.GENUINE:
        assert ruling.score >= 0.5
        assert min(tea, logo, seal) >= 0.5 > dots
    elif ruling.verdict is Verdict.COUNTERFEIT:
        assert ruling.score < 0.5
    else:
        assert ruling.score <= 0.5


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.99))
def test_grades_rise_with_confidence_and_cross_one_half_at_the_threshold(
    low: float, high: float, threshold: float
) -> None:
    low, high = sorted((low, high))
    assert 0 <= grade(low, threshold) <= grade(high, threshold) <= 1
    assert (grade(low, threshold) >= 0.5) == (low >= threshold)


def test_names_are_those_of_the_design() -> None:
    assert [module.NAME for module in (image_quality, barcode, product, marks, counterfeit_marks)] == [
        "image_quality",
        "barcode",
        "product",
        "marks",
        "counterfeit_marks",
    ]

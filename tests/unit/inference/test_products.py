"""Which products of a picture are judged, and what belongs to which."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay_inference.checks.evidence import Evidence, Seen
from assay_inference.geometry import Rectangle, centre
from assay_inference.judgements import Judgement, describe_products, judge, rule_picture, sort_judgements
from assay_inference.products import MOST, Products, choose_products, choose_subjects, read_alone, see_alone
from assay_shared.wire import LabelRole, PublishedProduct, Verdict
from tests.unit.inference.test_checks import GENUINE, SOAP, TEA, code, seen

LEFT: Rectangle = (50.0, 100.0, 500.0, 800.0)
RIGHT: Rectangle = (480.0, 100.0, 930.0, 800.0)
OTHER_TEA = "00000096385074"


def place(x: float, y: float = 400.0) -> Rectangle:
    return x - 20, y - 20, x + 20, y + 20


def judge_all(
    things: list[Seen], gtin: str | None = None, **changes: object
) -> tuple[list[Judgement], Products]:
    """As the verifier does it, with the rest of the evidence that of a good picture."""
    asked = GENUINE.label_of(gtin)
    products = choose_products(things, asked)
    subjects = choose_subjects(things, products, gtin, asked)

    def gather(product: Seen | None) -> Evidence:
        others = products.others(product)
        evidence = replace(GENUINE, **{"barcodes": (), **changes})  # type: ignore[arg-type]
        return replace(
            evidence,
            seen=see_alone(things, product, others),
            barcodes=tuple(read_alone(evidence.barcodes, product, others)),
            gtin=gtin if product is None or product.label == asked else None,
            others=others,
        )

    return sort_judgements([judge(one, gather(one)) for one in subjects], asked), products


def marks_on(box: Rectangle) -> list[Seen]:
    x, y = centre(box)
    return [seen("logo", box=place(x, y)), seen("seal", box=place(x, y + 100))]


GOOD_TEA = [seen("tea", 0.9, LEFT), *marks_on(LEFT)]
FAKE_TEA = [seen("tea", 0.8, RIGHT)]
GOOD_SOAP = [seen("soap", 0.95, RIGHT)]


def test_each_product_is_judged_and_the_worst_decides() -> None:
    judgements, products = judge_all([*GOOD_TEA, *FAKE_TEA])
    listed = describe_products(judgements)
    assert [(one.verdict, one.decides, one.box.left) for one in listed] == [
        (Verdict.COUNTERFEIT, True, RIGHT[0]),
        (Verdict.GENUINE, False, LEFT[0]),
    ]
    assert rule_picture(judgements, products, None).verdict is Verdict.COUNTERFEIT
    assert {check.name for one in listed for check in one.checks} >= {"marks", "appearance", "barcode"}


@pytest.mark.parametrize("gtin", [None, TEA])
def test_a_whole_fake_beside_a_genuine_product_makes_the_picture_counterfeit(gtin: str | None) -> None:
    judgements, products = judge_all([*GOOD_TEA, seen("dots", 0.9, RIGHT)], gtin)
    ruling = rule_picture(judgements, products, gtin)
    assert ruling.verdict is Verdict.COUNTERFEIT
    assert [(one.label, one.verdict) for one in describe_products(judgements)] == [("tea", Verdict.GENUINE)]


def test_a_small_sign_or_an_unsure_one_beside_the_product_is_nothing() -> None:
    for stray in (seen("dots", 0.9, place(930)), seen("dots", 0.2, RIGHT)):
        judgements, products = judge_all([*GOOD_TEA, stray])
        assert rule_picture(judgements, products, None).verdict is Verdict.GENUINE


def test_the_one_that_is_asked_for_decides_however_bad_others_are() -> None:
    dots = seen("dots", 0.9, place(700))
    judgements, products = judge_all([*GOOD_TEA, *GOOD_SOAP, dots], TEA)
    assert [(one.label, one.verdict, one.decides) for one in describe_products(judgements)] == [
        ("tea", Verdict.GENUINE, True),
        ("soap", Verdict.COUNTERFEIT, False),
    ]
    assert rule_picture(judgements, products, TEA).verdict is Verdict.GENUINE
    judgements, products = judge_all([*GOOD_TEA, *GOOD_SOAP, dots])
    assert rule_picture(judgements, products, None).verdict is Verdict.COUNTERFEIT


@pytest.mark.parametrize(
    ("gtin", "behind", "verdict"),
    [
        (TEA, [seen("tea", 0.95, RIGHT), *marks_on(RIGHT)], Verdict.GENUINE),
        (None, [seen("tea", 0.95, RIGHT), *marks_on(RIGHT)], Verdict.INCONCLUSIVE),
        (TEA, [seen("tea", 0.95, RIGHT), seen("dots", 0.9, place(705))], Verdict.COUNTERFEIT),
    ],
)
def test_a_copy_out_of_focus_behind_the_one_asked_for_decides_only_by_what_it_shows(
    gtin: str | None, behind: list[Seen], verdict: Verdict
) -> None:
    copy = behind[0]
    judgements, products = judge_all([*GOOD_TEA, *behind], gtin)
    blurred = replace(GENUINE.quality, sharpness=0.001)
    judged = [
        judge(one.product, replace(one.evidence, quality=blurred) if one.product is copy else one.evidence)
        for one in judgements
    ]
    listed = sort_judgements(judged, GENUINE.label_of(gtin))
    assert rule_picture(listed, products, gtin).verdict is verdict
    assert (listed[0].product is copy) == (verdict is not Verdict.GENUINE)
    assert len(describe_products(listed)) == 2


def test_where_the_one_asked_for_is_not_there_none_decides_and_it_says_so() -> None:
    judgements, products = judge_all([*FAKE_TEA, seen("dots", 0.9, place(700))], SOAP)
    ruling = rule_picture(judgements, products, SOAP)
    assert ruling.verdict is Verdict.INCONCLUSIVE
    [check] = [one.check for one in judgements[0].checks if one.check.name == "product"]
    assert check.reason == "The picture shows 'tea', but not 'soap', which the GTIN names"
    assert SOAP in " ".join(ruling.guidance)
    assert [(one.verdict, one.decides) for one in describe_products(judgements)] == [
        (Verdict.COUNTERFEIT, False)
    ]


def test_a_picture_without_products_is_judged_as_one() -> None:
    judgements, products = judge_all([])
    assert rule_picture(judgements, products, None).verdict is Verdict.INCONCLUSIVE
    assert describe_products(judgements) == []


def test_what_lies_on_one_product_is_not_held_against_its_neighbour() -> None:
    """A tell-tale on the soap and its barcode, both within reach of the tea's box."""
    things = [*GOOD_TEA, *GOOD_SOAP, seen("dots", 0.9, place(525))]
    judgements, _ = judge_all(things, barcodes=(code(SOAP, x=485.0),))
    verdicts = {one.label: one for one in describe_products(judgements)}
    assert verdicts["tea"].verdict is Verdict.GENUINE
    assert verdicts["soap"].verdict is Verdict.COUNTERFEIT
    assert verdicts["soap"].gtin == SOAP


def test_a_neighbours_code_across_the_edge_is_unclear() -> None:
    """It lies nearer to the middle of the tea, but not wholly on it."""
    judgements, _ = judge_all([*GOOD_TEA, *GOOD_SOAP], barcodes=(code(SOAP, x=430.0),))
    [tea] = [one for one in describe_products(judgements) if one.label == "tea"]
    [check] = [one for one in tea.checks if one.name == "barcode"]
    assert "stands beside it" in check.reason
    assert tea.verdict is Verdict.INCONCLUSIVE


def test_a_neighbours_code_in_the_middle_of_another_product_fails() -> None:
    judgements, _ = judge_all([*GOOD_TEA, *GOOD_SOAP], barcodes=(code(SOAP, x=200.0),))
    [tea] = [one for one in describe_products(judgements) if one.label == "tea"]
    assert tea.verdict is Verdict.COUNTERFEIT


@pytest.mark.parametrize("label", ["tea", "soap"])
@pytest.mark.parametrize("asked", [None, "soap"])
def test_a_part_found_once_more_is_no_second_product(label: str, asked: str | None) -> None:
    part = seen(label, 0.7, (100.0, 150.0, 400.0, 500.0))
    mint = seen("tea", 0.75, RIGHT)
    products = choose_products([seen("tea", 0.9, LEFT), part, mint], asked)
    kept = part if label == asked else seen("tea", 0.9, LEFT)
    assert products.judged == (kept, mint)
    # Nor is it what is judged instead of another product.
    evidence = replace(
        GENUINE, seen=see_alone([seen("tea", 0.9, LEFT), part, mint], mint, products.others(mint))
    )
    assert evidence.product == mint


def test_only_so_many_are_judged_and_more_are_no_genuine_picture() -> None:
    row = [seen("tea", 0.6 + place / 100, box_at(place)) for place in range(MOST + 2)]
    marks = [mark for one in row for mark in marks_on(one.box)]
    judgements, products = judge_all([*row, *marks])
    assert (len(products.judged), len(products.left_out)) == (MOST, 2)
    assert min(one.confidence for one in products.judged) >= max(one.confidence for one in products.left_out)
    assert {one.ruling.verdict for one in judgements} == {Verdict.GENUINE}
    ruling = rule_picture(judgements, products, None)
    assert ruling.verdict is Verdict.INCONCLUSIVE
    assert ruling.score <= 0.5
    assert "one by one" in " ".join(ruling.guidance)
    # Those that nobody asked for do not matter.
    soaps = [replace(one, label="soap") for one in row]
    judgements, products = judge_all([*soaps[:-1], row[-1], *marks], TEA)
    assert rule_picture(judgements, products, TEA).verdict is Verdict.GENUINE


def box_at(number: int) -> Rectangle:
    x, y = 60.0 + 120 * number, 200.0
    return x, y, x + 110, y + 600


def test_the_gtin_of_a_product_is_asked_read_or_the_only_one() -> None:
    two = (*GENUINE.products, PublishedProduct(gtin=OTHER_TEA, label="tea", name="Large tea"))

    def gtins(gtin: str | None, *codes: str) -> list[str | None]:
        barcodes = tuple(code(one, x=200.0) for one in codes)
        found = judge_all([*GOOD_TEA, *GOOD_SOAP], gtin, products=two, barcodes=barcodes)[0]
        return [one.gtin for one in sorted(describe_products(found), key=lambda one: one.label)]

    assert gtins(None) == [SOAP, None]
    assert gtins(None, OTHER_TEA) == [SOAP, OTHER_TEA]
    assert gtins(TEA) == [SOAP, TEA]


boxes = st.tuples(st.floats(0, 900), st.floats(0, 700), st.floats(5, 600), st.floats(5, 600)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)
things = st.lists(
    st.builds(seen, st.sampled_from(["tea", "soap", "logo", "dots"]), st.floats(0.05, 1), boxes), max_size=14
)


@example(
    [
        seen("tea", 0.7, (0.0, 0.0, 30.0, 31.0)),
        seen("soap", 1.0, (6.0, 0.0, 31.0, 200.0)),
        seen("soap", 0.5, (1.0, 0.0, 49.0, 155.0)),
    ],
    None,
)  # a part of two
@given(things, st.sampled_from([None, TEA, SOAP, OTHER_TEA]))
def test_every_product_is_judged_by_itself_and_the_picture_by_one_of_them(
    found: list[Seen], gtin: str | None
) -> None:
    judgements, products = judge_all(found, gtin)
    ruling, listed = rule_picture(judgements, products, gtin), describe_products(judgements)
    assert len(listed) == len(products.judged) <= MOST
    assert all(one.evidence.product is one.product for one in judgements)
    assert sum(one.decides for one in listed) == (judgements[0].product is not None)
    sure = [one for one in found if one.role is LabelRole.PRODUCT and one.sure]
    assert bool(sure) == bool(listed)
    asked = GENUINE.label_of(gtin)
    counting = [one for one in listed if one.label == asked] if gtin else listed
    beside = judgements[0].product is None and bool(counting)
    if beside:
        # Only a whole fake beside the products makes a picture that shows what is wanted the first to judge.
        assert ruling.verdict is Verdict.COUNTERFEIT
        assert any(one.label == "dots" and one.sure for one in found)
    elif counting and not products.left_out:
        assert ruling.verdict is min((one.verdict for one in counting), key=list(WORST).index)
    elif not counting:
        assert ruling.verdict is Verdict.INCONCLUSIVE or any(one.label == "dots" for one in found)
    assert (ruling.verdict is Verdict.GENUINE) <= (ruling.score >= 0.5)


WORST = (Verdict.COUNTERFEIT, Verdict.INCONCLUSIVE, Verdict.GENUINE)

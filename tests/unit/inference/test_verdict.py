from __future__ import annotations

from itertools import product

from assay_inference.checks.evidence import Judged, answer
from assay_inference.verdict import rule
from assay_shared.wire import Outcome, Verdict

SCORES = {Outcome.PASS: 0.9, Outcome.FAIL: 0.1, Outcome.UNCLEAR: 0.5, Outcome.NOT_APPLICABLE: None}
NAMES = ("image_quality", "barcode", "product", "marks", "counterfeit_marks")


def judged(outcomes: tuple[Outcome, ...]) -> list[Judged]:
    return [
        answer(name, outcome, "because", f"help with {name}", score=SCORES[outcome])
        for name, outcome in zip(NAMES, outcomes, strict=True)
    ]


def test_the_whole_table() -> None:
    for outcomes in product(Outcome, repeat=len(NAMES)):
        check_row(outcomes)


def check_row(outcomes: tuple[Outcome, ...]) -> None:
    ruling = rule(judged(outcomes))
    if Outcome.FAIL in outcomes:
        expected = Verdict.COUNTERFEIT
    elif Outcome.UNCLEAR in outcomes or outcomes[NAMES.index("product")] is not Outcome.PASS:
        expected = Verdict.INCONCLUSIVE
    else:
        expected = Verdict.GENUINE
    assert ruling.verdict is expected
    if Outcome.FAIL in outcomes[1:]:
        assert ruling.score == 0.1
    elif expected is Verdict.GENUINE:
        assert ruling.score == 0.9
        assert ruling.guidance == ()
    else:
        assert ruling.score <= 0.5 or outcomes[0] is Outcome.FAIL


def test_guidance_is_said_once() -> None:
    twice = [answer("marks", Outcome.UNCLEAR, "because", "Avoid glare") for _ in range(2)]
    assert rule(twice).guidance == ("Avoid glare",)


def test_without_any_score_it_stays_in_the_middle() -> None:
    assert rule([answer("product", Outcome.UNCLEAR, "because")]).score == 0.5

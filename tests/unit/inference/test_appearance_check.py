"""The check `appearance`: what it says of what a worker found."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_inference.appearance_workers import Appearance
from assay_inference.checks import appearance, run_checks
from assay_inference.verdict import rule
from assay_shared.appearance.statistics import CAUSES
from assay_shared.appearance.whole import TRAITS
from assay_shared.wire import Outcome, Verdict
from tests.unit.inference.test_checks import GENUINE

FINE = Appearance(
    p=0.4,
    causes=dict.fromkeys(CAUSES, 0.5),
    covered=0.98,
    glare=0.01,
    density=1.2,
    least_density=0.6,
    softness=0.8,
    most_softness=1.6,
)


def judge(found: Appearance, good: bool = True) -> tuple[Outcome, str]:
    check = appearance.judge(replace(GENUINE, appearance=found), good).check
    return check.outcome, check.reason


def test_a_print_like_the_genuine_one_passes() -> None:
    evidence = replace(GENUINE, appearance=FINE)
    assert judge(FINE)[0] is Outcome.PASS
    assert rule(run_checks(evidence)).verdict is Verdict.GENUINE


def test_a_print_that_departs_is_counterfeit_and_the_cause_is_named() -> None:
    found = replace(FINE, p=0.001, causes={**dict.fromkeys(CAUSES, 0.5), "ink": 0.0005})
    assert judge(found) == (
        Outcome.FAIL,
        "The print departs from the genuine one: the colours of the print differ",
    )
    assert rule(run_checks(replace(GENUINE, appearance=found))).verdict is Verdict.COUNTERFEIT


def test_a_print_that_departs_a_little_is_inconclusive_and_the_cause_is_named() -> None:
    found = replace(FINE, p=0.04, causes={**dict.fromkeys(CAUSES, 0.5), "fineness": 0.01})
    assert judge(found) == (
        Outcome.UNCLEAR,
        "The print may depart from the genuine one: the print is coarser",
    )
    ruling = rule(run_checks(replace(GENUINE, appearance=found)))
    assert ruling.verdict is Verdict.INCONCLUSIVE
    assert ruling.guidance == appearance.UNDECIDED


def test_what_another_version_learnt_makes_it_inconclusive_and_says_what_helps() -> None:
    found = Appearance(outdated=True)
    assert judge(found) == (Outcome.UNCLEAR, appearance.OUTDATED[0])
    ruling = rule(run_checks(replace(GENUINE, appearance=found)))
    assert ruling.verdict is Verdict.INCONCLUSIVE
    assert ruling.guidance == appearance.OUTDATED[1:]


@pytest.mark.parametrize(
    ("p", "doubted", "inconclusive", "outcome"),
    [
        (0.015, 0.02, 0.05, Outcome.FAIL),
        (0.015, 0.01, 0.05, Outcome.UNCLEAR),
        (0.015, 0.01, 0.0, Outcome.PASS),
        (0.02, 0.02, 0.0, Outcome.PASS),
        (0.069, 0.02, 0.05, Outcome.UNCLEAR),
        (0.071, 0.02, 0.05, Outcome.PASS),
    ],
)
def test_the_brand_says_which_shares_may_be_doubted(
    p: float, doubted: float, inconclusive: float, outcome: Outcome
) -> None:
    evidence = replace(
        GENUINE, appearance=replace(FINE, p=p), doubted_share=doubted, inconclusive_share=inconclusive
    )
    assert appearance.judge(evidence, True).check.outcome is outcome


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"p": None, "causes": None}, "its print could not be found on it"),
        ({"covered": 0.5, "glare": 0.4}, "glare lies over it"),
        ({"covered": 0.5}, "a part of it is not in the picture"),
        ({"density": 0.3}, "it is too small"),
        ({"softness": 2.0}, "the picture is too soft"),
    ],
)
def test_what_cannot_be_compared_is_inconclusive_with_guidance(change: dict[str, object], why: str) -> None:
    found = replace(FINE, **{"p": 1e-6, **change})  # type: ignore[arg-type]
    assert judge(found) == (Outcome.UNCLEAR, f"The print cannot be compared: {why}")
    ruling = rule(run_checks(replace(GENUINE, appearance=found)))
    assert ruling.verdict is Verdict.INCONCLUSIVE
    assert ruling.guidance


def test_a_bad_picture_doubts_nobody() -> None:
    assert judge(replace(FINE, p=1e-6), good=False)[0] is Outcome.UNCLEAR


def test_another_print_without_the_marks_is_inconclusive() -> None:
    evidence = replace(GENUINE, seen=GENUINE.seen[:1], appearance=Appearance())
    ruling = rule(run_checks(evidence))
    assert ruling.verdict is Verdict.INCONCLUSIVE
    without = rule(run_checks(replace(evidence, appearance=None)))
    assert without.verdict is Verdict.COUNTERFEIT


def test_a_model_that_knows_no_appearance_says_why() -> None:
    evidence = replace(GENUINE, no_appearance="there is too little print")
    check = appearance.judge(evidence, True).check
    assert check.outcome is Outcome.NOT_APPLICABLE
    assert "too little print" in check.reason


def test_every_cause_has_words() -> None:
    assert {cause.split()[0] for cause in CAUSES} <= appearance.CAUSES.keys()


@given(st.floats(1e-9, 1), st.floats(0.001, 0.2), st.sampled_from([float("nan"), float("inf"), 0.7]))
def test_the_score_says_which_side_and_is_json(p: float, share: float, softness: float) -> None:
    found = replace(FINE, p=p, softness=softness, most_softness=float("inf"))
    check = appearance.judge(replace(GENUINE, appearance=found, doubted_share=share), True).check
    json.dumps(check.model_dump(mode="json"), allow_nan=False)
    if check.score is not None:
        assert (check.score >= 0.5) == (check.outcome is not Outcome.FAIL)


WHOLE = replace(FINE, causes={"colour": 0.4, "fineness": 0.6}, softness=0.0, most_softness=1e9, whole=True)


def test_a_product_without_print_is_judged_and_the_judgement_is_called_weaker() -> None:
    passed = appearance.judge(replace(GENUINE, appearance=WHOLE), True).check
    assert passed.outcome is Outcome.PASS
    assert "weaker" in passed.reason
    assert passed.values["weaker"] is True
    doubted = replace(WHOLE, p=0.001, causes={"colour": 0.001, "fineness": 0.6})
    outcome, reason = judge(doubted)
    assert outcome is Outcome.FAIL
    assert "its colours differ" in reason
    assert "weaker" in reason
    assert judge(replace(doubted, density=0.1))[0] is Outcome.UNCLEAR
    assert judge(doubted, good=False)[0] is Outcome.UNCLEAR


def test_every_trait_has_words() -> None:
    assert set(TRAITS) == appearance.TRAITS.keys()

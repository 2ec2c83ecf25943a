from __future__ import annotations

from assay_registry.review_queue import find_kinds, measure_certainty, rank
from assay_shared.ids import utc_now
from assay_shared.wire import Check, LoggedVerification, Outcome, Verdict


def make(name: str, score: float, *checks: Check) -> LoggedVerification:
    return LoggedVerification(
        id=name,
        brand="acme",
        verdict=Verdict.GENUINE if score >= 0.5 else Verdict.COUNTERFEIT,
        score=score,
        checks=list(checks),
        detections=[],
        model_version="v1",
        image={"width": 1, "height": 1},
        guidance=[],
        timings_ms={},
        created_at=utc_now(),
    )


def failed(name: str, reason: str) -> Check:
    return Check(name=name, outcome=Outcome.FAIL, score=0.1, reason=reason)


def appearance(p: float) -> Check:
    return Check(name="appearance", outcome=Outcome.PASS, score=p, reason="", values={"p": p})


def test_the_least_certain_come_first() -> None:
    ranked = rank([make("sure", 0.95), make("edge", 0.52), make("no", 0.1)], (), 0.02)
    assert [one.id for one in ranked] == ["edge", "no", "sure"]


def test_one_of_each_new_kind_comes_before_all_others() -> None:
    seal, logo = failed("marks", "0 of 1 seals found"), failed("marks", "0 of 3 logos found")
    verifications = [
        make("edge", 0.5),
        make("seal", 0.2, seal),
        make("seal again", 0.1, failed("marks", "0 of 2 seals found")),
        make("logo", 0.1, logo),
        make("known", 0.3, failed("barcode", "GTIN 0400 is not registered")),
    ]
    known = find_kinds(make("reviewed", 0.2, failed("barcode", "GTIN 0512 is not registered")))
    ranked = rank(verifications, known, 0.02)
    assert [one.id for one in ranked] == ["seal", "logo", "edge", "known", "seal again"]


def test_checks_that_passed_make_no_kind() -> None:
    assert find_kinds(make("fine", 0.9, appearance(0.5))) == set()


def test_a_p_value_near_the_threshold_is_as_uncertain_as_a_score_near_the_middle() -> None:
    assert measure_certainty(make("a", 0.9, appearance(0.02)), 0.02) == 0
    assert measure_certainty(make("b", 0.9, appearance(0.5)), 0.02) > 0.7
    assert measure_certainty(make("c", 0.9, appearance(0.0)), 0.02) == measure_certainty(make("d", 0.9), 0.02)
    nearer, farther = (measure_certainty(make("e", 1.0, appearance(p)), 0.02) for p in (0.03, 0.2))
    assert nearer < farther
    assert measure_certainty(make("f", 0.5, appearance(1.0)), 0.02) == 0

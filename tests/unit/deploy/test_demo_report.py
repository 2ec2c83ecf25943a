from __future__ import annotations

from typing import Any

from deploy.local.brand_client import Answer
from deploy.local.demo_report import Judged, describe_unseen, judge_verdicts
from deploy.local.photos.dataset import DemoPhoto


def judged(kind: str, verdict: str | None, *checks: dict[str, str]) -> Judged:
    body: dict[str, Any] = {"verdict": verdict, "checks": list(checks)} if verdict else {"detail": "full"}
    answer = Answer(200 if verdict else 503, body, 10.0)
    return Judged(DemoPhoto("a.jpg", b"", {}, kind, None), "brand", answer)


def test_enough_right_verdicts_hold() -> None:
    rows = [judged("genuine", "genuine")] * 9 + [judged("missing-seal", "genuine")]
    assert [conclusion.held for conclusion in judge_verdicts(rows)] == [True, True]
    rows += [judged("wrong-logo", "inconclusive")]
    assert [conclusion.held for conclusion in judge_verdicts(rows)] == [True, False]


def test_picture_without_verdict_breaks_the_promise() -> None:
    rows = [judged("genuine", "genuine")] * 20 + [judged("altered-text", None)]
    answered, right = judge_verdicts(rows)
    assert (answered.held, right.held) == (False, True)
    assert rows[-1].verdict == "HTTP 503"
    assert rows[-1].deciding_check == "full"


def test_kinds_that_are_not_visible_do_not_count_but_are_told() -> None:
    rows = [
        judged("genuine", "genuine"),
        judged("colour-shift", "genuine"),
        judged("altered-text", "counterfeit"),
    ]
    assert all(conclusion.held for conclusion in judge_verdicts(rows))
    assert "altered-text, colour-shift" in describe_unseen(rows)
    assert "1 of 2 called counterfeit, 0 left inconclusive" in describe_unseen(rows)


def test_deciding_check_is_the_one_that_failed() -> None:
    passed = {"name": "product", "outcome": "pass", "reason": "found"}
    failed = {"name": "marks", "outcome": "fail", "reason": "no seal"}
    unclear = {"name": "image_quality", "outcome": "unclear", "reason": "blurred"}
    assert judged("missing-seal", "counterfeit", passed, unclear, failed).deciding_check == "marks: no seal"
    assert judged("genuine", "inconclusive", passed, unclear).deciding_check == "image_quality: blurred"
    assert judged("genuine", "genuine", passed).deciding_check == "all pass"

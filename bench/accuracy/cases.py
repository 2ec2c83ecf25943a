"""Each photo as the verify API would rule on it, and as the peers would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from assay_inference.checks import appearance, image_quality, run_checks
from assay_inference.checks.evidence import Evidence
from assay_inference.verdict import rule
from assay_shared.wire import Outcome, Verdict
from bench.accuracy.judging import Measured, Results
from bench.accuracy.photos import GENUINE, KINDS, OTHERS, TESTED, Photo, list_photos, read_roles

FOUND = 0.5
"""Confidence at which the original called a mark found."""


@dataclass(frozen=True)
class Case:
    """One photo, ruled on. `kind`: genuine, a kind of fake, or another product; `long_side` of the product
    and `altered_height`, the short side of what a fake altered in one place, in pixels, 0 where the manifest
    does not say.

    `adequate`: the check `image_quality` passes; `compared`: the check `appearance` has a score, so the print
    could be compared; `p` its p-value, None where it has none. `score` and `verdict` of the verification;
    `outcomes` of all its checks. Of the peers: `original`, whether all required marks were found at FOUND;
    `confidence`, the least of the product's and the required marks'; `likeness` to the nearest training
    photo. The first two are None without a detector.
    """

    brand: str
    kind: str
    long_side: float
    altered_height: float
    adequate: bool
    compared: bool
    p: float | None
    score: float
    verdict: Verdict
    outcomes: dict[str, Outcome]
    original: bool | None
    confidence: float | None
    likeness: float

    @property
    def genuine(self) -> bool:
        """Whether it shows the genuine product."""
        return self.kind == GENUINE

    @property
    def fake(self) -> bool:
        """Whether it shows a fake of the product."""
        return self.kind in KINDS

    @property
    def other(self) -> bool:
        """Whether it shows another product."""
        return self.kind == OTHERS


def rule_on_brand(folder: Path, results: Results, share: float, shrunk: float = 1.0) -> list[Case]:
    """All tested photos of a brand, ruled on at a share of genuine products that may be doubted; `shrunk` is
    the share of its pixels each way that was measured."""
    return list(_rule_on_each(folder, results, share, shrunk))


def _rule_on_each(folder: Path, results: Results, share: float, shrunk: float) -> Iterator[Case]:
    roles = read_roles(folder)
    required = {label: tuple(marks) for label, marks in results.required_marks.items()}
    for photo in list_photos(folder, TESTED):
        one = results.measured[photo.name]
        # No barcodes: fakes carry the genuine one as well, and where none is read nothing depends on it.
        evidence = Evidence(
            width=one.width,
            height=one.height,
            image_size=results.image_size,
            quality=one.quality,
            barcodes=(),
            seen=tuple(one.seen),
            roles=roles,
            required_marks=required,
            products=(),
            appearance=one.appearance,
            no_appearance=results.reason,
            doubted_share=share,
        )
        judged = run_checks(evidence)
        ruling = rule(judged)
        outcomes = {check.check.name: check.check.outcome for check in judged}
        scores = {check.check.name: check.check.score for check in judged}
        original, confidence = None, None
        if results.by_detector:
            least = _find_least(one, required)
            original, confidence = least[0] >= FOUND, least[1]
        yield Case(
            brand=folder.name,
            kind=photo.kind,
            long_side=shrunk * float(photo.facts.get("product_long_side", 0)),
            altered_height=shrunk * _measure_altered(photo),
            adequate=outcomes[image_quality.NAME] is Outcome.PASS,
            compared=scores[appearance.NAME] is not None,
            p=one.appearance.p if one.appearance is not None else None,
            score=ruling.score,
            verdict=ruling.verdict,
            outcomes=outcomes,
            original=original,
            confidence=confidence,
            likeness=one.likeness,
        )


def _measure_altered(photo: Photo) -> float:
    altered = photo.facts.get("altered")
    return float(min(cv2.minAreaRect(np.array(altered["polygon"], np.float32))[1])) if altered else 0.0


def _find_least(one: Measured, required: dict[str, tuple[str, ...]]) -> tuple[float, float]:
    """The least confidence of a required mark, anywhere in the picture, and of those and the product."""
    best: dict[str, float] = {}
    for seen in one.seen:
        best[seen.label] = max(best.get(seen.label, 0.0), seen.confidence)
    marks = min((best.get(mark, 0.0) for marks in required.values() for mark in marks), default=1.0)
    product = max((best.get(label, 0.0) for label in required), default=0.0)
    return marks, min(marks, product)

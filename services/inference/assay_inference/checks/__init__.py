"""The checks, one a module (design, section 6). Each says pass, fail, unclear or not applicable, with every
number behind it."""

from __future__ import annotations

from assay_inference.checks import appearance, barcode, counterfeit_marks, image_quality, marks, product
from assay_inference.checks.evidence import Evidence, Judged
from assay_shared.wire import Outcome


def run_checks(evidence: Evidence) -> list[Judged]:
    """All checks of a picture, in the order in which they are shown."""
    quality = image_quality.judge(evidence)
    good = quality.check.outcome is Outcome.PASS
    return [
        quality,
        barcode.judge(evidence),
        product.judge(evidence),
        marks.judge(evidence, picture_is_good=good),
        counterfeit_marks.judge(evidence),
        appearance.judge(evidence, picture_is_good=good),
    ]

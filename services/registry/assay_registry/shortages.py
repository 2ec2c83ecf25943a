"""What a brand's photos lack to support a model, as far as their boxes tell: before the GPU is spent."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from assay_registry.splits import FEW, MIN_HELD_OUT, MIN_VAL
from assay_shared.intervals import count_needed
from assay_shared.likeness import name_group
from assay_shared.variety import Kind, find_uniform
from assay_shared.wire import Annotation, DatasetItem, LabelRole, Shortage

RECOMMENDED = 30
"""Different photos of a product that a good model takes; the least of the 30 to 100 that brands are asked
for."""


def find_missing(
    groups: Mapping[str, set[str]], roles: Mapping[str, LabelRole], needed: int
) -> list[Shortage]:
    """The labels that are shown on fewer different photos than `needed`; `groups` of each label's photos."""
    return [
        Shortage(
            label=label,
            kind="images",
            images=len(groups[label]),
            needed=needed,
            advice=f"{label!r} has {len(groups[label])} of {needed}: add {needed - len(groups[label])} "
            f"different photos that show {_describe(roles[label])}, from various distances and angles, in "
            "various light",
        )
        for label in sorted(roles)
        if len(groups[label]) < needed
    ]


def find_unjudgeable(items: Sequence[DatasetItem], lowest: float) -> list[Shortage]:
    """Whether too few different photos are held out for any model to pass: right on all of them, the lower
    end of image accuracy's interval would still lie below `lowest`, which the gate asks for."""
    held_out = len({name_group(item) for item in items if item.split == "val"})
    needed = count_needed(min(lowest, 0.99))
    if held_out >= needed:
        return []
    more = needed - held_out
    return [
        Shortage(
            label=None,
            kind="held_out",
            images=held_out,
            needed=needed,
            advice=f"{held_out} different photos are held out to judge a model by, and even one that is "
            f"right on all of them could not pass the brand's gate: that takes {needed}. Add photos of other "
            f"scenes, so that {more} more can be held out (one in five is, of small collections "
            f"{MIN_HELD_OUT}), or put them into `val` yourself",
        )
    ]


def find_warnings(items: Sequence[DatasetItem], roles: Mapping[str, LabelRole]) -> list[Shortage]:
    """What a run goes on without, but its model will be weaker for: too few photos of a product; labels that
    hardly any held-out photo shows; products always shown from one distance or at one angle."""
    warnings = []
    for label in sorted(roles):
        shown = [item for item in _one_of_each(items) if any(box.label == label for box in item.annotations)]
        if roles[label] is LabelRole.PRODUCT:
            warnings += _find_weak_product(label, shown)
        judging = sum(item.split == "val" for item in shown)
        if judging < MIN_VAL:
            warnings.append(
                Shortage(
                    label=label,
                    kind="held_out",
                    images=judging,
                    needed=MIN_VAL,
                    advice=f"{label!r} is shown by {judging} held-out photos, so nobody can say how well "
                    f"it is found: from {FEW} different photos of it on, {MIN_VAL} are held out",
                )
            )
    return warnings


def describe_missing(missing: Iterable[Shortage]) -> str:
    """All advice in one line."""
    return "; ".join(shortage.advice for shortage in missing)


def _find_weak_product(label: str, shown: Sequence[DatasetItem]) -> list[Shortage]:
    found = []
    if len(shown) < RECOMMENDED:
        found.append(
            Shortage(
                label=label,
                kind="images",
                images=len(shown),
                needed=RECOMMENDED,
                advice=f"{label!r} has {len(shown)} different photos; good models take {RECOMMENDED} or "
                f"more: add {RECOMMENDED - len(shown)}",
            )
        )
    boxes = [(item, _largest(item, label)) for item in shown]
    measures: dict[Kind, list[float]] = {
        "distance": [math.sqrt(box.width * box.height / (item.width * item.height)) for item, box in boxes],
        "angle": [box.width / box.height for _, box in boxes],
    }
    found += [short for kind, values in measures.items() if (short := find_uniform(label, kind, values))]
    return found


def _largest(item: DatasetItem, label: str) -> Annotation:
    mine = (box for box in item.annotations if box.label == label)
    return max(mine, key=lambda box: box.width * box.height)


def _one_of_each(items: Iterable[DatasetItem]) -> list[DatasetItem]:
    """One photo of each group of near-duplicates."""
    groups: dict[str, list[DatasetItem]] = defaultdict(list)
    for item in items:
        groups[name_group(item)].append(item)
    # The one that shows most labels speaks for its group.
    return [max(group, key=lambda item: (len(item.annotations), item.sha256)) for group in groups.values()]


def _describe(role: LabelRole) -> str:
    return {
        LabelRole.PRODUCT: "the product",
        LabelRole.MARK: "the product with this mark",
        LabelRole.COUNTERFEIT: "such a counterfeit",
    }[role]

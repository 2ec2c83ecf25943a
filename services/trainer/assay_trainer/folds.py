"""Held-out pictures dealt into folds, so that no threshold is judged by a picture that it was chosen on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from assay_shared.likeness import name_group
from assay_shared.wire import DatasetItem

FOLDS = 5
"""As usual in cross-validation (Hastie, Tibshirani, Friedman, "Elements of Statistical Learning", 7.10)."""
FEW_GROUPS = 10
"""With fewer groups each is a fold of its own: a fifth of them would be one group or none."""


def deal_folds(items: Sequence[DatasetItem]) -> list[int]:
    """The fold of every picture, from 0. A group stays together, and the groups that show the same labels are
    spread evenly; the same pictures in any order are dealt alike."""
    members: dict[str, list[DatasetItem]] = defaultdict(list)
    for item in items:
        members[name_group(item)].append(item)

    def order(name: str) -> tuple[list[str], bytes]:
        labels = {box.label for item in members[name] for box in item.annotations}
        return sorted(labels), hashlib.sha256(name.encode()).digest()

    folds = FOLDS if len(members) >= FEW_GROUPS else len(members)
    place = {name: number % folds for number, name in enumerate(sorted(members, key=order))}
    return [place[name_group(item)] for item in items]

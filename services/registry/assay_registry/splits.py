"""Which pictures a model learns from (train) and which it is judged by (val)."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from assay_shared.likeness import find_roots

Split = Literal["train", "val"]

VAL_SHARE = 0.2
"""Share of the pictures that judges; a fifth is the usual hold-out."""
FEW = 8
"""From this many pictures on, a label is judged by MIN_VAL of them; with fewer, learning needs them all."""
MIN_VAL = 2
MIN_HELD_OUT = 4
"""Groups that judge at least, where MIN_TRAIN are left to learn from: right on 4 of 4 is the least that tells
a model from one that is right every other time (lower end of Wilson's 95 % interval: .51; of 3 of 3: .44)."""
MIN_TRAIN = 6


@dataclass(frozen=True)
class Candidate:
    """A picture to be split: its labels, the picture it nearly repeats, and what the brand itself chose."""

    sha256: str
    labels: frozenset[str]
    near_duplicate_of: str | None = None
    split: Split | None = None


def split_groups(candidates: Sequence[Candidate]) -> dict[str, Split]:
    """The split of every picture, by sha256. The same pictures in any order give the same answer.

    A group of near-duplicates never straddles. The brand's own choice holds for its whole group (`val` when
    its members disagree: what judges must not be learnt). Of the other groups about VAL_SHARE judge, chosen
    by the hash of their name, and so that every label with FEW pictures or more in enough groups has MIN_VAL;
    of a small collection MIN_HELD_OUT.
    """
    return _Splitter(candidates).split()


class _Splitter:
    """The groups, which of them judge so far, and by label: pictures in all, judging, and left to learn."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._groups = _group(candidates)
        self._counts = {name: _count(members) for name, members in self._groups.items()}
        self._totals = _count(candidates)
        self._judging = Counter[str]()
        self._val: set[str] = set()
        self._pictures = 0
        fewest = min(MIN_HELD_OUT, len(self._groups) - MIN_TRAIN)
        self._wanted = max(round(len(candidates) * VAL_SHARE), fewest)
        self._share = self._wanted / max(len(candidates), 1)
        self._free: list[str] = []
        for name, members in self._groups.items():
            if any(member.split == "val" for member in members):
                self._take(name)
            elif all(member.split is None for member in members):
                self._free.append(name)
        self._free.sort(key=lambda name: hashlib.sha256(name.encode()).digest())

    def split(self) -> dict[str, Split]:
        """Decides."""
        # Rare labels first: the pictures that show them show common ones too, seldom the other way round.
        for label in sorted(self._totals, key=lambda label: (self._totals[label], label)):
            self._judge_label(label)
        for name in self._unused():
            if self._fits(name) and self._is_fair(name):
                self._take(name)
        if not self._val and len(self._groups) > 1:
            for name in sorted(self._unused(), key=self._count_starved)[:1]:
                self._take(name)
        return {
            member.sha256: "val" if name in self._val else "train"
            for name, members in self._groups.items()
            for member in members
        }

    def _judge_label(self, label: str) -> None:
        shown = [name for name in self._free if label in self._counts[name]]
        while self._totals[label] >= FEW and self._judging[label] < MIN_VAL:
            shown = [name for name in shown if name not in self._val and not self._starves(name, label)]
            if not shown:
                return
            best = (name for name in shown if self._fits(name) and not self._count_starved(name))
            self._take(
                next(best, None)
                or min(shown, key=lambda name: (self._count_starved(name), len(self._groups[name])))
            )

    def _unused(self) -> list[str]:
        return [name for name in self._free if name not in self._val]

    def _take(self, name: str) -> None:
        self._val.add(name)
        self._pictures += len(self._groups[name])
        self._judging.update(self._counts[name])

    def _fits(self, name: str) -> bool:
        return self._pictures + len(self._groups[name]) <= self._wanted

    def _starves(self, name: str, label: str) -> bool:
        """Whether learning would keep less than half of this label's pictures without the group."""
        left = self._totals[label] - self._judging[label] - self._counts[name][label]
        return left < max(1, self._totals[label] // 2)

    def _count_starved(self, name: str) -> int:
        return sum(self._starves(name, label) for label in self._counts[name])

    def _is_fair(self, name: str) -> bool:
        """Whether no label gets far beyond its share by this group, and none is held out that has few."""
        return all(
            self._totals[label] >= FEW
            and self._judging[label] + number <= max(MIN_VAL, round(self._totals[label] * self._share) + 1)
            for label, number in self._counts[name].items()
        )


def _group(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    roots = find_roots({candidate.sha256: candidate.near_duplicate_of for candidate in candidates})
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[roots[candidate.sha256]].append(candidate)
    return groups


def _count(candidates: Iterable[Candidate]) -> Counter[str]:
    return Counter(label for candidate in candidates for label in candidate.labels)

"""What a few known counterfeits of one kind do: `python -m bench.accuracy.known PHOTOS BRAND ...`, some
minutes a brand.

Each kind of fake in turn is known by its first KNOWN photos, which are given to the fit beside the genuine
ones. What is then told of the others of that kind, and of all kinds that nobody knows, is compared with the
same without any counterfeit. Products are cut out by annotated boxes moved about as a detector's are.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from assay_shared.appearance.fitting import fit_appearance
from assay_shared.appearance.model import LEAST_COVERED, AppearanceModel, find_conditions
from assay_shared.appearance.patches import Doubles
from assay_shared.wire import DOUBTED_SHARE
from bench.accuracy.cutting import cut_learnt, cut_tested
from bench.accuracy.intervals import measure_area, measure_share
from bench.accuracy.photos import GENUINE, KINDS, TRAIN, list_photos, read_roles
from bench.accuracy.tables import describe, print_head, print_row

KNOWN = 4
KNOWN_OF = ("hue-shift", "low-resolution", "altered-text")
"""The kinds that are told least without."""


@dataclass(frozen=True)
class Scored:
    """One photo that can be compared: its kind and file, its score by cause, its conditions."""

    kind: str
    path: Path
    scores: dict[str, float]
    conditions: Doubles


@dataclass(frozen=True)
class Told:
    """p-values of a brand's genuine photos, of others of the known kind, and of kinds that nobody knows."""

    genuine: list[float]
    same: list[float]
    unknown: list[float]


def main() -> None:
    """Prints a table: a row a known kind, and the same photos' figures without."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    folder, *names = sys.argv[1:]
    told: dict[str, tuple[list[Told], list[Told]]] = {kind: ([], []) for kind in KNOWN_OF}
    for name in names:
        for kind, (without, sharpened) in ask_brand(Path(folder) / name).items():
            told[kind][0].append(without)
            told[kind][1].append(sharpened)
        print(f"{name} done", file=sys.stderr, flush=True)
    heads = ("area", "caught", "area, unknown kinds", "caught", "genuine doubted")
    print(f"{len(names)} brands: {', '.join(names)}; {KNOWN} fakes known; caught at {DOUBTED_SHARE}\n")
    print_head(("known kind", *heads))
    for kind, (before, after) in told.items():
        print_row(f"{kind}, none known", list_cells(before))
        print_row(f"{kind}, {KNOWN} known", list_cells(after))


def ask_brand(folder: Path) -> dict[str, tuple[Told, Told]]:
    """By known kind, what is told without and with its known fakes; nothing of a brand without print."""
    patches = [cut_learnt(photo, None) for photo in list_photos(folder, (TRAIN,))]
    model = fit_appearance(patches).model
    if model is None:
        return {}
    scored = score_photos(folder, model)
    roles, found = read_roles(folder), {}
    for kind in KNOWN_OF:
        photos = list(list_photos(folder, (kind,), KNOWN))
        cuts = [cut_tested(photo, None, roles, 1.0).patch for photo in photos]
        sharp = fit_appearance(patches, known=[patch for patch in cuts if patch is not None]).model
        if sharp is not None:
            seen = {photo.path for photo in photos}
            asked = [one for one in scored if one.path not in seen]
            found[kind] = (tell(model, asked, kind), tell(sharp, asked, kind))
    return found


def score_photos(folder: Path, model: AppearanceModel) -> list[Scored]:
    """All genuine photos and fakes that can be compared. Known counterfeits change neither reference nor
    statistics, so that one measurement serves all."""
    roles, scored = read_roles(folder), []
    for photo in list_photos(folder, (GENUINE, *KINDS)):
        patch = cut_tested(photo, None, roles, 1.0).patch
        measures = None if patch is None else model.judge(patch).measures
        if measures is not None and measures.covered >= LEAST_COVERED:
            scores = model.statistics.score(measures)
            scored.append(Scored(photo.kind, photo.path, scores, find_conditions(measures)))
    return scored


def tell(model: AppearanceModel, asked: list[Scored], known: str) -> Told:
    """The p-values by a model that knows counterfeits of a kind, or none."""
    told = Told([], [], [])
    for one in asked:
        p, _ = model.significance.find_p_values(one.scores, one.conditions)
        {GENUINE: told.genuine, known: told.same}.get(one.kind, told.unknown).append(p)
    return told


def list_cells(told: list[Told]) -> tuple[str, ...]:
    """Areas and shares over brands, with their intervals."""
    cells = []
    for fakes in ([one.same for one in told], [one.unknown for one in told]):
        pairs = [(one.genuine, own) for one, own in zip(told, fakes, strict=True)]
        caught = measure_share([[p < DOUBTED_SHARE for p in own] for own in fakes])
        cells += [describe(measure_area(pairs)), describe(caught, as_share=True)]
    doubted = measure_share([[p < DOUBTED_SHARE for p in one.genuine] for one in told])
    return (*cells, describe(doubted, as_share=True))


if __name__ == "__main__":
    main()

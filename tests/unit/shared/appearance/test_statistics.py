"""What is usual at a place: as much as genuine photos have shown there, and nothing over the edge."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay_shared.appearance.fineness import BANDS
from assay_shared.appearance.fitting import STATISTICS_FOLDS
from assay_shared.appearance.measures import MAPS, Measures
from assay_shared.appearance.statistics import CAUSES, COARSENED, PEAKS, fit_statistics, score_left_out
from tests.unit.shared.appearance.test_proportions import see

Floats = npt.NDArray[np.float32]
SIZE = 20
STRUCTURE, DETAIL = MAPS.index("structure"), MAPS.index("detail")


def make_measures(rng: np.random.Generator) -> Measures:
    """Measures of a photo in which every place is as usual."""
    return Measures(
        maps=rng.normal(0, 1, (len(MAPS), SIZE, SIZE)).astype(np.float32),
        unexplained=rng.gamma(4.0, 10.0, (SIZE, SIZE)).astype(np.float32),
        transfer=rng.normal(0, 0.05, (2, BANDS)).astype(np.float32),
        softness=(float(rng.uniform(0.5, 1)), float(rng.uniform(1, 2))),
        inks=(np.array([1, 0, 0, 1]) + rng.normal(0, 0.02, 4)).astype(np.float32),
        view=see(rng),
        glare=0.0,
        covered=1.0,
        density=float(rng.uniform(1, 2)),
        agreement=0.9,
        contrast=float(rng.uniform(0.9, 1.1)),
        bend=0.0,
    )


def test_a_place_where_few_photos_departed_far_may_do_so_again() -> None:
    rng = np.random.default_rng(1)
    photos = [make_measures(rng) for _ in range(40)]
    for photo in photos[:3]:
        photo.maps[STRUCTURE, 8, 8] = 30.0
    statistics = fit_statistics(photos)
    new = make_measures(rng)
    new.maps[STRUCTURE, 8, 8] = new.maps[STRUCTURE, 12, 12] = 30.0
    departures = statistics.map_departures(new)["structure"]
    # A third of the most, of which half the variance is kept: three spreads times the root of two.
    assert departures[8, 8] < 4.3
    assert departures[12, 12] > 10


def test_the_outermost_places_and_those_that_few_photos_show_are_not_judged() -> None:
    rng = np.random.default_rng(2)
    photos = [make_measures(rng) for _ in range(20)]
    for place, photo in enumerate(photos):
        photo.maps[:, :3] = np.nan
        if place % 5:
            photo.maps[:, :, -4:] = np.nan
    departures = fit_statistics(photos).map_departures(make_measures(rng))["structure"]
    judged = np.isfinite(departures)
    assert judged[4:-1, 1:-5].all()
    assert judged.sum() == judged[4:-1, 1:-5].sum()


def test_detail_that_is_lacking_and_detail_that_is_added_are_different_causes() -> None:
    rng = np.random.default_rng(3)
    statistics = fit_statistics([make_measures(rng) for _ in range(40)])
    usual, lacking, added = (make_measures(np.random.default_rng(9)) for _ in range(3))
    lacking.maps[DETAIL, 6:9, 6:9] = -40.0
    added.maps[DETAIL, 6:9, 6:9] = 40.0
    scores = [statistics.score(one) for one in (usual, lacking, added)]
    assert {f"{name} {scale}" for name, scale in PEAKS} <= scores[0].keys()
    assert scores[1]["loss 1"] > 3 * scores[0]["loss 1"]
    assert scores[2]["excess 1"] > 3 * scores[0]["excess 1"]
    assert abs(scores[1]["excess 1"] - scores[0]["excess 1"]) < 1
    assert abs(scores[2]["loss 1"] - scores[0]["loss 1"]) < 1


def test_a_coarser_print_departs_and_a_finer_one_does_not() -> None:
    rng = np.random.default_rng(4)
    statistics = fit_statistics([make_measures(rng) for _ in range(40)])
    usual, coarser, finer = (make_measures(np.random.default_rng(9)) for _ in range(3))
    coarser.transfer[0, :3] += 0.4 * np.array(COARSENED, np.float32)
    finer.transfer[0, :3] -= 0.4 * np.array(COARSENED, np.float32)
    scores = [np.log1p(statistics.score(one)["fineness"]) for one in (usual, coarser, finer)]
    assert scores[1] > scores[0] + 5
    assert scores[2] == 0


def test_noise_takes_detail_from_a_photo_and_no_fineness_from_its_print() -> None:
    rng = np.random.default_rng(5)

    def make_noisy(noise: float) -> Measures:
        one = make_measures(rng)
        one.transfer[1, 1] += noise
        one.transfer[0, :3] += 0.2 * noise * np.array(COARSENED, np.float32)
        return one

    statistics = fit_statistics([make_noisy(noise) for noise in rng.uniform(0, 2, 40)])
    noisy, coarser = make_noisy(1.8), make_noisy(1.8)
    coarser.transfer[0, :3] += 0.4 * np.array(COARSENED, np.float32)
    assert np.log1p(statistics.score(noisy)["fineness"]) < 3
    assert np.log1p(statistics.score(coarser)["fineness"]) > 4


def test_photos_left_out_depart_nearly_as_far_as_by_the_statistics_of_all_others() -> None:
    """Else the share of doubt is not what was promised: a new photo meets statistics of all, and by those of
    four photos in five the fifth lies further off."""
    rng = np.random.default_rng(11)
    photos = [make_measures(rng) for _ in range(30)]

    def depart(folds: int) -> float:
        scores = score_left_out(photos, np.arange(30) % folds)
        return float(np.log1p(scores[:, len(CAUSES) - len(PEAKS) :]).mean())

    alone = depart(30)
    assert 0 < depart(STATISTICS_FOLDS) - alone < (depart(5) - alone) / 2

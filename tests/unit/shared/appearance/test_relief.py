"""A relief is learnt from where views of one surface show its places, and poses see by it."""

from __future__ import annotations

import numpy as np
import pytest

from assay_shared.appearance.patches import Doubles
from assay_shared.appearance.poses import fit_pose, project, see_plane
from assay_shared.appearance.relief import Points, learn_relief, measure_relief

WIDTH, HEIGHT = 200, 300
RADIUS = 110.0


def see_round(seed: int, places: Doubles, radius: float | None = RADIUS) -> Doubles:
    """Where a camera shows places (n, 2) that lie, seen from the front, on an upright cylinder (None: on a
    plane): (n, 2)."""
    rng = np.random.default_rng(seed)
    x, y = places[:, 0] - WIDTH / 2, places[:, 1] - HEIGHT / 2
    depth = radius - np.sqrt(radius**2 - x**2) if radius else np.zeros_like(x)
    turn, pitch = rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3)
    across = np.cos(turn) * x + np.sin(turn) * depth
    away = np.cos(turn) * depth - np.sin(turn) * x
    along, away = np.cos(pitch) * y + np.sin(pitch) * away, np.cos(pitch) * away - np.sin(pitch) * y
    seen = np.stack([across, along], 1) * rng.uniform(900, 1100) / (1000 + away)[:, None] + 400
    return np.asarray(seen, np.float64)


def make_views(count: int, radius: float | None = RADIUS, noise: float = 0.1) -> list[Points]:
    views = []
    for seed in range(count):
        rng = np.random.default_rng([seed, 1])
        places = rng.uniform((10, 10), (WIDTH - 10, HEIGHT - 10), (300, 2))
        seen = see_round(seed, places, radius) + rng.normal(0, noise, places.shape)
        views.append(Points(places, seen, np.ones(len(places)), 1.0))
    return views


def test_a_cylinder_is_told_from_its_views_and_new_views_are_explained() -> None:
    polynomial = learn_relief(make_views(20), WIDTH, HEIGHT)
    assert polynomial is not None
    places = np.random.default_rng(5).uniform((10, 10), (WIDTH - 10, HEIGHT - 10), (200, 2))
    relief, seen = measure_relief(polynomial, places, WIDTH, HEIGHT), see_round(900, places)
    pose = fit_pose(places, relief, seen, np.ones(200), 1.0)
    plane = fit_pose(places, np.zeros(200), seen, np.ones(200), 1.0)
    assert np.abs(project(pose, places, relief) - seen).max() < 0.6
    assert np.abs(project(plane, places, np.zeros(200)) - seen).max() > 4


@pytest.mark.parametrize(("radius", "count"), [(None, 20), (RADIUS, 8)])
def test_planes_and_few_views_have_no_relief(radius: float | None, count: int) -> None:
    assert learn_relief(make_views(count, radius), WIDTH, HEIGHT) is None


def test_a_fifth_of_wrong_places_does_not_bend_the_relief() -> None:
    views = make_views(20)
    for seed, view in enumerate(views):
        rng = np.random.default_rng([seed, 2])
        view.seen[:60] += rng.uniform(-25, 25, (60, 2))
    polynomial = learn_relief(views, WIDTH, HEIGHT)
    assert polynomial is not None
    places = np.array([[x, HEIGHT / 2] for x in range(30, WIDTH - 20, 10)], float)
    relief = measure_relief(polynomial, places, WIDTH, HEIGHT)
    true = RADIUS - np.sqrt(RADIUS**2 - (places[:, 0] - WIDTH / 2) ** 2)
    assert abs(np.corrcoef(relief, true)[0, 1]) > 0.99


def test_a_pose_is_found_again_and_a_plane_is_a_homography() -> None:
    rng = np.random.default_rng(0)
    places, relief = rng.uniform(0, 300, (80, 2)), rng.uniform(0, 1, 80)
    pose = np.array([[1.1, 0.1, 20, 30], [-0.1, 0.9, 40, -5], [1e-4, -2e-4, 1, 0.01]])
    seen = project(pose, places, relief)
    seen[:10] += 60
    found = fit_pose(places, relief, seen, np.ones(80), 1.0)
    assert np.abs(project(found, places, relief) - project(pose, places, relief)).max() < 0.05
    flat = see_plane(pose[:, :3])
    found = fit_pose(places, np.zeros(80), project(flat, places, np.zeros(80)), np.ones(80), 1.0)
    assert found == pytest.approx(flat, abs=1e-6)

"""The proportions of a flat face follow from how it is seen in perspective."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay_shared.appearance.proportions import fit_plane, measure_stretch

Doubles = npt.NDArray[np.float64]


def see(rng: np.random.Generator, stretch: float = 1.0) -> Doubles:
    """The homography of a face of 1 x 0.7, stretched in height, seen by a camera somewhere in front of it."""
    turn, tilt, roll = rng.normal(0, 0.3), rng.normal(0, 0.3), rng.normal(0, 0.1)
    x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    y = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    focal = np.exp(rng.normal(0, 0.1))
    pose = np.column_stack(
        [(x @ y @ z)[:, :2] * [0.7, stretch], [rng.normal(0, 0.1), rng.normal(0, 0.1), 1.6]]
    )
    view = np.diag([focal, focal, 1]) @ pose
    view += rng.normal(0, 2e-4, (3, 3))
    return np.asarray(view / np.cbrt(np.linalg.det(view)))


def test_a_stretched_face_stands_out() -> None:
    rng = np.random.default_rng(3)
    plane = fit_plane(np.stack([see(rng) for _ in range(40)]))
    genuine = np.array([measure_stretch(see(rng), plane)[0] for _ in range(30)])
    stretched = np.array([measure_stretch(see(rng, 1.08), plane)[0] for _ in range(30)])
    assert np.median(np.abs(genuine)) < 0.02
    assert np.abs(np.median(stretched) - np.median(genuine)) > 0.05

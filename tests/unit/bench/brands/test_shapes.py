"""Surfaces and lens: what is projected is found again where it was."""

from math import radians

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.brands.lens import Lens
from bench.brands.shapes import Bent, Frustum, Plane, Surface, shade
from deploy.local.photos.geometry import Camera, Solid, aim

SURFACES: dict[str, Surface] = {
    "plane": Plane((-0.35, -0.5, 0), (0.7, 0, 0), (0, 1.0, 0)),
    "bow along u": Bent(0.7, 1.0, 0, bow=0.03, fold_at=0.6, fold=0.03),
    "bow along v": Bent(0.7, 1.0, 1, bow=0.02, fold_at=0.3, fold=-0.03),
    "cylinder": Frustum(0.3, -0.5, 0.5, 0.3, 0.3, arc=radians(230), turn=radians(-12)),
    "cone": Frustum(0.3, -0.5, 0.5, 0.2, 0.3, arc=radians(200), turn=radians(8)),
}


def look(pitch: float, yaw: float, roll: float) -> Camera:
    return aim(Solid(0.7, 1.0, 0.6), (900, 1200), (pitch, yaw, roll), 1.1, 0.8, (0.2, -0.1))


@pytest.mark.parametrize("name", SURFACES)
@given(pitch=st.floats(0, 22), yaw=st.floats(-20, 20), roll=st.floats(-25, 25), bend=st.floats(-0.02, 0.02))
def test_a_point_is_found_where_it_was_put(
    name: str, pitch: float, yaw: float, roll: float, bend: float
) -> None:
    surface, lens = SURFACES[name], Lens(look(pitch, yaw, roll), bend)
    # The middle of the print, which no view of these angles hides.
    u, v = np.meshgrid(np.linspace(0.38, 0.62, 5), np.linspace(0.05, 0.95, 5))
    uv = np.stack([u.ravel(), v.ravel()], axis=1)
    seen = lens.project(surface.points(uv)).astype(np.float32)
    found_u, found_v = surface.trace(lens.camera, *lens.straighten(seen[:, 0], seen[:, 1]))
    back = lens.project(surface.points(np.stack([found_u, found_v], axis=1).astype(np.float64)))
    assert np.abs(back - seen).max() < 0.25


@pytest.mark.parametrize("name", SURFACES)
def test_a_surface_is_brighter_towards_the_lamp(name: str) -> None:
    towards = np.array([0.0, 0.0, -1.0])
    away = np.array([0.8, 0.0, -0.6])
    assert shade(SURFACES[name], towards).max() > shade(SURFACES[name], away).min()
    normals = SURFACES[name].normals()
    assert np.allclose(np.linalg.norm(normals, axis=-1), 1)


def test_a_cylinder_shows_its_print_turned_to_the_right() -> None:
    straight = Frustum(0.3, -0.5, 0.5, 0.3, 0.3, arc=radians(230))
    turned = Frustum(0.3, -0.5, 0.5, 0.3, 0.3, arc=radians(230), turn=radians(15))
    camera, middle = look(10, 0, 0), np.array([(0.5, 0.5)])
    assert camera.project(turned.points(middle))[0, 0] > camera.project(straight.points(middle))[0, 0] + 20

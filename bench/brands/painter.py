"""Paints printed surfaces into a picture of linear light."""

import cv2
import numpy as np

from bench.brands.bodies import Patch
from bench.brands.lens import Lens
from bench.brands.shapes import Frustum, shade
from bench.brands.sheet import Hologram
from deploy.local.photos.emblem import colour_seal
from deploy.local.photos.geometry import Camera, Matrix
from deploy.local.photos.ink import Bytes, Floats
from deploy.local.photos.stage import to_linear

_STEP = 2
"""Rays are cast for one pixel in so many each way; between them (u, v) is as good as linear."""
_SPARE = 1.15


def paint_patch(canvas: Floats, lens: Lens, patch: Patch, light: Matrix, gleam: Floats | None = None) -> None:
    """Paint what is seen of a patch over `canvas` (HxWx3), lit from `light`, in place.

    `gleam` is light that it mirrors besides, on a grid over its print.
    """
    if not patch.surface.faces(lens.camera):
        return
    rim = lens.project(patch.surface.rim())
    left, top = np.maximum(np.floor(rim.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(rim.max(axis=0)).astype(int) + 1, canvas.shape[1::-1])
    if right <= left or bottom <= top:
        return
    size = (int(right - left), int(bottom - top))
    u, v = _trace(lens, patch, (int(left), int(top)), size)
    print, alpha = _shrink(lens, patch)
    height, width = print.shape[:2]
    across, along = _enlarge(u, size), _enlarge(v, size)
    across = across * np.float32(width) - np.float32(0.5)
    along = along * np.float32(height) - np.float32(0.5)
    seen = cv2.remap(print, across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lit = to_linear(np.asarray(seen, np.uint8))
    lit *= _enlarge(_sample(shade(patch.surface, light), u, v), size)[..., None]
    if gleam is not None:
        lit += _enlarge(_sample(gleam, u, v), size)[..., None]
    cover = _cover(patch, rim - (left, top), size)
    if alpha is not None:
        cover *= np.asarray(cv2.remap(alpha, across, along, cv2.INTER_LINEAR), np.float32)
    target = canvas[top:bottom, left:right]
    lit -= target
    lit *= cover[..., None]
    target += lit


def light_hologram(print: Bytes, foil: Hologram, camera: Camera) -> Bytes:
    """Return a print with its foil seal in the colours of this point of view."""
    lit = print.copy()
    left, top, width, height = foil.place
    view = float(camera.rotation[0, 2] * 1.7 + camera.rotation[1, 2] * 1.1)
    field = lit[top : top + height, left : left + width]
    cover = foil.print.alpha[..., None]
    field[:] = (field * (1 - cover) + colour_seal(foil.print, view) * cover).astype(np.uint8)
    return lit


def _trace(lens: Lens, patch: Patch, corner: tuple[int, int], size: tuple[int, int]) -> tuple[Floats, Floats]:
    columns, rows = -(-size[0] // _STEP), -(-size[1] // _STEP)
    # The scale of _enlarge is size / count, which need not be _STEP itself.
    x = corner[0] + (np.arange(columns, dtype=np.float32) + 0.5)[None, :] * np.float32(size[0] / columns)
    y = corner[1] + (np.arange(rows, dtype=np.float32) + 0.5)[:, None] * np.float32(size[1] / rows)
    return patch.surface.trace(lens.camera, *lens.straighten(x, y))


def _enlarge(grid: Floats, size: tuple[int, int]) -> Floats:
    return np.asarray(cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _sample(grid: Floats, u: Floats, v: Floats) -> Floats:
    rows, columns = grid.shape
    x, y = u * np.float32(columns) - np.float32(0.5), v * np.float32(rows) - np.float32(0.5)
    return np.asarray(cv2.remap(grid, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _shrink(lens: Lens, patch: Patch) -> tuple[Bytes, Floats | None]:
    """Shrink a print to about the size at which it is seen, so that reading single pixels does not alias."""
    height, width = patch.print.shape[:2]
    middle = np.array([(0.5, 0.5), (0.51, 0.5), (0.5, 0.51)])
    seen = lens.project(patch.surface.points(middle))
    wide, high = (float(np.hypot(*(seen[n] - seen[0]))) * 100 * _SPARE for n in (1, 2))
    small = (max(2, min(width, round(wide))), max(2, min(height, round(high))))
    if small == (width, height):
        return patch.print, patch.alpha
    print = np.asarray(cv2.resize(patch.print, small, interpolation=cv2.INTER_AREA), np.uint8)
    alpha = patch.alpha
    if alpha is not None:
        alpha = np.asarray(cv2.resize(alpha, small, interpolation=cv2.INTER_AREA), np.float32)
    return print, alpha


def _cover(patch: Patch, rim: Matrix, size: tuple[int, int]) -> Floats:
    mask = np.zeros(size[::-1], np.uint8)
    outline = np.asarray(rim - 0.5, np.float32)
    if isinstance(patch.surface, Frustum):
        outline = np.asarray(cv2.convexHull(outline).reshape(-1, 2), np.float32)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return np.asarray(mask / np.float32(255), np.float32)

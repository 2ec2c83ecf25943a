"""A picture seen through a pose, as the frame shows it, and the frame's places in the picture."""

from __future__ import annotations

import cv2
import numpy as np

from assay_shared.appearance.frames import HALF, Frame, displace, find_relief, full_to_half
from assay_shared.appearance.patches import Doubles, Flags, Floats, Outline, Patch, Pixels
from assay_shared.appearance.poses import project


def bring_patch(patch: Patch, to_patch: Doubles, bend: Floats, frame: Frame) -> tuple[Pixels, Flags, float]:
    """The patch's pixels in the full frame (h, w, 3), which of them it holds (h, w), and patch pixels a frame
    pixel; the pose `to_patch` (3, 4) maps the bent frame's pixels to the patch's."""
    half = to_patch @ np.linalg.inv(full_to_half())
    density = measure_scale(half, frame) / HALF
    source = patch.pixels
    if density > 1.15:
        source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.45 * np.sqrt(density**2 - 1) + 0.05), np.uint8)
    pixels = look_through(source, half, bend, frame, HALF)
    whole = np.full(source.shape[:2], 255, np.uint8)
    whole[[0, -1]] = 0
    whole[:, [0, -1]] = 0
    seen = look_through(whole, half, bend, frame, HALF, cv2.INTER_NEAREST)
    return pixels, np.asarray(seen > 0), density


def look_through(
    source: Pixels, pose: Doubles, bend: Floats, frame: Frame, factor: int, way: int = cv2.INTER_LINEAR
) -> Pixels:
    """A picture as the frame shows it, at half size (`factor` 1) or full (HALF): the pose (3, 4) maps the
    bent half frame's pixels to the picture's."""
    border = cv2.BORDER_REPLICATE if way == cv2.INTER_LINEAR else cv2.BORDER_CONSTANT
    height, width = frame.grey.shape
    if not len(bend) and not frame.relief.any():
        to_source = pose[:, :3] @ full_to_half()[:3, :3] if factor == HALF else pose[:, :3]
        size = (factor * width, factor * height)
        plain = cv2.warpPerspective(
            source, to_source, size, flags=way | cv2.WARP_INVERSE_MAP, borderMode=border
        )
        return np.asarray(plain, np.uint8)
    x, y = list_places(width, height)
    relief = np.asarray(cv2.resize(frame.relief, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    if len(bend):
        moved = displace(frame.modes, bend, width, height)
        x, y = x + moved[..., 0], y + moved[..., 1]
    p = pose.astype(np.float32)
    u, v, depth = (row[0] * x + row[1] * y + row[3] * relief + row[2] for row in p)
    # Smooth: what lies between the half frame's pixels is interpolated.
    at = cv2.resize(np.dstack([u / depth, v / depth]), (factor * width, factor * height))
    return np.asarray(cv2.remap(source, at[..., 0], at[..., 1], way, borderMode=border), np.uint8)


def outline_print(mask: Pixels, to_picture: Doubles, bend: Floats, frame: Frame) -> list[Outline]:
    """The outlines (n, 1, 2), picture pixels, of a mask (h, w) of the full frame that a pose (3, 4) shows."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [
        np.round(find_places(np.asarray(outline, np.int32), to_picture, bend, frame)).astype(np.int32)[
            :, None
        ]
        for outline in outlines
    ]


def find_places(outline: Outline, to_picture: Doubles, bend: Floats, frame: Frame) -> Doubles:
    """Where pixels (n, 1, 2) of the full frame lie in a picture (n, 2) that a pose (3, 4) shows."""
    half = to_picture @ np.linalg.inv(full_to_half())
    places = (outline[:, 0].astype(np.float64) + 0.5) / HALF - 0.5
    if len(bend):
        x, y = outline[:, 0].T // HALF
        places += displace(frame.modes, bend, frame.width // HALF, frame.height // HALF)[y, x]
    return np.asarray(project(half, places, find_relief(frame, places)), np.float64)


def measure_scale(pose: Doubles, frame: Frame) -> float:
    """Picture pixels a half frame pixel (root of the areas' ratio), in the frame's middle."""
    middle = np.array([frame.width, frame.height]) / (2 * HALF)
    steps = middle + np.array([[0, 0], [4, 0], [0, 4]])
    a, b, c = project(pose, steps, find_relief(frame, steps))
    u, v = (b - a) / 4, (c - a) / 4
    return float(np.sqrt(max(1e-6, abs(u[0] * v[1] - u[1] * v[0]))))


def list_places(width: int, height: int) -> tuple[Floats, Floats]:
    """The columns and rows (height, width) of all pixels."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(x, np.float32), np.asarray(y, np.float32)

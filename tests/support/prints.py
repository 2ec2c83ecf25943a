"""Photos of flat and round prints, made on the spot: art from a seed, a pose, light, noise, a background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 420, 560
"""Of the art."""


@dataclass(frozen=True)
class PrintPhoto:
    """`pixels` (h, w, 3) RGB; `box` of the print, left, top, right, bottom; `view` (3, 3), art to photo."""

    pixels: Pixels
    box: tuple[float, float, float, float]
    view: npt.NDArray[np.float64]


def draw_art(seed: int) -> Pixels:
    """A print of shapes, lines and words on one ground."""
    rng = np.random.default_rng(seed)
    art = np.full((HEIGHT, WIDTH, 3), rng.integers(150, 240, 3), np.uint8)
    for _ in range(14):
        place = tuple(int(v) for v in rng.integers((20, 20), (WIDTH - 20, HEIGHT - 20)))
        colour = tuple(int(v) for v in rng.integers(0, 255, 3))
        if rng.random() < 0.5:
            cv2.circle(art, place, int(rng.integers(8, 46)), colour, -1 if rng.random() < 0.6 else 4)
        else:
            end = (place[0] + int(rng.integers(20, 110)), place[1] + int(rng.integers(10, 60)))
            cv2.rectangle(art, place, end, colour, -1 if rng.random() < 0.5 else 3)
    for row in range(60, HEIGHT - 20, 56):
        words = "".join(chr(int(letter)) for letter in rng.integers(65, 91, 14))
        cv2.putText(art, words, (18, row), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (20, 20, 30), 2, cv2.LINE_AA)
    return art


def bend_art(art: Pixels, seed: int) -> Pixels:
    """The art as on a bag whose middle bulges more or less to one side, and whose halves are pulled up and
    down, differently in each photo: no rigid surface looks so."""
    aside, up = np.random.default_rng([seed, 1]).normal(0, 12, 2).astype(np.float32)
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    inside = np.sin(np.pi * y / HEIGHT)
    across = x + aside * np.sin(np.pi * x / WIDTH) * inside
    along = y + up * np.sin(2 * np.pi * x / WIDTH) * inside
    bent = cv2.remap(art, across.astype(np.float32), along.astype(np.float32), cv2.INTER_LINEAR)
    return np.asarray(bent, np.uint8)


def photograph_round(art: Pixels, seed: int, *, width: int = 900, height: int = 700) -> PrintPhoto:
    """A photo of the art around half a cylinder that is turned about its upright axis, differently in each
    photo, on a ground of its own; `view` is nothing."""
    rng = np.random.default_rng([seed, 2])
    turn, pitch, roll = rng.uniform(-0.3, 0.3), rng.uniform(0.0, 0.35), rng.normal(0, 0.06)
    radius, half, away = WIDTH / np.pi, HEIGHT / 2, 6.0 * HEIGHT / 2
    focal = rng.uniform(0.75, 0.9) * height * away / HEIGHT
    x, y = np.meshgrid(np.arange(width) - width / 2, np.arange(height) - height / 2)
    x, y = np.cos(roll) * x + np.sin(roll) * y, np.cos(roll) * y - np.sin(roll) * x
    rays = np.stack([x / focal, y / focal, np.ones_like(x)], -1)
    down, ahead = rays[..., 1], rays[..., 2].copy()
    rays[..., 1] = np.cos(pitch) * down + np.sin(pitch) * ahead
    rays[..., 2] = np.cos(pitch) * ahead - np.sin(pitch) * down
    eye = away * np.array([0.0, -np.sin(pitch), -np.cos(pitch)])
    a = rays[..., 0] ** 2 + rays[..., 2] ** 2
    b = eye[0] * rays[..., 0] + eye[2] * rays[..., 2]
    inside = b * b - a * (eye[0] ** 2 + eye[2] ** 2 - radius**2)
    reach = (-b - np.sqrt(np.maximum(inside, 0))) / a
    hit = eye + reach[..., None] * rays
    angle = np.arctan2(hit[..., 0], -hit[..., 2])
    body = (inside > 0) & (np.abs(hit[..., 1]) < half)
    u, v = (angle - turn) * radius + WIDTH / 2, hit[..., 1] + half
    shown = cv2.remap(art, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR)
    shown[(u < 0) | (u > WIDTH - 1)] = (70, 90, 80)
    ground = cv2.resize(rng.integers(40, 200, (12, 16, 3)).astype(np.uint8), (width, height))
    light = rng.uniform(0.9, 1.05, 3) * (0.7 + 0.3 * np.cos(angle - rng.normal(0, 0.2)))[..., None]
    picture = np.where(body[..., None], shown * light, ground)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 0.8)) + rng.normal(0, 2, picture.shape)
    rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
    box = (float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1]))
    return PrintPhoto(np.asarray(np.clip(picture, 0, 255), np.uint8), box, np.zeros((3, 3)))


def photograph(art: Pixels, seed: int, *, width: int = 900, height: int = 700) -> PrintPhoto:
    """A photo of the art: turned, tilted, lit unevenly, on a ground of its own."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.62, 0.82) * height
    middle = np.array([width, height]) / 2 + rng.uniform(-40, 40, 2)
    turn = rng.normal(0, 0.15)
    way = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[-WIDTH, -HEIGHT], [WIDTH, -HEIGHT], [WIDTH, HEIGHT], [-WIDTH, HEIGHT]]) / 2 / HEIGHT
    tilt = rng.normal(0, 0.12, 2)
    depth = 1 + corners @ tilt
    seen = (corners @ way.T) * size / depth[:, None] + middle
    flat = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], np.float32)
    view = cv2.getPerspectiveTransform(flat, seen.astype(np.float32))
    coarse = rng.integers(40, 200, (12, 16, 3)).astype(np.uint8)
    ground = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    ground += rng.normal(0, 14, (height, width, 1))
    cover = cv2.warpPerspective(
        np.ones(art.shape[:2], np.float32), view, (width, height), flags=cv2.INTER_AREA
    )
    shown = cv2.warpPerspective(art, view, (width, height), flags=cv2.INTER_LINEAR).astype(np.float32)
    light = cv2.resize(rng.uniform(0.8, 1.1, (3, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    lit = shown * light[..., None] * rng.uniform(0.93, 1.05, 3)
    picture = ground * (1 - cover[..., None]) + lit * cover[..., None]
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 0.8)) + rng.normal(0, 2, picture.shape)
    low, high = seen.min(0), seen.max(0)
    pixels = np.asarray(np.clip(picture, 0, 255), np.uint8)
    return PrintPhoto(
        pixels, (float(low[0]), float(low[1]), float(high[0]), float(high[1])), np.asarray(view)
    )

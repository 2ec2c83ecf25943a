"""What differs from item to item of one print: the lot number, and creases in paper."""

import cv2
import numpy as np
from PIL import Image

from bench.brands.lettering import write_line
from bench.brands.product import Product
from deploy.local.photos.ink import Bytes


def stamp_lot(print: Bytes, product: Product, rng: np.random.Generator) -> None:
    """Print a lot number and a date, which differ from item to item, in place."""
    if product.sheet.lot is None:
        return
    (left, top, width, height), type = product.sheet.lot
    words = f"LOT {rng.integers(10_000, 99_999)}  EXP {rng.integers(1, 13):02d}/20{rng.integers(27, 32)}"
    field = Image.fromarray(print[top : top + height, left : left + width])
    write_line(field, (0, 0, width, height), words, type)
    print[top : top + height, left : left + width] = np.asarray(field)


def crease(print: Bytes, rng: np.random.Generator) -> None:
    """Press up to two faint creases into paper, in place: a dark line beside a light one."""
    height, width = print.shape[:2]
    for _ in range(int(rng.choice([0, 1, 2], p=[0.6, 0.3, 0.1]))):
        start, turn = rng.uniform(0.1, 0.9, 2) * (width, height), float(rng.uniform(0, np.pi))
        reach = float(rng.uniform(0.08, 0.3)) * max(width, height)
        step = np.array([np.cos(turn), np.sin(turn)]) * reach
        deep = float(rng.uniform(0.05, 0.14))
        left, top = np.maximum(np.minimum(start, start + step).astype(int) - 12, 0)
        right, bottom = np.minimum(np.maximum(start, start + step).astype(int) + 12, (width, height))
        if right - left < 2 or bottom - top < 2:
            continue
        gain = np.ones((bottom - top, right - left), np.float32)
        for offset, level in ((-3.0, 1 - deep), (3.0, 1 + deep)):
            ends = (
                np.array([start, start + step]) - (left, top) + np.array([-step[1], step[0]]) / reach * offset
            )
            cv2.polylines(gain, [np.round(ends).astype(np.int32)], False, level, 4)
        soft = cv2.GaussianBlur(gain, (0, 0), 2.5)
        field = print[top:bottom, left:right]
        field[:] = np.clip(field * soft[..., None], 0, 255).astype(np.uint8)

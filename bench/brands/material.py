"""What a bare material looks like, and how a drawn outline cuts a thing out."""

import cv2
import numpy as np
from PIL import Image

from bench.brands.product import Identity
from deploy.local.photos.ink import Bytes, Floats, smooth_noise


def add_grain(who: Identity, ground: Bytes, strength: float, cells: tuple[float, float]) -> Bytes:
    """Return a ground mottled by `strength`, with `cells` (rows, columns) bumps that are the brand's own."""
    height, width = ground.shape[:2]
    mottle = 1 + strength * smooth_noise(who.rng(7), height, width, cells)
    return np.asarray(np.clip(ground * mottle[..., None], 0, 255), np.uint8)


def to_alpha(picture: Image.Image) -> Floats:
    """Return the outline of an RGBA picture, HxW from 0 to 1."""
    return np.asarray(cv2.GaussianBlur(np.asarray(picture)[..., 3], (0, 0), 0.8), np.float32) / np.float32(
        255
    )

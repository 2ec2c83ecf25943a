"""The pictograms of a medicine's carton."""

import numpy as np
from PIL import Image, ImageDraw

from deploy.local.photos.ink import Colour, draw_layer


def draw_pictograms(width: int, height: int, ink: Colour, seed: int) -> Image.Image:
    """Three pictograms in a row: a tablet, a sun that is crossed out, a glass of water."""

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = width * f, height * f
        size = min(h, w / 3.4)
        bold = max(2, round(size * 0.05))
        for number in range(3):
            x, y = (w - size) / 2 * number + size / 2, h / 2
            r = size * 0.47
            pen.rounded_rectangle((x - r, y - r, x + r, y + r), r * 0.3, outline=ink, width=bold)
            match (number + seed) % 3:
                case 0:
                    pen.ellipse((x - r * 0.6, y - r * 0.6, x + r * 0.6, y + r * 0.6), fill=ink)
                    pen.line((x, y - r * 0.6, x, y + r * 0.6), fill=(250, 250, 250), width=bold)
                case 1:
                    pen.ellipse((x - r * 0.35, y - r * 0.35, x + r * 0.35, y + r * 0.35), fill=ink)
                    for turn in np.linspace(0, 2 * np.pi, 8, endpoint=False):
                        c, s = float(np.cos(turn)), float(np.sin(turn))
                        pen.line(
                            (x + c * r * 0.5, y + s * r * 0.5, x + c * r * 0.75, y + s * r * 0.75),
                            fill=ink,
                            width=bold,
                        )
                    pen.line((x - r * 0.8, y + r * 0.8, x + r * 0.8, y - r * 0.8), fill=ink, width=bold)
                case _:
                    pen.polygon(
                        [
                            (x - r * 0.5, y - r * 0.6),
                            (x + r * 0.5, y - r * 0.6),
                            (x + r * 0.35, y + r * 0.65),
                            (x - r * 0.35, y + r * 0.65),
                        ],
                        outline=ink,
                        width=bold,
                    )
                    pen.polygon(
                        [
                            (x - r * 0.42, y - r * 0.1),
                            (x + r * 0.42, y - r * 0.1),
                            (x + r * 0.33, y + r * 0.6),
                            (x - r * 0.33, y + r * 0.6),
                        ],
                        fill=ink,
                    )

    return draw_layer(width, height, draw)

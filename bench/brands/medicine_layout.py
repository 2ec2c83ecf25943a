"""Where things stand on a medicine's carton, and its white card with the brand's colours."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from bench.brands.lettering import Grid, Place
from deploy.local.photos.ink import Bytes, draw_layer, hsv


@dataclass(frozen=True)
class MedicineLayout:
    """Where things stand, as left, top, width, height in thousandths of the face's width and height."""

    size: tuple[int, int]
    title: tuple[int, int, int, int]
    substance: tuple[int, int, int, int]
    strength: tuple[int, int, int, int]
    count: tuple[int, int, int, int]
    maker: tuple[int, int, int, int]
    table: tuple[int, int, int, int]
    notes: tuple[int, int, int, int]
    storage: tuple[int, int, int, int]
    icons: tuple[int, int, int, int]
    barcode: tuple[int, int]
    lot: tuple[int, int, int, int]
    logo: tuple[int, int, int]
    seal: tuple[int, int, int]

    def at(self, share: tuple[int, int, int, int]) -> Place:
        """Return a place in pixels."""
        return Grid(*self.size).at(*share)

    def spot(self, share: tuple[int, int, int]) -> tuple[int, int]:
        """Return the middle of an emblem in pixels."""
        return Grid(*self.size).spot(share[0], share[1])


LAYOUTS = (
    MedicineLayout(
        (2200, 1350), title=(250, 60, 470, 150), substance=(250, 215, 470, 60), strength=(760, 70, 200, 150),
        count=(250, 285, 400, 60), maker=(40, 880, 160, 50), table=(250, 400, 420, 300),
        notes=(250, 745, 400, 220), storage=(700, 640, 260, 160), icons=(700, 420, 260, 160),
        barcode=(702, 815), lot=(250, 355, 300, 32), logo=(120, 180, 270), seal=(120, 620, 260),
    ),
    MedicineLayout(
        (1500, 2200), title=(60, 205, 880, 85), substance=(60, 290, 620, 36), strength=(640, 340, 300, 80),
        count=(60, 340, 540, 40), maker=(60, 945, 400, 26), table=(60, 450, 540, 190),
        notes=(60, 670, 560, 150), storage=(660, 470, 280, 170), icons=(60, 390, 500, 50),
        barcode=(60, 840), lot=(520, 945, 420, 24), logo=(830, 90, 260), seal=(800, 800, 300),
    ),
    MedicineLayout(
        (2200, 1180), title=(60, 90, 560, 170), substance=(60, 265, 560, 66), strength=(60, 345, 240, 130),
        count=(330, 360, 290, 60), maker=(640, 930, 320, 50), table=(640, 380, 330, 290),
        notes=(60, 500, 330, 300), storage=(410, 500, 210, 250), icons=(410, 770, 210, 120),
        barcode=(60, 815), lot=(330, 440, 290, 36), logo=(890, 170, 280), seal=(740, 790, 250),
    ),
)  # fmt: skip


def paint_card(size: tuple[int, int], hue: float, scheme: int) -> Bytes:
    """White card with the brand's colours in a shape that is the layout's own."""
    width, height = size
    card = Image.new("RGB", size, (247, 247, 245))
    vivid, soft, deep = hsv(hue, 0.7, 0.78), hsv(hue + 0.06, 0.35, 0.95), hsv(hue - 0.03, 0.85, 0.5)

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = width * f, height * f
        match scheme:
            case 0:
                pen.rectangle((0, 0, w * 0.21, h), fill=soft)
                for step in range(9):
                    pen.ellipse(
                        (w * 0.13, h * (0.1 * step + 0.02), w * 0.25, h * (0.1 * step + 0.2)),
                        outline=vivid,
                        width=round(5 * f),
                    )
                pen.rectangle((w * 0.21, 0, w * 0.222, h), fill=vivid)
                pen.rectangle((w * 0.25, h * 0.275, w * 0.72, h * 0.279), fill=deep)
            case 1:
                x = np.linspace(0, w, 60)
                for lift, tone in ((0.2, soft), (0.175, vivid), (0.15, deep)):
                    wave = h * (lift + 0.018 * np.sin(x / w * 7 + 30 * lift))
                    pen.polygon([(0, 0), *zip(x, wave, strict=True), (w, 0)], fill=tone)
                pen.rectangle((0, h * 0.985, w, h), fill=vivid)
            case _:
                for step in range(14):
                    start = w * (0.6 + 0.045 * step)
                    tone = (vivid, soft, deep)[step % 3]
                    pen.polygon(
                        [
                            (start, 0),
                            (start + w * 0.03, 0),
                            (start - w * 0.1, h * 0.34),
                            (start - w * 0.13, h * 0.34),
                        ],
                        fill=tone,
                    )
                pen.rectangle((0, 0, w, h * 0.03), fill=vivid)

    layer = draw_layer(width, height, draw)
    card.paste(layer, (0, 0), layer)
    return np.asarray(card)

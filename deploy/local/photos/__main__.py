"""`python -m deploy.local.photos SHEET.png [--seed N] [--count N]`: a contact sheet to look at."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from deploy.local.photos.catalog import make_brand
from deploy.local.photos.ink import font
from deploy.local.photos.render import KINDS, Photo, render_photo

_CELL, _CAPTION, _COLUMNS = (400, 300), 26, 4


def main() -> None:
    """Write the contact sheet that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.photos", description=__doc__)
    parser.add_argument("sheet", type=Path, help="the PNG to write")
    parser.add_argument("--seed", type=int, default=7, help="another seed invents another brand")
    parser.add_argument("--count", type=int, default=24, help="how many photos")
    arguments = parser.parse_args()
    kinds = ("genuine", *KINDS, "other-product")
    brand = make_brand(arguments.seed)
    photos = [
        render_photo(brand, 100 * arguments.seed + index, kind=kinds[index % len(kinds)])
        for index in range(arguments.count)
    ]
    lay_sheet(photos).save(arguments.sheet)


def lay_sheet(photos: list[Photo]) -> Image.Image:
    """Lay photos out in rows of four, their boxes drawn in and their kinds written below."""
    rows = -(-len(photos) // _COLUMNS)
    sheet = Image.new("RGB", (_CELL[0] * _COLUMNS, (_CELL[1] + _CAPTION) * rows), (24, 24, 24))
    pen = ImageDraw.Draw(sheet)
    for index, photo in enumerate(photos):
        left, top = index % _COLUMNS * _CELL[0], index // _COLUMNS * (_CELL[1] + _CAPTION)
        picture = Image.fromarray(np.ascontiguousarray(photo.pixels))
        boxes = ImageDraw.Draw(picture)
        for box in photo.boxes:
            colour = (255, 60, 60) if box.label.startswith("fake") else (90, 255, 90)
            boxes.rectangle(
                (box.left, box.top, box.left + box.width, box.top + box.height), outline=colour, width=3
            )
        picture.thumbnail(_CELL, Image.Resampling.BOX)
        sheet.paste(picture, (left, top))
        shown = photo.product.label if photo.product else "another brand's"
        pen.text(
            (left + 6, top + _CELL[1] + 4),
            f"{photo.kind}: {shown}",
            font=font("DejaVuSans", 15),
            fill=(240, 240, 240),
        )
    return sheet


if __name__ == "__main__":
    main()

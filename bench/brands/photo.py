"""One photo of a generated product as a JPEG file, with its boxes and all that a bench may sort it by."""

from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import cv2
import numpy as np

from bench.brands.bodies import Built
from bench.brands.capture import Capture, choose_capture, take
from bench.brands.fakes import Forgery, forge
from bench.brands.item import crease, stamp_lot
from bench.brands.lettering import Place
from bench.brands.painter import light_hologram, paint_patch
from bench.brands.press import choose_run, ink
from bench.brands.product import PRODUCT, Product
from bench.brands.scene import Pose, choose_gleam, choose_pose, hull_points, paint_surroundings
from bench.brands.sheet import Printed, print_sheet
from deploy.local.photos.geometry import Matrix, visible_box
from deploy.local.photos.ink import Bytes, Floats
from deploy.local.photos.render import LEAST_VISIBLE, Box

_PORTRAIT_SHARE = 0.25
"""Share of photos taken across the product's longer edge."""


@dataclass(frozen=True)
class Scene:
    """Names one photo of a brand: nothing but these three decides its pose, light, surroundings, camera."""

    split: str
    kind: str
    index: int

    def rng(self, slug: str) -> np.random.Generator:
        """Return the scene's own generator: no two scenes share one, whatever is printed."""
        return np.random.default_rng([crc32(f"{slug}|{self.split}|{self.kind}".encode()), self.index])


@dataclass(frozen=True)
class Shot:
    """A photo. `altered` is the outline (Nx2 pixels) of what a fake changed, where that is a place."""

    jpeg: bytes
    width: int
    height: int
    boxes: tuple[Box, ...]
    pose: Pose
    turn: float
    capture: Capture
    glare: bool
    altered: Matrix | None
    note: str


def shoot(product: Product, scene: Scene, long_side: int = 2400, fake: str = "") -> Shot:
    """Take the photo of `scene`, of the genuine product or of the fake of kind `fake`."""
    pose_rng, stage, light_rng, camera, grain, press, body = scene.rng(product.slug).spawn(7)
    forgery = (
        forge(product.sheet, fake, scene.index, press, product.body.curved)
        if fake
        else Forgery(_print_genuine(product), (1, 1), None, "")
    )
    print = ink(forgery.print.pixels, choose_run(press))
    stamp_lot(print, product, press)
    if product.sheet.paper is not None:
        left, top, width, height = product.sheet.paper
        crease(print[top : top + height, left : left + width], body)
    printed, size, to_print = _shape(product, forgery, print)
    built = product.body.build(printed, size, body)
    frame = _frame(pose_rng, built, long_side)
    pose = choose_pose(pose_rng, built, product.body.stands, frame)
    lens = pose.lens
    if forgery.print.hologram is not None:
        printed[:] = light_hologram(printed, forgery.print.hologram, lens.camera)
    canvas, lamp = paint_surroundings(stage, pose, built)
    face = built.patches[built.face]
    gleam, glare = choose_gleam(light_rng, face, lamp)
    for number, patch in enumerate(built.patches):
        paint_patch(canvas, lens, patch, lamp, gleam if number == built.face else None)
    capture = choose_capture(camera, long_side)
    jpeg = take(grain, canvas, capture)

    def project(outline: Floats) -> Matrix:
        spots = cv2.transform(outline[None].astype(np.float64), to_print)[0] / printed.shape[1::-1]
        return lens.project(face.surface.points(spots))

    boxes = _find_boxes(built, pose, {mark: project(o) for mark, o in forgery.print.marks.items()}, frame)
    altered = None if forgery.region is None else np.clip(project(_edge(forgery.region)), 0, frame)
    turn = float(np.degrees(getattr(face.surface, "turn", 0.0)))
    return Shot(jpeg, *frame, boxes, pose, turn, capture, glare, altered, forgery.note)


@lru_cache(maxsize=4)
def _print_genuine(product: Product) -> Printed:
    return print_sheet(product.sheet)


def _shape(product: Product, forgery: Forgery, print: Bytes) -> tuple[Bytes, tuple[float, float], Matrix]:
    """Give a print its proportions: the print, its (width, height) in package units, and 2x3 from its pixels.

    What is flat is cut to the print; on what is round, the print is stretched about the middle instead.
    """
    height, width = print.shape[:2]
    across, along = forgery.stretch
    same = np.eye(2, 3)
    if not product.body.curved:
        longer = max(width, height)
        return print, (width * across / longer, height * along / longer), same
    matrix = np.array([[across, 0, width / 2 * (1 - across)], [0, along, height / 2 * (1 - along)]])
    if forgery.stretch != (1, 1):
        print = np.asarray(
            cv2.warpAffine(
                print, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            ),
            np.uint8,
        )
    return print, (width / height, 1.0), matrix


def _frame(rng: np.random.Generator, built: Built, long_side: int) -> tuple[int, int]:
    """Choose the frame's (width, height), 4 to 3, mostly along the product."""
    wide = built.solid.width >= built.solid.height
    if rng.random() < _PORTRAIT_SHARE:
        wide = not wide
    short = long_side * 3 // 4
    return (long_side, short) if wide else (short, long_side)


def _edge(place: Place) -> Floats:
    """Return a rectangle's outline with its edges divided, so that it bends with the surface."""
    left, top, width, height = place
    t = np.linspace(0, 1, 8, endpoint=False)
    zero, one = np.zeros_like(t), np.ones_like(t)
    sides = np.concatenate(
        [np.stack(edge, axis=1) for edge in ((t, zero), (one, t), (1 - t, one), (zero, 1 - t))]
    )
    return np.asarray(sides * (width, height) + (left, top), np.float32)


def _find_boxes(
    built: Built, pose: Pose, marks: dict[str, Matrix], frame: tuple[int, int]
) -> tuple[Box, ...]:
    thing = pose.lens.project(np.concatenate([hull_points(patch) for patch in built.patches]))
    boxes = []
    for label, outline in {PRODUCT: thing, **marks}.items():
        box, share = visible_box(np.asarray(outline, np.float32), *frame)
        if box is not None and (label == PRODUCT or share >= LEAST_VISIBLE):
            boxes.append(Box(label, *box))
    return tuple(boxes)

"""HEIC and HEIF, decoded by libheif through pi-heif (LGPL; it has no encoder, and none is needed).

In a process of its own: a few flipped bytes in a HEIC make pi-heif 1.4 fault and take its process along,
and a worker that dies of an upload would die of it again after each redelivery. Starting the process costs
0.1 to 0.2 s beside the 0.7 s of decoding 12 megapixels.
"""

from __future__ import annotations

import json
import subprocess
import sys

from PIL import Image

from assay_ingest.errors import (
    check_pixel_count,
    refuse_animated,
    refuse_bomb,
    refuse_corrupt,
    refuse_truncated,
)

_SEQUENCE_BRANDS = frozenset({b"hevc", b"hevx"})
_DECODING_LIMIT_S = 120.0
_CUT_OFF = ("end of file", "end-of-file", "eof", "truncated", "premature", "extent")


def decode_heif(data: bytes, max_pixels: int) -> tuple[Image.Image, bytes | None]:
    """The primary picture of a HEIF file, upright, and its ICC profile where it has one.

    A burst holds many pictures: the one its camera named as primary is taken. libheif obeys the file's own
    turn and mirror boxes, and the standard (ISO/IEC 23008-12, annex A) says that Exif's orientation then
    means nothing, so the result must not be turned again.

    Raises ImageRefused.
    """
    if data[8:12] in _SEQUENCE_BRANDS:
        raise refuse_animated("a HEIF film")
    command = [sys.executable, "-m", "assay_ingest.heif_child", str(max_pixels)]
    try:
        child = subprocess.run(
            command, input=data, capture_output=True, timeout=_DECODING_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise refuse_bomb(f"decoding it took over {_DECODING_LIMIT_S:.0f} s") from error
    line, _, rest = child.stdout.partition(b"\n")
    if child.returncode < 0:
        raise refuse_corrupt("the HEIF decoder crashed on it")
    if child.returncode or not line:
        # Not the picture's fault: the installation is broken, and the task is to be tried again.
        raise RuntimeError(f"the HEIF decoder did not run: {child.stderr.decode(errors='replace')[-500:]}")
    answer = json.loads(line)
    if "error" in answer:
        if any(word in answer["error"].lower() for word in _CUT_OFF):
            raise refuse_truncated("its pixels are not complete")
        raise refuse_corrupt(f"its pixels cannot be decoded ({answer['error'][:200]})")
    width, height = answer["size"]
    check_pixel_count(width, height, max_pixels)
    icc = rest[: answer["icc_bytes"]]
    return Image.frombytes(answer["mode"], (width, height), rest[len(icc) :]), icc or None

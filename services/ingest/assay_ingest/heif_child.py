"""The process in which HEIF files are decoded: `python -m assay_ingest.heif_child MAX_PIXELS`.

Reads the file from standard input and writes one line of JSON, then the ICC profile, then the raw pixels,
to standard output. It imports nothing of Assay, so that it starts fast.
"""

from __future__ import annotations

import io
import json
import sys
import warnings

import pi_heif


def decode(data: bytes, max_pixels: int) -> tuple[dict[str, object], bytes, bytes]:
    """What to answer: the header `{"size", "mode", "icc_bytes"}`, the ICC profile, the raw pixels.

    Without pixels the header is `{"size"}` alone for a picture over the limit, or `{"error"}`.
    """
    try:
        opened = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
        primary = opened[opened.primary_index]
        if primary.size[0] * primary.size[1] > max_pixels:
            return {"size": primary.size}, b"", b""
        image = primary.to_pillow()
        icc = primary.info.get("icc_profile") or b""
        return {"size": image.size, "mode": image.mode, "icc_bytes": len(icc)}, icc, image.tobytes()
    except Exception as error:
        return {"error": str(error) or type(error).__name__}, b"", b""


def main() -> None:
    """Answer for the file on standard input."""
    warnings.simplefilter("ignore")
    header, icc, pixels = decode(sys.stdin.buffer.read(), int(sys.argv[1]))
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n")
    sys.stdout.buffer.write(icc)
    sys.stdout.buffer.write(pixels)


if __name__ == "__main__":
    main()

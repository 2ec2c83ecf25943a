"""The multipart form of a verification, read into memory with a limit: nothing spills to disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from assay_shared.errors import InvalidRequest, TooLarge, UnsupportedMedia

FORM_OVERHEAD = 64 << 10
"""Bytes of a form beside its picture: boundaries, headers, the short fields."""
DRAIN_BYTES = 200_000_000
DRAIN_SECONDS = 20.0
FIELDS = ("brand", "gtin")


@dataclass(frozen=True)
class Form:
    """What was sent: the picture's bytes, and the fields that were not empty."""

    image: bytes
    brand: str | None
    gtin: str | None


async def read_form(request: Request, max_picture_bytes: int) -> Form:
    """Reads the form. Raises UnsupportedMedia (not multipart), TooLarge, InvalidRequest (no picture, an
    unknown field, not well-formed)."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMedia("Send multipart/form-data with the picture in the field `image`")
    limit = max_picture_bytes + FORM_OVERHEAD
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(max_picture_bytes)
    parser = _InMemoryParser(
        request.headers, _limited(request, limit, max_picture_bytes), max_files=1, max_fields=len(FIELDS)
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise InvalidRequest(f"The form cannot be read: {error.message}") from error
    except ClientDisconnect as error:
        raise InvalidRequest("The connection ended before the whole form was sent") from error
    image = form.get("image")
    if not isinstance(image, UploadFile):
        raise InvalidRequest("image: the picture is missing; send it as a file in the field `image`")
    for name in form:
        if name not in (*FIELDS, "image"):
            raise InvalidRequest(f"{name[:40]}: there is no such field; there are image, brand and gtin")
    data = await image.read()
    if len(data) > max_picture_bytes:
        raise _too_large(max_picture_bytes)
    brand, gtin = (str(form.get(name) or "").strip() or None for name in FIELDS)
    return Form(data, brand, gtin)


async def drain(request: Request) -> None:
    """Reads and drops what is left of a body that was refused, up to DRAIN_BYTES and DRAIN_SECONDS: many
    clients see a broken connection instead of the answer when nobody reads what they send."""
    dropped = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for chunk in request.stream():
                dropped += len(chunk)
                if dropped > DRAIN_BYTES:
                    return
    except (TimeoutError, ClientDisconnect, RuntimeError):
        return


async def _limited(request: Request, limit: int, max_picture_bytes: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise _too_large(max_picture_bytes)
        yield chunk


def _too_large(max_picture_bytes: int) -> TooLarge:
    return TooLarge(f"A picture may have {max_picture_bytes} bytes at most")


class _InMemoryParser(MultiPartParser):
    # Larger than any picture that is let through.
    spool_max_size = 1 << 40

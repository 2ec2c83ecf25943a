"""What the OpenAPI document says beside what FastAPI finds out by itself: the form, the problems, the key."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
PROBLEMS = {
    401: "a key is needed, or the one sent is unknown",
    404: "unknown brand, or a barcode that no brand registered",
    409: "the brand has no live model",
    413: "the picture has too many bytes or pixels",
    415: "the file is no picture that can be read",
    422: "the form or picture cannot be read, or the picture does not say of which brand the product is",
    429: "too many pictures of this brand are being verified; see Retry-After",
    503: "full, or the detector does not answer; see Retry-After",
}
FORM_SCHEMA: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["image"],
                "properties": {
                    "image": {
                        "type": "string",
                        "format": "binary",
                        "description": "a photo: JPEG, PNG, WebP, HEIC, AVIF or TIFF",
                    },
                    "brand": {"type": "string", "description": "the brand's slug"},
                    "gtin": {
                        "type": "string",
                        "description": "GTIN, GS1 Digital Link URI or element string. It names the brand "
                        "if `brand` is left out; without both, the barcode in the picture does.",
                    },
                },
            }
        }
    },
}


def describe_problems(app: FastAPI) -> None:
    """Adds the problem document and the key to the OpenAPI document."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = {
            "type": "object",
            "description": "RFC 9457",
            "required": ["type", "title", "status", "detail", "request_id"],
            "properties": {
                "type": {"type": "string", "examples": ["urn:assay:problem:not-found"]},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "request_id": {"type": "string"},
                "guidance": {"type": "array", "items": {"type": "string"}},
            },
        }
        components.setdefault("securitySchemes", {})["key"] = {"type": "http", "scheme": "bearer"}
        return document

    app.openapi = openapi  # type: ignore[method-assign]

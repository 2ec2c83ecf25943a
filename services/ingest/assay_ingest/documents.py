"""JSON files as people upload them: strictly read, with errors that a person understands."""

from __future__ import annotations

import json
from typing import Any

from assay_shared.annotations import AnnotationRefused

NOT_JSON = "not-json"


def read_document(data: bytes) -> Any:
    """The value of a JSON file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Stricter than `json`: a name that comes twice, NaN and Infinity are errors. Raises AnnotationRefused
    `not-json`.
    """
    if not data.strip():
        raise AnnotationRefused("The file is empty; an annotation is a JSON object", code=NOT_JSON)
    try:
        text = data.decode(json.detect_encoding(data)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise AnnotationRefused(
            f"The file is not {error.encoding.upper()} text (byte {error.start}); save it as UTF-8",
            code=NOT_JSON,
        ) from error
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise AnnotationRefused(
            f"The file is not JSON: {error.msg} at line {error.lineno}, column {error.colno}", code=NOT_JSON
        ) from error
    except RecursionError as error:
        raise AnnotationRefused(
            "The file's lists and objects are nested too deeply", code=NOT_JSON
        ) from error
    except ValueError as error:
        # Python reads integers of at most 4,300 digits.
        raise AnnotationRefused("The file holds a number of thousands of digits", code=NOT_JSON) from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise AnnotationRefused(
            f"An object has the member {twice[:60]!r} twice, so it is unclear which one counts", code=NOT_JSON
        )
    return found


def _refuse_constant(name: str) -> None:
    raise AnnotationRefused(
        f"The file holds {name}, which is no number; every box needs finite pixels", code="not-a-number"
    )

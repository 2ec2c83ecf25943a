"""GTINs: 8, 12, 13 or 14 digits with a check digit (GS1 General Specifications, section 7.9)."""

from __future__ import annotations

from assay_shared.errors import InvalidRequest

LENGTHS = (8, 12, 13, 14)


def check_digit(body: str) -> int:
    """The check digit of the digits before it: weights 3, 1, 3, … from the right, modulo 10."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return -total % 10


def normalise_gtin(text: str) -> str:
    """The GTIN-14 form of a GTIN of 8, 12, 13 or 14 digits; spaces and hyphens are ignored.

    Raises InvalidRequest when it has another length, other characters, or a wrong check digit.
    """
    digits = text.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in LENGTHS:
        raise InvalidRequest(f"GTIN {text[:40]!r} must have 8, 12, 13 or 14 digits")
    expected = check_digit(digits[:-1])
    if int(digits[-1]) != expected:
        raise InvalidRequest(
            f"GTIN {text[:40]!r} has check digit {digits[-1]}, but its other digits give {expected}: "
            "compare it with the barcode"
        )
    return digits.zfill(14)

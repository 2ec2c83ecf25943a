"""What a scanned or typed text says of a product: GTIN, GS1 element string, GS1 Digital Link."""

from __future__ import annotations

import re
from dataclasses import dataclass

import biip

from assay_shared.errors import InvalidRequest
from assay_shared.gtin import normalise_gtin

GS1_SYMBOLS = ("]C1", "]d2", "]Q3", "]e0")
"""Symbology identifiers of GS1 symbols (GS1 General Specifications, section 5.1.2): what they carry must be
GS1 element strings."""
_SEPARATOR = "\x1d"
_FIRST_GTIN = re.compile(rf"(?:^|{_SEPARATOR})01(\d{{14}})")
_LINKED_GTIN = re.compile(r"/(?:01|gtin)/(\d{8}|\d{12,14})(?=[/?#]|$)", re.IGNORECASE)
_LINKED_NUMBER = re.compile(r"/01/\d{9,}")
"""Fewer digits after `/01/` are a date or a page of any web address."""


@dataclass(frozen=True)
class Content:
    """`gtin`: 14 digits, or None when there is none or `problem` (a GTIN that cannot be right); `malformed`:
    what in GS1 data breaks their syntax. A GTIN is taken from malformed data where it stands on its own."""

    gtin: str | None = None
    problem: str | None = None
    malformed: str | None = None


def parse_scanned(text: str, symbology_identifier: str) -> Content:
    """What a scanned code carries. Codes that claim to be GS1 (a GS1 symbol, or a web address with `/01/` and
    a number) and are not well formed say so; any other text is nobody's mistake and gives nothing."""
    plain = text.lstrip(_SEPARATOR)
    if plain.lower().startswith(("http://", "https://")):
        return _parse_link(plain)
    parsed = _parse(symbology_identifier + plain)
    found = _judge(parsed)
    if found.gtin or found.problem or symbology_identifier not in GS1_SYMBOLS:
        return found
    malformed = parsed.gs1_message_error if parsed else "it is no element string"
    return _rescue(_FIRST_GTIN.search(plain), malformed)


def read_gtin(text: str) -> str:
    """The GTIN-14 of what a caller sent: a GTIN, a GS1 Digital Link URI or a GS1 element string, with or
    without brackets. Raises InvalidRequest when there is none in it or its check digit is wrong."""
    text = text.strip()
    compact = text.replace(" ", "").replace("-", "")
    if compact.isdigit() and len(compact) in (8, 12, 13, 14) and len(text) <= 20:
        return normalise_gtin(compact)
    # Brackets show where an element begins; in scanned data a separator does that.
    plain = re.sub(r"\((\d{2,4})\)", rf"{_SEPARATOR}\1", text).lstrip(_SEPARATOR)
    found = parse_scanned(plain, "" if plain == text else "]d2")
    if found.gtin is None:
        found = parse_scanned(plain, "]d2")
    if found.gtin is None:
        why = found.problem or found.malformed
        raise InvalidRequest(
            f"gtin: {text[:80]!r} is no GTIN, GS1 Digital Link or element string with a GTIN"
            + (f" ({why})" if why else "")
        )
    return found.gtin


def _parse_link(address: str) -> Content:
    """A web address counts as Digital Link by its `/01/` and a number; biip alone takes any digits there."""
    match = _LINKED_GTIN.search(address)
    if match is None:
        claims = _LINKED_NUMBER.search(address)
        return Content(malformed="the GTIN in the link has not 14 digits") if claims else Content()
    parsed = _parse(address)
    found = _judge(parsed)
    if found.problem and len(match[1]) == len("YYYYMMDD"):
        return Content()
    if found.gtin or found.problem:
        return found
    return _rescue(match, parsed.gs1_digital_link_uri_error if parsed else None)


def _parse(text: str) -> biip.ParseResult | None:
    try:
        return biip.parse(text)
    except (biip.ParseError, ValueError):
        return None


def _judge(parsed: biip.ParseResult | None) -> Content:
    """The GTIN that biip found, or what is wrong with one."""
    if parsed is None:
        return Content()
    if parsed.gtin is not None and int(parsed.gtin.value):
        return Content(parsed.gtin.as_gtin_14())
    wrong = parsed.gtin_error
    return Content(problem=wrong if wrong and "check digit" in wrong else None)


def _rescue(match: re.Match[str] | None, malformed: str | None) -> Content:
    """The GTIN of malformed data, where it is whole: its place does not depend on what is wrong elsewhere."""
    if match is None:
        return Content(malformed=malformed)
    try:
        return Content(gtin=normalise_gtin(match[1]), malformed=malformed)
    except InvalidRequest as error:
        return Content(problem=error.detail, malformed=malformed)

"""Which part of a file a Range header asks for, by RFC 9110, section 14."""

from __future__ import annotations

import re

SPEC = re.compile(r"[ \t]*(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))[ \t]*")
MOST_RANGES = 100
"""Most ranges of a response, because each costs more than its bytes."""


def heeded_range(header: str | None, method: str, size: int) -> str | None:
    """Return the Range header that a response heeds; None for the whole file.

    Only GET has ranges. Unknown units are ignored, and so are more than `MOST_RANGES`. Of several ranges, those beyond
    the end are left out. A header that cannot be read, or of which no range is left, becomes one beyond the end. The
    response to that is 416.

    Args:
        header: The header of the request; None without.
        method: The method of the request.
        size: Size of the file in bytes.
    """
    if header is None or method != "GET":
        return None
    unit, equals, specs = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    beyond = f"bytes={size}-"
    if specs.count(",") >= MOST_RANGES:
        return None
    found = [SPEC.fullmatch(part) for part in specs.split(",") if part.strip()]
    if not found or any(match is None or _reversed(match) for match in found):
        return beyond
    left = [match[0].strip() for match in found if match is not None and _begins(match, size)]
    return f"bytes={','.join(left)}" if left else beyond


def _reversed(match: re.Match[str]) -> bool:
    return bool(match[2]) and int(match[2]) < int(match[1])


def _begins(match: re.Match[str], size: int) -> bool:
    """Whether a range begins within the file. The last 0 bytes of a file do not."""
    return int(match[1]) < size if match[1] else int(match[3]) > 0 and size > 0

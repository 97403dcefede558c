"""A short table of the tracks of a run, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

HEADER = ("sample", "track", "file", "mean", "99th percentile", "covered")
MOST_ROWS = 24
KILO, MEGA = 1_000, 1_000_000


def summary_table(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a table with a row per track: its file, the mean and 99th percentile of its bins, and bases.

    Args:
        records: The content of each sample's `run.json`.

    Returns:
        The header and at most `MOST_ROWS` rows, and how many more there are; nothing without a track.
    """
    rows = [row for record in records for row in _rows(record)]
    if not rows:
        return []
    shown = [HEADER, *rows[:MOST_ROWS]]
    widths = [max(len(row[column]) for row in shown) for column in range(len(HEADER))]
    lines = [_line(row, widths) for row in shown]
    if len(rows) > MOST_ROWS:
        lines.append(f"… and {len(rows) - MOST_ROWS:,} more tracks, whose figures are in the .run.json of each sample")
    return lines


def _rows(record: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    sample = str(record["sample"])
    for label, statistics in (record.get("statistics") or {}).items():
        quantiles = statistics["quantiles"] or {}
        yield (
            sample,
            label,
            f"{sample}.{label}.bw",
            _figure(statistics["mean"]),
            _figure(quantiles.get("0.99")),
            in_bp(statistics["covered_bp"]),
        )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Return a row with its words to the left and its numbers to the right."""
    words = [text.ljust(width) for text, width in zip(row[:3], widths[:3], strict=True)]
    numbers = [text.rjust(width) for text, width in zip(row[3:], widths[3:], strict=True)]
    return "  ".join(words + numbers)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def in_bp(bases: int) -> str:
    """Return a number of bases in words, such as `2.33 Mb`."""
    if bases >= MEGA:
        return f"{bases / MEGA:,.2f} Mb"
    return f"{bases / KILO:.1f} kb" if bases >= KILO else f"{bases} bp"

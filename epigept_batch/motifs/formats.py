"""Parse motif files in HOMER, MEME and JASPAR format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BASES = "ACGT"
Line = tuple[int, str]
"""The number, from 1, and text of a line that is not blank."""

HOMER_HEADER_FIELDS = 3
IUPAC = frozenset("ACGTRYSWKMBDHVN")
MEME_MARK = "MEME version"
MEME_MATRIX = "letter-probability matrix"
MEME_LOG_ODDS = "log-odds matrix"
MEME_SUM_ERROR = 0.1  # tolerance for the sum of a row, which may be printed with few decimals
SHOWN = 40

_JASPAR_LETTER_ROW = re.compile(r"\s*[A-Za-z](\s*\[|\s+[-+.\d])")
_JASPAR_ROW = re.compile(r"\s*([A-Za-z]?)\s*\[?([^\[\]]*)\]?\s*")


@dataclass(frozen=True, eq=False)
class Matrix:
    """A motif as read from a file.

    Attributes:
        name: First word of the header in MEME and JASPAR, second field in HOMER.
        probabilities: float64, (width, 4), columns A, C, G, T.
        threshold: Least score of a hit, in nats; None in formats without thresholds.
    """

    name: str
    probabilities: NDArray[np.float64]
    threshold: float | None = None


@dataclass(frozen=True)
class _Record:
    """A `>` header, without that sign, and the lines below it."""

    number: int
    header: str
    rows: list[Line]


def parse_matrices(lines: Sequence[Line], path: Path) -> list[Matrix]:
    """Parse the motifs of a file in any of the three formats, recognised by its content.

    - HOMER: `>consensus TAB name TAB threshold`, then a row of four probabilities per position.
    - MEME, minimal or full: `MEME version`, then for each motif `MOTIF name` and a letter-probability matrix.
    - JASPAR: `>name …`, then one row of counts for each of `A`, `C`, `G` and `T`: rows like `A [ 1 2 3 ]` in any order,
      or bare rows in the order ACGT. Probabilities are a position's counts divided by their sum.

    Args:
        lines: The lines of the file.
        path: The file's name, for messages.

    Raises:
        InputError: With the line number: the file has none of the formats, or a line is malformed.
    """
    if not lines:
        raise InputError("file is empty; use motifs in HOMER, MEME or JASPAR format", path)
    number, first = lines[0]
    if first.startswith(">"):
        records = _records(lines)
        return _jaspar(records, path) if _is_jaspar(records) else _homer(records, path)
    if any(line.startswith(MEME_MARK) for _, line in lines):
        return _meme(lines, path)
    shown = first if len(first) <= SHOWN else first[:SHOWN] + "…"
    raise InputError(
        f"begins with {shown!r} and contains no line {MEME_MARK!r}; use motifs in HOMER or JASPAR format, which begin "
        "with '>', or in MEME format",
        path,
        number,
    )


def is_motif_line(line: str) -> bool:
    """Whether a file that begins with this line contains motifs."""
    return line.startswith((">", MEME_MARK))


def _numbers(text: str) -> list[float]:
    """Return the numbers of a row; empty if one of them is negative or not a number."""
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return []
    return numbers if all(np.isfinite(numbers)) and min(numbers, default=0) >= 0 else []


def _records(lines: Sequence[Line]) -> list[_Record]:
    records: list[_Record] = []
    for number, line in lines:
        if line.startswith(">"):
            records.append(_Record(number, line[1:], []))
        else:
            records[-1].rows.append((number, line))
    return records


def _is_jaspar(records: Sequence[_Record]) -> bool:
    """Whether matrices have one row per base (JASPAR) rather than one row per position (HOMER).

    Bare numbers below a header that is not HOMER's count as JASPAR. Exception: if all rows have four numbers and not
    every motif has four rows, the file is HOMER with a wrong header.
    """
    rows = [line for record in records for _, line in record.rows]
    if rows and _JASPAR_LETTER_ROW.match(rows[0]):
        return True
    if records[0].header.count("\t") + 1 >= HOMER_HEADER_FIELDS:
        return False
    upright = all(len(row.split()) == len(BASES) for row in rows)
    return not upright or all(len(record.rows) == len(BASES) for record in records)


def _homer(records: Sequence[_Record], path: Path) -> list[Matrix]:
    matrices = []
    for record in records:
        name, threshold = _homer_header(record, path)
        if not record.rows:
            raise InputError(f"motif {name} has no matrix", path, record.number)
        rows = [_homer_row(line, path, number) for number, line in record.rows]
        matrices.append(Matrix(name, np.array(rows), threshold))
    _check_homer_end(records, path)
    return matrices


def _homer_header(record: _Record, path: Path) -> tuple[str, float]:
    fields = record.header.split("\t")
    if len(fields) < HOMER_HEADER_FIELDS:
        raise InputError("not a HOMER header; it must be '>consensus TAB name TAB threshold'", path, record.number)
    try:
        threshold = float(fields[2])
    except ValueError:
        threshold = np.nan
    if not np.isfinite(threshold):
        raise InputError(f"threshold {fields[2]!r} is not a number", path, record.number)
    return fields[1], threshold


def _homer_row(line: str, path: Path, number: int) -> list[float]:
    row = _numbers(line)
    if len(row) != len(BASES):
        raise InputError("not a matrix row; it must have four probabilities, for A, C, G and T", path, number)
    return row


def _check_homer_end(records: Sequence[_Record], path: Path) -> None:
    """Refuse a truncated last matrix: one shorter than its consensus, where all others are as long as theirs.

    The format has no end mark and the consensus is free text, hence the comparison with the other motifs.
    """
    *others, last = [(record.header.split("\t"), len(record.rows)) for record in records]
    (consensus, name, *_), rows = last
    regular = bool(others) and all(len(fields[0]) == count for fields, count in others)
    if regular and rows < len(consensus) and set(consensus.upper()) <= IUPAC:
        raise InputError(
            f"truncated within motif {name}: {rows} of {len(consensus)} rows; download the file again",
            path,
            records[-1].rows[-1][0],
        )


def _jaspar(records: Sequence[_Record], path: Path) -> list[Matrix]:
    return [_jaspar_matrix(record, path) for record in records]


def _jaspar_matrix(record: _Record, path: Path) -> Matrix:
    name = next(iter(record.header.split()), "")
    if not name:
        raise InputError("no motif name; a JASPAR header is '>name'", path, record.number)
    if len(record.rows) != len(BASES):
        raise InputError(
            f"motif {name} has {len(record.rows)} rows; a JASPAR matrix has four, for A, C, G and T",
            path,
            record.number,
        )
    lettered = any(_JASPAR_LETTER_ROW.match(line) for _, line in record.rows)
    counts: dict[str, list[float]] = {}
    for expected, (number, line) in zip(BASES, record.rows, strict=True):
        letter, row = _jaspar_row(line, path, number)
        base = letter.upper() if lettered else expected
        if base not in BASES or not base or base in counts:
            raise InputError(
                f"unexpected row for {letter!r}; a JASPAR matrix has one row each for A, C, G and T", path, number
            )
        if counts and len(row) != len(next(iter(counts.values()))):
            width = len(next(iter(counts.values())))
            raise InputError(
                f"row has {len(row)} counts, but the rows of motif {name} above have {width}", path, number
            )
        counts[base] = row
    return Matrix(name, _shares(np.array([counts[base] for base in BASES]).T, name, path, record.number))


def _jaspar_row(line: str, path: Path, number: int) -> tuple[str, list[float]]:
    match = _JASPAR_ROW.fullmatch(line)
    row = _numbers(match[2]) if match else []
    if not match or not row:
        raise InputError(
            "not a row of a JASPAR matrix; it must have one base's counts by position, each 0 or more", path, number
        )
    return match[1], row


def _shares(counts: NDArray[np.float64], name: str, path: Path, number: int) -> NDArray[np.float64]:
    """Divide counts (width, 4) by the sum of each position."""
    totals = counts.sum(axis=1, keepdims=True)
    empty = np.flatnonzero(totals == 0)
    if empty.size:
        raise InputError(f"position {empty[0] + 1} of motif {name} has no counts", path, number)
    shares: NDArray[np.float64] = counts / totals
    return shares


def _meme(lines: Sequence[Line], path: Path) -> list[Matrix]:
    starts = [place for place, (_, line) in enumerate(lines) if line.split()[0] == "MOTIF"]
    if not starts:
        raise InputError(
            "no motif in the file; a MEME file needs a line 'MOTIF name' and a matrix for each motif", path
        )
    _check_alphabet(lines[: starts[0]], path)
    ends = [*starts[1:], len(lines)]
    return [_meme_matrix(lines[start:end], path) for start, end in zip(starts, ends, strict=True)]


def _check_alphabet(head: Sequence[Line], path: Path) -> None:
    """Refuse alphabets other than ACGT, given as `ALPHABET= letters` or letter by letter; the default is DNA."""
    for place, (number, line) in enumerate(head):
        if line.startswith("ALPHABET"):
            rest = line.removeprefix("ALPHABET").strip()
            letters = rest[1:].strip() if rest.startswith("=") else _listed_letters(head[place + 1 :])
            if letters != BASES:
                raise InputError(f"alphabet is {letters}; use DNA motifs (ACGT)", path, number)
            return


def _listed_letters(lines: Sequence[Line]) -> str:
    """Return the letters of an alphabet listed as `A "Adenine" CC0000 ~ T "Thymine" 008000`, without ambiguity codes.

    They are sorted, as are the columns of the matrices.
    """
    listed = takewhile(lambda line: not line.startswith("END ALPHABET"), (line for _, line in lines))
    unquoted = (re.sub(r'"[^"]*"', " ", line) for line in listed)
    words = [word for line in unquoted if "=" not in line for word in line.split()]
    return "".join(sorted(word for word in words if len(word) == 1 and word != "~"))


def _meme_matrix(section: Sequence[Line], path: Path) -> Matrix:
    """Parse a motif from the lines between one `MOTIF` and the next."""
    number, line = section[0]
    words = line.split()
    if len(words) == 1:
        raise InputError("no motif name; write 'MOTIF name'", path, number)
    name = words[1]
    places = [place for place, (_, line) in enumerate(section) if line.startswith(MEME_MATRIX)]
    if not places and any(line.startswith(MEME_LOG_ODDS) for _, line in section):
        raise InputError(f"motif {name} has only a {MEME_LOG_ODDS}; add its {MEME_MATRIX}", path, number)
    if not places:
        raise InputError(f"motif {name} has no {MEME_MATRIX}", path, number)
    if len(places) > 1:
        raise InputError(f"motif {name} has a second {MEME_MATRIX}", path, section[places[1]][0])
    return Matrix(name, np.array(_meme_rows(name, section[places[0] :], path)))


def _meme_rows(name: str, lines: Sequence[Line], path: Path) -> list[list[float]]:
    """Parse the matrix below a header line, which may omit `w=` and `alength=`, as MEME allows."""
    number, header = lines[0]
    stated = {key: int(value) for key, value in re.findall(r"\b(alength|w)=\s*([0-9]{1,9})", header)}
    if stated.get("alength", len(BASES)) != len(BASES):
        raise InputError(
            f"motif {name} has an alphabet of {stated['alength']} letters; use DNA motifs (ACGT)", path, number
        )
    rows = [_meme_row(line, path, at) for at, line in takewhile(lambda line: _is_row(line[1]), lines[1:])]
    width = stated.get("w", len(rows))
    if len(rows) > width:
        raise InputError(f"motif {name} has more rows than its w= {width}", path, lines[width + 1][0])
    if len(rows) < width or not rows:
        end = lines[min(len(rows) + 1, len(lines) - 1)][0]
        raise InputError(
            f"motif {name} is truncated after {len(rows)} of {max(width, 1)} rows; download the file again", path, end
        )
    return rows


def _is_row(line: str) -> bool:
    """Whether the first word is a number."""
    try:
        float(line.split(maxsplit=1)[0])
    except ValueError:
        return False
    return True


def _meme_row(line: str, path: Path, number: int) -> list[float]:
    row = _numbers(line)
    if len(row) != len(BASES) or abs(sum(row) - 1) > MEME_SUM_ERROR:
        raise InputError(
            "not a matrix row; it must have four probabilities, for A, C, G and T, that sum to 1", path, number
        )
    return row

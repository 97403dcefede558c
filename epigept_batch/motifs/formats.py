"""What motif files in HOMER, MEME and JASPAR format hold."""

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
"""A line that is not blank, with its number from 1."""

HOMER_HEADER_FIELDS = 3
IUPAC = frozenset("ACGTRYSWKMBDHVN")
MEME_MARK = "MEME version"
MEME_MATRIX = "letter-probability matrix"
MEME_LOG_ODDS = "log-odds matrix"
MEME_SUM_ERROR = 0.1  # of a row of probabilities, which may be printed with few decimals
SHOWN = 40

_JASPAR_LETTER_ROW = re.compile(r"\s*[A-Za-z](\s*\[|\s+[-+.\d])")
_JASPAR_ROW = re.compile(r"\s*([A-Za-z]?)\s*\[?([^\[\]]*)\]?\s*")


@dataclass(frozen=True, eq=False)
class Matrix:
    """A motif as a file gives it.

    Attributes:
        name: First word of MEME's and JASPAR's header, second field of HOMER's.
        probabilities: float64, (width, 4), columns A, C, G, T.
        threshold: Least score of a hit, in nats; None in formats that have none.
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
    """The motifs of a file of any of the three formats, told apart by what it holds.

    - HOMER: `>consensus TAB name TAB threshold`, then a row of four probabilities per position.
    - MEME, minimal or as its tools print it: `MEME version`, then `MOTIF name` and a letter-probability matrix each.
    - JASPAR: `>name …`, then a row of counts of each of `A`, `C`, `G` and `T`, `A [ 1 2 3 ]` in any order, or bare
      rows in that order. Probabilities are a position's counts by their sum.

    Args:
        lines: The file's.
        path: For messages.

    Raises:
        InputError: With the line, where the file is of none of them or not as they say.
    """
    if not lines:
        raise InputError("is empty; give motifs in HOMER, MEME or JASPAR format", path)
    number, first = lines[0]
    if first.startswith(">"):
        records = _records(lines)
        return _jaspar(records, path) if _is_jaspar(records) else _homer(records, path)
    if any(line.startswith(MEME_MARK) for _, line in lines):
        return _meme(lines, path)
    shown = first if len(first) <= SHOWN else first[:SHOWN] + "…"
    raise InputError(
        f"begins with {shown!r} and holds no line {MEME_MARK!r}; give motifs in HOMER or JASPAR format, which begin "
        "with '>', or in MEME format",
        path,
        number,
    )


def is_motif_line(line: str) -> bool:
    """Whether a file that begins so holds motifs."""
    return line.startswith((">", MEME_MARK))


def _numbers(text: str) -> list[float]:
    """The numbers of a row; none where something else or a negative number is among them."""
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
    """Whether matrices lie rather than stand.

    Bare counts below a header that is not HOMER's are JASPAR's, unless rows of four, and not always four of them,
    show that only the header is wrong.
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
        raise InputError("a HOMER header is '>consensus TAB name TAB threshold'", path, record.number)
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
        raise InputError("a matrix row is four probabilities, of A, C, G and T", path, number)
    return row


def _check_homer_end(records: Sequence[_Record], path: Path) -> None:
    """Where every other consensus is as long as its matrix, a last matrix that is shorter was cut.

    The format has no mark of an end and a consensus is free text, hence the comparison with the others.
    """
    *others, last = [(record.header.split("\t"), len(record.rows)) for record in records]
    (consensus, name, *_), rows = last
    regular = bool(others) and all(len(fields[0]) == count for fields, count in others)
    if regular and rows < len(consensus) and set(consensus.upper()) <= IUPAC:
        raise InputError(
            f"ends within motif {name}: {rows} rows of {len(consensus)}; fetch the file again",
            path,
            records[-1].rows[-1][0],
        )


def _jaspar(records: Sequence[_Record], path: Path) -> list[Matrix]:
    return [_jaspar_matrix(record, path) for record in records]


def _jaspar_matrix(record: _Record, path: Path) -> Matrix:
    name = next(iter(record.header.split()), "")
    if not name:
        raise InputError("a JASPAR header is '>name', but there is no name", path, record.number)
    if len(record.rows) != len(BASES):
        raise InputError(
            f"motif {name} has {len(record.rows)} rows; a JASPAR matrix has four, of A, C, G and T", path, record.number
        )
    lettered = any(_JASPAR_LETTER_ROW.match(line) for _, line in record.rows)
    counts: dict[str, list[float]] = {}
    for expected, (number, line) in zip(BASES, record.rows, strict=True):
        letter, row = _jaspar_row(line, path, number)
        base = letter.upper() if lettered else expected
        if base not in BASES or not base or base in counts:
            raise InputError(
                f"the row of {letter!r} is not wanted; a JASPAR matrix has one each of A, C, G and T", path, number
            )
        if counts and len(row) != len(next(iter(counts.values()))):
            width = len(next(iter(counts.values())))
            raise InputError(f"has {len(row)} counts, the rows of motif {name} above have {width}", path, number)
        counts[base] = row
    return Matrix(name, _shares(np.array([counts[base] for base in BASES]).T, name, path, record.number))


def _jaspar_row(line: str, path: Path, number: int) -> tuple[str, list[float]]:
    match = _JASPAR_ROW.fullmatch(line)
    row = _numbers(match[2]) if match else []
    if not match or not row:
        raise InputError("a row of a JASPAR matrix is one base's counts by position, 0 or more", path, number)
    return match[1], row


def _shares(counts: NDArray[np.float64], name: str, path: Path, number: int) -> NDArray[np.float64]:
    """Counts (width, 4) by the sum of their position."""
    totals = counts.sum(axis=1, keepdims=True)
    empty = np.flatnonzero(totals == 0)
    if empty.size:
        raise InputError(f"position {empty[0] + 1} of motif {name} has no counts", path, number)
    shares: NDArray[np.float64] = counts / totals
    return shares


def _meme(lines: Sequence[Line], path: Path) -> list[Matrix]:
    starts = [place for place, (_, line) in enumerate(lines) if line.split()[0] == "MOTIF"]
    if not starts:
        raise InputError("holds no motif; give a MEME file with a line 'MOTIF name' and a matrix for each", path)
    _check_alphabet(lines[: starts[0]], path)
    ends = [*starts[1:], len(lines)]
    return [_meme_matrix(lines[start:end], path) for start, end in zip(starts, ends, strict=True)]


def _check_alphabet(head: Sequence[Line], path: Path) -> None:
    """Refuse another alphabet than ACGT, given as `ALPHABET= letters` or letter by letter; without, it is DNA's."""
    for place, (number, line) in enumerate(head):
        if line.startswith("ALPHABET"):
            rest = line.removeprefix("ALPHABET").strip()
            letters = rest[1:].strip() if rest.startswith("=") else _listed_letters(head[place + 1 :])
            if letters != BASES:
                raise InputError(f"is of the alphabet {letters}; give motifs of DNA, ACGT", path, number)
            return


def _listed_letters(lines: Sequence[Line]) -> str:
    """Letters of an alphabet listed as `A "Adenine" CC0000 ~ T "Thymine" 008000`, but for those that stand for others.

    Sorted, as the columns of the matrices are.
    """
    listed = takewhile(lambda line: not line.startswith("END ALPHABET"), (line for _, line in lines))
    unquoted = (re.sub(r'"[^"]*"', " ", line) for line in listed)
    words = [word for line in unquoted if "=" not in line for word in line.split()]
    return "".join(sorted(word for word in words if len(word) == 1 and word != "~"))


def _meme_matrix(section: Sequence[Line], path: Path) -> Matrix:
    """The motif of the lines from one `MOTIF` to the next."""
    number, line = section[0]
    words = line.split()
    if len(words) == 1:
        raise InputError("names no motif; write 'MOTIF name'", path, number)
    name = words[1]
    places = [place for place, (_, line) in enumerate(section) if line.startswith(MEME_MATRIX)]
    if not places and any(line.startswith(MEME_LOG_ODDS) for _, line in section):
        raise InputError(f"motif {name} has a {MEME_LOG_ODDS} only; give its {MEME_MATRIX}", path, number)
    if not places:
        raise InputError(f"motif {name} has no {MEME_MATRIX}", path, number)
    if len(places) > 1:
        raise InputError(f"motif {name} has a second {MEME_MATRIX}", path, section[places[1]][0])
    return Matrix(name, np.array(_meme_rows(name, section[places[0] :], path)))


def _meme_rows(name: str, lines: Sequence[Line], path: Path) -> list[list[float]]:
    """The matrix whose header is the first line; `w=` and `alength=` may be left out there, as MEME has it."""
    number, header = lines[0]
    stated = {key: int(value) for key, value in re.findall(r"\b(alength|w)=\s*([0-9]{1,9})", header)}
    if stated.get("alength", len(BASES)) != len(BASES):
        raise InputError(f"motif {name} is of {stated['alength']} letters; give motifs of DNA, ACGT", path, number)
    rows = [_meme_row(line, path, at) for at, line in takewhile(lambda line: _is_row(line[1]), lines[1:])]
    width = stated.get("w", len(rows))
    if len(rows) > width:
        raise InputError(f"motif {name} has more rows than its w= {width}", path, lines[width + 1][0])
    if len(rows) < width or not rows:
        end = lines[min(len(rows) + 1, len(lines) - 1)][0]
        raise InputError(
            f"motif {name} ends after {len(rows)} of {max(width, 1)} rows; fetch the file again", path, end
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
        raise InputError("a matrix row is four probabilities, of A, C, G and T, that sum to 1", path, number)
    return row

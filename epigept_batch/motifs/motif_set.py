"""Build a motif set from a motif file and motif→factor pairs."""

from __future__ import annotations

import io
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from epigept_batch.bounds import GZIP_MAGIC, read_whole
from epigept_batch.errors import InputError, reason
from epigept_batch.motifs.formats import Line, Matrix, is_motif_line, parse_matrices
from epigept_batch.motifs.matlab import TooLargeError, read_text_cells
from epigept_batch.motifs.thresholds import best_word_probability, threshold_at
from epigept_batch.spec import WIDEST_MOTIF, Motif, MotifSet, ScanWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MAT_MAGIC = b"MATLAB"
MAT_VARIABLE = "Match2"
MAT_HDF5 = b"MATLAB 7.3"
NO_PAIRS = f"no motif-factor pairs: variable {MAT_VARIABLE!r} is not a cell array with a motif and a factor per row"
PAIR_FIELDS = 2
P_VALUE = 1e-4
NAMES_SHOWN = 5


def read_motif_set(
    motif_file: Path,
    pair_file: Path,
    *,
    window: ScanWindow,
    p_value: float = P_VALUE,
    say: Callable[[str], None] | None = None,
) -> MotifSet:
    """Read the motifs that represent at least one factor.

    A pair whose motif has no matrix is skipped, as in the published set, where 1315 of 1465 motifs are matched and 711
    factors remain. A name that occurs twice with different matrices gives two motifs for the same factors.

    Args:
        motif_file: In HOMER, MEME or JASPAR format.
        pair_file: `.mat` with `Match2`, or tab-separated motif and factor.
        window: Where a bin's hits may lie.
        p_value: As in `read_motifs`.
        say: As in `read_motifs`, for motifs that represent a factor.

    Raises:
        InputError: Either file cannot be read, or no motif represents a factor.
    """
    _check_p_value(p_value)
    _check_two_files(motif_file, pair_file)
    factors_of: dict[str, set[str]] = {}
    for name, factor in read_factor_pairs(pair_file):
        factors_of.setdefault(name, set()).add(factor)
    matrices = parse_matrices(_read_lines(motif_file), motif_file)
    matched = [matrix for matrix in matrices if matrix.name in factors_of]
    if not matched:
        raise InputError(
            f"none of its motif names, such as {next(iter(factors_of))!r}, occurs in {motif_file}, which has names "
            f"such as {matrices[0].name!r}; use the pairs for that motif file",
            pair_file,
        )
    return MotifSet(tuple(_motifs(matched, motif_file, factors_of, p_value, say)), window)


def read_motifs(path: Path, *, p_value: float = P_VALUE, say: Callable[[str], None] | None = None) -> list[Motif]:
    """Read a motif file in HOMER, MEME or JASPAR format.

    Args:
        path: Plain text.
        p_value: For formats without thresholds: the probability, between 0 and 1, that a random word with each base at
            0.25 is a hit. HOMER files have their own thresholds.
        say: Called with a sentence if some motifs are so short that even their best word has a higher probability.

    Raises:
        InputError: With the line number: the file has none of the formats, or a line is malformed.
    """
    _check_p_value(p_value)
    return _motifs(parse_matrices(_read_lines(path), path), path, {}, p_value, say)


def read_factor_pairs(path: Path) -> list[tuple[str, str]]:
    """Read (motif, factor) pairs.

    Args:
        path: A MATLAB file whose `Match2` has a pair per row, as published; or tab-separated text with the motif in the
            first column and the factor in the second, with or without a header `motif TAB factor`.

    Raises:
        InputError: With the line number, if the file has another format.
    """
    content = _read_bytes(path)
    if path.suffix == ".mat" or content.startswith(MAT_MAGIC):
        pairs = _mat_pairs(content, path)
    else:
        pairs = _text_pairs(_text_lines(content, path), path)
    if not pairs:
        raise InputError(
            "no motif-factor pairs in the file; write a motif and a factor per line, separated by a tab", path
        )
    return pairs


def _check_p_value(p_value: float) -> None:
    if not 0 < p_value < 1:
        raise InputError(f"--p-value {p_value:g} is not between 0 and 1; use for example {P_VALUE:g}")


def _check_two_files(motif_file: Path, pair_file: Path) -> None:
    try:
        same = motif_file.samefile(pair_file)
    except OSError:  # reading the files reports the problem
        return
    if same:
        raise InputError("same file as the motif file; use a file with pairs of motif and factor", pair_file)


def _motifs(
    matrices: Sequence[Matrix],
    path: Path,
    factors_of: Mapping[str, set[str]],
    p_value: float,
    say: Callable[[str], None] | None,
) -> list[Motif]:
    """Return motifs with their factors, and with the file's threshold or else the one for the p-value."""
    motifs: list[Motif] = []
    short: list[str] = []
    for matrix in matrices:
        if len(matrix.probabilities) > WIDEST_MOTIF:
            raise InputError(
                f"motif {matrix.name} has {len(matrix.probabilities):,} bp, more than the limit of {WIDEST_MOTIF}", path
            )
        factors = tuple(sorted(factors_of.get(matrix.name, ())))
        motif = Motif(matrix.name, matrix.probabilities, matrix.threshold or 0.0, factors)
        if matrix.threshold is None:
            motif = replace(motif, threshold=threshold_at(motif.log_odds, p_value))
            if best_word_probability(motif.log_odds) > p_value:
                short.append(motif.name)
        motifs.append(motif)
    if short and say is not None:
        shown = ", ".join(short[:NAMES_SHOWN]) + (", …" if len(short) > NAMES_SHOWN else "")
        say(
            f"{len(short)} of {len(motifs)} motifs are too short for a p-value of {p_value:g}, because even their best "
            f"word is more likely; only that word counts as a hit: {shown}"
        )
    return motifs


def _read_bytes(path: Path) -> bytes:
    try:
        content = read_whole(path)
    except OSError as error:
        raise InputError(f"cannot be read: {reason(error)}", path) from error
    if content.startswith(GZIP_MAGIC):
        raise InputError(f"compressed with gzip; run gunzip -k {path} and use the plain file", path)
    return content


def _read_lines(path: Path) -> list[Line]:
    return _text_lines(_read_bytes(path), path)


def _text_lines(content: bytes, path: Path) -> list[Line]:
    """Return the lines that are not blank, with their numbers."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("not a text file", path) from error
    lines = enumerate(io.StringIO(text, newline=None), 1)
    return [(number, line.rstrip("\n")) for number, line in lines if line.strip()]


def _text_pairs(lines: Sequence[Line], path: Path) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    if lines and is_motif_line(lines[0][1]):
        raise InputError("file contains motifs; use a file with pairs of motif and factor", path, lines[0][0])
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) < PAIR_FIELDS or not all(fields[:PAIR_FIELDS]):
            raise InputError("line must have a motif and a factor, separated by a tab", path, number)
        if (number, fields[0].lower(), fields[1].lower()) != (1, "motif", "factor"):
            pairs.append((fields[0], fields[1]))
    return pairs


def _mat_pairs(content: bytes, path: Path) -> list[tuple[str, str]]:
    if content.startswith(MAT_HDF5):
        raise InputError("MATLAB 7.3 format is not supported; save the file with -v7", path)
    try:
        rows, names = read_text_cells(content, MAT_VARIABLE)
    except TooLargeError as error:
        raise InputError(f"{error}, more than any motif set; check that it is the right file", path) from error
    except TypeError as error:
        raise InputError(NO_PAIRS, path) from error
    except (ValueError, IndexError, zlib.error) as error:
        raise InputError(f"damaged or truncated ({type(error).__name__}); download the file again", path) from error
    if rows is None:
        raise InputError(
            f"no motif-factor pairs: no variable {MAT_VARIABLE!r} (variables: {', '.join(names) or 'none'})",
            path,
        )
    if any(len(row) != PAIR_FIELDS for row in rows):
        raise InputError(NO_PAIRS, path)
    return [(motif, factor) for motif, factor in rows]

"""Motif files and motif→factor pairs, as they come, to a motif set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.spec import Motif, MotifSet, ScanWindow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOMER_HEADER_FIELDS = 3
PAIR_FIELDS = 2


def read_motif_set(motif_file: Path, pair_file: Path, *, window: ScanWindow) -> MotifSet:
    """The motifs that stand for at least one factor.

    A pair whose motif has no matrix is left out, as in the published set, where 1315 of 1465 motifs are matched and
    711 factors remain. A name that occurs twice with different matrices is two motifs of the same factors.

    Args:
        motif_file: HOMER format.
        pair_file: `.mat` with `Match2`, or tab-separated motif and factor.
        window: Where a bin's hits lie.

    Raises:
        InputError: Either file cannot be read, or no motif stands for a factor.
    """
    factors_of: dict[str, set[str]] = {}
    for name, factor in read_factor_pairs(pair_file):
        factors_of.setdefault(name, set()).add(factor)
    matched = tuple(
        replace(motif, factors=tuple(sorted(factors_of[motif.name])))
        for motif in read_homer_motifs(motif_file)
        if motif.name in factors_of
    )
    if not matched:
        raise InputError(f"none of its motif names occurs in {motif_file}; give the pairs of that set", pair_file)
    return MotifSet(matched, window)


def read_homer_motifs(path: Path) -> list[Motif]:
    """Read a HOMER motif file: `>consensus TAB name TAB threshold`, then a row of four probabilities a position.

    Raises:
        InputError: With the line, where the file is not of that format.
    """
    headers: list[tuple[str, float]] = []
    matrices: list[list[list[float]]] = []
    for number, line in _lines(path):
        if line.startswith(">"):
            headers.append(_homer_header(line, path, number))
            matrices.append([])
        elif headers:
            matrices[-1].append(_homer_row(line, path, number))
        else:
            raise InputError("does not begin with a '>' header; give motifs in HOMER format", path, number)
    if not headers:
        raise InputError("is empty; give motifs in HOMER format", path)
    for (name, _), rows in zip(headers, matrices, strict=True):
        if not rows:
            raise InputError(f"motif {name} has no matrix", path)
    return [Motif(name, np.array(rows), threshold) for (name, threshold), rows in zip(headers, matrices, strict=True)]


def read_factor_pairs(path: Path) -> list[tuple[str, str]]:
    """Read (motif, factor) pairs.

    Args:
        path: A MATLAB file whose `Match2` holds a pair a row, as published; or tab-separated text with the motif in
            the first column and the factor in the second, with or without a header `motif TAB factor`.

    Raises:
        InputError: With the line, where the file is not of that format.
    """
    if path.suffix == ".mat":
        return _read_mat_pairs(path)
    pairs: list[tuple[str, str]] = []
    for number, line in _lines(path):
        fields = line.split("\t")
        if len(fields) < PAIR_FIELDS or not all(fields[:PAIR_FIELDS]):
            raise InputError("needs a motif and a factor, separated by a tab", path, number)
        if (number, fields[0].lower(), fields[1].lower()) != (1, "motif", "factor"):
            pairs.append((fields[0], fields[1]))
    if not pairs:
        raise InputError("is empty; give a motif and a factor a line, separated by a tab", path)
    return pairs


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers."""
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError("is not a text file", path) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path) from error


def _homer_header(line: str, path: Path, number: int) -> tuple[str, float]:
    fields = line.split("\t")
    if len(fields) < HOMER_HEADER_FIELDS:
        raise InputError("a HOMER header is '>consensus TAB name TAB threshold'", path, number)
    try:
        threshold = float(fields[2])
    except ValueError:
        threshold = np.nan
    if not np.isfinite(threshold):
        raise InputError(f"threshold {fields[2]!r} is not a number", path, number)
    return fields[1], threshold


def _homer_row(line: str, path: Path, number: int) -> list[float]:
    try:
        row = [float(value) for value in line.split()]
    except ValueError:
        row = []
    if len(row) != len("ACGT") or not all(np.isfinite(row)) or min(row) < 0:
        raise InputError("a matrix row is four probabilities, of A, C, G and T", path, number)
    return row


def _read_mat_pairs(path: Path) -> list[tuple[str, str]]:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise InputError(
            "a .mat file needs scipy; install epigept-batch with its [export] extra, or give the pairs as "
            "tab-separated text",
            path,
        ) from error
    try:
        path.open("rb").close()
        match = loadmat(str(path), variable_names=["Match2"], chars_as_strings=True)["Match2"]
        return [(str(motif.item()), str(factor.item())) for motif, factor in match]
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path) from error
    except Exception as error:  # whatever scipy raises on a damaged file
        raise InputError(f"holds no motif-factor pairs under 'Match2' ({error})", path) from error

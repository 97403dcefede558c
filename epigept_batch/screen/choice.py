"""Read which factors a user wants to screen, and the value that each is set to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from epigept_batch.bounds import read_whole
from epigept_batch.errors import InputError, reason
from epigept_batch.expression.perturb import ABSENT, unknown_factor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ALL = "all"
LONGEST_PATH = 4096


def choose_factors(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the factors that `--factors` names, in the network's order, each once.

    Args:
        text: `all`, names separated by commas, or a file with a name per line, where `#` begins a comment.
        known: All factors of the network.

    Raises:
        InputError: The network lacks a factor, there is none, or the file cannot be read.
    """
    if text == ALL:
        return tuple(known)
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError("--factors: names no factor; use 'all', names separated by commas, or a file")
    if not all(name in known for name in names) and _is_file(text):
        return in_order(_listed(Path(text), known), known)
    return in_order(check_names(names, known), known)


def check_names(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """Return names of factors after a check that the network has all of them.

    Raises:
        InputError: It lacks one.
    """
    found = list(names)
    for name in found:
        if name not in known:
            raise InputError(f"--factors {name}: {unknown_factor(name, known)}")
    return found


def _is_file(text: str) -> bool:
    return len(text) < LONGEST_PATH and "\0" not in text and Path(text).exists()


def in_order(names: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return names of factors in the network's order, each once."""
    wanted = frozenset(names)
    return tuple(name for name in known if name in wanted)


def _listed(path: Path, known: Sequence[str]) -> Iterator[str]:
    """Yield the names in a file.

    Raises:
        InputError: It cannot be read, the network lacks one, or there is none.
    """
    try:
        lines = read_whole(path).decode().splitlines()
    except OSError as error:
        raise InputError(f"list of factors cannot be read: {reason(error)}", path) from error
    except UnicodeDecodeError as error:
        raise InputError("list of factors cannot be read: not a text file", path) from error
    names = [(number, line.partition("#")[0].strip()) for number, line in enumerate(lines, 1)]
    if not any(name for _, name in names):
        raise InputError("no factor in the file; write one name per line", path)
    for number, name in names:
        if name and name not in known:
            raise InputError(unknown_factor(name, known), path, number)
        if name:
            yield name


def parse_value(text: str) -> float | None:
    """Return the TPM that `--set-to` gives; None for `absent`, a network input of 0.

    Raises:
        InputError: It is neither.
    """
    if text == ABSENT:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0) or "_" in text:
        raise InputError(f"--set-to {text}: must be a TPM of at least 0, or '{ABSENT}' for a network input of 0")
    return abs(value)

"""The form of the records of outputs, as far as they are read: `run.json` and `contacts.json`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

Form = Callable[[object, str], None]
"""Checks a value and says where it is; raises `_FormError` if the value has another form."""
MOST_WHOLE = 2**62
MOST_NUMBER = 1e300
SPACES = ("log1p", "linear")
REGION = re.compile(r"[^:].*:([1-9][0-9]{0,14})-([1-9][0-9]{0,14})", re.DOTALL)
"""A region as runs record it, 1-based and inclusive."""


class _FormError(Exception):
    """A value has another form. The arguments are where it is, and what belongs there."""


def check_record(record: Mapping[str, Any], sample: str, path: Path) -> None:
    """Check the form of a record that a person or another program may have edited.

    Args:
        record: The content.
        sample: Name of the sample that the name of the file gives.
        path: The file, for messages.

    Raises:
        InputError: A value is missing or has another form than the program writes, or the record is of another sample.
    """
    try:
        RECORD(record, "")
    except _FormError as error:
        where, wanted = error.args
        raise InputError(
            f"'{where}' is not {wanted}, so the file is damaged or was edited; restore it, or rerun the command with "
            "--force",
            path,
        ) from None
    if record["sample"] != sample:
        raise InputError(
            f"is the record of sample '{record['sample']}', so the file was renamed; give it its name back", path
        )
    for name in record["files"]:
        if not name.startswith(f"{sample}.") or "/" in name:
            raise InputError(f"lists '{name}', not an output of {sample}; rerun the command with --force", path)


def _text(value: object, where: str) -> None:
    if not isinstance(value, str):
        raise _FormError(where, "a text")


def _flag(value: object, where: str) -> None:
    if not isinstance(value, bool):
        raise _FormError(where, "true or false")


def _whole(value: object, where: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_WHOLE:
        raise _FormError(where, "a whole number of at least 0")


def _number(value: object, where: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= MOST_NUMBER:
        raise _FormError(where, "a number")


def _correlation(value: object, where: str) -> None:
    """A number, or NaN where values do not vary."""
    if not (isinstance(value, float) and math.isnan(value)):
        _number(value, where)


def _space(value: object, where: str) -> None:
    if value not in SPACES:
        raise _FormError(where, " or ".join(SPACES))


def _region(value: object, where: str) -> None:
    found = REGION.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) > int(found[2]):
        raise _FormError(where, "a region such as chr2:1-1000")


def _span(value: object, where: str) -> None:
    """The first bin, and the one after the last."""
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004
        raise _FormError(where, "a pair of numbers")
    for number in value:
        _whole(number, where)
    if value[0] >= value[1]:
        raise _FormError(where, "an interval")


def _or_null(form: Form) -> Form:
    def check(value: object, where: str) -> None:
        if value is not None:
            form(value, where)

    return check


def _list(form: Form) -> Form:
    def check(value: object, where: str) -> None:
        if not isinstance(value, list):
            raise _FormError(where, "a list")
        for number, one in enumerate(value):
            form(one, f"{where}[{number}]")

    return check


def _text_or_texts(value: object, where: str) -> None:
    (_list(_text) if isinstance(value, list) else _text)(value, where)


def _map(form: Form) -> Form:
    """An object whose keys are names."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise _FormError(where, "an object")
        for name, one in value.items():
            form(one, f"{where}.{name}")

    return check


def _fields(needed: Mapping[str, Form], further: Mapping[str, Form] | None = None) -> Form:
    """An object with some keys that must be there, and some that may be; others are not read."""
    every = {**needed, **(further or {})}

    def check(value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise _FormError(where or "the content", "an object")
        for key, form in every.items():
            inside = f"{where}.{key}" if where else key
            if key in value:
                form(value[key], inside)
            elif key in needed:
                raise _FormError(inside, "there")

    return check


QUANTILES = _fields(dict.fromkeys(("0.001", "0.01", "0.5", "0.99", "0.999"), _number))
STATISTICS = _fields(
    {"bins": _whole, **dict.fromkeys(("mean", "min", "max"), _or_null(_number)), "quantiles": _or_null(QUANTILES)},
    {"covered_bp": _whole},
)
REMARK = _fields({"said": _text, "state": _text}, {"advice": _text})
GENOME = _fields(
    {},
    {
        **dict.fromkeys(("assembly", "trained_on"), _or_null(_text)),
        "state": _text,
        "contigs_that_fit": _map(_whole),
        "remarks": _list(REMARK),
    },
)
FACTORS = _fields(
    {"found": _whole, "missing": _list(_text)}, {"by_alias": _whole, "renamed": _map(_text), "repeated": _map(_whole)}
)
TABLE = _fields({}, {"rows": _whole, **dict.fromkeys(("format", "level", "verdict"), _text)})
EXPRESSION = _fields(
    {},
    {
        "tables": _list(TABLE),
        "nearest_cell": _or_null(_fields({}, {"cell": _text, "r": _correlation, "median_r": _correlation})),
        "notes": _list(_text),
        "sheet": _or_null(_fields({"path": _text})),
    },
)
CHANGE = _fields({"factor": _text, "does_nothing": _flag})
PERSONAL = _fields(
    {},
    {
        "vcf": _text,
        "sha256": _text,
        "haplotype": _whole,
        "applied": _map(_whole),
        "skipped": _fields({}),
        "unphased": _fields({}, {"sites": _whole}),
        "records": _whole,
        "heterozygous": _whole,
    },
)
INPUTS = _fields(
    {},
    {
        "genome": _or_null(_map(_text)),
        "selection of bins": _map(_list(_span)),
        "overlap": _whole,
        "model": _text,
    },
)
RECORD = _fields(
    {"sample": _text, "inputs": INPUTS, "files": _map(_whole)},
    {
        **dict.fromkeys(("finished", "architecture", "precision", "device", "provider", "arithmetic"), _text),
        **dict.fromkeys(("checkpoint_sha256", "scores", "scan"), _or_null(_text)),
        **dict.fromkeys(("batch_size", "threads", "windows", "windows_resumed", "bins", "peak_memory_bytes"), _whole),
        **dict.fromkeys(("map_bin_bp", "pixels"), _whole),
        "versions": _map(_text),
        "paths": _fields({}, {"model": _text, "fasta": _text, "expression": _text_or_texts}),
        "sha256": _fields({}, {"model": _text, "expression": _text_or_texts}),
        "genome": _or_null(GENOME),
        "factors": FACTORS,
        "expression": EXPRESSION,
        "perturbation": _fields({"of": _text, "set": _text}, {"changes": _list(CHANGE)}),
        "personal_genome": PERSONAL,
        "space": _space,
        "regions": _list(_region),
        "statistics": _or_null(_map(STATISTICS)),
        "seconds": _map(_number),
        "values": _text,
    },
)
"""What the records of tracks and of contact maps contain, as far as any command reads it."""

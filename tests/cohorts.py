"""A small cohort of five samples: 18 units of 2 windows × 2 samples, or fewer."""

from __future__ import annotations

from conftest import outcome_of
from epigept_batch.cli.main import cli

TRACKS = ("DNase", "CTCF", "H3K27ac")
SAMPLES = tuple(f"s{number}" for number in range(5))
OPTIONS = ("--unit", "2x2", "--call", "1x2", "--threads", "1", "--device", "cpu", "--overlap", "512")


def cohort(*words):
    """Run a command of `epigept-batch cohort` in this process."""
    return outcome_of(cli, "epigept-batch", ["cohort", *words])


def values_of(folder):
    """Bytes of the files that hold values, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for part in ("cube.zarr", "totals")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }

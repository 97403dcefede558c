"""`epigept-batch cohort init`: read and check everything, and fix the plan."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import epigept_batch
from epigept_batch.cohort.cube import metadata
from epigept_batch.cohort.description import restore_description
from epigept_batch.cohort.npy import to_npy
from epigept_batch.cohort.opened import EXPRESSION, PLAN, SAMPLES, Cohort, columns_of
from epigept_batch.cohort.plan import CohortPlan, Computation, Places, Shape
from epigept_batch.cohort.storage import open_storage
from epigept_batch.cohort.units import Units, default_unit
from epigept_batch.commands.genome.run import genome_task
from epigept_batch.commands.genome.tracks import Tracks
from epigept_batch.commands.run.plan import make_plan
from epigept_batch.commands.run.record import account_of_sample
from epigept_batch.errors import InputError, OutputError
from epigept_batch.expression.notes import said_once
from epigept_batch.inference.installation import find_driver
from epigept_batch.inference.model_file import file_sha256
from epigept_batch.inference.session import CPU_BATCH, GPU_BATCH
from epigept_batch.names import some
from epigept_batch.provenance.made_from import GENOME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from epigept_batch.commands.cohort.request import InitRequest
    from epigept_batch.commands.run.plan import RunPlan, Sample
    from epigept_batch.inference.device import Device
    from epigept_batch.progress import Progress

CHUNK_SAMPLES, CHUNK_WINDOWS = 16, 16
"""Most samples and windows of a chunk: 512 kB of float16, so that one sample can be read without much else."""
LARGEST_UNIT = 1 << 31
"""Most bytes of a unit's values, which a worker holds in memory."""


def run_init(request: InitRequest, progress: Progress) -> Cohort:
    """Write the plan of a cohort, its samples and the description of its cube.

    Args:
        request: What to do.
        progress: Receives the notes on the inputs.

    Returns:
        The cohort.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    storage = open_storage(request.location)
    genome = request.genome
    run = make_plan(genome, partial(genome_task, genome))
    with run.genome:
        if run.spec.caution:
            progress.say(run.spec.caution)
        for note in run.verdict.notes:
            progress.say(f"{genome.fasta}: {note}")
        for sentence in said_once([(sample.name, sample.notes) for sample in run.samples]):
            progress.say(sentence)
        paths = dict.fromkeys(path for sample in run.samples for path in sample.source.paths)
        digests = {path: file_sha256(path) for path in paths}
        samples = json.dumps([_account(run, sample, digests) for sample in run.samples]).encode()
        expression = to_npy(np.stack([sample.expression for sample in run.samples]))
        plan = _plan(request, run, samples, expression)
    there = storage.read(PLAN)
    if there is not None:
        _check_same(CohortPlan.of_json(there, storage.where(PLAN)), plan, storage.where())
        restored = list(_restore(Cohort(storage), {SAMPLES: samples, EXPRESSION: expression}))
        progress.say(f"{storage.where()}: {'up to date' if not restored else f'restored {some(restored)}'}")
        return Cohort(storage)
    columns = [columns_of(account) for account in json.loads(samples)]
    files = {SAMPLES: samples, EXPRESSION: expression, **dict(metadata(plan, columns))}
    # An `init` that was stopped has left some of them.
    if any(name not in files for name in storage.names("")):
        raise OutputError("is not empty, and no cohort; choose another folder", storage.where())
    for name, content in files.items():
        storage.write(name, content)
    storage.write(PLAN, plan.to_json().encode())
    return Cohort(storage)


def _restore(cohort: Cohort, files: Mapping[str, bytes]) -> Iterator[str]:
    """Write files that the plan names again if they are missing or damaged, and yield the name of each."""
    for name, content in files.items():
        if cohort.storage.read(name) != content:
            cohort.storage.write(name, content)
            yield name
    yield from restore_description(cohort)


def _account(run: RunPlan, sample: Sample, digests: Mapping[Path, str]) -> dict[str, Any]:
    """Return what is known of a sample, without where motif scores lie, on which no value depends."""
    account = account_of_sample(run, sample, 0, digests)
    del account["scores"]
    return account


def _check_same(there: CohortPlan, wanted: CohortPlan, where: str) -> None:
    """Check that the cohort of an earlier `init` is the one that is wanted.

    Raises:
        OutputError: It is not.
    """
    if there.digest != wanted.digest:
        raise OutputError("is another cohort, of other inputs or options; choose another folder", where)


def _plan(request: InitRequest, run: RunPlan, samples: bytes, expression: bytes) -> CohortPlan:
    """Return the plan of checked inputs."""
    (tracks,) = run.products
    if not isinstance(tracks, Tracks):
        raise TypeError(tracks)
    geometry, number = run.spec.geometry, len(run.samples)
    kind = _kind(request.genome.device, run.spec.precision)
    windows, together = request.unit or default_unit(number, on_gpu=kind == "cuda")
    computation = _computation(request, run, kind, (windows, min(together, number)))
    shape = Shape(
        together,
        windows * geometry.bins,
        _divisor(together, CHUNK_SAMPLES),
        geometry.bins * _divisor(windows, CHUNK_WINDOWS),
    )
    size = shape.samples * shape.bins * len(tracks.names) * np.dtype(request.dtype).itemsize
    if size > LARGEST_UNIT:
        raise InputError(
            f"--unit {windows}x{together}: the values of a unit would take {size / 1e9:.1f} GB of memory, more than "
            f"{LARGEST_UNIT / 1e9:.1f} GB; choose fewer windows or samples"
        )
    (selection,) = run.selections
    places = Places(
        str(request.genome.model.resolve()),
        str(request.genome.fasta.resolve()),
        None if request.genome.scores is None else str(request.genome.scores.resolve()),
    )
    plan = CohortPlan(
        version=epigept_batch.__version__,
        model=run.model_sha256,
        genome=run.samples[0].inputs[0][GENOME],
        contigs=run.genome.contigs,
        selection={name: spans for name, spans in selection.items() if spans},
        window_bins=geometry.bins,
        bin_bp=geometry.bin_bp,
        overlap=request.genome.overlap,
        tracks=tracks.names,
        samples=number,
        sample_digest=hashlib.sha256(samples).hexdigest(),
        expression_digest=hashlib.sha256(expression).hexdigest(),
        dtype=request.dtype,
        shape=shape,
        computation=computation,
        places=places,
    )
    if not len(Units(plan)):
        raise InputError("no bin is selected; choose other regions", request.genome.fasta)
    return plan


def _computation(request: InitRequest, run: RunPlan, kind: str, unit: tuple[int, int]) -> Computation:
    """Return how the network is run.

    Args:
        request: What to do.
        run: The checked inputs.
        kind: The kind of device.
        unit: Most windows and samples of a unit.

    Raises:
        InputError: A call takes more than that, or more than one of an int8 model.
    """
    precision = run.spec.precision
    windows, together = request.call or _default_call(kind, precision, unit)
    if precision == "int8" and (windows, together) != (1, 1):
        raise InputError(
            f"--call {windows}x{together}: an int8 model file takes one window and one sample per call; use --call 1x1"
        )
    if windows > unit[0] or together > unit[1]:
        raise InputError(
            f"--call {windows}x{together}: a unit has only {unit[0]} windows × {unit[1]} samples, so every call would "
            f"be filled up; use at most --call {min(windows, unit[0])}x{min(together, unit[1])}"
        )
    return Computation(kind, precision, windows, together, request.genome.threads)


def _kind(device: Device, precision: str) -> str:
    """Return the kind of device that computes a cohort.

    Args:
        device: The requested one.
        precision: The precision of the model file.

    Raises:
        InputError: A GPU was chosen by its number.
    """
    if device.indices:
        numbers = ",".join(map(str, device.indices))
        raise InputError(f"--device cuda:{numbers}: a cohort fixes the kind of device only; use --device cuda")
    if device.kind == "auto":
        driver = None if precision == "int8" else find_driver()
        return "cuda" if driver is not None and driver.devices else "cpu"
    return f"{device.kind}:bf16" if device.bf16 else device.kind


def _default_call(kind: str, precision: str, unit: tuple[int, int]) -> tuple[int, int]:
    """Return windows and samples per call, no more than a unit has."""
    if precision == "int8":
        return 1, 1
    pairs = GPU_BATCH if kind == "cuda" else CPU_BATCH
    together = min(unit[1], pairs)
    return min(unit[0], max(1, pairs // together)), together


def _divisor(number: int, most: int) -> int:
    """Return the greatest divisor of a number that is not above `most`."""
    return max(divisor for divisor in range(1, min(number, most) + 1) if number % divisor == 0)

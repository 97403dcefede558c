"""The run of `epigept-batch doctor`: checks everything that a run requires, and says what to do if a check fails."""

from __future__ import annotations

import os
import resource
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import epigept_batch
from epigept_batch.commands.run.journal import JOURNAL_BIN_BYTES
from epigept_batch.demo.package_data import packaged_model
from epigept_batch.errors import DeviceError, EpiGePTError
from epigept_batch.expression.gene_ids import published_factors
from epigept_batch.expression.notes import said_once
from epigept_batch.expression.samples import read_samples
from epigept_batch.files import in_words
from epigept_batch.home import VARIABLE, default_fasta, default_model, home, installed
from epigept_batch.inference.check import MEASURED_PROVIDERS, check_limit, compare_tracks, run_check
from epigept_batch.inference.gpu.about import describe_gpu
from epigept_batch.inference.installation import (
    CUDA_MAJOR,
    LEAST_DRIVER,
    find_driver,
    installed_runtimes,
    missing_libraries,
    system,
)
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.session import open_session
from epigept_batch.motifs.gpu.maker import GpuScanMaker
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.genome_verdict import FAILED, OK, WARNING, judge_genome
from epigept_batch.sequence.regions import select_regions
from epigept_batch.tiling import ceil_div
from epigept_batch.tracks.bigwig import TRACK_BIN_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from epigept_batch.expression.request import SampleRequest
    from epigept_batch.expression.samples import SampleExpression
    from epigept_batch.inference.device import Device
    from epigept_batch.inference.session import Session
    from epigept_batch.spec import Spec

FILES_ENOUGH = 256
HOME_ENOUGH = 100 << 20
HUMAN_BINS = 24_000_000
WITHOUT_REFERENCE = "pass tables of quantile-normalised TPM with --normalised, or convert with --expression-reference"


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        check: Name of the check.
        state: `ok`; `warning` if a run would continue, `failed` if it would not.
        said: What was found.
        advice: What to do; empty if nothing is to be done.
    """

    check: str
    state: str
    said: str
    advice: str = ""

    @property
    def failed(self) -> bool:
        """Whether a run would fail."""
        return self.state == FAILED


@dataclass(frozen=True)
class DoctorRequest:
    """What a user asks to be checked.

    Attributes:
        model: The model file; None if none is given or set up. The packaged network then tells whether the runtime
            works.
        fasta: The genome; None if none is given or set up.
        samples: Which samples of which tables, or None.
        out: Output folder.
        device: Device on which the network is to run.
        threads: Number of CPU threads.
        any_genome: Whether a run would accept a genome that the network was not trained for.
    """

    model: Path | None
    fasta: Path | None
    samples: SampleRequest | None
    out: Path
    device: Device
    threads: int
    any_genome: bool = False


def run_doctor(request: DoctorRequest) -> Iterator[Finding]:
    """Run all checks, one after the other; nothing is written except an index of the FASTA.

    Args:
        request: What to check.

    Yields:
        Each finding as soon as it is made.
    """
    yield Finding("program", OK, f"epigept-batch {epigept_batch.__version__}, {system()}")
    yield from _checked("home", _home)
    yield _open_files()
    yield _runtime_packages()
    yield from _checked("CUDA", _cuda)
    spec, finding = _model(request.model)
    yield finding
    yield from _checked("device", lambda: _device(request, spec))
    genome, finding = _fasta(request.fasta)
    yield finding
    bins = HUMAN_BINS
    if genome is not None:
        with genome:
            yield from _checked("sequence", lambda: _verdict(genome, spec, any_genome=request.any_genome))
            bins = _bins(genome, spec)
    samples: list[SampleExpression] = []
    yield from _checked("table", lambda: _tables(request, spec, samples))
    yield from _checked("disk", lambda: _disk(request.out, spec, bins, samples=max(1, len(samples))))


def _checked(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield the findings of a check; an `EpiGePTError` becomes a finding too."""
    try:
        yield from check()
    except EpiGePTError as error:
        yield _failure(name, error)


def _failure(name: str, error: EpiGePTError) -> Finding:
    said, _, advice = str(error).partition("; ")
    return Finding(name, FAILED, said, advice)


def _home() -> Iterator[Finding]:
    folder = home()
    place = _existing(folder)
    if not os.access(place, os.W_OK):
        yield Finding(
            "home",
            WARNING,
            f"{folder} cannot be written",
            f"set {VARIABLE} to a folder for caches, or change the owner of this one",
        )
        return
    free = shutil.disk_usage(place).free
    state = OK if free >= HOME_ENOUGH else WARNING
    advice = "" if state == OK else f"free some space there, or set {VARIABLE} to another folder"
    yield Finding("home", state, f"{folder}, {in_words(free)} free", advice)


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < FILES_ENOUGH:
        return Finding(
            "open files",
            WARNING,
            f"at most {soft}, too few for many samples",
            f"ulimit -n {min(max(hard, soft), 4096)}",
        )
    return Finding("open files", OK, f"at most {soft:,}" if soft >= 0 else "no limit")


def _runtime_packages() -> Finding:
    found = installed_runtimes()
    words = ", ".join(f"{name} {version}" for name, version in found.items())
    if not found:
        return Finding(
            "ONNX Runtime",
            FAILED,
            "not installed",
            "install epigept-batch with its [cpu], [gpu] or [openvino] extra",
        )
    if len(found) > 1:
        return Finding(
            "ONNX Runtime",
            FAILED,
            f"{words} are installed together and overwrite each other's files",
            f"pip uninstall {' '.join(found)}, then install epigept-batch with only one of its extras",
        )
    return Finding("ONNX Runtime", OK, words)


def _cuda() -> Iterator[Finding]:
    """Check the driver and the libraries that the installed runtime would use."""
    driver = find_driver()
    wanted = "onnxruntime-gpu" in installed_runtimes()
    if driver is None:
        if wanted:
            yield Finding(
                "driver", WARNING, "no NVIDIA driver, so the CPU is used", f"install driver {LEAST_DRIVER} or later"
            )
        else:
            yield Finding("driver", OK, "no NVIDIA driver, so runs use the CPU")
        return
    version = f"{driver.version or 'unknown version'}, CUDA {'.'.join(map(str, driver.cuda or ('unknown',)))}"
    said = f"{version}, {', '.join(driver.devices) or 'no GPU'}"
    if not driver.devices:
        yield Finding("driver", WARNING, said, "check nvidia-smi and CUDA_VISIBLE_DEVICES")
    elif not wanted:
        yield Finding(
            "driver", WARNING, f"{said}: not used", "to use the GPU, install epigept-batch with its [gpu] extra"
        )
    elif driver.cuda and driver.cuda[0] < CUDA_MAJOR:
        yield Finding(
            "driver", WARNING, f"{said}: older than CUDA {CUDA_MAJOR}", f"install driver {LEAST_DRIVER} or later"
        )
    else:
        yield Finding("driver", OK, said)
    if wanted and (missing := missing_libraries()):
        yield Finding(
            "CUDA libraries", WARNING, f"not found: {', '.join(missing)}", "install epigept-batch with its [gpu] extra"
        )


def _model(given: Path | None) -> tuple[Spec | None, Finding]:
    try:
        path = given or installed(default_model(), "--model")
        spec = read_spec(path)
    except EpiGePTError as error:
        return None, _failure("model", error)
    said = (
        f"{path}: {spec.architecture}, {spec.precision}, {len(spec.tracks)} tracks, {len(spec.factors)} factors, "
        f"{len(spec.motif_set.motifs):,} motifs"
    )
    if spec.reference is None:
        return spec, Finding("model", WARNING, f"{said}, no expression reference", WITHOUT_REFERENCE)
    return spec, Finding("model", OK, said)


def _device(request: DoctorRequest, spec: Spec | None) -> Iterator[Finding]:
    """Check which provider is available, and whether the network reproduces the original's signal on it."""
    if request.model is not None and spec is None:
        yield Finding("device", WARNING, "not tried, because the model file cannot be used")
        return
    with packaged_model() as packaged:
        path = request.model or packaged
        spec = spec or read_spec(path)
        heard: list[str] = []
        session = open_session(
            path, request.device, precision=spec.precision, threads=request.threads, say=heard.append
        )
        said = f"{session.device} with {session.provider}, {session.arithmetic}"
        if heard and find_driver() is not None:
            yield Finding(
                "device", WARNING, f"{said} ({'; '.join(heard)})", "run with --device cuda to see what is missing"
            )
        else:
            yield Finding("device", OK, " ".join([said, *(f"({sentence})" for sentence in heard)]))
        yield _proof(session, spec, "packaged model" if request.model is None else "model")
        if session.gpu is not None:
            yield Finding("GPU", OK, str(describe_gpu(path, session.gpu)))
            yield _scan(session.gpu, spec, request.threads)


def _proof(session: Session, spec: Spec, what: str) -> Finding:
    """Run the spec's check on this device."""
    found = run_check(session, spec)
    if found.shape != spec.check.signal.shape:
        said = f"the model file has a check signal of shape {spec.check.signal.shape}, the network gives {found.shape}"
        return Finding("check", FAILED, said, "convert the checkpoint again")
    figures = compare_tracks(found, spec.check.signal, spec.tracks)
    limit = check_limit(spec.precision, session.arithmetic, session.provider)
    error, r = max(one.error for one in figures), min(one.r for one in figures)
    said = f"{what} is off by at most {error:.1e} (limit {limit.error:g}), least r {r:.7f} (limit {limit.r:g})"
    if session.provider not in MEASURED_PROVIDERS:
        said += f"; on {session.provider} the limits are assumed, not measured"
    missed = [one.name for one in figures if not one.within(limit)]
    if missed:
        advice = "convert the checkpoint again, or try another --device; if the error stays the same, report it"
        return Finding("check", FAILED, f"{said}: {', '.join(missed)}", advice)
    return Finding("check", OK, said)


def _scan(index: int, spec: Spec, threads: int) -> Finding:
    """Check whether a GPU scans motifs as the CPU does."""
    try:
        GpuScanMaker(spec, threads=threads).prove(index)
    except DeviceError as error:
        said, _, advice = str(error).partition("; ")
        return Finding("motif scan", WARNING, f"{said}, so runs scan on the CPU", advice)
    return Finding("motif scan", OK, f"GPU {index} scores a window as the CPU does, to the bit")


def _fasta(given: Path | None) -> tuple[Genome | None, Finding]:
    try:
        path = given or installed(default_fasta(), "--fasta")
        genome = Genome(path)
    except EpiGePTError as error:
        return None, _failure("FASTA", error)
    total = sum(contig.length for contig in genome.contigs)
    return genome, Finding("FASTA", OK, f"{path}: contigs {len(genome.contigs):,}, bp {total:,}; the index matches")


def _verdict(genome: Genome, spec: Spec | None, *, any_genome: bool) -> Iterator[Finding]:
    """Yield what `genome` without regions would report about this FASTA, or refuse it for."""
    verdict = judge_genome(genome, select_regions(genome.contigs), spec, chosen=False)
    for remark in verdict.remarks:
        state = WARNING if remark.state == FAILED and any_genome else remark.state
        yield Finding(remark.about, state, remark.said, remark.advice)


def _tables(request: DoctorRequest, spec: Spec | None, read: list[SampleExpression]) -> Iterator[Finding]:
    """Check each sample's table, and put the samples into `read`. Findings on many samples are combined."""
    factors = published_factors() if spec is None else spec.factors
    reference = None if spec is None else spec.reference
    if request.samples is None:
        return
    if spec is not None and reference is None and not request.samples.normalised:
        yield Finding("table", FAILED, "the model has no expression reference to normalise TPM to", WITHOUT_REFERENCE)
        return
    read += read_samples(request.samples, factors, reference)
    if len(read) == 1:
        (sample,) = read
        near = sample.nearest
        cell = f", nearest training cell {near.cell} (r {near.r:.2f})" if near else ""
        said = f"{sample.name}: {_kinds(sample)}{cell}"
        yield Finding("table", WARNING if sample.notes else OK, said, "; ".join(sample.notes))
        return
    for state, of_state in ((OK, [s for s in read if not s.notes]), (WARNING, [s for s in read if s.notes])):
        for said in said_once([(sample.name, [_kinds(sample)]) for sample in of_state], total=len(read)):
            yield Finding("table", state, said)
    for said in said_once([(sample.name, sample.notes) for sample in read]):
        yield Finding("table", WARNING, said)


def _kinds(sample: SampleExpression) -> str:
    """Describe a sample's tables: their kinds, and how many factors they have."""
    kinds = dict.fromkeys(f"{source.quantified.format}, {source.verdict.kind}" for source in sample.sources)
    factors = len(sample.tpm.factors)
    return f"{', '.join(kinds)}, {factors - len(sample.tpm.missing)} of {factors} factors"


def _bins(genome: Genome, spec: Spec | None) -> int:
    """Return the number of bins of a run without regions."""
    bin_bp = 128 if spec is None else spec.geometry.bin_bp
    return sum(ceil_div(region.end - region.start, bin_bp) for region in select_regions(genome.contigs))


def _disk(out: Path, spec: Spec | None, bins: int, *, samples: int) -> Iterator[Finding]:
    """Check that there is space for the tracks of a whole genome."""
    place = _existing(out)
    if not os.access(place, os.W_OK) or not place.is_dir():
        yield Finding("disk", FAILED, f"{out} cannot be written", "choose another --out")
        return
    tracks = 8 if spec is None else len(spec.tracks)
    needed = bins * tracks * samples * (TRACK_BIN_BYTES + JOURNAL_BIN_BYTES)
    free = shutil.disk_usage(place).free
    said = f"{out}: {in_words(free)} free; {bins:,} bins of {tracks} tracks take about {in_words(needed)}"
    if free < needed:
        yield Finding("disk", FAILED, said, "free some space, choose another --out, or run one chromosome at a time")
    else:
        yield Finding("disk", OK, said)


def _existing(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return place

"""The run of `epigept-batch bench`: measures each stage alone and then the whole, repeatedly, on a random genome."""

from __future__ import annotations

import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.commands.genome.request import GenomeRequest
from epigept_batch.commands.genome.run import run_genome
from epigept_batch.errors import DeviceError
from epigept_batch.expression.request import SampleRequest
from epigept_batch.inference.arithmetic import window_flop
from epigept_batch.inference.device import AUTO, Device, RunOptions
from epigept_batch.inference.gpu.about import describe_gpu
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.inference.ports import Inputs
from epigept_batch.inference.session import Session, measured_peak, open_sessions
from epigept_batch.machine.bystanders import Bystanders
from epigept_batch.motifs.gpu.maker import GpuScanMaker
from epigept_batch.motifs.scan import GenomeScan, MotifScanner
from epigept_batch.motifs.store import BLOCK_BINS, ScoreKey, ScoreStore
from epigept_batch.sequence.genome import Genome, forget_digests
from epigept_batch.sequence.stretch import read_stretch
from epigept_batch.simulation.write import as_fasta
from epigept_batch.tiling import Contig
from epigept_batch.tracks.writers import TrackWriters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.progress import Progress
    from epigept_batch.spec import Spec

HG38_BP = 3_088_269_832
"""Length of chr1-22, X and Y."""
REPEATS = 3
LEAST_S = 1.0
"""Seconds for which a stage is measured in each repeat, at least."""
WHOLE_S = 5.0
"""Approximate seconds that the whole takes in each repeat."""
LEAST_WINDOWS, MOST_WINDOWS = 4, 2048
NAME = "bench"
MODEL, SCAN, GPU_SCAN, STORE = "model", "scan", "scan on the GPU", "scores from a store"
GPU_SCANNING, SCANNING, FROM_STORE = "whole, scanning on the GPU", "whole, scanning", "whole, from a store"
WHOLES = {GPU_SCANNING: {SCAN, STORE}, SCANNING: {GPU_SCAN, STORE}, FROM_STORE: {GPU_SCAN, SCAN}}
"""The whole runs that are measured, each with the stages that are not part of it; on the GPU only if it can scan."""
GPU_WINDOWS = 8
"""Windows per call of the scan on the GPU."""
BUSY = 0.1
"""Share of the processors used by other programs beyond which the figures are unreliable."""


@dataclass(frozen=True)
class BenchRequest:
    """What a user asks for.

    Attributes:
        model: The model file.
        device: Device on which the network runs.
        batch_size: Batch size, as in `GenomeRequest`.
        threads: Number of CPU threads.
        repeats: How many times everything is measured.
    """

    model: Path
    device: Device = AUTO
    batch_size: int | None = None
    threads: int = 1
    repeats: int = REPEATS


@dataclass(frozen=True)
class Repeat:
    """The measurements of one repeat.

    Attributes:
        rates: Windows per second of the model, of each stage and of the whole runs, as measured.
        peak: FLOP per second of matrix products on the device, as measured.
        others: Share of the processors that other programs used meanwhile; None if it is not known.
        seconds: Duration of the repeat.
    """

    rates: Mapping[str, float]
    peak: float
    others: float | None
    seconds: float

    def bounded(self) -> dict[str, float]:
        """Return the rates, with each raised to at least the rate of any whole run that contains the stage.

        A whole run cannot take less time than one of its stages. If it did, the machine was busier while the stage was
        measured, and the rate of the whole run is a lower bound for the stage.
        """
        parts_of = {
            whole: set(self.rates) - {*WHOLES, *apart} for whole, apart in WHOLES.items() if whole in self.rates
        }
        return {
            name: max([rate, *(self.rates[whole] for whole, parts in parts_of.items() if name in parts)])
            for name, rate in self.rates.items()
        }


def run_bench(request: BenchRequest, progress: Progress) -> dict[str, Any]:
    """Measure a model on a device.

    Args:
        request: What to measure.
        progress: Receives a line on what is measured.

    Returns:
        Windows per second of the model, of each stage and of the whole, as medians of the repeats, with their spread
        and the repeats themselves; estimates for hg38; how busy the machine was; peak memory.

    Raises:
        EpiGePTError: The model or the device cannot be used.
    """
    spec = read_spec(request.model)
    with tempfile.TemporaryDirectory(prefix="epigept-batch-bench.") as folder:
        bench = _Bench(request, spec, Path(folder), progress)
        try:
            repeats = [bench.repeat(number) for number in range(request.repeats)]
        finally:
            bench.forget()
    return {
        **bench.about,
        **figures_of(repeats, flop=window_flop(spec), window_bp=spec.geometry.window_bp, precision=spec.precision),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def figures_of(repeats: Sequence[Repeat], *, flop: float, window_bp: int, precision: str) -> dict[str, Any]:
    """Summarise the repeats. No stage is slower than the whole, and no network faster than the device's products.

    Args:
        repeats: The repeats, at least one.
        flop: Floating-point operations per window.
        window_bp: Base pairs per window.
        precision: The model file's precision. Integer products are not measured, so int8 has no share of the peak.
    """
    bounded = [repeat.bounded() for repeat in repeats]
    rates = {name: _spread([one[name] for one in bounded]) for name in bounded[0]}
    comparable = precision != "int8"
    # If the network computed faster than the products, its rate is a lower bound for what the device can do.
    peaks = [
        max(repeat.peak, one[MODEL] * flop) if comparable else repeat.peak
        for repeat, one in zip(repeats, bounded, strict=True)
    ]
    peak, windows = median(peaks), HG38_BP / window_bp
    others = [repeat.others for repeat in repeats if repeat.others is not None]
    hours = {name: windows / spread["median"] / 3600 for name, spread in rates.items()}
    return {
        "windows_per_second": {name: spread["median"] for name, spread in rates.items()},
        "spread": rates,
        "gflop_per_window": flop / 1e9,
        "measured_peak_gflops": peak / 1e9,
        "share_of_peak": rates[MODEL]["median"] * flop / peak if comparable else None,
        "hg38_hours": {
            **{f"first sample, {name.removeprefix('whole, ')}": hours[name] for name in WHOLES if name in hours},
            "each further sample": hours[MODEL],
        },
        "others_share": max(others) if others else None,
        "busy": max(others) > BUSY if others else None,
        "repeats": [
            {
                "windows_per_second": dict(repeat.rates),
                "measured_peak_gflops": repeat.peak / 1e9,
                "others_share": repeat.others,
                "seconds": repeat.seconds,
            }
            for repeat in repeats
        ],
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"least": min(values), "median": median(values), "most": max(values)}


class _Bench:
    """Measures stages in windows per second, on random sequence."""

    def __init__(self, request: BenchRequest, spec: Spec, folder: Path, progress: Progress) -> None:
        self._request, self._spec, self._folder, self._progress = request, spec, folder, progress
        self._wanted = RunOptions(
            spec.precision,
            threads=request.threads,
            batch_size=request.batch_size,
            digest=file_sha256(request.model),
        )
        self._windows = 0
        self._fastas: list[Path] = []
        self._stores: dict[int, ScoreStore] = {}
        self._whole_windows: dict[str, int] = {}
        self._gpu = 0
        self._gpu_scan: GpuScanMaker | None = None
        self._number = 0
        self._make_genome(LEAST_WINDOWS)
        scanner = MotifScanner(spec.motif_set, spec.factors, bin_bp=spec.geometry.bin_bp, threads=request.threads)
        scanner.compile(progress.say)
        self._scanner = scanner
        self.about: dict[str, Any] = {"model": str(request.model), "precision": spec.precision}

    def repeat(self, number: int) -> Repeat:
        """Measure everything once, so that stages and whole runs are measured under the same load where possible."""
        self._number = number
        if number:
            self._progress.say(f"repeat {number + 1} of {self._request.repeats}")
        bystanders, begun = Bystanders(), time.perf_counter()
        model, peak = self.model()
        rates = {
            MODEL: model,
            "sequence": self.sequence(),
            SCAN: self.scan(),
            **({} if self._gpu_scan is None else {GPU_SCAN: self.gpu_scan(self._gpu_scan)}),
            STORE: self.kept(),
            "bigWigs": self.bigwigs(),
        }
        for whole, source in ((GPU_SCANNING, GPU_SCAN), (SCANNING, SCAN), (FROM_STORE, STORE)):
            if source in rates:
                rates[whole] = self.whole(whole, min(model, rates[source]))
        return Repeat(rates, peak, bystanders.share(), time.perf_counter() - begun)

    def forget(self) -> None:
        """Remove the genomes' digests from the cache."""
        for path in self._fastas:
            forget_digests(path)

    def model(self) -> tuple[float, float]:
        """Measure the network alone, with its inputs ready, in all sessions at once, and matrix products on its device.

        Sessions are opened anew in each repeat, because sessions that stay open would take memory from the whole run.
        """
        sessions = open_sessions(self._request.model, self._request.device, self._wanted, say=self._say)
        session = sessions[0]
        size = session.windows_per_call(1)
        self.about |= {
            "device": ", ".join(dict.fromkeys(session.device for session in sessions)),
            "provider": session.provider,
            "arithmetic": session.arithmetic,
            "runtime": session.runtime,
            "batch_size": session.batch_size,
            "threads": self._request.threads,
        }
        if session.gpu is not None and not self._number:
            self._look_at_gpu(session.gpu)
        tokens, scores = self._tokens(0), self._scan(0)
        expression = np.log1p(self._tpm())[None].astype(np.float32)

        inputs = Inputs.of(tokens=[tokens] * size, motif_scores=[scores] * size, expression=expression)

        def run(session: Session) -> object:
            return session.signal(inputs)

        number = len(sessions)
        with ThreadPoolExecutor(number) as pool:
            rate = size * number * self._rate("the network", lambda _: list(pool.map(run, sessions)))
        gpus = len({session.device for session in sessions})
        return rate, gpus * measured_peak(session, threads=self._request.threads)

    def sequence(self) -> float:
        """Measure FASTA to tokens."""
        return self._rate("the sequence", self._tokens)

    def scan(self) -> float:
        """Measure tokens to motif scores, with all threads."""
        return self._rate("the scan", self._scan)

    def gpu_scan(self, maker: GpuScanMaker) -> float:
        """Measure the same on the first GPU, with the scores left in its memory."""
        geometry = self._spec.motif_set.window.geometry(self._spec.geometry.bins, self._spec.geometry.bin_bp)
        stretch = read_stretch(self._genome, self._contig, 0, geometry.bins, geometry=geometry)
        reach = np.stack([stretch.reach] * GPU_WINDOWS)
        inside = np.full(GPU_WINDOWS, stretch.bins_inside, dtype=np.int32)
        scan, scores = maker.make(self._gpu, GPU_WINDOWS), maker.memory(self._gpu, GPU_WINDOWS)
        return GPU_WINDOWS * self._rate("the scan on the GPU", lambda _: scan(reach, inside, scores))

    def kept(self) -> float:
        """Measure reading motif scores from a store."""
        store = self._make_store()
        bins = self._spec.geometry.bins
        return self._rate("the store", lambda n: store.read(self._contig, n * bins, bins))

    def bigwigs(self) -> float:
        """Measure signals to finished bigWigs of all tracks."""
        geometry, tracks = self._spec.geometry, len(self._spec.tracks)
        values = np.random.default_rng(1).random((tracks, geometry.bins), dtype=np.float32)
        paths = [self._folder / f"{number}.bw" for number in range(tracks)]
        windows = 256
        contig = Contig(NAME, windows * geometry.window_bp)

        def write(_: int) -> None:
            processes = self._request.threads
            writers = TrackWriters(paths, [contig], bin_bp=geometry.bin_bp, processes=processes)
            try:
                for number in range(windows):
                    writers.write(contig, number * geometry.bins, values)
                writers.close()
            finally:
                writers.discard()

        return windows * self._rate("the bigWigs", write)

    def whole(self, name: str, rate: float) -> float:
        """Measure a whole `genome` run without its start and loading; it is not expected to be faster than `rate`."""
        windows = self._whole_windows.setdefault(name, int(np.clip(WHOLE_S * rate, LEAST_WINDOWS, MOST_WINDOWS)))
        self._make_genome(windows)
        scores = self._make_store().path if name == FROM_STORE else None
        table = self._folder / "sample.tsv"
        rows = zip(self._spec.factors, self._tpm().tolist(), strict=True)
        table.write_text("gene_id\tTPM\n" + "".join(f"{name}\t{value!r}\n" for name, value in rows))
        watch = _Watch(self._progress)
        request = GenomeRequest(
            samples=SampleRequest(((NAME, table),), normalised=True),
            fasta=self._genome.path,
            model=self._request.model,
            out=self._folder / "tracks",
            device=self._request.device,
            batch_size=self._request.batch_size,
            threads=self._request.threads,
            scores=scores,
            scan_on_gpu=name == GPU_SCANNING,
            force=True,
        )
        self._say(f"measuring the {name.replace('whole', 'whole run')}: {self._windows} windows")
        run_genome(request, watch)
        return self._windows / watch.seconds

    def _look_at_gpu(self, index: int) -> None:
        """Describe the GPU, and find out whether it can scan."""
        self._gpu = index
        self.about["gpu"] = asdict(describe_gpu(self._request.model, index))
        maker = GpuScanMaker(self._spec, threads=self._request.threads)
        try:
            maker.prove(index)
        except DeviceError as error:
            self._say(f"the scan on the GPU is not measured: {error}")
        else:
            self._gpu_scan = maker

    def _rate(self, what: str, run: Callable[[int], object]) -> float:
        """Return how often per second `run` can be called with a window number; the first call does not count."""
        self._say(f"measuring {what}")
        run(0)
        begun, times = time.perf_counter(), 0
        while time.perf_counter() - begun < LEAST_S:
            times += 1
            run(times % self._windows)
        return times / (time.perf_counter() - begun)

    def _say(self, sentence: str) -> None:
        """Report a sentence in the first repeat only, because it holds for all."""
        if not self._number:
            self._progress.say(sentence)

    def _make_genome(self, windows: int) -> None:
        """Write a random sequence of so many windows, unless the one at hand is as long."""
        if windows <= self._windows:
            return
        rng = np.random.default_rng(windows)
        tokens = rng.integers(0, 4, windows * self._spec.geometry.window_bp, dtype=np.uint8)
        path = self._folder / f"{windows}.fa"
        path.write_bytes(as_fasta(NAME, tokens))
        self._fastas.append(path)
        self._genome, self._windows = Genome(path), windows
        (self._contig,) = self._genome.contigs

    def _make_store(self) -> ScoreStore:
        """Make a store for the genome; every block holds the scores of the first, because only their number counts."""
        if self._windows in self._stores:
            return self._stores[self._windows]
        store = ScoreStore.create(self._folder / f"{self._windows}.scores", ScoreKey.of(self._spec))
        store.add(self._contig, self._genome.md5(self._contig))
        source = GenomeScan(self._genome, self._scanner)
        first = source.read(self._contig, 0, BLOCK_BINS)
        for block in store.missing(self._contig, store.blocks(self._contig)):
            begin, end = store.span(self._contig, block)
            store.write(self._contig, block, first[:, : end - begin])
        self._stores[self._windows] = store
        return store

    def _tokens(self, number: int) -> NDArray[np.uint8]:
        window_bp = self._spec.geometry.window_bp
        return self._genome.tokens(self._contig, number * window_bp, (number + 1) * window_bp)

    def _scan(self, number: int) -> NDArray[np.float16]:
        bins = self._spec.geometry.bins
        return GenomeScan(self._genome, self._scanner).read(self._contig, number * bins, bins)

    def _tpm(self) -> NDArray[np.float64]:
        """Return the normalised TPM of a sample that resembles the training cells."""
        if self._spec.reference is None:
            return np.linspace(0, 100, len(self._spec.factors))
        return self._spec.reference.distribution


class _Watch:
    """A progress that times a run from its first window on, and reports nothing."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._begun = 0.0
        self.seconds = 0.0

    def say(self, sentence: str) -> None:
        """Ignore a run's sentence, because it was reported before."""

    def start(self, total: int | None, *, done: int = 0) -> None:
        """Start the clock: the first window is about to be read."""
        del total, done
        self._begun = time.perf_counter()

    def advance(self, by: int = 1) -> None:
        """Ignore a finished window."""

    def finish(self, sentence: str) -> None:
        """Stop the clock: the files are complete."""
        del sentence
        self.seconds = time.perf_counter() - self._begun

"""The run of `epigept-batch bench`: each stage alone, then all together, on a genome made for it."""

from __future__ import annotations

import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.inference.arithmetic import window_flop
from epigept_batch.inference.device import AUTO, Device, Wanted
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.inference.session import Session, measured_peak, open_sessions
from epigept_batch.inputs.genome import Genome
from epigept_batch.inputs.scan import GenomeScan, MotifScanner
from epigept_batch.inputs.scores import BLOCK_BINS, ScoreKey, ScoreStore
from epigept_batch.outputs.writers import TrackWriters
from epigept_batch.pipeline import run_genome
from epigept_batch.plan import GenomeRequest
from epigept_batch.sample_request import SampleRequest
from epigept_batch.simulation.write import as_fasta
from epigept_batch.tiling import Contig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from epigept_batch.progress import Progress
    from epigept_batch.spec import Spec

HG38_BP = 3_088_269_832
"""Of chr1-22, X and Y."""
LEAST_S = 2.0
WHOLE_S = 15.0
LEAST_WINDOWS, MOST_WINDOWS = 4, 2048
NAME = "bench"


@dataclass(frozen=True)
class BenchRequest:
    """What a user asks for.

    Attributes:
        model: The model file.
        device: Where the network runs.
        batch_size: As for a run.
        threads: How many the CPU may use.
    """

    model: Path
    device: Device = AUTO
    batch_size: int | None = None
    threads: int = 1


def run_bench(request: BenchRequest, progress: Progress) -> dict[str, Any]:
    """Measure a model on a device.

    Args:
        request: What to measure.
        progress: Told what is measured.

    Returns:
        Windows a second of the model, of each stage and of the whole; what follows for hg38; memory.

    Raises:
        EpiGePTError: The model or the device cannot be used.
    """
    spec = read_spec(request.model)
    wanted = Wanted(
        spec.precision,
        threads=request.threads,
        batch_size=request.batch_size,
        digest=file_sha256(request.model),
    )
    sessions = open_sessions(request.model, request.device, wanted, say=progress.say)
    with tempfile.TemporaryDirectory(prefix="epigept-batch-bench.") as folder:
        bench = _Bench(request, spec, Path(folder), progress)
        model = bench.model(sessions)
        gpus = len({session.device for session in sessions})
        peak = gpus * measured_peak(sessions[0], threads=request.threads)
        sequence, scan, kept, bigwigs = bench.sequence(), bench.scan(), bench.kept(), bench.bigwigs()
        stages = {"sequence": sequence, "scan": scan, "scores from a store": kept, "bigWigs": bigwigs}
        del sessions
        whole = {
            "scanning": bench.whole(min(model, scan), store=False),
            "from a store": bench.whole(min(model, kept), store=True),
        }
    flop = window_flop(spec)
    windows = HG38_BP / spec.geometry.window_bp
    return {
        **bench.about,
        "windows_per_second": {"model": model, **stages, **{f"whole, {name}": rate for name, rate in whole.items()}},
        "gflop_per_window": None if flop is None else flop / 1e9,
        "measured_peak_gflops": peak / 1e9,
        "share_of_peak": None if flop is None else model * flop / peak,
        "hg38_hours": {
            **{f"first sample, {name}": windows / rate / 3600 for name, rate in whole.items()},
            "each further sample": windows / model / 3600,
        },
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


class _Bench:
    """Measures stages in windows a second, on random sequence."""

    def __init__(self, request: BenchRequest, spec: Spec, folder: Path, progress: Progress) -> None:
        self._request, self._spec, self._folder, self._progress = request, spec, folder, progress
        self._windows = 0
        self._make_genome(LEAST_WINDOWS)
        scanner = MotifScanner(spec.motif_set, spec.factors, bin_bp=spec.geometry.bin_bp, threads=request.threads)
        scanner.compile(progress.say)
        self._scanner = scanner
        self.about: dict[str, Any] = {"model": str(request.model), "precision": spec.precision}

    def model(self, sessions: Sequence[Session]) -> float:
        """The network alone, its inputs ready, by all sessions at once."""
        session = sessions[0]
        size = session.windows_a_call(1)
        self.about |= {
            "device": ", ".join(dict.fromkeys(session.device for session in sessions)),
            "provider": session.provider,
            "arithmetic": session.arithmetic,
            "runtime": session.runtime,
            "batch_size": session.batch_size,
            "threads": self._request.threads,
        }
        tokens, scores = self._tokens(0), self._scan(0)
        expression = np.log1p(self._tpm())[None].astype(np.float32)

        def run(session: Session) -> object:
            return session.run([tokens] * size, [scores] * size, expression)

        number = len(sessions)
        with ThreadPoolExecutor(number) as pool:
            return size * number * self._rate("the network", lambda _: list(pool.map(run, sessions)))

    def sequence(self) -> float:
        """FASTA to tokens."""
        return self._rate("the sequence", self._tokens)

    def scan(self) -> float:
        """Tokens to motif scores, by all threads."""
        return self._rate("the scan", self._scan)

    def kept(self) -> float:
        """Motif scores from a store."""
        store = self._make_store()
        bins = self._spec.geometry.bins
        return self._rate("the store", lambda n: store.read(self._contig, n * bins, bins))

    def bigwigs(self) -> float:
        """Signals to finished bigWigs of all tracks."""
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

    def whole(self, rate: float, *, store: bool) -> float:
        """All of it, by the program's own run, start and loading not counted; not faster than `rate`."""
        self._make_genome(int(np.clip(WHOLE_S * rate / 2, LEAST_WINDOWS, MOST_WINDOWS)))
        scores = self._make_store().path if store else None
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
            force=True,
        )
        self._progress.say(f"measuring the whole, {'from a store' if store else 'scanning'}: {self._windows} windows")
        run_genome(request, watch)
        return self._windows / watch.seconds

    def _rate(self, what: str, run: Callable[[int], object]) -> float:
        """Times a second that something can be done, by number of the window; the first does not count."""
        self._progress.say(f"measuring {what}")
        run(0)
        begun, times = time.perf_counter(), 0
        while time.perf_counter() - begun < LEAST_S:
            times += 1
            run(times % self._windows)
        return times / (time.perf_counter() - begun)

    def _make_genome(self, windows: int) -> None:
        """A random sequence of so many windows."""
        if windows <= self._windows:
            return
        rng = np.random.default_rng(windows)
        tokens = rng.integers(0, 4, windows * self._spec.geometry.window_bp, dtype=np.uint8)
        path = self._folder / f"{windows}.fa"
        path.write_bytes(as_fasta(NAME, tokens))
        self._genome, self._windows = Genome(path), windows
        (self._contig,) = self._genome.contigs

    def _make_store(self) -> ScoreStore:
        """Scores of the genome; those of the first blocks for all, since only their number counts."""
        store = ScoreStore.create(self._folder / f"{self._windows}.scores", ScoreKey.of(self._spec))
        store.add(self._contig, self._genome.md5(self._contig))
        source = GenomeScan(self._genome, self._scanner)
        first = source.read(self._contig, 0, BLOCK_BINS)
        for block in store.missing(self._contig, store.blocks(self._contig)):
            begin, end = store.span(self._contig, block)
            store.write(self._contig, block, first[:, : end - begin])
        return store

    def _tokens(self, number: int) -> NDArray[np.uint8]:
        window_bp = self._spec.geometry.window_bp
        return self._genome.tokens(self._contig, number * window_bp, (number + 1) * window_bp)

    def _scan(self, number: int) -> NDArray[np.float16]:
        bins = self._spec.geometry.bins
        return GenomeScan(self._genome, self._scanner).read(self._contig, number * bins, bins)

    def _tpm(self) -> NDArray[np.float64]:
        """Normalised TPM of a sample like the training cells."""
        if self._spec.reference is None:
            return np.linspace(0, 100, len(self._spec.factors))
        return self._spec.reference.distribution


class _Watch:
    """Times a run from its first window on; lets only sentences pass that it does not repeat."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._begun = 0.0
        self.seconds = 0.0

    def say(self, sentence: str) -> None:
        """What a run says was said before."""

    def start(self, total: int | None, *, done: int = 0) -> None:
        """The first window is about to be read."""
        del total, done
        self._begun = time.perf_counter()

    def advance(self, by: int = 1) -> None:
        """A window more."""

    def finish(self, sentence: str) -> None:
        """The files are there."""
        del sentence
        self.seconds = time.perf_counter() - self._begun

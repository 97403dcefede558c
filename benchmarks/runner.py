"""A process that runs parts of a genome run on request, so that several environments can take turns.

Reads a line of JSON with `do` and its options from standard input, and answers with a line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from golden import BIN_BP, LENGTH, STARTS, WINDOW_BP, errors, fasta, make_checkpoint, read_window

BINS = WINDOW_BP // BIN_BP


class Runner:
    """The requests, by name."""

    def __init__(self) -> None:
        self._sessions: dict[str, Any] = {}
        self._torch: Any = None

    def torch(self, *, data: str, work: str, threads: int) -> dict[str, float]:
        """Time the published network in PyTorch, with batch 1 and ready-made inputs."""
        if self._torch is None:
            import torch

            sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
            from epigept_export.architectures import ARCHITECTURES
            from epigept_export.checkpoint import read_state_dict
            from reference import PublishedNetwork

            torch.set_num_threads(threads)
            network = PublishedNetwork(ARCHITECTURES["hg38"], read_state_dict(make_checkpoint(Path(work))))
            window = read_window(Path(data), Path(work), STARTS[0])
            self._torch = lambda: network(window.tokens, window.motif_scores, window.expression)
        return {"seconds": timed(self._torch)}

    def model(self, *, data: str, work: str, model: str, device: str, threads: int, windows: int) -> dict[str, float]:
        """Time windows in the network with ready-made inputs, in the batches of a run."""
        key = json.dumps([model, device, threads])
        if key not in self._sessions:
            from epigept_batch.inference.device import RunOptions, parse_device
            from epigept_batch.inference.model_file import read_spec
            from epigept_batch.inference.session import open_sessions

            wanted = RunOptions(read_spec(Path(model)).precision, threads=threads)
            self._sessions[key] = open_sessions(Path(model), parse_device(device), wanted, say=note)[0]
        session = self._sessions[key]
        window = read_window(Path(data), Path(work), STARTS[0])
        step = session.windows_per_call(1)

        def run() -> None:
            for first in range(0, windows, step):
                count = min(step, windows - first)
                session.signal(window.inputs(count))

        return {"seconds": timed(run)}

    def errors(self, *, data: str, work: str, model: str, device: str, threads: int) -> dict[str, float]:
        """Compare the network with both golden windows: max abs error and lowest Pearson r of a track."""
        self.model(data=data, work=work, model=model, device=device, threads=threads, windows=1)
        session = self._sessions[json.dumps([model, device, threads])]
        windows = (read_window(Path(data), Path(work), start) for start in STARTS)
        error, least = errors(session, windows)
        return {"error": error, "r": least}

    def scan(self, *, data: str, work: str, model: str, threads: int, windows: int) -> dict[str, float]:
        """Time the scan of windows."""
        from epigept_batch.inference.model_file import read_spec
        from epigept_batch.motifs.scan import GenomeScan, MotifScanner
        from epigept_batch.sequence.genome import Genome

        if "scan" not in self._sessions:
            spec, genome = read_spec(Path(model)), Genome(fasta(Path(data), Path(work)))
            scanner = MotifScanner(spec.motif_set, spec.factors, bin_bp=BIN_BP, threads=threads)
            scanner.compile(note)
            self._sessions["scan"] = genome.contigs[0], GenomeScan(genome, scanner)
        contig, source = self._sessions["scan"]
        return {"seconds": timed(lambda: [source.read(contig, n * BINS, BINS) for n in range(1, 1 + windows)])}

    def whole(
        self,
        *,
        data: str,
        work: str,
        model: str,
        device: str,
        threads: int,
        windows: int,
        samples: int = 1,
        store: str | None = None,
        overlapped: bool = True,
    ) -> dict[str, float]:
        """Time a run from its first window to its finished bigWigs; also return the peak memory so far."""
        from epigept_batch.commands.genome import run as pipeline
        from epigept_batch.commands.genome.request import GenomeRequest
        from epigept_batch.expression.request import SampleRequest
        from epigept_batch.inference.device import parse_device
        from epigept_batch.prediction import predict as prediction
        from epigept_batch.prediction.schedule import ONE_AFTER_THE_OTHER

        out = Path(work) / f"out.{os.getpid()}"
        table = Path(data) / "expression/encode_rsem.tsv.gz"
        request = GenomeRequest(
            samples=SampleRequest(tuple((f"s{number}", table) for number in range(samples))),
            fasta=fasta(Path(data), Path(work)),
            model=Path(model),
            out=out,
            regions=(f"chr2:{WINDOW_BP + 1}-{min((1 + windows) * WINDOW_BP, LENGTH)}",),
            device=parse_device(device),
            threads=threads,
            scores=None if store is None else Path(store),
        )
        watch, schedule = Watch(), prediction.make_schedule
        if not overlapped:
            prediction.make_schedule = lambda *_, **__: ONE_AFTER_THE_OTHER
        try:
            pipeline.run_genome(request, watch)
        finally:
            prediction.make_schedule = schedule
            shutil.rmtree(out, ignore_errors=True)
        return {"seconds": watch.seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


class Watch:
    """Times a run from its first window on."""

    def say(self, sentence: str) -> None:
        """Nothing."""

    def start(self, windows: int, *, done: int = 0) -> None:
        """The first window is about to be read."""
        del windows, done
        self._begun = time.perf_counter()

    def advance(self) -> None:
        """Nothing."""

    def finish(self, sentence: str) -> None:
        """A sample is finished."""
        del sentence
        self.seconds = time.perf_counter() - self._begun


def timed(run: Any) -> float:  # noqa: ANN401
    """Return the seconds that a call takes."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def note(sentence: str) -> None:
    """Print to standard error."""
    print(sentence, file=sys.stderr)


def main() -> None:
    """Answer until there are no more lines."""
    runner = Runner()
    for line in sys.stdin:
        options = json.loads(line)
        print(json.dumps(getattr(runner, options.pop("do"))(**options)), flush=True)


if __name__ == "__main__":
    main()

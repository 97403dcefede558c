"""Measure `view`: what-if questions of the published size, and many readers at once.

    python benchmarks/view.py --data ../shared/data [--model hg38.fp32.onnx] [--rounds 3]

Questions are about one window of real chr2 and a real sample: a factor, a base, a deletion, and a factor with a base.
Readers ask for random ranges of a bigWig of 40 MB, and check every byte. Prints Markdown. Needs the [test] and [view]
extras, and real data as in the project's tests.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from golden import ROOT, fasta, make_model
from runner import note

from epigept_batch.browser.keys import Keys
from epigept_batch.browser.live import Question
from epigept_batch.browser.page_data import make_page
from epigept_batch.browser.server import make_app
from epigept_batch.browser.serving import listen, make_server
from epigept_batch.commands.genome.request import GenomeRequest
from epigept_batch.commands.genome.run import run_genome
from epigept_batch.commands.view.live import LiveModel, LiveRequest
from epigept_batch.expression.request import SampleRequest
from epigept_batch.inference.device import Device
from epigept_batch.results.folder import read_run_folder
from epigept_batch.tiling import Contig
from epigept_batch.tracks.bigwig import BigWigWriter
from machine import processor

if TYPE_CHECKING:
    from epigept_batch.progress import Progress

REGION = "chr2:1,792,001-1,920,000"
QUESTIONS = {
    "a factor": ("GATA1=50", ""),
    "a base": ("", "chr2:1,850,000 {ref}>{alt}"),
    "a deletion of 1,000 bp": ("", "chr2:1,850,000-1,850,999 del"),
    "a factor and a base": ("GATA1=50", "chr2:1,850,000 {ref}>{alt}"),
}
BINS = 8_000_000
READERS, REQUESTS, LONGEST = 50, 40, 200_000


class Silent:
    """Progress that nobody reads."""

    def say(self, sentence: str) -> None:
        """Ignore it."""

    def start(self, total: int | None, *, done: int = 0) -> None:
        """Ignore it."""

    def advance(self, by: int = 1) -> None:
        """Ignore it."""

    def finish(self, sentence: str) -> None:
        """Ignore it."""


def make_run(data: Path, model: Path, work: Path, threads: int) -> tuple[SampleRequest, Path]:
    """Predict the window, and return the samples and the output folder."""
    samples = SampleRequest((("K562", data / "expression/encode_rsem.tsv.gz"),))
    out = work / "tracks"
    progress: Progress = Silent()
    request = GenomeRequest(
        samples=samples,
        fasta=fasta(data, work),
        model=model,
        out=out,
        regions=(REGION.replace(",", ""),),
        device=Device("cpu"),
        threads=threads,
    )
    run_genome(request, progress)
    return samples, out


def questions(data: Path, model: Path, work: Path, *, rounds: int, threads: int) -> None:
    """Print the seconds of each question, the first one included in loading, and until a cancelled one has ended."""
    samples, out = make_run(data, model, work, threads)
    begun = time.perf_counter()
    request = LiveRequest(samples=samples, model=model, fasta=fasta(data, work), device=Device("cpu"), threads=threads)
    with LiveModel(request, read_run_folder(out), note) as live:
        loaded = time.perf_counter() - begun
        reference = live._genome.letters(live._genome.contigs[0], 1_849_999, 1_850_000).decode().upper()  # noqa: SLF001
        alternative = "C" if reference == "A" else "A"
        print(
            f"Loading the model took {loaded:.1f} s.\n\n| question | first, seconds | again, seconds |\n|---|---|---|"
        )
        for name, (settings, variant) in QUESTIONS.items():
            typed = variant.format(ref=reference, alt=alternative)
            seconds: list[float] = []
            live._what_if._kept.clear()  # noqa: SLF001
            for _ in range(rounds + 1):
                begun = time.perf_counter()
                answer = live.ask(Question("K562", REGION, settings, typed))
                list(answer.pieces)
                seconds.append(time.perf_counter() - begun)
            first, *again = seconds
            print(f"| {name} | {first:.2f} | {median(again):.2f} ({min(again):.2f} to {max(again):.2f}) |")
        answer = live.ask(Question("K562", "chr2:1,000,001-1,500,000", "GATA1=50"))
        next(answer.pieces)
        begun = time.perf_counter()
        answer.pieces.close()
        seconds = time.perf_counter() - begun
        print(f"\nA question about {answer.windows} windows ends {seconds:.2f} s after it is cancelled.")


def readers(work: Path) -> None:
    """Print how fast many readers get ranges of a bigWig, all of them checked."""
    contig = Contig("chr1", BINS * 128)
    folder = work / "many"
    folder.mkdir()
    path = folder / "s.DNase.bw"
    writer = BigWigWriter(path, [contig], bin_bp=128)
    writer.write(contig, 0, np.random.default_rng(1).gamma(0.5, 1, BINS).astype(np.float32))
    writer.close()
    writer.publish()
    record = {
        "sample": "s",
        "inputs": {},
        "files": {path.name: path.stat().st_size},
        "regions": [f"chr1:1-{contig.length}"],
        "versions": {},
        "paths": {},
    }
    (folder / "s.run.json").write_text(json.dumps(record))
    content = path.read_bytes()
    page, keys = make_page(read_run_folder(folder)), Keys()
    url = next(track["config"]["url"] for track in page.data["tracks"])
    with listen(None) as listening:
        server = make_server(make_app(page, keys, Path(__file__)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = listening.getsockname()[1]

        def read(seed: int) -> int:
            rng = np.random.default_rng(seed)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            total = 0
            for start in rng.integers(0, len(content), REQUESTS):
                end = min(int(start) + int(rng.integers(1, LONGEST)), len(content)) - 1
                headers = {"Cookie": f"epigept-batch-{port}={keys.token}", "Range": f"bytes={start}-{end}"}
                connection.request("GET", f"/{url}", headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != http.client.PARTIAL_CONTENT or body != content[int(start) : end + 1]:
                    raise RuntimeError(f"bytes {start}-{end}: {answer.status}, {len(body)} bytes")
                total += len(body)
            connection.close()
            return total

        begun = time.perf_counter()
        with ThreadPoolExecutor(READERS) as pool:
            total = sum(pool.map(read, range(READERS)))
        seconds = time.perf_counter() - begun
        server.should_exit = True
        thread.join()
    print(
        f"\n{READERS} readers at once made {READERS * REQUESTS:,} requests for ranges of a bigWig of "
        f"{len(content) / 1e6:.0f} MB in {seconds:.1f} s: {READERS * REQUESTS / seconds:,.0f} a second, "
        f"{total / seconds / 1e6:,.0f} MB a second, every byte as in the file."
    )


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    parser.add_argument("--model", type=Path, help="model file of the published size; made if not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        print(f"On {chosen.threads} threads of {processor()}.\n")
        model = chosen.model or make_model(chosen.data, work)
        questions(chosen.data, model, work, rounds=chosen.rounds, threads=chosen.threads)
        readers(work)


if __name__ == "__main__":
    main()

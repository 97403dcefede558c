"""Measure `epigept-batch variants`: how exact it is on real sequence, what it costs, and whether it finds causal bases.

    python benchmarks/variants.py --data ../shared/data --model MODEL.onnx --work DIR [--only exact|indels|speed|causal]

exact: `--grid` beside `genome` on edited FASTAs, with SNVs on chr2 and chr22. indels: insertions and deletions in
windows around them beside a version base by base, and motif scores beside a scan of the whole edited window. speed:
variants of an MPRA for 1, 4 and 16 samples, and the same file of another assembly. causal: see `causal.py`. Prints
Markdown. Needs the [test] extra.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyBigWig
from causal import causal
from golden import ROOT

import epigept_batch as eb
from epigept_batch.commands.demo import SEED
from epigept_batch.demo.package_data import packaged_model
from epigept_batch.inference.device import CPU
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.ports import MOTIF_SCORES, Inputs
from epigept_batch.inference.session import open_session
from epigept_batch.motifs.scan import GenomeScan, MotifScanner
from epigept_batch.prediction.edited import EditedScores, EditedTile, EditedWindowReader, ScanInBlocks
from epigept_batch.sequence.genome import Genome
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import FACTORS
from epigept_batch.simulation.write import write_table
from epigept_batch.timing import StageClock
from epigept_batch.variants.changes import change_of
from machine import processor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from epigept_batch.spec import Spec

    Profile = NDArray[np.float64]
    """Signal by bin, (bins, tracks); NaN where there is none."""

sys.path.insert(0, str(ROOT / "tests"))
import reference

COMMAND = Path(sys.executable).parent / "epigept-batch"
PIECES = {"chr2": "genome/hg38_chr2_1-2333275.fa.gz", "chr22": "chr22/hg38_chr22.fa.gz"}
SAMPLE = "expression/encode_rsem.tsv.gz"
MPRA = "chr22/mpra_GP1BB.{}.vcf"
HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
PAIRS = (("chr2", 2), ("chr2", 8), ("chr2", 14), ("chr22", 152), ("chr22", 220), ("chr22", 300))
"""Contig and number of the first of two adjoining windows."""
INSIDE = 8
"""Edited FASTAs with an SNV inside each window; two more have one beside the border of each pair."""
FROM_BORDER = 1024
"""Bases from a border from which on an SNV changes nothing beyond it."""
SITES = 6
"""Bins in which insertions and deletions lie."""
SIZES = (1, 2, 5, 17, 60, 200)
"""Inserted or deleted bases, one size for each turn."""
MARGIN = 1024
"""Bases around a window of which the naive version knows, and those that a deletion moves into it."""
COPIES = (
    "CTCF",
    "SPI1",
    "GATA1",
    "MYC",
    "TP53",
    "YY1",
    "REST",
    "SP1",
    "STAT1",
    "E2F1",
    "FOXA1",
    "MAX",
    "JUN",
    "FOS",
    "IRF1",
)
"""Factors without which a copy of the sample is scored too."""
OF_DEMO, OF_PUBLISHED = dict.fromkeys((1, 4, 16), 1268), {1: 12, 4: 4, 16: 2}
"""Rows that each network scores, by number of samples."""


class Snv(NamedTuple):
    """A base and what replaces it, 0-based."""

    contig: str
    position: int
    ref: str
    alt: str


def main() -> None:
    """Print every part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    parser.add_argument("--model", type=Path, help="model file of the published size, for all but `causal`")
    parser.add_argument("--work", type=Path, default=Path("variants"), help="folder for inputs and outputs, kept")
    parser.add_argument("--only", choices=["exact", "indels", "speed", "causal"], help="print only this part")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    print(f"{processor()}\n", flush=True)
    if options.only != "causal":
        if options.model is None:
            parser.error("--model is needed for all parts but `causal`")
        pieces = {name: read_sequence(options.data / path) for name, path in PIECES.items()}
        write_fasta(work / "genome.fa", pieces)
        parts: dict[str, Callable[[], None]] = {
            "exact": lambda: exact(work, options.model, options.data, pieces),
            "indels": lambda: indels(work, options.model, options.data, pieces),
            "speed": lambda: speed(work, options.model, options.data),
        }
        for name, part in parts.items():
            if options.only in {None, name}:
                part()
    if options.only in {None, "causal"}:
        causal(work)


def read_sequence(path: Path) -> str:
    """Return the bases of the only record of a compressed FASTA."""
    with gzip.open(path, "rt") as lines:
        return "".join(line.strip() for line in lines if not line.startswith(">"))


def write_fasta(path: Path, pieces: dict[str, str]) -> None:
    """Write contigs in lines of 100 bases."""
    with path.open("w") as file:
        for name, bases in pieces.items():
            file.write(f">{name}\n")
            file.writelines(f"{bases[start : start + 100]}\n" for start in range(0, len(bases), 100))


def write_vcf(path: Path, rows: Iterable[Snv]) -> Path:
    """Write variants without an id."""
    lines = (f"{row.contig}\t{row.position + 1}\t.\t{row.ref}\t{row.alt}\t.\t.\t.\n" for row in rows)
    path.write_text(HEADER + "".join(lines))
    return path


def run(command: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the installed command on the CPU, replacing what it made before."""
    line = [COMMAND, command, *words, "--device", "cpu", "--force", "--fresh"]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def done(command: str, *words: str | Path) -> None:
    """Run the installed command, which must succeed."""
    finished = run(command, *words)
    if finished.returncode:
        raise SystemExit(finished.stderr)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table of scores."""
    with path.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def random_snv(rng: np.random.Generator, contig: str, bases: str, start: int, end: int) -> Snv:
    """Draw an SNV of a stretch."""
    while True:
        position = int(rng.integers(start, end))
        if (ref := bases[position].upper()) in "ACGT":
            return Snv(contig, position, ref, str(rng.choice([base for base in "ACGT" if base != ref])))


def edited_sets(spec: Spec, pieces: dict[str, str]) -> Iterator[list[Snv]]:
    """Yield SNVs that share an edited FASTA: at most one that a window's prediction depends on."""
    rng, window = np.random.default_rng(21), spec.geometry.window_bp
    for _ in range(INSIDE):
        inner = [(contig, number + more) for contig, number in PAIRS for more in (0, 1)]
        yield [
            random_snv(rng, contig, pieces[contig], number * window + FROM_BORDER, (number + 1) * window - FROM_BORDER)
            for contig, number in inner
        ]
    for offset in (-100, 0):
        borders = [(contig, (number + 1) * window + offset) for contig, number in PAIRS]
        yield [random_snv(rng, contig, pieces[contig], at, at + 100) for contig, at in borders]


def exact(work: Path, model: Path, data: Path, pieces: dict[str, str]) -> None:
    """Print how far `--grid` is from the difference of two `genome` runs."""
    spec = read_spec(model)
    window = spec.geometry.window_bp
    sets = list(edited_sets(spec, pieces))
    rows = sorted({row for of_fasta in sets for row in of_fasta})
    common = ("--tpm", data / SAMPLE, "--model", model)
    begun = time.perf_counter()
    vcf = write_vcf(work / "exact.vcf", rows)
    done("variants", vcf, *common, "--fasta", work / "genome.fa", "--grid", "--out", work / "exact.tsv")
    seconds = time.perf_counter() - begun
    scores = {
        (row["chrom"], int(row["pos"]) - 1, row["alt"], row["track"]): row for row in read_rows(work / "exact.tsv")
    }
    regions = [f"{contig}:{n * window + 1}-{(n + 2) * window}" for contig, n in PAIRS]
    places = [word for region in regions for word in ("--region", region)]
    done("genome", *common, "--fasta", work / "genome.fa", *places, "--out", work / "reference")
    before = tracks_of(work / "reference", spec, pieces)
    worst = dict.fromkeys(("reference", "difference", "max_abs_difference"), 0.0)
    largest = []
    for number, of_fasta in enumerate(sets):
        edited = dict(pieces)
        for row in of_fasta:
            bases = edited[row.contig]
            edited[row.contig] = bases[: row.position] + row.alt + bases[row.position + 1 :]
        write_fasta(work / "edited.fa", edited)
        (work / "edited.fa.fai").unlink(missing_ok=True)
        done("genome", *common, "--fasta", work / "edited.fa", *places, "--out", work / f"edited{number}")
        after = tracks_of(work / f"edited{number}", spec, pieces)
        for row in of_fasta:
            for track in spec.tracks:
                mine = scores[row.contig, row.position, row.alt, track]
                bin_ = row.position // spec.geometry.bin_bp
                old, new = before[row.contig, track], after[row.contig, track]
                near = slice(bin_ - 1, bin_ + 2)
                change = new - old
                beside = {(row.position + step) // window for step in (-FROM_BORDER, 0, FROM_BORDER)}
                bins = spec.geometry.bins
                expected = {
                    "reference": old[near].mean(),
                    "difference": change[near].mean(),
                    "max_abs_difference": max(np.nanmax(np.abs(change[w * bins : (w + 1) * bins])) for w in beside),
                }
                for name, value in expected.items():
                    worst[name] = max(worst[name], abs(float(mine[name]) - value))
                largest.append(abs(expected["difference"]))
        print(f"{number + 1} of {len(sets)} edited FASTAs: {worst}", file=sys.stderr, flush=True)
    counts = {name: sum(row.contig == name for row in rows) for name in pieces}
    print(f"\nSNVs: {counts}; `variants --grid` took {seconds:.0f} s\n")
    print("| column | largest error against two `genome` runs |\n|---|---|")
    for name, error in worst.items():
        print(f"| {name} | {error:.1e} |")
    print(f"\n|difference|: median {np.median(largest):.1e}, largest {max(largest):.1e}", flush=True)


def tracks_of(folder: Path, spec: Spec, pieces: dict[str, str]) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return the values of each contig and track by bin, NaN where there is none."""
    found, bin_bp = {}, spec.geometry.bin_bp
    for track in spec.tracks:
        (path,) = folder.glob(f"*.{track}.bw")
        with pyBigWig.open(str(path)) as file:
            for contig, bases in pieces.items():
                values = np.full(spec.geometry.bins_of(len(bases)), np.nan)
                for start, end, value in file.intervals(contig) or ():
                    values[start // bin_bp : -(-end // bin_bp)] = value
                found[contig, track] = values
    return found


def random_indels(rng: np.random.Generator, spec: Spec, pieces: dict[str, str]) -> list[Snv]:
    """Draw as many insertions as deletions of each size in a few bins."""
    bin_bp, rows = spec.geometry.bin_bp, set()
    for number in range(SITES):
        contig = "chr2" if number % 2 else "chr22"
        bases = pieces[contig].upper()
        while True:
            bin_ = int(rng.integers(2000, len(bases) // bin_bp - 2000))
            if "N" not in bases[(bin_ - 600) * bin_bp : (bin_ + 600) * bin_bp]:
                break
        places = rng.choice(bin_bp, 10, replace=False)
        for turn, place in enumerate(places):
            position, size = bin_ * bin_bp + int(place), SIZES[(number + turn // 2) % len(SIZES)]
            anchor = bases[position]
            if turn % 2:
                rows.add(Snv(contig, position, bases[position : position + size + 1], anchor))
            else:
                rows.add(Snv(contig, position, anchor, anchor + "".join(rng.choice(list("ACGT"), size))))
    return sorted(rows)


def indels(work: Path, model: Path, data: Path, pieces: dict[str, str]) -> None:
    """Print how far insertions and deletions are from the naive version, and whether motif scores are equal."""
    spec = read_spec(model)
    rng = np.random.default_rng(5)
    rows = random_indels(rng, spec, pieces)
    vcf = write_vcf(work / "indels.vcf", rows)
    common = ("--tpm", data / SAMPLE, "--model", model, "--fasta", work / "genome.fa")
    done("variants", vcf, *common, "--out", work / "indels.tsv")
    scores = read_rows(work / "indels.tsv")
    naive = Naive(model, spec, data / SAMPLE, pieces)
    worst = dict.fromkeys(("reference", "alternative", "difference", "max_abs_difference"), 0.0)
    differing = dict.fromkeys(("SNV", "insertion or deletion"), 0)
    bins, bin_bp = spec.geometry.bins, spec.geometry.bin_bp
    with naive.scanner, Genome(work / "genome.fa") as genome:
        read = edited_scores(genome, naive.scanner, spec)
        for number, row in enumerate(rows):
            start = (row.position // bin_bp - bins // 2) * bin_bp
            edited = naive.edited(row, start)
            snv = random_snv(rng, row.contig, pieces[row.contig], row.position, row.position + 1)
            differing["SNV"] += not np.array_equal(read(snv, start), naive.scores(naive.edited(snv, start)))
            scanned = naive.scores(edited)
            differing["insertion or deletion"] += not np.array_equal(read(row, start), scanned)
            before, after = naive.effect(row, start, edited, scanned)
            near = slice(bins // 2 - 1, -(-(row.position + len(row.ref) - start) // bin_bp) + 1)
            expected = {
                "reference": before[near].mean(axis=0),
                "alternative": after[near].mean(axis=0),
                "difference": (after - before)[near].mean(axis=0),
                "max_abs_difference": np.nanmax(np.abs(after - before), axis=0),
            }
            of_row = scores[number * len(spec.tracks) : (number + 1) * len(spec.tracks)]
            if (of_row[0]["pos"], of_row[0]["ref"], of_row[0]["alt"]) != (str(row.position + 1), row.ref, row.alt):
                raise SystemExit(f"row {number} is of another variant")
            for name, values in expected.items():
                errors = [abs(float(one[name]) - value) for one, value in zip(of_row, values, strict=True)]
                worst[name] = max(worst[name], *errors)
            print(f"{number + 1} of {len(rows)}: {worst}, {differing}", file=sys.stderr, flush=True)
    deletions = sum(len(row.ref) > 1 for row in rows)
    print(f"\n{len(rows) - deletions} insertions and {deletions} deletions of {min(SIZES)} to {max(SIZES)} bp\n")
    print("| column | largest error against the naive version |\n|---|---|")
    for name, error in worst.items():
        print(f"| {name} | {error:.1e} |")
    print(f"\nwindows whose motif scores differ from a scan, of {len(rows)} each: {differing}", flush=True)


def edited_scores(genome: Genome, scanner: MotifScanner, spec: Spec) -> Callable[[Snv, int], NDArray[np.float16]]:
    """Return a function that reads the motif scores of edited windows as the command does."""
    scores = EditedScores(ScanInBlocks(GenomeScan(genome, scanner).read), scanner, spec.geometry)
    reader = EditedWindowReader(genome, scores, geometry=spec.geometry, clock=StageClock())
    contigs = {contig.name: contig for contig in genome.contigs}

    def read(row: Snv, start: int) -> NDArray[np.float16]:
        change = change_of(row.position, row.ref, row.alt)
        inputs = reader(EditedTile(0, contigs[row.contig], start, (), change=change)).inputs
        if inputs is None:
            raise SystemExit("a window without bases")
        return inputs[MOTIF_SCORES]

    return read


class Naive:
    """Effects from all bases of an edited piece of a contig, without anything that is reused.

    Args:
        model: The model file.
        spec: Its spec.
        sample: Table of the sample.
        pieces: Bases by contig.
    """

    def __init__(self, model: Path, spec: Spec, sample: Path, pieces: dict[str, str]) -> None:
        self._geometry, self._pieces = spec.geometry, pieces
        self._session = open_session(model, CPU, precision="fp32", threads=2, say=lambda _: None)
        self._expression = eb.read_expression(sample, model).values
        self.scanner = MotifScanner(spec.motif_set, spec.factors, bin_bp=spec.geometry.bin_bp, threads=2)
        self._known: dict[tuple[str, int], Profile] = {}

    def edited(self, row: Snv, start: int) -> list[tuple[str, int, bool]]:
        """Return the edited bases from a margin before a window on, as `reference.edited_by_base` does."""
        here = row.position - start + MARGIN
        anchored = len(row.ref) != len(row.alt)  # one base is before the change, as in a VCF
        change = (here + anchored, len(row.ref) - anchored, row.alt[anchored:])
        edited: list[tuple[str, int, bool]] = reference.edited_by_base(self._piece(row.contig, start), [change])
        return edited

    def scores(self, edited: list[tuple[str, int, bool]]) -> NDArray[np.float16]:
        """Return the motif scores of the window, from a scan of all of it."""
        scanned = self.scanner.scan(self._tokens(edited), offset=MARGIN, bins=self._geometry.bins)
        return scanned.astype(np.float16)

    def effect(
        self, row: Snv, start: int, edited: list[tuple[str, int, bool]], scores: NDArray[np.float16]
    ) -> tuple[Profile, Profile]:
        """Return the signal of the reference, and that of the edited bases aligned to it."""
        geometry, piece = self._geometry, self._piece(row.contig, start)
        if (row.contig, start) not in self._known:
            bases = reference.edited_by_base(piece, [])
            self._known[row.contig, start] = self._signal(bases, self.scores(bases))
        aligned: Profile = reference.aligned_by_base(
            edited,
            MARGIN,
            self._signal(edited, scores),
            [True] * geometry.bins,
            start=MARGIN,
            bins=geometry.bins,
            bin_bp=geometry.bin_bp,
            contig_length=len(piece),
        )
        return self._known[row.contig, start], aligned

    def _piece(self, contig: str, start: int) -> str:
        return self._pieces[contig][start - MARGIN : start + self._geometry.window_bp + 2 * MARGIN].upper()

    def _tokens(self, edited: list[tuple[str, int, bool]]) -> NDArray[np.uint8]:
        tokens: NDArray[np.uint8] = reference.tokens("".join(base for base, *_ in edited))
        return tokens

    def _signal(self, edited: list[tuple[str, int, bool]], scores: NDArray[np.float16]) -> Profile:
        """Return the signal of the window that begins behind the margin."""
        tokens = self._tokens(edited)[None, MARGIN : MARGIN + self._geometry.window_bp]
        inputs = Inputs.of(tokens=tokens, motif_scores=scores[None], expression=self._expression)
        return self._session.signal(inputs)[0, 0].astype(np.float64)


def speed(work: Path, model: Path, data: Path) -> None:
    """Print rows per second by number of samples, and what the file of another assembly gives."""
    lines = (data / MPRA.format("GRCh38")).read_text().splitlines(keepends=True)
    header, rows = ([line for line in lines if (line[0] == "#") is is_header] for is_header in (True, False))
    write_table(work / "cell39.tsv", SEED, "cell39", make_expression(SEED, "cell39"))
    print("| network | samples | rows | scored | s | rows per s | sequence, s | scan, s | model, s | MB |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    with packaged_model() as small:
        networks = (
            ("demo", small, work / "cell39.tsv", FACTORS, OF_DEMO),
            ("published size", model, data / SAMPLE, COPIES, OF_PUBLISHED),
        )
        for name, path, table, factors, subsets in networks:
            for samples, number in subsets.items():
                vcf, out = work / f"first{number}.vcf", work / f"speed.{samples}.tsv"
                vcf.write_text("".join([*header, *rows[:number]]))
                copies = [word for factor in factors[: samples - 1] for word in ("--set", f"{factor}=0")]
                words = ("--model", path, "--tpm", table, *copies, "--fasta", work / "genome.fa", "--out", out)
                begun = time.perf_counter()
                done("variants", vcf, *words)
                print_speed(name, samples, min(number, len(rows)), time.perf_counter() - begun, out)
    refused = run("variants", data / MPRA.format("GRCh37"), *words[:-1], work / "refused.tsv")
    print(f"\nThe file on GRCh37: exit {refused.returncode}, {refused.stderr.strip()}")
    print(f"\nIts table was written: {(work / 'refused.tsv').exists()}", flush=True)


def print_speed(network: str, samples: int, rows: int, seconds: float, out: Path) -> None:
    """Print a line of the table of speeds."""
    record = json.loads(out.with_name(f"{out.name}.run.json").read_text())
    scored = [row["status"] == "scored" for row in read_rows(out)]
    stages = " | ".join(f"{record['seconds'].get(name, 0):.1f}" for name in ("sequence", "scan", "model"))
    print(
        f"| {network} | {samples} | {rows:,} | {np.mean(scored):.0%} | {seconds:.1f} | {rows / seconds:.2f} | "
        f"{stages} | {record['peak_memory_bytes'] / 1e6:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()

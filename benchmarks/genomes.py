"""Print what `genome`, `doctor` and `evaluate` say about genomes: a table of genome, command, exit code and verdict.

    python benchmarks/genomes.py --data ../shared/data

Prints Markdown. Exits with 1 if two commands differ. The network is a small one for hg38 with the published training
windows. The genomes are made of real sequence. Those of another assembly or naming have full lengths. Needs `tests/`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bad_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HG19_CHR22 = 51_304_566
PIECE = slice(16_060_000, 16_100_000)
"""The part of hg19's chr22 where its bases begin."""
LINE = 1 << 16
SHOWN = {"assembly", "names", "sequence"}
"""Topics that every command covers. `doctor` and `genome` also cover the training contigs and the selection."""


@dataclass(frozen=True)
class Case:
    """A genome.

    Attributes:
        name: Name in the table.
        contig: Name of the contig.
        sequence: Letters of the contig.
        region: Region to run.
    """

    name: str
    contig: str
    sequence: bytes
    region: str


def cases(data: Path) -> Iterator[Case]:
    """Yield the six genomes, and a whole chromosome of the network's own assembly."""
    chr22 = read_gzip(data / "chr22/hg38_chr22.fa.gz")
    piece = read_gzip(data / "genome/hg38_chr2_1-2333275.fa.gz")
    hg19 = read_gzip(data / "genome/hg19_chr22_1-22000000.fa.gz")[PIECE]
    yield Case("hg38, chr22 whole", "chr22", chr22, "chr22:20,000,001-20,040,000")
    yield Case("hg38, a piece of chr2", "chr2", piece, "chr2:1,800,001-1,840,000")
    padded = hg19.join([b"N" * PIECE.start, b"N" * (HG19_CHR22 - PIECE.stop)])
    yield Case("hg19, chr22's length", "22", padded, f"22:{PIECE.start + 1}-{PIECE.stop}")
    yield Case("hg38, NCBI's names", "NC_000022.11", chr22, "chr22:20,000,001-20,040,000")
    yield Case("random", "one", bytes(random.Random(1).choices(b"ACGT", k=40_000)), "one")  # noqa: S311 - no secret
    masked = piece.translate(bytes.maketrans(b"acgt", b"NNNN"))
    yield Case("hg38's piece hard-masked", "chr2", masked, "chr2:1,800,001-1,840,000")
    rna = piece.translate(bytes.maketrans(b"tT", b"uU"))
    yield Case("hg38's piece as RNA", "chr2", rna, "chr2:1,800,001-1,840,000")


def read_gzip(path: Path) -> bytes:
    """Return the only record of a FASTA in gzip or bgzip format."""
    return b"".join(gzip.decompress(path.read_bytes()).splitlines()[1:])


def write(case: Case, path: Path) -> None:
    """Write a FASTA."""
    lines = [case.sequence[start : start + LINE] for start in range(0, len(case.sequence), LINE)]
    path.write_bytes(b"\n".join([f">{case.contig}".encode(), *lines, b""]))


def make_model(folder: Path) -> None:
    """Make the small network, with the training windows of the published one."""
    import small

    small.SMALL = replace(small.SMALL, training_windows="hg38")
    for name, file in (("motifs", "synthetic.motifs"), ("pairs.tsv", "synthetic.factors.tsv")):
        (folder / name).write_text((bad_inputs.SYNTHETIC / file).read_text())
    (folder / "t.tsv").write_text(bad_inputs.TABLE)
    bad_inputs.make_models(folder)


def verdict(remarks: list[Mapping[str, Any]], about: str) -> str:
    """Return state and text of the remarks that every command makes."""
    shown = [one for one in remarks if one[about] in SHOWN and not (one[about] == "names" and one["state"] == "ok")]
    named = [one for one in remarks if one[about] == "names" and one["state"] == "ok"]
    return "; ".join(f"{one['state']}: {one['said']}" for one in [*shown, *named])


def run(words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the program."""
    command = [Path(sys.executable).parent / "epigept-batch", *words.split()]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def look(case: Case, folder: Path) -> dict[str, tuple[int, str]]:
    """Return exit code and verdict by command."""
    write(case, folder / "g.fa")
    given = "--tpm t.tsv --fasta g.fa --model m.onnx --device cpu --out out"
    done = run(f"genome {given} --region {case.region} --force")
    code = done.returncode
    if code:
        refusal = done.stderr.strip()
        done = run(f"genome {given} --region {case.region} --force --any-genome")
        print(f"refused: {refusal}", file=sys.stderr)
    done.check_returncode()
    record = json.loads(Path("out/t.run.json").read_text())
    checked = run("doctor --fasta g.fa --model m.onnx --device cpu --json")
    tracks = "--predicted out --measured out/{sample}.{track}.bw --measured-space log1p"
    judged = run(f"evaluate {tracks} --region {case.region} --json")
    document = json.loads(judged.stdout)[0]
    windows = next(note for note in document["notes"] if "window that the network was trained on" in note)
    print(f"evaluate: {windows}", file=sys.stderr)
    return {
        "genome": (code, verdict(record["genome"]["remarks"], "about")),
        "doctor": (checked.returncode, verdict(json.loads(checked.stdout), "check")),
        "evaluate": (judged.returncode, verdict(document["genome"]["remarks"], "about")),
    }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data.resolve()
    differ = 0
    print("| genome | command | exit code | verdict |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        os.environ["EPIGEPT_BATCH_HOME"] = f"{name}/home"
        os.chdir(name)
        make_model(Path(name))
        for case in cases(data):
            found = look(case, Path(name))
            differ += len({words for _, words in found.values()}) > 1
            for command, (code, words) in found.items():
                print(f"| {case.name} | `{command}` | {code} | {words} |", flush=True)
    print(f"\n{differ} genomes about which two commands disagree")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())

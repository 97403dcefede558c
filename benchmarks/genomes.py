"""What `genome`, `doctor` and `evaluate` say of one genome: a Markdown table of genome, command, exit code and verdict.

    python benchmarks/genomes.py --data ../shared/data

Exits with 1 where two commands differ. The network is a small one of hg38 with the published training windows; the
genomes are made of real sequence, those of another assembly or naming with whole lengths. `tests/` must be there.
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
"""Of hg19's chr22, where its bases begin."""
LINE = 1 << 16
SHOWN = {"assembly", "names", "sequence"}
"""What every command says; `doctor` and `genome` say more, of the contigs of the training and what is taken."""


@dataclass(frozen=True)
class Case:
    """A genome.

    Attributes:
        name: For the table.
        contig: Its name.
        sequence: Its letters.
        region: What is run.
    """

    name: str
    contig: str
    sequence: bytes
    region: str


def cases(data: Path) -> Iterator[Case]:
    """The six genomes, and the whole chromosome of the network's own assembly."""
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
    """The only record of a FASTA, gzip or bgzip."""
    return b"".join(gzip.decompress(path.read_bytes()).splitlines()[1:])


def write(case: Case, path: Path) -> None:
    """Write a FASTA."""
    lines = [case.sequence[start : start + LINE] for start in range(0, len(case.sequence), LINE)]
    path.write_bytes(b"\n".join([f">{case.contig}".encode(), *lines, b""]))


def make_model(folder: Path) -> None:
    """The small network, with what the published one says of its training."""
    import small

    small.SMALL = replace(small.SMALL, training_windows="hg38")
    for name, file in (("motifs", "synthetic.motifs"), ("pairs.tsv", "synthetic.factors.tsv")):
        (folder / name).write_text((bad_inputs.SYNTHETIC / file).read_text())
    (folder / "t.tsv").write_text(bad_inputs.TABLE)
    bad_inputs.make_models(folder)


def verdict(remarks: list[Mapping[str, Any]], about: str) -> str:
    """State and words of what every command says."""
    shown = [one for one in remarks if one[about] in SHOWN and not (one[about] == "names" and one["state"] == "ok")]
    named = [one for one in remarks if one[about] == "names" and one["state"] == "ok"]
    return "; ".join(f"{one['state']}: {one['said']}" for one in [*shown, *named])


def run(words: str) -> subprocess.CompletedProcess[str]:
    """A command of the program."""
    command = [Path(sys.executable).parent / "epigept-batch", *words.split()]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def look(case: Case, folder: Path) -> dict[str, tuple[int, str]]:
    """Exit code and verdict by command."""
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
    print("| genome | command | exit | verdict |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        os.environ["EPIGEPT_BATCH_HOME"] = f"{name}/home"
        os.chdir(name)
        make_model(Path(name))
        for case in cases(data):
            found = look(case, Path(name))
            differ += len({words for _, words in found.values()}) > 1
            for command, (code, words) in found.items():
                print(f"| {case.name} | `{command}` | {code} | {words} |", flush=True)
    print(f"\n{differ} genomes of which two commands say different things")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())

"""Give every command what a careless user might; print a Markdown table of command, message and exit code.

    python benchmarks/bad_inputs.py

Exits with 1 if an input causes a traceback, more than one line, or an exit code other than 2. (`doctor` exits with 1,
and each of its findings is a line.) Makes the small model first, and needs `tests/`.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pybigtools

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))
SYNTHETIC = TESTS / "data" / "synthetic"
FACTORS = [f"F{number:02d}" for number in range(15)]
TESTED = "chrom\tchromStart\tchromEnd\tstartTSS\tendTSS\tRegulated\n"
TABLE = "gene_id\tTPM\n" + "".join(f"{name}\t{number**2 + 0.5}\n" for number, name in enumerate(FACTORS))
SHOWN = 150

GENOME = "genome --tpm t.tsv --fasta g.fa --model m.onnx --out out --device cpu "
SHEET = "genome --fasta g.fa --model m.onnx --out out --device cpu --samples "
SCAN = "scan --fasta g.fa --model m.onnx --out store "
EVALUATE = "evaluate --predicted p.bw --measured p.bw "
CONTACTS = "evaluate --predicted k.contacts.cool --contacts l.bedpe "
MAPS = "contacts --tpm t.tsv --fasta g.fa --model k.onnx --out out --device cpu "
CONVERT = "convert c.ckpt --motifs motifs --motif-factors pairs.tsv --output new.onnx "
CASES = [
    GENOME + "--tpm absent.tsv",
    GENOME + "--tpm folder",
    GENOME + "--tpm empty",
    GENOME + "--tpm binary",
    GENOME + "--tpm pipe",
    GENOME + "--tpm table.xlsx",
    GENOME + "--tpm bad.gz",
    GENOME + "--tpm negative.tsv",
    GENOME + "--tpm ragged.tsv",
    GENOME + "--tpm mouse.tsv",
    GENOME + "--tpm carriage.csv",
    GENOME + "--tpm headerless.tsv",
    GENOME + "--tpm behind.tsv",
    GENOME + "--tpm decimals.csv",
    GENOME + "--tpm thousands.csv",
    GENOME + "--tpm quote.csv",
    GENOME + "--tpm na.tsv",
    GENOME + "--tpm whole.tsv",
    GENOME + "--tpm long.tsv",
    GENOME + "--tpm ../x=t.tsv",
    GENOME + "--tpm .hidden=t.tsv",
    GENOME + f"--tpm {'x' * 200}=t.tsv",
    GENOME + "--tpm liver=",
    GENOME + "--tpm t.tsv",
    GENOME + "--tpm t.tsv no_table",
    GENOME + "--tpm absent*.tsv",
    GENOME + "--tpm fold[e]r",
    GENOME + "--tpm liver=sheet_*.tsv",
    GENOME + "--tpm =*.tsv",
    "genome --fasta g.fa --model m.onnx",
    "genome --tpm --fasta g.fa --model m.onnx",
    SHEET + "absent.tsv",
    SHEET + "folder",
    SHEET + "empty",
    SHEET + "binary",
    SHEET + "t.tsv",
    SHEET + "bad.gz",
    SHEET + "sheet_without_samples.tsv",
    SHEET + "sheet_of_absent.tsv",
    SHEET + "sheet_twice.csv",
    SHEET + "sheet_of_no_name.csv",
    SHEET + "sheet_of_no_file.csv",
    SHEET + "sheet_of_one_table.tsv",
    SHEET + "sheet_of_no_column.tsv",
    SHEET + "sheet_ragged.tsv",
    GENOME + "--merge a/b",
    GENOME + "--sample liver",
    GENOME + "--group-by kind",
    GENOME + "--tx2gene absent",
    GENOME + "--tx2gene t.tsv",
    GENOME + "--max-missing 2",
    GENOME + "--normalised",
    GENOME + "--fasta absent.fa",
    GENOME + "--fasta folder",
    GENOME + "--fasta empty",
    GENOME + "--fasta binary",
    GENOME + "--fasta pipe",
    GENOME + "--fasta gzip.fa.gz",
    GENOME + "--fasta plain.fa.gz",
    GENOME + "--fasta twice.fa",
    GENOME + "--fasta ragged.fa",
    GENOME + "--fasta stale.fa",
    GENOME + "--fasta n.fa",
    GENOME + "--fasta t.tsv",
    GENOME + "--fasta hg19.fa",
    GENOME + "--fasta hg19.fa --region chrM:1-500",
    GENOME + "--fasta refseq.fa",
    GENOME + "--fasta t2t.fa",
    GENOME + "--fasta mouse.fa --tpm absent.tsv",
    GENOME + "--fasta rna.fa",
    GENOME + "--model absent.onnx",
    GENOME + "--model folder",
    GENOME + "--model empty",
    GENOME + "--model binary",
    GENOME + "--model cut.onnx",
    GENOME + "--model c.ckpt",
    GENOME + "--out empty",
    GENOME + "--out empty/below",
    GENOME + "--region four",
    GENOME + "--region one:9-5",
    GENOME + "--region one:0-5",
    GENOME + "--region one:99999",
    GENOME + "--region one:a-b",
    GENOME + "--region " + "9" * 5000,
    GENOME + "--chromosome chrone",
    GENOME + "--chromosome NC_000001.11",
    GENOME + "--fasta both.fa --chromosome chr1",
    GENOME + "--fasta both.fa --bed chr1.bed",
    GENOME + "--all-contigs --region one",
    GENOME + "--bed absent.bed",
    GENOME + "--bed binary",
    GENOME + "--bed empty",
    GENOME + "--bed short.bed",
    GENOME + "--tracks ATAC",
    GENOME + "--overlap 100",
    GENOME + "--overlap -128",
    GENOME + "--device gpu",
    GENOME + "--device cuda:0,0",
    GENOME + "--space cube",
    GENOME + "--threads 0",
    GENOME + "--scores absent",
    GENOME + "--scores folder",
    GENOME + "--scores empty",
    MAPS + "--tpm binary",
    MAPS + "--fasta empty",
    MAPS + "--fasta n.fa",
    MAPS + "--model m.onnx",
    MAPS + "--model binary",
    MAPS + "--model absent.onnx",
    MAPS + "--map loops",
    MAPS + "--overlap 100",
    MAPS + "--overlap -256",
    MAPS + "--overlap 1408",
    MAPS + "--overlap 9999999",
    MAPS + "--strongest 0",
    MAPS + "--strongest 2",
    MAPS + "--min-distance -1",
    MAPS + "--min-distance 2560",
    MAPS + "--expected absent.tsv",
    MAPS + "--expected t.tsv",
    MAPS + "--expected binary",
    MAPS + "--expected near.tsv",
    MAPS + "--expected coarse.tsv",
    MAPS + "--region four",
    MAPS + "--scores folder",
    MAPS + "--out empty",
    MAPS + "--with-tracks --tracks CTCF",
    SCAN + "--fasta stale.fa",
    SCAN + "--model binary",
    SCAN + "--chromosome four",
    SCAN + "--out empty",
    SCAN + "--out folder",
    "expression --tpm binary",
    "expression --tpm t.tsv --model empty",
    "expression --tpm t.tsv --out out.tsv",
    "expression --tpm t.tsv --model m.onnx --out t.tsv",
    "expression --tpm t.tsv --model m.onnx --out empty/below/v.tsv",
    "completion",
    "completion tcsh",
    "completion Bash",
    "completion powershell",
    "completion /bin/bash",
    "completion bash zsh",
    "completion --shell bash",
    "completion --out file bash",
    "completion -",
    "completion bash --quiet",
    "info absent.onnx",
    "info empty",
    "info folder",
    "info binary",
    "info t.tsv",
    "simulate --out empty",
    "simulate --out sim --contigs 0",
    "demo --out empty",
    "evaluate --predicted absent --measured absent.bw",
    "evaluate --predicted binary --measured binary",
    EVALUATE + "--predicted inf.bw",
    EVALUATE + "--measured inf.bw",
    EVALUATE + "--measured below.bw",
    EVALUATE + "--measured log0.bw",
    EVALUATE + "--training below.bw",
    EVALUATE + "--scale nan",
    EVALUATE + "--scale 1_0",
    EVALUATE + "--accessibility p.bw",
    "evaluate --predicted p.bw",
    "evaluate --predicted k.contacts.cool --contacts l.bedpe --measured p.bw",
    CONTACTS + "--contacts absent.bedpe",
    CONTACTS + "--contacts folder",
    CONTACTS + "--contacts empty",
    CONTACTS + "--contacts binary",
    CONTACTS + "--contacts bad.gz",
    CONTACTS + "--contacts cut.cool",
    CONTACTS + "--contacts cut.hic",
    CONTACTS + "--contacts pipe",
    CONTACTS + "--contacts k.contacts.cool::/resolutions/5",
    CONTACTS + "--contacts k.contacts.cool::/cells/x",
    CONTACTS + "--contacts other.cool",
    CONTACTS + "--contacts below.cool",
    CONTACTS + "--contacts trans.bedpe",
    CONTACTS + "--contacts far.bedpe",
    CONTACTS + "--contacts ragged.bedpe",
    CONTACTS + "--contacts label.tsv",
    CONTACTS + "--contacts columns.tsv",
    CONTACTS + "--contacts {sample}.bedpe",
    CONTACTS + "--predicted absent",
    CONTACTS + "--predicted folder",
    CONTACTS + "--predicted p.bw",
    CONTACTS + "--predicted none.cool",
    CONTACTS + "--predicted below.cool",
    CONTACTS + "--accessibility absent.bw",
    CONTACTS + "--accessibility below.bw",
    CONTACTS + "--predicted-accessibility inf.bw",
    CONTACTS + "--predicted-space linear",
    CONTACTS + "--zero-fill",
    CONTACTS + "--scale 2",
    CONTACTS + "--by-chromosome",
    CONTACTS + "--bin 10",
    CONTACTS + "--bin 900",
    CONTACTS + "--chromosome two",
    CONTACTS + "--out t.tsv",
    "doctor --device cpu --model m.onnx --fasta stale.fa",
    "doctor --device cpu --fasta g.fa --model cut.onnx",
    "doctor --device cpu --model m.onnx --fasta hg19.fa",
    "doctor --device cpu --model m.onnx --fasta rna.fa",
    "doctor --device nonsense",
    "bench --model absent.onnx",
    "bench --model cut.onnx",
    "bench --model m.onnx --device gpu",
    "bench --model m.onnx --batch-size none",
    "bench --model m.onnx --repeats 0",
    "setup mm10",
    "setup absent.toml",
    "setup t.tsv",
    "setup --genome absent.fa",
    "setup --genome binary --model m.onnx",
    "setup --genome g.fa --model cut.onnx",
    CONVERT,
    CONVERT + "--motifs binary",
    CONVERT + "--motifs empty",
    CONVERT + "--motifs pairs.tsv",
    CONVERT + "--motif-factors motifs",
    CONVERT + "--motif-factors bad.mat",
    CONVERT + "--expression-reference binary",
    CONVERT + "--motif-window 9,3",
    CONVERT + "--p-value 2",
    CONVERT + "--output t.tsv",
    CONVERT + "--layers last",
    CONVERT + "--contact-bin 1280",
    CONVERT + "--contacts --layers 12",
    CONVERT + "--contacts --layers some",
    CONVERT + "--contacts --contact-bin 1000",
    CONVERT + "--contacts --contact-bin 0",
    "convert binary --motifs motifs --motif-factors pairs.tsv --output new.onnx",
    "convert pickle.ckpt --motifs motifs --motif-factors pairs.tsv --output new.onnx",
    "convert folder --motifs motifs --motif-factors pairs.tsv --output new.onnx",
    "verify m.onnx --checkpoint absent.ckpt",
    "verify binary --checkpoint c.ckpt",
    "train absent.toml --out trained",
    "train binary --out trained",
    "train t.tsv --out trained",
]
"""A later option replaces an earlier one of the same name. Of repeatable options, `words_of` removes the first."""
REPEATED = ("--tpm",)


def make_files(folder: Path) -> None:
    """Write the good and the bad files that the commands name."""
    (folder / "folder").mkdir()
    (folder / "folder/x").touch()
    (folder / "empty").touch()
    os.mkfifo(folder / "pipe")
    texts = {
        "t.tsv": TABLE,
        "negative.tsv": TABLE.replace("\t4.5\n", "\t-4.5\n"),
        "ragged.tsv": TABLE.replace("\t4.5\n", "\t3\t4\n"),
        "mouse.tsv": "gene_id\tTPM\n" + "".join(f"ENSMUSG{n:011d}\t1\n" for n in range(50)),
        "headerless.tsv": TABLE.partition("\n")[2],
        "behind.tsv": TABLE.replace("\n", "\t\n").replace("\t4.5\t\n", "\t4.5\t1\n"),
        "decimals.csv": TABLE.replace("\t", ",").replace(".", ","),
        "thousands.csv": TABLE.replace("\t4.5\n", '\t"4,500"\n').replace("\t", ","),
        "quote.csv": TABLE.replace("\t", ",").replace("F03,", '"F03,'),
        "na.tsv": "gene\tA\tB\n"
        + "".join(f"{name}\t1.5\t{'NA' if name < FACTORS[9] else 2.5}\n" for n, name in enumerate(FACTORS)),
        "whole.tsv": "gene\tA\tx\n" + "".join(f"{name}\t{n + 0.5}\t{n % 9}\n" for n, name in enumerate(FACTORS)),
        "long.tsv": "gene\ttissue\tcluster\tTPM\n"
        + "".join(f"{g}\t{t}\t{c}\t1.5\n" for g in FACTORS for t in "xy" for c in "pq"),
        "sheet_without_samples.tsv": "sample\tfile\n",
        "sheet_of_absent.tsv": "sample\tfile\nliver\tt.tsv\nlung\tabsent.tsv\n",
        "sheet_twice.csv": "sample,file\nliver,t.tsv\nliver,negative.tsv\n",
        "sheet_of_no_name.csv": "sample,file\n../liver,t.tsv\n",
        "sheet_of_no_file.csv": "sample,file\nliver,\n",
        "sheet_of_one_table.tsv": "sample\tfile\nliver\tt.tsv\nlung\tt.tsv\n",
        "sheet_of_no_column.tsv": "sample\tfile\tcolumn\nliver\tmatrix.tsv\tskin\n",
        "sheet_ragged.tsv": "sample\tfile\nliver\tt.tsv\tx\n",
        "matrix.tsv": "gene\tliver\tlung\n" + "".join(f"{name}\t{n}\t7\n" for n, name in enumerate(FACTORS)),
        "carriage.csv": "gene_id,TPM\nF00,1\rF01,2\nF02,3\n",
        "short.bed": "one\t5\n",
        "twice.fa": ">a\nAC\n>a\nAC\n",
        "ragged.fa": ">a\nACGT\nAC\nACGT\n",
        "plain.fa.gz": ">a\nACGT\n",
        "n.fa": ">one\n" + "N" * 3000 + "\n",
        "g.fa": (SYNTHETIC / "synthetic.fa").read_text(),
        "hg19.fa": f">chrM\n{'ACGTA' * 3314}A\n",  # 16,571 bp, a length that no other assembly has
        "refseq.fa": f">NC_001807.4 Homo sapiens\n{'ACGTA' * 3314}A\n",
        "t2t.fa": f">CP068254.1\n{'ACGTA' * 3313}ACGT\n",
        "mouse.fa": f">MT\n{'ACGTA' * 3259}ACGT\n",
        "rna.fa": f">one\n{'ACGU' * 500}\n",
        "both.fa": ">NC_000001.11\nACGT\n>CM000663.2\nACGT\n",
        "chr1.bed": "chr1\t0\t4\n",
        "stale.fa": ">a\nACGT\n",
        "stale.fa.fai": "b\t400\t3\t60\t61\n",
        "near.tsv": "# bin_bp\t256\ndistance_bp\tpixels\tmean\texpected\n0\t5\t0.1\t0.1\n",
        "coarse.tsv": "# bin_bp\t512\ndistance_bp\tpixels\tmean\texpected\n0\t5\t0.1\t0.1\n",
        "l.bedpe": "one\t0\t100\tone\t200\t300\n",
        "trans.bedpe": "one\t0\t100\ttwo\t200\t300\n",
        "far.bedpe": "one\t0\t100\tone\t900\t1000\n",
        "ragged.bedpe": "one\t0\t100\tone\t200\n",
        "label.tsv": f"{TESTED}one\t0\t100\t200\t201\tmaybe\n",
        "columns.tsv": TESTED.replace("Regulated", "regulated"),
        "motifs": (SYNTHETIC / "synthetic.motifs").read_text(),
        "pairs.tsv": (SYNTHETIC / "synthetic.factors.tsv").read_text(),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    contents = {
        "binary": bytes(range(256)) * 99,
        "bad.gz": gzip.compress(TABLE.encode())[:40],
        "gzip.fa.gz": gzip.compress(b">a\nACGT\n"),
        "table.xlsx": b"PK\x03\x04aaaa",
        "bad.mat": b"MATLAB 5.0 MAT-file".ljust(126) + b"IM" + bytes(range(50)),
        "pickle.ckpt": b"\x80\x02}.",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)

    for name, values in {"p": (1, 2), "inf": (np.inf,), "below": (3, -1.5), "log0": (3, -np.inf)}.items():
        records = (("one", start, start + 1, float(value)) for start, value in enumerate(values))
        pybigtools.open(f"{folder}/{name}.bw", "w").write({"one": 300}, records)
    make_maps(folder)


def make_maps(folder: Path) -> None:
    """Write the good and the bad contact maps that the commands name."""
    from contact_files import write_cool, write_hic

    near = [(first, second, 1.0 + first) for first in range(10) for second in range(first, min(first + 4, 10))]
    write_cool(folder / "k.contacts.cool", {"one": 1000}, 100, near)
    write_cool(folder / "none.cool", {"one": 1000}, 100, [])
    write_cool(folder / "below.cool", {"one": 1000}, 100, [(0, 1, -1.0)])
    write_cool(folder / "other.cool", {"two": 1000}, 100, near)
    write_hic(folder / "whole.hic", {"one": 1000}, [100], near)
    for whole, cut in (("k.contacts.cool", "cut.cool"), ("whole.hic", "cut.hic")):
        (folder / cut).write_bytes((folder / whole).read_bytes()[:99])


def make_models(folder: Path) -> None:
    """Make a small model file and its checkpoint."""
    import torch

    from epigept_export.contacts import ContactRequest
    from epigept_export.convert import ConvertRequest, convert
    from epigept_export.model import EpiGePT
    from small import SMALL

    torch.manual_seed(1)
    torch.save(EpiGePT(SMALL).state_dict(), folder / "c.ckpt")
    rows = "".join(f"{name}\t{number}\t{number + 2}\n" for number, name in enumerate(FACTORS))
    (folder / "reference.tsv").write_text(f"\ta\tb\n{rows}")
    request = ConvertRequest(
        checkpoint=folder / "c.ckpt",
        motifs=folder / "motifs",
        motif_factors=folder / "pairs.tsv",
        expression_reference=folder / "reference.tsv",
        output=folder / "m.onnx",
        architecture=SMALL,
        verify=False,
    )
    convert(request, say=lambda _: None)
    convert(replace(request, output=folder / "k.onnx", contacts=ContactRequest(bins_bp=(256,))), say=lambda _: None)
    (folder / "cut.onnx").write_bytes((folder / "m.onnx").read_bytes()[:2000])


def words_of(case: str) -> list[str]:
    """Return a command's words. A repeatable option keeps only its last value, unless both values are the same."""
    words = case.split()
    for option in REPEATED:
        places = [place for place, word in enumerate(words) if word == option]
        if len(places) > 1 and words[places[-1] + 1] != words[places[0] + 1]:
            del words[places[0] : places[0] + 2]
    return words


def run(words: list[str]) -> tuple[int, str, Any]:
    """Run a command; return its exit code, its message, and an unexpected exception or None."""
    from click.testing import CliRunner

    from epigept_batch.cli.main import cli as batch
    from epigept_export.cli import cli as export

    exports = words[0] in {"convert", "verify", "train"}
    program = "epigept-export" if exports else "epigept-batch"
    result = CliRunner().invoke(export if exports else batch, words, prog_name=program)
    unforeseen = None if isinstance(result.exception, SystemExit) else result.exception
    # Notes on a good table, on a genome of no known assembly, and on progress are not counted as messages.
    notes = re.compile(
        r"epigept-(batch|export): (t: |\S+: (the network was trained on hg38, but this is an|every contig is)"
        r"|[\d,]+ of [\d,]+ \w+|compiling the motif scan)"
    )
    lines = [line for line in (result.stderr or result.stdout).splitlines() if line and not notes.match(line)]
    lines = [line for line in lines if not line.endswith(": installed")]
    if words[0] == "doctor" and result.stdout:
        lines = [line for line in result.stdout.splitlines() if line.startswith("FAILED")]
    if lines and lines[0].startswith("Usage:"):
        lines = lines[-1:]
    return result.exit_code, "\n".join(lines), unforeseen


def main() -> int:
    """Print the table."""
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        os.environ["EPIGEPT_BATCH_HOME"] = f"{name}/home"
        os.chdir(name)
        make_files(Path(name))
        make_models(Path(name))
        out = io.StringIO()
        for case in CASES:
            words = words_of(case)
            code, said, unforeseen = run(words)
            expected = 1 if words[0] == "doctor" and "nonsense" not in case else 2
            if unforeseen is not None or code != expected or said.count("\n"):
                bad += 1
                print(f"BAD: {case[-SHOWN:]}: {code} {unforeseen!r}\n{said}", file=sys.stderr)
            command = " ".join(words).replace(" --device cpu", "")[:SHOWN]
            message = said.replace("|", "\\|").replace("\n", " / ")[: 2 * SHOWN]
            print(f"| `{command}` | {message} | {code} |", file=out)
    print(f"| command | message | exit code |\n|---|---|---|\n{out.getvalue()}")
    print(f"{len(CASES)} bad inputs; {bad} of them did not give one line and the right exit code")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

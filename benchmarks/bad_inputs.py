"""Give every command what a careless user might; print a Markdown table of command, message and exit code.

    python benchmarks/bad_inputs.py

Exits with 1 if an input causes a traceback, more than one line, or an exit code other than 2. (`doctor` exits with 1,
and each of its findings is a line.) Makes the small model first, and needs `tests/`.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from bad_files import make_files, make_models

SHOWN = 150

GENOME = "genome --tpm t.tsv --fasta g.fa --model m.onnx --out out --device cpu "
SHEET = "genome --fasta g.fa --model m.onnx --out out --device cpu --samples "
SCAN = "scan --fasta g.fa --model m.onnx --out store "
EVALUATE = "evaluate --predicted p.bw --measured p.bw "
CONTACTS = "evaluate --predicted k.contacts.cool --contacts l.bedpe "
MAPS = "contacts --tpm t.tsv --fasta g.fa --model k.onnx --out out --device cpu "
VARIANTS = "--tpm t.tsv --fasta g.fa --model m.onnx --device cpu --out scores.tsv"
SCREEN = "screen --tpm t.tsv --fasta g.fa --model m.onnx --out out --device cpu --region one:1-500 "
NOWHERE = "screen --tpm t.tsv --fasta g.fa --model m.onnx --out out --device cpu "
REPORT = "report run --out report.html "
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
    GENOME + "--vcf absent.vcf",
    GENOME + "--vcf folder",
    GENOME + "--vcf empty",
    GENOME + "--vcf binary",
    GENOME + "--vcf pipe",
    GENOME + "--vcf t.tsv",
    GENOME + "--vcf sites.vcf",
    GENOME + "--vcf people.vcf",
    GENOME + "--vcf people.vcf --vcf-sample NA3",
    GENOME + "--vcf unphased.vcf",
    GENOME + "--vcf person.vcf --unphased random",
    GENOME + "--vcf ungenotyped.vcf",
    GENOME + "--vcf apart.vcf",
    GENOME + "--vcf triploid.vcf",
    GENOME + "--vcf alien.vcf",
    GENOME + "--vcf damaged.vcf",
    GENOME + "--vcf gzip.vcf.gz",
    GENOME + "--vcf-sample NA1",
    GENOME + "--unphased reference",
    GENOME + "--scores absent",
    GENOME + "--scores folder",
    GENOME + "--scores empty",
    GENOME + "--set F03",
    GENOME + "--set F03=",
    GENOME + "--set F03=-1",
    GENOME + "--set F03=nan",
    GENOME + "--set F03=1e999",
    GENOME + "--set F03*absent",
    GENOME + "--set F03=1,",
    GENOME + "--set F03=0,F03*2",
    GENOME + "--set F03=0 --set F03=0.0",
    GENOME + "--set f03=0",
    GENOME + "--set CTCF=0",
    GENOME + f"--set {','.join(f'F{number:02d}=1000000' for number in range(15))}",
    GENOME + "--tpm lacking.tsv --max-missing 0.1 --set F14*2",
    GENOME + "--tpm t+F03-0=t.tsv t.tsv --set F03=0",
    GENOME + "--differences",
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
    MAPS + "--set f03=0",
    MAPS + "--set F03=0 --differences",
    MAPS + "--out empty",
    MAPS + "--with-tracks --tracks CTCF",
    NOWHERE,
    NOWHERE + "--all-contigs",
    NOWHERE + "--region four",
    NOWHERE + "--bed absent.bed",
    NOWHERE + "--bed empty",
    NOWHERE + "--bed short.bed",
    NOWHERE + "--bed binary",
    SCREEN + "--tpm absent.tsv",
    SCREEN + "--tpm negative.tsv",
    SCREEN + "--fasta empty",
    SCREEN + "--fasta n.fa",
    SCREEN + "--model cut.onnx",
    SCREEN + "--factors F99",
    SCREEN + "--factors F01,f02",
    SCREEN + "--factors ,",
    SCREEN + "--factors empty",
    SCREEN + "--factors folder",
    SCREEN + "--factors binary",
    SCREEN + "--factors pipe",
    SCREEN + "--factors factors.txt",
    SCREEN + "--set-to -1",
    SCREEN + "--set-to nan",
    SCREEN + "--set-to off",
    SCREEN + "--set-to 1_0",
    SCREEN + "--between t",
    SCREEN + "--between t t",
    SCREEN + "--between t liver",
    SCREEN + "--between t t --set-to 0",
    SCREEN + "--tpm same.tsv --between liver lung",
    SCREEN + "--tracks ATAC",
    SCREEN + "--strongest 0",
    SCREEN + "--strongest many",
    SCREEN + "--device gpu",
    SCREEN + "--scores folder",
    SCREEN + "--out empty",
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
    "report",
    "report absent",
    "report t.tsv",
    "report folder",
    "report interrupted",
    "report run_without_track",
    "report run_of_another_size",
    "report run_of_damage",
    "report run_of_two_spaces",
    REPORT + "--sample lung",
    REPORT + "--region four",
    REPORT + "--region one:9-5",
    REPORT + "--region one:0-5",
    REPORT + "--region one:9999999",
    REPORT + "--region one:a-b",
    REPORT + "--region two",
    REPORT + "--evaluation absent.tsv",
    REPORT + "--evaluation folder",
    REPORT + "--evaluation empty",
    REPORT + "--evaluation binary",
    REPORT + "--evaluation pipe",
    REPORT + "--evaluation t.tsv",
    REPORT + "--evaluation run/liver.run.json",
    REPORT + "--evaluation of_another.tsv",
    REPORT + "--out t.tsv",
    REPORT + "--out folder",
    REPORT + "--out empty/report.html",
    GENOME + "--report --out folder_with_page",
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
    f"variants absent.vcf {VARIANTS}",
    f"variants folder {VARIANTS}",
    f"variants empty {VARIANTS}",
    f"variants binary {VARIANTS}",
    f"variants pipe {VARIANTS}",
    f"variants bad.gz {VARIANTS}",
    f"variants none.vcf {VARIANTS}",
    f"variants headerless.vcf {VARIANTS}",
    f"variants assembly.vcf {VARIANTS}",
    f"variants symbolic.vcf {VARIANTS}",
    f"variants elsewhere.vcf {VARIANTS}",
    f"variants beyond.vcf {VARIANTS}",
    f"variants text.vcf {VARIANTS}",
    f"variants ragged.vcf {VARIANTS}",
    f"variants cut.vcf.gz {VARIANTS}",
    f"variants end.vcf.gz {VARIANTS}",
    f"variants columns.variants {VARIANTS}",
    f"variants twice.variants {VARIANTS}",
    f"variants float.variants {VARIANTS}",
    f"variants ragged.variants {VARIANTS}",
    f"variants blank.variants {VARIANTS}",
    f"variants v.vcf {VARIANTS} --grid --average strands",
    f"variants v.vcf {VARIANTS} --average strand",
    f"variants v.vcf {VARIANTS} --shard 3/2",
    f"variants v.vcf {VARIANTS} --shard 0/4",
    f"variants v.vcf {VARIANTS} --shard half",
    f"variants v.vcf {VARIANTS} --background-bed short.bed",
    f"variants v.vcf {VARIANTS} --background 100 --background-bed short.bed",
    f"variants v.vcf {VARIANTS} --background few",
    f"variants v.vcf {VARIANTS} --tracks ATAC",
    f"variants v.vcf {VARIANTS} --out scores.txt",
    f"variants v.vcf {VARIANTS} --out folder",
    f"variants v.vcf {VARIANTS} --out v.vcf --force",
    f"variants v.vcf {VARIANTS} --out t.tsv --force",
    f"variants v.vcf {VARIANTS} --out scores.vcf --scores absent",
    f"variants annotated.vcf {VARIANTS} --out scores.vcf",
    f"variants float.variants {VARIANTS} --out scores.vcf.gz",
    "variants v.vcf --fasta g.fa --model m.onnx --out scores.tsv",
    "variants v.vcf --tpm t.tsv --fasta g.fa --model m.onnx",
    "verify binary --checkpoint c.ckpt",
    "train absent.toml --out trained",
    "train binary --out trained",
    "train t.tsv --out trained",
]
"""A later option replaces an earlier one of the same name. Of repeatable options, `words_of` removes the first."""
REPEATED = ("--tpm",)


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

"""Write the good and the bad files that the cases of `bad_inputs.py` name."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pybigtools
import pysam

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))
SYNTHETIC = TESTS / "data" / "synthetic"
FACTORS = [f"F{number:02d}" for number in range(15)]
TESTED = "chrom\tchromStart\tchromEnd\tstartTSS\tendTSS\tRegulated\n"
TABLE = "gene_id\tTPM\n" + "".join(f"{name}\t{number**2 + 0.5}\n" for number, name in enumerate(FACTORS))
TABLES = {
    "t.tsv": TABLE,
    "lacking.tsv": TABLE[: TABLE.index("F14")],
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
    "same.tsv": "gene\tliver\tlung\n" + "".join(f"{name}\t{n}\t{n}\n" for n, name in enumerate(FACTORS)),
    "factors.txt": "# of interest\nF01\nF99\n",
}
"""Tables of expression, sheets, a table of intervals, and a list of factors."""
GENOMES = {
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
}
"""FASTA files, an index, and regions of them."""
CONTACTS = {
    "near.tsv": "# bin_bp\t256\ndistance_bp\tpixels\tmean\texpected\n0\t5\t0.1\t0.1\n",
    "coarse.tsv": "# bin_bp\t512\ndistance_bp\tpixels\tmean\texpected\n0\t5\t0.1\t0.1\n",
    "l.bedpe": "one\t0\t100\tone\t200\t300\n",
    "trans.bedpe": "one\t0\t100\ttwo\t200\t300\n",
    "far.bedpe": "one\t0\t100\tone\t900\t1000\n",
    "ragged.bedpe": "one\t0\t100\tone\t200\n",
    "label.tsv": f"{TESTED}one\t0\t100\t200\t201\tmaybe\n",
    "columns.tsv": TESTED.replace("Regulated", "regulated"),
}
"""What was expected by distance, loops, and tested pairs."""
HEADER = "##fileformat=VCFv4.2\n##contig=<ID=one>\n"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
BASES = "".join((SYNTHETIC / "synthetic.fa").read_text().split(">")[1].split("\n")[1:]).upper()


def record(position: int, ref: str, alt: str, contig: str = "one", info: str = ".") -> str:
    """Return a line of a VCF; the position is 0-based."""
    return f"{contig}\t{position + 1}\t.\t{ref}\t{alt}\t.\t.\t{info}\n"


PLACES = [place for place, base in enumerate(BASES) if base in "ACGT"][::200]
VARIANTS = {
    "v.vcf": HEADER + COLUMNS + "".join(record(p, BASES[p], "A" if BASES[p] != "A" else "C") for p in PLACES),
    "none.vcf": HEADER + COLUMNS,
    "headerless.vcf": record(PLACES[0], "A", "C"),
    "assembly.vcf": HEADER + COLUMNS + "".join(record(p, "A" if BASES[p] != "A" else "C", "G") for p in PLACES),
    "symbolic.vcf": HEADER + COLUMNS + record(PLACES[0], BASES[PLACES[0]], "<DEL>"),
    "elsewhere.vcf": HEADER + COLUMNS + record(PLACES[0], "A", "C", contig="nine"),
    "beyond.vcf": HEADER + COLUMNS + record(19_999, "ACGT", "A"),
    "text.vcf": HEADER + COLUMNS + "one\tten\t.\tA\tC\t.\t.\t.\n",
    "ragged.vcf": HEADER + COLUMNS + "one\t10\t.\tA\n",
    "annotated.vcf": f'{HEADER}##INFO=<ID=EPIGEPT,Number=.,Type=String,Description="x">\n{COLUMNS}',
    "columns.variants": "chrom\tposition\tref\none\t5\tA\n",
    "twice.variants": "chrom\tpos\tposition\tref\talt\none\t5\t5\tA\tC\n",
    "float.variants": "chrom\tpos\tref\talt\none\t5.5\tA\tC\n",
    "ragged.variants": "chrom\tpos\tref\talt\none\t5\n",
    "blank.variants": "chrom\tpos\tref\talt\none\t5\t\tC\n",
}
"""VCFs and tables of variants."""
FORMAT = '##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">\n'
VCF = f"##fileformat=VCFv4.2\n##contig=<ID=one>\n{FORMAT}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
PERSON = f"{VCF}\tFORMAT\tNA1\n"
VCFS = {
    "person.vcf": f"{PERSON}one\t1\t.\tG\tA\t.\t.\t.\tGT\t0|1\n",
    "sites.vcf": f"{VCF}\none\t1\t.\tG\tA\t.\t.\t.\n",
    "people.vcf": f"{VCF}\tFORMAT\tNA1\tNA2\none\t1\t.\tG\tA\t.\t.\t.\tGT\t0|1\t1|0\n",
    "unphased.vcf": f"{PERSON}one\t1\t.\tG\tA\t.\t.\t.\tGT\t0/1\n",
    "ungenotyped.vcf": PERSON.replace(FORMAT, FORMAT.replace("GT", "DP")),
    "apart.vcf": f"{PERSON}chrUn\t1\t.\tG\tA\t.\t.\t.\tGT\t0|1\n",
    "triploid.vcf": f"{PERSON}one\t1\t.\tG\tA\t.\t.\t.\tGT\t0|1|1\n",
    "alien.vcf": PERSON + "".join(f"one\t{at}\t.\tC\tA\t.\t.\t.\tGT\t0|1\n" for at in range(100, 200, 3)),
    "damaged.vcf": f"{PERSON}one\tx\t.\tG\n",
}
"""Variants with genotypes."""
MOTIFS = {
    "motifs": (SYNTHETIC / "synthetic.motifs").read_text(),
    "pairs.tsv": (SYNTHETIC / "synthetic.factors.tsv").read_text(),
}


def make_files(folder: Path) -> None:
    """Write the good and the bad files that the commands name."""
    (folder / "folder").mkdir()
    (folder / "folder/x").touch()
    (folder / "empty").touch()
    os.mkfifo(folder / "pipe")
    for name, text in {**TABLES, **GENOMES, **CONTACTS, **VARIANTS, **VCFS, **MOTIFS}.items():
        (folder / name).write_text(text)
    contents = {
        "binary": bytes(range(256)) * 99,
        "bad.gz": gzip.compress(TABLE.encode())[:40],
        "gzip.fa.gz": gzip.compress(b">a\nACGT\n"),
        "table.xlsx": b"PK\x03\x04aaaa",
        "bad.mat": b"MATLAB 5.0 MAT-file".ljust(126) + b"IM" + bytes(range(50)),
        "gzip.vcf.gz": gzip.compress(VCFS["alien.vcf"].encode())[:-9],
        "pickle.ckpt": b"\x80\x02}.",
    }
    with pysam.BGZFile(str(folder / "v.vcf.gz"), "w") as file:
        file.write(VARIANTS["v.vcf"].encode())
    whole = (folder / "v.vcf.gz").read_bytes()
    contents["cut.vcf.gz"] = whole[: len(whole) // 2]
    contents["end.vcf.gz"] = whole[:-28]  # without the block that marks the end
    for name, content in contents.items():
        (folder / name).write_bytes(content)

    for name, values in {"p": (1, 2), "inf": (np.inf,), "below": (3, -1.5), "log0": (3, -np.inf)}.items():
        records = (("one", start, start + 1, float(value)) for start, value in enumerate(values))
        pybigtools.open(f"{folder}/{name}.bw", "w").write({"one": 300}, records)
    make_maps(folder)
    make_runs(folder)
    make_drawn_runs(folder)
    make_reported_runs(folder)
    make_calibrations(folder)
    make_compared_runs(folder)


def make_runs(folder: Path) -> None:
    """Write a good output folder of `genome`, one with a truncated track, and one of another version."""
    import shutil

    from run_folders import write_fasta, write_sample

    write_sample(folder / "run", "s", folder / "r.fa", write_fasta(folder / "r.fa"))
    shutil.copytree(folder / "run", folder / "cut_run")
    (folder / "cut_run/s.CTCF.bw").write_bytes((folder / "run/s.CTCF.bw").read_bytes()[:-9])
    shutil.copytree(folder / "run", folder / "other_run")
    (folder / "other_run/s.run.json").write_text("{}")


def make_drawn_runs(folder: Path) -> None:
    """Write output folders: one of a good run, others with a file that is missing, and of a known assembly."""
    from chosen_runs import write_run

    tracks: dict[str, dict[str, list[float]]] = {"DNase": {"one": [1.0] * 9}, "CTCF": {"one": [0.5] * 9}}
    for name in ("drawn_run", "broken_run"):
        write_run(folder / name, "a", tracks, lengths={"one": 2000}, regions=["one:1-1152"])
    (folder / "broken_run/a.CTCF.bw").unlink()
    write_run(folder / "hg38_run", "a", tracks, lengths={"one": 2000}, genome={"assembly": "hg38"})
    (folder / "hub").mkdir()
    (folder / "hub/hub.txt").write_text("hub theirs\n")
    (folder / "outside.bed").write_text("one\t1500\t1600\n")


def make_reported_runs(folder: Path) -> None:
    """Write finished runs, good and bad, and an evaluation of another one."""
    from valued_runs import write_run

    def run(name: str, sample: str = "liver", signal: float = 1.0, **more: Any) -> Path:  # noqa: ANN401 - of a record
        values = {sample: {"DNase": {"one": np.full(50, signal), "two": np.full(5, np.nan)}}}
        selection = {sample: {"one": [[0, 50]]}}
        return Path(write_run(folder / name, values, {"one": 6400, "two": 640}, selection=selection, **more))

    run("reported_run")
    (run("run_without_track") / "liver.DNase.bw").unlink()
    with (run("run_of_another_size") / "liver.DNase.bw").open("ab") as file:
        file.write(b"more")
    path = run("run_of_damage") / "liver.DNase.bw"
    path.write_bytes(bytes(path.stat().st_size))
    run("run_of_two_spaces")
    run("run_of_two_spaces", "lung", space="linear")
    run("run_of_no_bins", inputs={})
    run("run_of_large_signal", signal=1e3)
    (run("run_with_peaks") / "liver.DNase.narrowPeak").write_text("one\t0\t128\n")
    (folder / "interrupted").mkdir()
    (folder / "interrupted/.liver.journal").touch()
    (folder / "folder_with_page").mkdir()
    (folder / "folder_with_page/report.html").write_text("mine")
    columns = "sample\ttrack\tpart\tbins\tbins_in_peaks\tpredictor\tpearson_log1p\tspearman\tpartial_pearson"
    (folder / "without_data.bed").write_text("two\t0\t640\n")
    (folder / "bed.tsv").write_text("one\t0\t640\n")
    (folder / "long_name.bed").write_text(f"one\t0\t640\t{'x' * 2000}\n")
    (folder / "folder.tsv").mkdir()
    (folder / "of_another.tsv").write_text(columns + "\nheart\tDNase\tall\t9\t\tprediction\t1\t1\t\n")


def make_calibrations(folder: Path) -> None:
    """Write calibrations of another model: of DNase, of another track, and with a threshold that all bins reach."""
    from epigept_batch.calibration.calibration_file import Series, TrackCalibration, write_calibration
    from epigept_batch.calibration.curves import Curve, Reliability

    def calibration(name: str, track: str, in_peaks: int) -> None:
        curve = Curve(np.array([0.0, 1.0]), np.array([900, 300]), np.array([in_peaks, 200]))
        series = Series(curve, Reliability(np.array([0.0]), np.array([900]), np.array([in_peaks])), 0.5)
        tracks = {track: TrackCalibration(series, None, None, {})}
        write_calibration(
            folder / name, tracks, model="0" * 64, samples=["heart"], contigs=["one"], bin_bp=128, account={}
        )

    calibration("calibration.json", "DNase", 300)
    calibration("of_ctcf.json", "CTCF", 300)
    calibration("of_all_bins.json", "DNase", 900)


def make_compared_runs(folder: Path) -> None:
    """Write finished runs of several samples, training cells with their means, and what is not such a mean."""
    from click.testing import CliRunner

    from chosen_runs import write_bigwig
    from epigept_batch.cli.main import cli
    from valued_runs import write_run

    values = {name: {"DNase": {"one": np.full(5, 1.0)}, "CTCF": {"one": np.full(5, 0.5)}} for name in ("a1", "b1")}
    write_run(folder / "compared_run", {**values, "a2": values["a1"], "b2": values["b1"]}, {"one": 640})
    for sample, model in (("a1", "one"), ("b1", "other")):
        write_run(folder / "models_run", {sample: values[sample]}, {"one": 640}, inputs={"model": model})
    (folder / "cells").mkdir()
    for cell in ("K562", "H1"):
        for track in ("DNase", "CTCF"):
            write_bigwig(folder / f"cells/{cell}.{track}.bw", {"one": [1.0] * 5}, {"one": 640})
        write_bigwig(folder / f"lengths.{cell}.DNase.bw", {"one": [1.0]}, {"one": 600 + len(cell)})
        write_bigwig(folder / f"empty.{cell}.DNase.bw", {}, {"one": 640})
    write_bigwig(folder / "below.K562.DNase.bw", {"one": [-1.0]}, {"one": 640})
    (folder / "binary.K562.DNase.bw").write_bytes(bytes(99))
    for out, bin_bp in (("kept", "128"), ("of_other_bins", "64")):
        words = ["mean", "--training", f"{folder}/cells/{{cell}}.{{track}}.bw", "--bin", bin_bp]
        CliRunner().invoke(cli, [*words, "--out", f"{folder}/{out}", "--quiet"], catch_exceptions=False)
    for out, name in (("foreign_mean", "mean.DNase.bw"), ("foreign_out", "a1-minus-b1.DNase.bw")):
        (folder / out).mkdir()
        (folder / out / name).write_text("mine")
    (folder / "regions.bed").write_text("one\t0\t640\n")


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
    make_calibrated_runs(folder)


def make_calibrated_runs(folder: Path) -> None:
    """Write runs of the model on a held-out and on a training cell, peaks, and calibrations that cannot be used."""
    from valued_runs import write_run

    model = hashlib.sha256((folder / "m.onnx").read_bytes()).hexdigest()
    inputs = {"model": model, "selection of bins": {"one": [[0, 50]]}}
    for name, sample in (("calibrated_run", "liver"), ("trained_run", "a")):
        values = {sample: {"DNase": {"one": np.linspace(0, 3, 50), "two": np.full(5, np.nan)}}}
        write_run(folder / name, values, {"one": 6400, "two": 640}, inputs=inputs)
    beds = {"near": "one\t5000\t6400\n", "nowhere": "nine\t1\t9\n", "whole": "one\t0\t6400\n", "last": "two\t9\t99\n"}
    for name, lines in beds.items():
        (folder / f"{name}.bed").write_text(lines)
    records = iter([("nine", 0, 100, 1.0)])
    pybigtools.open(f"{folder}/elsewhere.bw", "w").write({"nine": 300}, records)
    head = {"format": "epigept-batch calibration", "format_version": 1}
    (folder / "later.json").write_text(json.dumps({**head, "format_version": 2}))
    (folder / "edited.json").write_text(json.dumps({**head, "tracks": {"DNase": {"prediction": 7}}, "samples": ["a"]}))

"""Write output folders as `genome` and `contacts` leave them, with values that a test chooses."""

import json
import math

import pyBigWig

from contact_files import write_cool

LENGTHS = {"chr1": 100_000, "chr2": 12_345}
BIN_BP = 128


def write_bigwig(path, values, lengths, bin_bp=BIN_BP):
    """Write a bigWig of the values of bins by contig; NaN is absent. The header has all contigs."""
    file = pyBigWig.open(str(path), "w")
    file.addHeader(list(lengths.items()))
    for contig, bins in values.items():
        numbers = [number for number, value in enumerate(bins) if not math.isnan(value)]
        if numbers:
            file.addEntries(
                [contig] * len(numbers),
                [number * bin_bp for number in numbers],
                ends=[min((number + 1) * bin_bp, lengths[contig]) for number in numbers],
                values=[float(bins[number]) for number in numbers],
            )
    file.close()


def write_run(folder, sample, tracks, *, lengths=LENGTHS, regions=None, bin_bp=BIN_BP, **others):
    """Write the tracks of a sample, by label, and their record."""
    folder.mkdir(exist_ok=True)
    files = {}
    for label, values in tracks.items():
        path = folder / f"{sample}.{label}.bw"
        write_bigwig(path, values, lengths, bin_bp)
        files[path.name] = path.stat().st_size
    record = {
        "sample": sample,
        "inputs": {"genome": {contig: f"md5 of {contig}" for contig in lengths}},
        "files": files,
        "space": "log1p",
        "regions": regions or [f"{contig}:1-{length}" for contig, length in lengths.items()],
        "paths": {"model": "/home/someone/model.onnx", "fasta": "/home/someone/g.fa", "expression": "/home/secret.tsv"},
        "sha256": {"model": "ab" * 32},
        "factors": {"found": 3, "missing": ["GATA1"]},
        **others,
    }
    (folder / f"{sample}.run.json").write_text(json.dumps(record))


def write_map(folder, sample, pixels, *, lengths=LENGTHS, bin_bp=1024, values="observed/expected", window_bp=20_480):
    """Write a contact map of pixels (bin, bin, value), counted over the genome, and its record."""
    folder.mkdir(exist_ok=True)
    about = {"values": values, "window_bp": window_bp}
    write_cool(folder / f"{sample}.contacts.cool", lengths, bin_bp, pixels, metadata={"epigept-batch": about})
    for ending in ("bedpe", "interact"):
        (folder / f"{sample}.contacts.{ending}").write_text(f"# {sample}\n")
    files = {path.name: path.stat().st_size for path in folder.glob(f"{sample}.contacts.*")}
    record = {
        "sample": sample,
        "inputs": {"genome": {contig: f"md5 of {contig}" for contig in lengths}},
        "files": files,
        "regions": [f"{contig}:1-{length}" for contig, length in lengths.items()],
    }
    (folder / f"{sample}.contacts.json").write_text(json.dumps(record))

"""Output folders of finished runs with known values, written without the program."""

import hashlib
import json

import numpy as np
import pybigtools

BIN_BP = 128
CONTIGS = {"one": 20_000, "two": 700}
MARKS = ("DNase", "CTCF")


def bases(contigs, seed=3):
    rng = np.random.default_rng(seed)
    return {name: "".join(rng.choice(list("ACGT"), length)) for name, length in contigs.items()}


def write_fasta(path, contigs=None, seed=3):
    """Write random sequence; return it by contig."""
    sequence = bases(contigs or CONTIGS, seed)
    path.write_text("".join(f">{name}\n{text}\n" for name, text in sequence.items()))
    return sequence


def signal(sample, label, contig, length):
    """The values of the bins, float32; those of a difference have both signs."""
    seed = int.from_bytes(hashlib.sha256(f"{sample}/{label}/{contig}".encode()).digest()[:4], "big")
    values = np.random.default_rng(seed).gamma(1, 0.5, -(-length // BIN_BP)).astype(np.float32)
    return values - 1 if label.endswith(".difference") else values


def write_bigwig(path, of, contigs, transform=lambda values: values):
    """Write a bigWig of the values `of(contig, length)` by bin; NaN is no data."""
    records = (
        (name, n * BIN_BP, min((n + 1) * BIN_BP, length), float(value))
        for name, length in contigs.items()
        for n, value in enumerate(transform(of(name, length)))
        if not np.isnan(value)
    )
    pybigtools.open(str(path), "w").write(contigs, records)


def statistics(values):
    quantiles = {str(q): float(np.quantile(values, q)) for q in (0.001, 0.01, 0.5, 0.99, 0.999)}
    figures = {"mean": float(values.mean()), "min": float(values.min()), "max": float(values.max())}
    return {"bins": len(values), **figures, "quantiles": quantiles}


def write_sample(folder, sample, fasta, sequence, *, marks=MARKS, contigs=None, space="log1p", **more):
    """Write bigWigs and the record of a sample."""
    contigs = contigs or CONTIGS
    folder.mkdir(exist_ok=True)
    files, figures = {}, {}
    for label in marks:
        path = folder / f"{sample}.{label}.bw"
        write_bigwig(path, lambda name, length, label=label: signal(sample, label, name, length), contigs)
        files[path.name] = path.stat().st_size
        every = [signal(sample, label, name, length) for name, length in contigs.items()]
        figures[label] = statistics(np.concatenate(every))
    record = {
        "sample": sample,
        "finished": "2026-01-02T03:04:05+00:00",
        "versions": {"epigept-batch": "0.0.1"},
        "paths": {"model": "/models/small.onnx", "fasta": str(fasta), "expression": "/tables/t.tsv"},
        "inputs": {
            "genome": {
                name: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for name, text in sequence.items()
            }
        },
        "genome": {"assembly": None},
        "factors": {"found": 14, "missing": ["F03"]},
        "expression": {"notes": ["values look rounded"]},
        "space": space,
        "regions": [f"{name}:1-{length}" for name, length in contigs.items()],
        "bins": sum(-(-length // BIN_BP) for length in contigs.values()),
        "statistics": figures,
        "files": files,
        **more,
    }
    (folder / f"{sample}.run.json").write_text(json.dumps(record))


def write_run(folder, samples=("a", "b"), **options):
    """Write `genome.fa` beside the folder, and the samples into it."""
    fasta = folder.parent / "genome.fa"
    sequence = write_fasta(fasta, options.get("contigs"))
    for sample in samples:
        write_sample(folder, sample, fasta, sequence, **options)
    return folder

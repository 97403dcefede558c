"""Read expression tables: each real file and each format, how much methods differ, and a large matrix.

    python benchmarks/expression.py --data ../shared/data

Prints Markdown. Needs the [test] extra, and real data as in the project's tests.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
from golden import ROOT

from epigept_batch.commands.expression import ExpressionRequest, run_expression
from epigept_batch.commands.genome.request import GenomeRequest
from epigept_batch.commands.genome.run import genome_task
from epigept_batch.commands.run.plan import make_plan
from epigept_batch.expression.gene_ids import published_factors
from epigept_batch.expression.request import SampleRequest
from epigept_batch.expression.samples import SampleExpression, read_samples
from epigept_batch.expression.vector import network_expression
from epigept_batch.inference.model_file import read_spec
from epigept_export.convert import read_expression_reference
from machine import measured, processor

sys.path.insert(0, str(ROOT / "tests"))
import quantifications

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from epigept_batch.spec import ExpressionReference

FACTORS = published_factors()
REAL = (
    "encode_rsem.tsv.gz",
    "rsem_ensembl.genes.results.gz",
    "rsem_symbols.genes.results.gz",
    "kallisto.abundance.tsv.gz",
    "salmon.quant.sf.gz",
    "rnaseqc.gene_tpm.gct.gz",
)
SAME_READS = ("kallisto.abundance.tsv.gz", "salmon.quant.sf.gz")
GENES, SAMPLES = 56_200, 1_000
HEADER = "| | format | rows | sum | values | factors found | by alias | missing | nearest cell, r |"
PANDAS = "import pandas, sys; pandas.read_csv(sys.argv[1], sep='\\t', skiprows=2, index_col=[0, 1])"


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    parser.add_argument("--speed", action="store_true", help="only the large matrix and the scaling, without real data")
    options = parser.parse_args()
    print(f"{processor()}; polars {pl.__version__}, pandas {pd.__version__}\n", flush=True)
    if options.speed:
        with tempfile.TemporaryDirectory() as temporary:
            large_matrix(Path(temporary))
            growth(Path(temporary))
        return
    reference = read_expression_reference(options.data / "expression/reference_expression.tsv", FACTORS)
    with tempfile.TemporaryDirectory() as temporary:
        real_files(options.data / "expression", reference)
        formats(options.data / "expression", reference, Path(temporary))
        large_matrix(Path(temporary))
        growth(Path(temporary))


def read(path: Path, reference: ExpressionReference, **options: object) -> SampleExpression:
    """Return the one sample of a table."""
    (sample,) = read_samples(SampleRequest(((None, path),), **options), FACTORS, reference)  # type: ignore[arg-type]
    return sample


def vector(sample: SampleExpression, reference: ExpressionReference) -> NDArray[np.float32]:
    """Return what the network reads of a sample."""
    return network_expression(sample.tpm.by_factor, reference.distribution)


def row(name: str, sample: SampleExpression) -> Iterator[str]:
    """Yield the cells of a sample's row."""
    account = sample.account()
    table, factors, nearest = account["tables"][0], account["factors"], account["nearest_cell"]
    yield name
    yield table["format"]
    yield f"{table['rows']:,} {table['level']}"
    yield f"{table['sum']:,.0f}"
    yield table["verdict"]
    yield str(factors["found"])
    yield str(factors["by_alias"])
    yield ", ".join(factors["missing"]) or "none"
    yield f"{nearest['cell']}, {nearest['r']:.3f}"


def real_files(folder: Path, reference: ExpressionReference) -> None:
    """Print what each real file contains, and how much methods differ on the same reads."""
    print(HEADER + " seconds |\n|---|---|---|---|---|---|---|---|---|---|")
    samples = {}
    for name in REAL:
        begun = time.perf_counter()
        samples[name] = read(folder / name, reference, tx2gene=folder / "tx2gene.csv.gz")
        seconds = time.perf_counter() - begun
        print(f"| {' | '.join(row(name, samples[name]))} | {seconds:.2f} |")
    print("\n| ERR188297 against RSEM | max abs difference | mean | Pearson r | Spearman r |\n|---|---|---|---|---|")
    rsem = samples["rsem_symbols.genes.results.gz"]
    for name in SAME_READS:
        print(f"| {name} | {difference(samples[name], rsem, reference)} |")
    print(flush=True)


def difference(sample: SampleExpression, other: SampleExpression, reference: ExpressionReference) -> str:
    """Return the cells that compare the vectors that the network reads of two samples."""
    vectors = pd.DataFrame({"one": vector(sample, reference), "other": vector(other, reference)})
    apart = (vectors["one"] - vectors["other"]).abs()
    r = [vectors.corr(method=method).loc["one", "other"] for method in ("pearson", "spearman")]
    return f"{apart.max():.3g} | {apart.mean():.3g} | {r[0]:.5f} | {r[1]:.5f}"


def formats(folder: Path, reference: ExpressionReference, work: Path) -> None:
    """Write the ENCODE sample in every format, and print how far its vector is from the original's."""
    genes = quantifications.read_encode(folder / "encode_rsem.tsv.gz")
    gtf = quantifications.gtf(genes, work)
    original = read(folder / "encode_rsem.tsv.gz", reference)
    print(HEADER + " max abs difference | mean | Pearson r | Spearman r |\n" + "|---" * 13 + "|")
    for name, write in (quantifications.SAME | quantifications.WITHOUT_TPM).items():
        sample = read(
            write(genes, work),
            reference,
            tx2gene=gtf if name in quantifications.NEEDS_MAP else None,
            samples=(quantifications.SAMPLE,) if name in quantifications.OF_MATRIX else (),
            group_by="kind" if name == "AnnData" else None,
        )
        print(f"| {' | '.join(row(name.replace('|', ', '), sample))} | {difference(sample, original, reference)} |")
    print(flush=True)


def large_matrix(work: Path) -> None:
    """Print seconds and memory for a matrix of the size of GTEx: the installed command, and pandas on the same file."""
    path = work / "gtex.gct"
    write_matrix(path)
    script = Path(sys.executable).parent / "epigept-batch"
    print(f"{GENES:,} genes × {SAMPLES:,} samples, {path.stat().st_size / 1e6:.0f} MB\n")
    print("| command | seconds | ratio to pandas | peak memory, GB |\n|---|---|---|---|")
    commands: dict[str, list[str | Path]] = {
        "pandas.read_csv": [sys.executable, "-c", PANDAS, path],
        "`epigept-batch expression`, every sample": [script, "expression", "--tpm", path],
        "`epigept-batch expression --sample S500`": [script, "expression", "--tpm", path, "--sample", "S500"],
    }
    of_pandas = None
    for name, command in commands.items():
        seconds, peak = measured(command)
        of_pandas = of_pandas or seconds
        print(f"| {name} | {seconds:.1f} | {seconds / of_pandas:.2f} | {peak / 1e9:.2f} |", flush=True)
    print()


def growth(work: Path) -> None:
    """Print the processor time of many samples apart from reading their values, with the network of the demo."""
    rng = np.random.default_rng(2)
    fasta, model = work / "genome.fa", ROOT / "epigept_batch/demo/model.onnx"
    spec = read_spec(model)
    fasta.write_text(">chr1\n" + "".join(rng.choice(list("ACGT"), 100_000)) + "\n")
    print(f"{len(spec.factors)} genes, the factors of the demo's network; seconds of processor time\n")
    print("| samples | `expression` | per sample, ms | start of `genome` | per sample, ms |\n|---|---|---|---|---|")
    for samples in (10, 100, 1_000):
        table = work / f"{samples}.tsv"
        values = pd.DataFrame(rng.gamma(0.5, 20, (len(spec.factors), samples)).round(3), index=spec.factors)
        values.columns = [f"S{number}" for number in range(samples)]
        values.to_csv(table, sep="\t", index_label="gene")
        wanted = SampleRequest(((None, table),))
        report = spent(lambda wanted=wanted: run_expression(ExpressionRequest(wanted, model=model)))
        request = GenomeRequest(samples=wanted, fasta=fasta, model=model, out=work / "out")
        plan = spent(lambda request=request: make_plan(request, partial(genome_task, request)))
        cells = (f"{seconds:.2f} | {seconds / samples * 1e3:.2f}" for seconds in (report, plan))
        print(f"| {samples:,} | {' | '.join(cells)} |", flush=True)


def spent(work: Callable[[], object]) -> float:
    """Return the seconds of processor time that something takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def write_matrix(path: Path) -> None:
    """Write generated TPM with the decimals that GTEx uses."""
    rng = np.random.default_rng(1)
    ids = [ensembl for ensembl, _ in quantifications.published_ids()]
    ids += [f"ENSG9{number:010d}" for number in range(GENES - len(ids))]
    level = rng.gamma(0.15, 120, GENES)
    with path.open("w") as stream:
        names = "\t".join(f"S{number}" for number in range(SAMPLES))
        stream.write(f"#1.2\n{GENES}\t{SAMPLES}\nName\tDescription\t{names}\n")
        for name, mean in zip(ids, level, strict=True):
            values = "\t".join(f"{value:.4g}" for value in mean * rng.gamma(2, 0.5, SAMPLES))
            stream.write(f"{name}.1\t{name}\t{values}\n")


if __name__ == "__main__":
    main()

"""The genes of one sample, written in the format of every program.

As a script, `python tests/quantifications.py TABLE FOLDER` writes the ENCODE table TABLE in every format.
"""

from __future__ import annotations

import gzip
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

FACTOR_IDS = "epigept_batch.expression.gene_ids"
SAMPLE = "sample"
OTHER = "other"


@dataclass(frozen=True)
class Genes:
    """Quantified genes.

    Attributes:
        ids: Ensembl ids with version, including _PAR_Y.
        symbols: Current symbols.
        lengths: Lengths in bp.
        tpm: float64, (genes,).
    """

    ids: tuple[str, ...]
    symbols: tuple[str, ...]
    lengths: np.ndarray
    tpm: np.ndarray

    def columns(self, **others):
        return pl.DataFrame({"id": self.ids, "symbol": self.symbols, "length": self.lengths, "tpm": self.tpm, **others})


def published_ids():
    """Return Ensembl id and symbol of the 711 factors."""
    from epigept_batch.expression.gene_ids import _factor_ids

    return [(row["ensembl_id"], row["symbol"]) for row in _factor_ids()]


def generate_genes(number=17_000, seed=3):
    """Return genes of a whole annotation, with the factors shuffled in, and with the ties and zeros of two decimals."""
    rng = np.random.default_rng(seed)
    ids = [(f"{ensembl}.{rng.integers(1, 20)}", symbol) for ensembl, symbol in published_ids()]
    ids += [(f"ENSG9{n:010d}.1", f"GENE{n}") for n in range(number - len(ids) - 1)]
    ids = [ids[n] for n in rng.permutation(len(ids))]
    copy = next(gene for gene in ids if gene[1] == "ZBED1")
    ids.append((f"{copy[0]}_PAR_Y", "ZBED1"))
    tpm = rng.gamma(0.2, 1, number) * (rng.random(number) < 0.6)
    tpm = (tpm / tpm.sum() * 1e6).round(2)
    return Genes(tuple(i for i, _ in ids), tuple(s for _, s in ids), rng.integers(200, 9000, number), tpm)


def read_encode(path):
    """Return the genes of the ENCODE table, including tRNA and spike-ins, which have no Ensembl id."""
    table = pl.read_csv(path, separator="\t", infer_schema=False)
    symbols = dict(published_ids())
    ids = table["gene_id"].to_list()
    return Genes(
        ids=tuple(ids),
        symbols=tuple(symbols.get(name.split(".")[0], f"gene{n}") for n, name in enumerate(ids)),
        lengths=np.maximum(table["length"].cast(pl.Float64).to_numpy(), 1).round().astype(int),
        tpm=table["TPM"].cast(pl.Float64).to_numpy(),
    )


def _write(frame, path, *, header=None, separator="\t", before="", quote="never"):
    text = frame.rename(dict(zip(frame.columns, header, strict=True)) if header else {}).write_csv(
        separator=separator, quote_style=quote
    )
    content = (before + text).encode()
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


def _transcripts(genes):
    """Split each gene into one to three transcripts (ENST…) whose TPM add up exactly; keep the gene's copy on Y."""
    parts = [(1.0,), (0.5, 0.5), (0.25, 0.5, 0.25)]
    rows = []
    for number, (gene, symbol, length, tpm) in enumerate(genes.columns().iter_rows()):
        for part, share in enumerate(parts[number % 3]):
            copy = "_PAR_Y" if gene.endswith("_PAR_Y") else ""
            rows.append((f"ENST{number:08d}00{part}.2{copy}", gene, symbol, length, tpm * share))
    return pl.DataFrame(rows, schema=["transcript", "gene", "symbol", "length", "tpm"], orient="row")


def rsem(genes, folder):
    frame = genes.columns(
        transcripts=[f"ENST{n:011d}" for n in range(len(genes.ids))],
        effective=genes.lengths - 100.5,
        count=genes.tpm * 7,
    ).select("id", "transcripts", "length", "effective", "count", "tpm", fpkm=pl.col("tpm") * 0.6)
    header = ["gene_id", "transcript_id(s)", "length", "effective_length", "expected_count", "TPM", "FPKM"]
    return _write(frame, folder / "rsem.genes.results", header=header)


def rsem_isoforms(genes, folder):
    columns = ("transcript", "gene", "length", pl.col("length").alias("e"), pl.lit(9).alias("count"), "tpm")
    frame = _transcripts(genes).select(*columns)
    header = ["transcript_id", "gene_id", "length", "effective_length", "expected_count", "TPM"]
    return _write(frame, folder / "rsem.isoforms.results.gz", header=header)


SALMON = ["Name", "Length", "EffectiveLength", "TPM", "NumReads"]


def salmon_genes(genes, folder):
    frame = genes.columns().select("id", "length", pl.col("length").alias("e"), "tpm", pl.lit(3.5).alias("n"))
    return _write(frame, folder / "quant.genes.sf", header=SALMON)


def salmon(genes, folder):
    frame = _transcripts(genes).select("transcript", "length", pl.col("length").alias("e"), "tpm", pl.lit(1).alias("n"))
    return _write(frame, folder / "quant.sf", header=SALMON)


KALLISTO = ["target_id", "length", "eff_length", "est_counts", "tpm"]


def kallisto_gencode(genes, folder):
    name = pl.format(
        "{}|{}|OTTHUMG1|OTTHUMT1|{}-201|{}|{}|protein_coding|", *["transcript", "gene", "symbol", "symbol", "length"]
    )
    frame = _transcripts(genes).select(
        name.alias("t"), "length", pl.col("length").alias("e"), pl.lit(1).alias("n"), "tpm"
    )
    return _write(frame, folder / "abundance.tsv", header=KALLISTO)


def kallisto(genes, folder):
    frame = _transcripts(genes).select("transcript", "length", pl.col("length").alias("e"), pl.lit(1).alias("n"), "tpm")
    return _write(frame, folder / "kallisto.tsv.gz", header=KALLISTO)


def stringtie(genes, folder):
    frame = genes.columns().select(
        *("id", "symbol", pl.lit("chr1").alias("r"), pl.lit("+").alias("s"), pl.lit(1).alias("a"), "length"),
        *(pl.lit(2.5).alias("c"), (pl.col("tpm") * 0.6).alias("f"), "tpm"),
    )
    header = ["Gene ID", "Gene Name", "Reference", "Strand", "Start", "End", "Coverage", "FPKM", "TPM"]
    return _write(frame, folder / "gene_abund.tab", header=header)


def gct_1_2(genes, folder):
    before = f"#1.2\n{len(genes.ids)}\t2\n"
    frame = genes.columns().select("id", "symbol", "tpm", (pl.col("tpm") * 2).alias("o"))
    return _write(frame, folder / "matrix.gct", header=["Name", "Description", SAMPLE, OTHER], before=before)


def gct_1_3(genes, folder):
    before = (
        f"#1.3\n{len(genes.ids)}\t2\t1\t2\nid\tsymbol\t{SAMPLE}\t{OTHER}\ntissue\tna\tliver\tlung\nage\tna\t50\t60\n"
    )
    frame = genes.columns().select("id", "symbol", "tpm", (pl.col("tpm") * 2).alias("o"))
    text = frame.write_csv(separator="\t", include_header=False)
    path = folder / "annotated.gct"
    path.write_text(before + text)
    return path


def matrix_tsv(genes, folder):
    frame = genes.columns().select("id", "symbol", (pl.col("tpm") * 2).alias("o"), "tpm")
    return _write(frame, folder / "matrix.tsv", header=["gene_id", "gene_name", OTHER, SAMPLE])


def matrix_csv(genes, folder):
    frame = genes.columns().select("symbol", "tpm", (pl.col("tpm") * 2).alias("o"))
    return _write(frame, folder / "matrix.csv.gz", header=["", SAMPLE, OTHER], separator=",", quote="non_numeric")


def matrix_of_r(genes, folder):
    """Write a matrix as R's write.table does: quoted, with a header that has no name for the row names."""
    frame = genes.columns().select("id", "tpm", (pl.col("tpm") * 2).alias("o"))
    text = frame.write_csv(separator="\t", include_header=False, quote_style="non_numeric")
    path = folder / "r.txt"
    path.write_text(f'"{SAMPLE}"\t"{OTHER}"\n{text}')
    return path


def two_columns(genes, folder):
    return _write(genes.columns().select("id", "tpm"), folder / "two.tsv", header=["gene", "TPM"])


def two_columns_csv(genes, folder):
    """Write Windows line ends and a byte order mark."""
    text = genes.columns().select("symbol", "tpm").write_csv(include_header=False, line_terminator="\r\n")
    path = folder / "two.csv"
    path.write_bytes(b"\xef\xbb\xbfgene,value\r\n" + text.encode())
    return path


def bars(genes, folder):
    frame = genes.columns().select(pl.format("{}|{}", "id", "symbol"), "tpm")
    return _write(frame, folder / "bars.tsv", header=["gene", "TPM"])


def underscores(genes, folder):
    frame = genes.columns().select(pl.format("{}_{}", "symbol", "id"), "tpm")
    return _write(frame, folder / "underscores.tsv", header=["gene", "TPM"])


def old_symbols(genes, folder):
    """Write former symbols."""
    old = {"BMAL1": "ARNTL", "BMAL2": "ARNTL2", "TBXT": "T", "POU5F1": "OTF3", "KLF14": "BTEB5"}
    frame = genes.columns().select(pl.col("symbol").replace(old), "tpm")
    return _write(frame, folder / "old.tsv", header=["gene", "TPM"])


def cufflinks(genes, folder):
    """Write FPKM, which are TPM times a factor per sample. It is a power of two, so that ties stay ties."""
    frame = genes.columns().select("id", "symbol", pl.lit("chr1:1-2").alias("l"), "length", pl.col("tpm") * 0.5)
    header = ["tracking_id", "gene_short_name", "locus", "length", "FPKM"]
    return _write(frame, folder / "genes.fpkm_tracking", header=header)


def _counts(genes, reads=3e7):
    rate = genes.tpm * genes.lengths
    return (rate / rate.sum() * reads).round().astype(int)


def feature_counts(genes, folder):
    frame = genes.columns(count=_counts(genes)).select(
        *("id", pl.lit("chr1;chr1").alias("c"), pl.lit("1;50").alias("s"), pl.lit("9;90").alias("e")),
        *(pl.lit("+;+").alias("t"), "length", "count", (pl.col("count") * 2).alias("o")),
    )
    header = ["Geneid", "Chr", "Start", "End", "Strand", "Length", f"bams/{SAMPLE}.bam", f"bams/{OTHER}.bam"]
    before = '# Program:featureCounts v2.0.6; Command:"featureCounts" "-a" "genes.gtf"\n'
    return _write(frame, folder / "counts.txt", header=header, before=before)


def h5ad(genes, folder, cells=40, layer="counts"):
    """Write UMIs of two kinds of cells, drawn from the genes' TPM: normalised in X and raw in a layer."""
    import anndata
    import scipy.sparse

    rng = np.random.default_rng(8)
    share = genes.tpm / genes.tpm.sum()
    counts = rng.poisson(share * 50_000, (cells, len(share)))
    counts[cells // 2 :] = rng.poisson(share[::-1] * 50_000, (cells - cells // 2, len(share)))
    stored = scipy.sparse.csr_matrix(counts.astype(np.float32))
    data = anndata.AnnData(
        X=stored.log1p(),
        layers={layer: stored},
        obs={"kind": [SAMPLE] * (cells // 2) + [OTHER] * (cells - cells // 2)},
        var={"gene_ids": [name.split(".")[0] for name in genes.ids]},
    )
    data.obs_names = [f"cell{n}" for n in range(cells)]
    data.var_names = [f"{symbol}-{n}" if symbol == "ZBED1" else symbol for n, symbol in enumerate(genes.symbols)]
    path = folder / "cells.h5ad"
    data.write_h5ad(path)
    return path


def gtf(genes, folder):
    """Write the genes of transcripts as in GENCODE's GTF, without the versions of the transcripts."""
    rows = [
        f'chr1\tHAVANA\ttranscript\t1\t9\t.\t+\t.\tgene_id "{gene}"; transcript_id "{transcript.replace(".2", "")}"; '
        f'gene_name "{symbol}";\n'
        for transcript, gene, symbol, _, _ in _transcripts(genes).iter_rows()
    ]
    path = folder / "genes.gtf.gz"
    path.write_bytes(gzip.compress(("#!genome-build GRCh38\n" + "".join(rows)).encode(), 1))
    return path


SAME = {
    "RSEM": rsem,
    "RSEM isoforms": rsem_isoforms,
    "salmon quant.genes.sf": salmon_genes,
    "salmon quant.sf, GTF": salmon,
    "kallisto, GENCODE": kallisto_gencode,
    "kallisto, GTF": kallisto,
    "StringTie": stringtie,
    "GCT 1.2": gct_1_2,
    "GCT 1.3": gct_1_3,
    "matrix, TSV": matrix_tsv,
    "matrix, CSV": matrix_csv,
    "matrix of R": matrix_of_r,
    "two columns, TSV": two_columns,
    "two columns, CSV": two_columns_csv,
    "ENSG|SYMBOL": bars,
    "SYMBOL_ENSG": underscores,
    "old symbols": old_symbols,
    "cufflinks FPKM": cufflinks,
}
"""Writers of the same TPM, in every format that carries TPM."""
WITHOUT_TPM = {"featureCounts": feature_counts, "AnnData": h5ad}
"""Writers of counts. The TPM from these can only come close to the sample's own."""
NEEDS_MAP = {"salmon quant.sf, GTF", "kallisto, GTF"}
OF_MATRIX = {"GCT 1.2", "GCT 1.3", "matrix, TSV", "matrix, CSV", "matrix of R", "featureCounts", "AnnData"}
"""Formats with a second sample."""

if __name__ == "__main__":
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for write in (gtf, *SAME.values(), *WITHOUT_TPM.values()):
        print(write(read_encode(Path(sys.argv[1])), folder))

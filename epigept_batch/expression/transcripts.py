"""Which gene each transcript belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from epigept_batch.errors import InputError
from epigept_batch.expression.gene_ids import TRANSCRIPT, are_transcripts
from epigept_batch.expression.tables import LINE, open_table

if TYPE_CHECKING:
    from pathlib import Path

    from epigept_batch.expression.tables import TextTable

ANNOTATION_COLUMNS, ATTRIBUTES = 9, "8"  # of GTF and GFF
GTF_TRANSCRIPT = r'transcript_id "([^"]+)"'
GTF_GENE = r'gene_id "([^"]+)"'
GFF_TRANSCRIPT = (r"(?:^|;)\s*transcript_id=([^;]+)", r"(?:^|;)\s*ID=(?:transcript[:-]|rna-)([^;]+)")
GFF_GENE = (r"(?:^|;)\s*gene_id=([^;]+)", r"(?:^|;)\s*gene=([^;]+)", r"(?:^|;)\s*Parent=gene[:-]([^;]+)")
TRANSCRIPT_NAMES = r"^(?:tx|transcript|target|ensembl_transcript)"
GENE_NAMES = (r"^(?:gene[ _]?id|ensembl_gene_id|ens_gene|gene stable id)", r"^gene|^symbol|^ext_gene")
VERSION, WITHOUT = r"\.\d+(_PAR_Y)?$", "$1"
FEATURE = r"^(?:rna-|transcript[-:])"
"""What GFF3 of NCBI and Ensembl has before a transcript's name in its ID, by which programs then call it."""
PLACE = r"^(rna-[NX][MR]_\d+(?:\.\d+)?)-(\d+)$"
"""The ID of a further place of a transcript in NCBI's GFF3: rna-NM_000451.4-2 is that on Y."""
GENCODE = r"^(?:ENST[^|]*)\|(ENSG[^|]+)\|"
"""GENCODE's FASTA names a transcript by all its ids: ENST…|ENSG…|OTTHUMG…|OTTHUMT…|CTCF-201|CTCF|3962|…|."""


class TranscriptMap:
    """Genes by transcript, found with or without version."""

    def __init__(self, genes: pl.DataFrame) -> None:
        """Take a table with columns `transcript`, each once, and `gene`."""
        places = genes.with_columns(pl.col("transcript").str.replace(PLACE, "$1").str.replace(FEATURE, ""))
        genes = places.unique(maintain_order=True).unique("transcript", keep="none", maintain_order=True)
        self._exact = genes
        bare = genes.with_columns(pl.col("transcript").str.replace(VERSION, WITHOUT))
        self._bare = bare.unique().unique("transcript", keep="none")

    def genes(self, transcripts: pl.Series) -> pl.Series:
        """The gene of each transcript; null where it has none.

        A transcript at a further place is of the gene's further place, which NCBI's GFF3 calls gene-SHOX-2, so that
        copies on X and Y are not summed.
        """
        names = transcripts.str.replace(r"\|.*", "").str.replace(PLACE, "$1").str.replace(FEATURE, "")
        exact = _looked_up(names, self._exact)
        bare = _looked_up(names.str.replace(VERSION, WITHOUT), self._bare)
        genes = exact.to_frame("exact").select(gene=pl.coalesce("exact", bare)).to_series()
        places = transcripts.str.extract(PLACE, 2)
        if not places.is_not_null().any():
            return genes
        further = pl.concat_str(pl.lit("gene-"), "gene", pl.lit("-"), "place")
        both = pl.DataFrame([genes, places.alias("place")])
        return both.select(pl.when(pl.col("place").is_null()).then("gene").otherwise(further).alias("gene")).to_series()


def _looked_up(names: pl.Series, genes: pl.DataFrame) -> pl.Series:
    return names.replace_strict(genes["transcript"], genes["gene"], default=None, return_dtype=pl.String)


def genes_within(ids: pl.Series) -> pl.Series:
    """The gene that a transcript's id names itself, as GENCODE's do; null where it does not."""
    return ids.str.extract(GENCODE, 1)


def read_transcript_map(path: Path) -> TranscriptMap:
    """Read which gene each transcript belongs to.

    Args:
        path: GTF or GFF3, or a table of transcripts and genes, tab- or comma-separated, with or without a header; plain
            or gzip. In a table, columns go by their names, else by where transcripts stand.

    Raises:
        InputError: It is none of these, or gives a transcript to two genes.
    """
    table = open_table(path, "map of transcripts to genes")
    pairs = _of_annotation(table) if _is_annotation(table) else _of_table(table)
    if pairs.is_empty():
        raise InputError("names no gene of a transcript; give GTF, GFF3 or a table of transcripts and genes", path)
    twice = pairs.filter(pl.col("transcript").is_duplicated()).sort("transcript", "gene")
    if len(twice):
        transcript, first, second = twice["transcript"][0], twice["gene"][0], twice["gene"][1]
        raise InputError(f"gives transcript {transcript} to two genes, {first} and {second}; give each one", path)
    return TranscriptMap(pairs)


def _is_annotation(table: TextTable) -> bool:
    rows = (line for line in table.head if line.strip() and not line.startswith("#"))
    return next(rows, "").count("\t") == ANNOTATION_COLUMNS - 1 and any(
        "transcript_id" in line or "ID=" in line for line in table.head
    )


def _of_annotation(table: TextTable) -> pl.DataFrame:
    """Pairs of GTF or GFF3, from whatever rows name both a transcript and its gene."""
    pairs = []
    for rows in table.batches("\t", ANNOTATION_COLUMNS, skip=0):
        text = pl.col(ATTRIBUTES)
        named = rows.select(
            transcript=pl.coalesce(text.str.extract(p, 1) for p in (GTF_TRANSCRIPT, *GFF_TRANSCRIPT)),
            gene=pl.coalesce(text.str.extract(p, 1) for p in (GTF_GENE, *GFF_GENE)),
        )
        pairs.append(named.drop_nulls().unique(maintain_order=True))
    return pl.concat(pairs).unique(maintain_order=True)


def _of_table(table: TextTable) -> pl.DataFrame:
    """Pairs of a table."""
    separator = "\t" if "\t" in table.head[0] else ","
    header = table.fields(table.head[0], separator)
    if len(header) == 1:
        raise InputError(
            "is neither GTF, GFF3 nor a table of transcripts and genes, tab- or comma-separated", table.path
        )
    frames = list(table.batches(separator, len(header), skip=0))
    rows = pl.concat(frames).drop(LINE).with_columns(pl.all().str.strip_chars())
    transcripts = _named(header, TRANSCRIPT_NAMES)
    if transcripts is None:
        transcripts = next((n for n in range(len(header)) if are_transcripts(rows[:, n])), 0)
    named = (_named(header, pattern, but=transcripts) for pattern in GENE_NAMES)
    gene = next((number for number in named if number is not None), 1 if transcripts == 0 else 0)
    return (
        rows.select(transcript=pl.col(str(transcripts)), gene=pl.col(str(gene)))
        .drop_nulls()
        .unique(maintain_order=True)
    )


def _named(header: list[str], pattern: str, *, but: int | None = None) -> int | None:
    """The first column whose name matches, and no transcript's id does."""
    names = pl.Series(header, dtype=pl.String).str.to_lowercase()
    matches = names.str.contains(pattern) & ~pl.Series(header, dtype=pl.String).str.contains(TRANSCRIPT)
    return next((int(n) for n in matches.arg_true() if n != but), None)

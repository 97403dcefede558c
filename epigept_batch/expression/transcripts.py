"""Find the gene that each transcript belongs to."""

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
"""Prefixes of a transcript's name in the GFF3 IDs of NCBI and Ensembl, which some programs keep."""
PLACE = r"^(rna-[NX][MR]_\d+(?:\.\d+)?)-(\d+)$"
"""The ID of a transcript's further locations in NCBI's GFF3: rna-NM_000451.4-2 is the copy on Y."""
GENCODE = r"^(?:ENST[^|]*)\|(ENSG[^|]+)\|"
"""GENCODE's FASTA names a transcript by all its ids: ENST…|ENSG…|OTTHUMG…|OTTHUMT…|CTCF-201|CTCF|3962|…|."""


class TranscriptMap:
    """The gene of each transcript, found with or without version."""

    def __init__(self, genes: pl.DataFrame) -> None:
        """Use a table with columns `transcript`, each listed once, and `gene`."""
        places = genes.with_columns(pl.col("transcript").str.replace(PLACE, "$1").str.replace(FEATURE, ""))
        genes = places.unique(maintain_order=True).unique("transcript", keep="none", maintain_order=True)
        self._exact = genes
        bare = genes.with_columns(pl.col("transcript").str.replace(VERSION, WITHOUT))
        self._bare = bare.unique().unique("transcript", keep="none")

    def genes(self, transcripts: pl.Series) -> pl.Series:
        """Return the gene of each transcript; null if it has none.

        A transcript at a further location belongs to the gene's further location, gene-SHOX-2 in NCBI's GFF3, so that
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
    """Return the gene contained in a transcript's id, as in GENCODE's; null if there is none."""
    return ids.str.extract(GENCODE, 1)


def read_transcript_map(path: Path) -> TranscriptMap:
    """Read which gene each transcript belongs to.

    Args:
        path: GTF or GFF3, or a table of transcripts and genes, tab- or comma-separated, with or without a header; plain
            or gzip. In a table, columns are recognised by their names, else by which column holds transcripts.

    Raises:
        InputError: The file is none of these, or assigns a transcript to two genes.
    """
    table = open_table(path, "transcript-to-gene map")
    pairs = _of_annotation(table) if _is_annotation(table) else _of_table(table)
    if pairs.is_empty():
        raise InputError("no transcript with a gene; provide a GTF, GFF3 or table of transcripts and genes", path)
    twice = pairs.filter(pl.col("transcript").is_duplicated()).sort("transcript", "gene")
    if len(twice):
        transcript, first, second = twice["transcript"][0], twice["gene"][0], twice["gene"][1]
        raise InputError(f"transcript {transcript} has two genes, {first} and {second}; list only one", path)
    return TranscriptMap(pairs)


def _is_annotation(table: TextTable) -> bool:
    rows = (line for line in table.head if line.strip() and not line.startswith("#"))
    return next(rows, "").count("\t") == ANNOTATION_COLUMNS - 1 and any(
        "transcript_id" in line or "ID=" in line for line in table.head
    )


def _of_annotation(table: TextTable) -> pl.DataFrame:
    """Return the pairs of a GTF or GFF3, from all rows that name both a transcript and its gene."""
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
    """Return the pairs of a table."""
    separator = "\t" if "\t" in table.head[0] else ","
    header = table.fields(table.head[0], separator)
    if len(header) == 1:
        raise InputError("not a GTF, a GFF3 or a tab- or comma-separated table of transcripts and genes", table.path)
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
    """Return the first column whose name matches and is not a transcript id."""
    names = pl.Series(header, dtype=pl.String).str.to_lowercase()
    matches = names.str.contains(pattern) & ~pl.Series(header, dtype=pl.String).str.contains(TRANSCRIPT)
    return next((int(n) for n in matches.arg_true() if n != but), None)

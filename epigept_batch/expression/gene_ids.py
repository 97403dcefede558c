"""Interpret ids in a table: find the factors' ids, and tell what other ids are."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Tiers = tuple[tuple[str, ...], ...]
"""Ids of one factor in order of preference; ids of one tier name the same gene."""
Row = dict[str, str | None]
NAME_COLUMNS = ("factor", "symbol", "previous_symbols", "alias_symbols")
OWN_TIERS = 2
"""Number of first tiers that are the factor's own: its Ensembl id and its name. The others are aliases."""

ENSEMBL = r"(ENSG\d{11})(?:\.\d+)?(?:_PAR_Y)?"
"""A human gene of Ensembl or GENCODE. Copies on Y end in _PAR_Y since release 25. Before, they had ids of their own,
ENSGR…, which the published code does not know: they are not averaged with the copies on X."""
JOINT = r"[\s|_:;,/()\[\]]*"
"""What may stand between the two names of one gene: ENSG00000102974.14|CTCF, CTCF_ENSG00000102974, …"""
BRACKETS = "()[]"
FEATURE = r"(?i)^(?:gene-[^|]+\||gene[-:]|M?STRG\.\d+\|)"
"""Prefixes of a gene's name: in an ID of GFF3 of NCBI and Ensembl (gene-CTCF, gene:ENSG00000102974), and where
scripts join StringTie's id and name (MSTRG.12|CTCF, gene-CTCF|CTCF)."""
NCBI = r"^(?:(?i:GeneID|NCBI(?:[ _]?gene)?|entrez(?:[ _]?(?:gene|id))?|hsa)[ :_-]+)?(\d+)(?:\.0)?$"
"""A gene's NCBI number, alone or with a prefix; pandas writes 10664.0 if the column has gaps."""
WITH_NUMBER = r"^(?:\d+\|)?([^|]*?[^|\s])(?:\||\s*[(\[])\d+[)\]]?$|^\d+\|([^|]+)$"
"""A symbol and a number that cannot be part of it: CTCF|10664 in TCGA, CTCF (10664) in DepMap, 10664|CTCF."""
BETWEEN = r"[\s_:;,./(\[|-]+"
NUMBER_FIRST, NUMBER_LAST = rf"^(\d+){BETWEEN}(.+)$", rf"^(.+?){BETWEEN}(\d+)[)\]. ]*$"
"""The same with separators that symbols contain too: CTCF_10664, 10664_CTCF, and CTCF..10664., R's version of
CTCF (10664). Only the gene's own number is removed: CTCF_2 may name a copy, and NKX2-1 is a symbol."""
COPY_OF_NCBI = r"^\s*(?i:gene-)(.+)-\d+\s*$"
"""The ID of a gene's further locations in NCBI's GFF3: gene-SHOX-2 is the copy on Y."""
TRANSCRIPT = r"^(?:rna-|transcript[-:])?(?:ENST(?:R\d{10}|\d{11})|[NX][MR]_\d+)"
"""A human transcript of Ensembl, GENCODE or RefSeq, with or without the prefix of GFF3 IDs."""
MOSTLY = 0.5

SPECIES = {
    "ENSMUS": "mouse",
    "ENSRNO": "rat",
    "ENSDAR": "zebrafish",
    "ENSGAL": "chicken",
    "ENSSSC": "pig",
    "ENSBTA": "cow",
    "ENSMMU": "macaque",
    "ENSPTR": "chimpanzee",
    "ENSCAF": "dog",
}
ADVICE = "the network reads human genes only"


def gene_keys(ids: pl.Series) -> pl.DataFrame:
    """Return what each id names: columns `ensembl`, without version and with copies on Y as on X, and `symbol`.

    An NCBI number next to a symbol is ignored: the symbol identifies the gene.
    """
    padded = pl.col("id").str.strip_chars()
    inside = rf"(?:^|[^A-Za-z0-9]){ENSEMBL}(?:$|[^A-Za-z0-9.])"
    bare = padded.str.replace(rf"{JOINT}{ENSEMBL}{JOINT}", "").str.strip_chars(BRACKETS).str.replace(FEATURE, "")
    keys = ids.alias("id").to_frame().select(ensembl=padded.str.extract(inside, 1), symbol=bare, id=padded)
    numbered = keys["symbol"].str.contains(r"\d[)\]. ]*$|^\d").fill_null(value=False)
    if not numbered.any():
        return keys.drop("id")
    unnumbered = keys["symbol"].scatter(numbered.arg_true(), _unnumbered(keys.filter(numbered)))
    return keys.select("ensembl", symbol=unnumbered)


def _unnumbered(keys: pl.DataFrame) -> pl.Series:
    """Return the symbols without the gene's NCBI number and without the location count of NCBI's GFF3."""
    symbol = pl.col("symbol")
    first = symbol.str.replace(NUMBER_FIRST, "$1 $2")
    last = symbol.str.replace(NUMBER_LAST, "$2 $1")
    place = pl.col("id").str.extract(COPY_OF_NCBI, 1)
    known, numbers = (pl.Series(names, dtype=pl.String).implode() for names in _known_names())
    return keys.select(
        pl.when(symbol.is_in(known))
        .then(symbol)
        .when(first.is_in(numbers))
        .then(first.str.replace(r"^\d+ ", ""))
        .when(last.is_in(numbers))
        .then(last.str.replace(r"^\d+ ", ""))
        .when(place.is_in(known))
        .then(place)
        .otherwise(pl.coalesce(symbol.str.extract(WITH_NUMBER, 1), symbol.str.extract(WITH_NUMBER, 2), symbol))
    ).to_series()


def are_further_places(ids: pl.Series, symbols: pl.Series) -> pl.Series:
    """Return which ids name a further location of a gene in NCBI's GFF3: gene-SHOX-2, but not gene-NKX2-1.

    Args:
        ids: Ids as in the table.
        symbols: Their symbols, as `gene_keys` returns them.
    """
    names = ids.str.strip_chars().str.replace(FEATURE, "")
    return ids.str.contains(COPY_OF_NCBI).fill_null(value=False) & (names != symbols).fill_null(value=False)


@cache
def _known_names() -> tuple[list[str], list[str]]:
    """Return all names of the packaged factors, and each name preceded by its gene's NCBI number."""
    named = [(row, name) for row in _factor_ids() for column in NAME_COLUMNS for name in _names(row, column)]
    return sorted({name for _, name in named}), sorted({f"{row['ncbi_gene_id']} {name}" for row, name in named})


def gene_numbers(ids: pl.Series) -> pl.Series:
    """Return the NCBI number in each id as text; null if the id is something else."""
    return ids.str.strip_chars().str.extract(NCBI, 1).str.strip_chars_start("0")


def candidate_ids(factors: Sequence[str]) -> list[Tiers]:
    """Return the ids to look for, by factor.

    A factor of the packaged table may have any of its present or former names. Other factors have only their own name.
    """
    known = _rows_by_name()
    return [tuple(_tiers(factor, known.get(factor))) for factor in factors]


@cache
def _rows_by_name() -> dict[str, Row]:
    """Return the packaged rows by every name of each factor."""
    known: dict[str, Row] = {}
    for column in NAME_COLUMNS:
        for row in _factor_ids():
            for name in _names(row, column):
                known.setdefault(name, row)
    return known


def candidate_numbers(factors: Sequence[str]) -> list[Tiers]:
    """Return the gene's NCBI number by factor, in the form of `candidate_ids`; empty if unknown."""
    known = _rows_by_name()
    return [(_names(known[factor], "ncbi_gene_id"),) if factor in known else () for factor in factors]


def published_factors() -> tuple[str, ...]:
    """Return the factors of the published network, in its order."""
    return tuple(str(row["factor"]) for row in _factor_ids())


def _tiers(factor: str, row: Row | None) -> Iterator[tuple[str, ...]]:
    yield _names(row, "ensembl_id") if row is not None else ()
    yield (factor,)
    if row is not None:
        yield tuple(dict.fromkeys(_names(row, "symbol") + _names(row, "factor")))
        for column in ("other_ensembl_ids", "previous_symbols", "alias_symbols"):
            yield _names(row, column)


def _names(row: Row, column: str) -> tuple[str, ...]:
    return tuple(filter(None, (row[column] or "").split(";")))


@cache
def _factor_ids() -> list[Row]:
    """Read the packaged table of the published factors' ids."""
    source = resources.files("epigept_batch.expression").joinpath("factor_ids.tsv").read_bytes()
    return pl.read_csv(source, separator="\t", infer_schema=False, comment_prefix="#").to_dicts()


def are_transcripts(ids: pl.Series) -> bool:
    """Whether most of the ids are those of human transcripts."""
    return _share(ids.str.contains(TRANSCRIPT)) > MOSTLY


def why_not_found(ids: pl.DataFrame, factors: Sequence[str]) -> str | None:
    """Return what the ids are, if they are not those of human genes.

    Args:
        ids: Text columns that may hold ids.
        factors: Names of the factors.
    """
    for column in ids.get_columns():
        said = _species(column) or _mouse_symbols(column, factors) or _numbers(column)
        if said is not None:
            return said
    return None


def _species(ids: pl.Series) -> str | None:
    prefixes = ids.str.extract(r"^(ENS[A-Z]{3,4})[GT]\d{11}", 1)
    if _share(prefixes.is_not_null()) <= MOSTLY:
        for pattern, species in ((r"^FBgn\d+", "fly"), (r"^WBGene\d+", "worm"), (r"^Y[A-P][LR]\d{3}[CW]", "yeast")):
            if _share(ids.str.contains(pattern)) > MOSTLY:
                return f"{species} genes; {ADVICE}"
        return None
    prefix = str(prefixes.drop_nulls().mode().sort()[0])
    return f"{SPECIES.get(prefix, 'non-human')} genes ({prefix}G…); {ADVICE}"


def _mouse_symbols(ids: pl.Series, factors: Sequence[str]) -> str | None:
    """Recognise mouse and rat symbols: human symbols in lower case, except for the first letter."""
    rodent = {factor.capitalize() for factor in factors} - set(factors)
    found = ids.filter(ids.is_in(pl.Series(sorted(rodent), dtype=pl.String).implode())).unique(maintain_order=True)
    if len(found) <= MOSTLY * len(rodent) or not len(found):
        return None
    return f"gene symbols look like mouse or rat ({', '.join(found.head(3))}); {ADVICE}"


def _numbers(ids: pl.Series) -> str | None:
    if _share(gene_numbers(ids).is_not_null()) <= MOSTLY:
        return None
    return (
        f"numeric ids ({ids.drop_nulls()[0]}, …) that are not NCBI ids of human genes; use Ensembl ids, symbols or "
        "NCBI gene ids"
    )


def _share(marks: pl.Series) -> float:
    present = marks.drop_nulls()
    return float(present.sum()) / len(present) if len(present) else 0.0

"""What an id in a table names: the factors' ids, and whose genes they are where they are none of ours."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Tiers = tuple[tuple[str, ...], ...]
"""Ids of one factor, the first to be taken first; ids of one tier name the same gene."""
Row = dict[str, str | None]
NAME_COLUMNS = ("factor", "symbol", "previous_symbols", "alias_symbols")
OWN_TIERS = 2
"""The first tiers are the factor's own: its Ensembl id and its name. The others are aliases."""

ENSEMBL = r"(ENSG\d{11})(?:\.\d+)?(?:_PAR_Y)?"
"""A human gene of Ensembl or GENCODE. Copies on Y end in _PAR_Y since release 25; before they were genes of their own,
ENSGR…, which the published code does not know: they are not averaged with those on X."""
JOINT = r"[\s|_:;,/()\[\]]*"
"""What may stand between the two names of one gene: ENSG00000102974.14|CTCF, CTCF_ENSG00000102974, …"""
BRACKETS = "()[]"
NCBI = r"\|\d+$"
"""The gene's number at NCBI behind its symbol, as TCGA had it: CTCF|10664."""
TRANSCRIPT = r"^(?:ENST(?:R\d{10}|\d{11})|[NX][MR]_\d+)"
"""A human transcript of Ensembl, GENCODE or RefSeq."""
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
ADVICE = "the network knows human genes only"


def gene_keys(ids: pl.Series) -> pl.DataFrame:
    """What each id names: columns `ensembl`, without version and with the copy on Y as the one on X, and `symbol`."""
    padded = pl.col("id").str.strip_chars()
    inside = rf"(?:^|[^A-Za-z0-9]){ENSEMBL}(?:$|[^A-Za-z0-9.])"
    return (
        ids.alias("id")
        .to_frame()
        .select(
            ensembl=padded.str.extract(inside, 1),
            symbol=padded.str.replace(rf"{JOINT}{ENSEMBL}{JOINT}", "").str.strip_chars(BRACKETS).str.replace(NCBI, ""),
        )
    )


def candidate_ids(factors: Sequence[str]) -> list[Tiers]:
    """For each factor the ids to look for.

    A factor may go by any name that the packaged table has of it, of today or before; another goes by its own alone.
    """
    known: dict[str, Row] = {}
    rows = _factor_ids()
    for column in NAME_COLUMNS:
        for row in rows:
            for name in _names(row, column):
                known.setdefault(name, row)
    return [tuple(_tiers(factor, known.get(factor))) for factor in factors]


def published_factors() -> tuple[str, ...]:
    """The factors of the published network, in its order."""
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
    """The packaged table of the published factors' ids."""
    source = resources.files("epigept_batch.inputs.expression").joinpath("factor_ids.tsv").read_bytes()
    return pl.read_csv(source, separator="\t", infer_schema=False, comment_prefix="#").to_dicts()


def are_transcripts(ids: pl.Series) -> bool:
    """Whether most of the ids are of human transcripts."""
    return _share(ids.str.contains(TRANSCRIPT)) > MOSTLY


def why_not_found(ids: pl.DataFrame, factors: Sequence[str]) -> str | None:
    """What the ids are, where they are not of human genes.

    Args:
        ids: Columns of text that may hold ids.
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
                return f"has genes of {species}; {ADVICE}"
        return None
    prefix = str(prefixes.drop_nulls().mode().sort()[0])
    return f"has {SPECIES.get(prefix, 'another species')} genes ({prefix}G…); {ADVICE}"


def _mouse_symbols(ids: pl.Series, factors: Sequence[str]) -> str | None:
    """Symbols of mouse and rat are those of man in lower case but for the first letter."""
    rodent = {factor.capitalize() for factor in factors} - set(factors)
    found = ids.filter(ids.is_in(pl.Series(sorted(rodent), dtype=pl.String).implode())).unique(maintain_order=True)
    if len(found) <= MOSTLY * len(rodent) or not len(found):
        return None
    return f"has symbols as of mouse or rat ({', '.join(found.head(3))}); {ADVICE}"


def _numbers(ids: pl.Series) -> str | None:
    if _share(ids.str.contains(r"^\d+$")) <= MOSTLY:
        return None
    return f"has numbers as ids ({ids.drop_nulls()[0]}, …), as of NCBI genes; give Ensembl ids or symbols"


def _share(marks: pl.Series) -> float:
    present = marks.drop_nulls()
    return float(present.sum()) / len(present) if len(present) else 0.0

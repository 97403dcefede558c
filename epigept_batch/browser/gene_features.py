"""Genes as features of igv.js, and the search for a gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from epigept_batch.sequence.genes import Gene, Genes

FEATURES, SEARCH = "genes", "find"
"""URLs of the genes in an interval, and of the search for a name."""
VISIBLE_BP = 30_000_000
"""Genes are drawn in views up to this length; in longer ones, nobody could tell them apart."""
TRACK: dict[str, Any] = {
    "id": "genes",
    "type": "annotation",
    "name": "Genes",
    "color": "#33465c",
    "displayMode": "EXPANDED",
    "height": 70,
    "visibilityWindow": VISIBLE_BP,
    "order": 0,
    "searchable": False,  # the server searches
}
"""The track of genes; the page adds where it reads them."""


def features(genes: Genes, contig: str, start: int, end: int) -> list[dict[str, Any]]:
    """Return the genes that overlap an interval, 0-based and half-open, as igv.js draws them."""
    return [_feature(gene) for gene in genes.overlapping(contig, start, end)]


def search(genes: Genes, name: str) -> list[dict[str, Any]]:
    """Return the places of the genes of a name, in upper or lower case, 0-based and half-open."""
    return [
        {"chromosome": gene.contig, "start": gene.start, "end": gene.end, "gene": gene.name}
        for gene in genes.find(name)
    ]


def _feature(gene: Gene) -> dict[str, Any]:
    feature: dict[str, Any] = {
        "chr": gene.contig,
        "start": gene.start,
        "end": gene.end,
        "name": gene.name,
        "strand": gene.strand,
        "exons": [_exon(gene, start, end) for start, end in gene.exons],
    }
    if gene.coding is not None:
        feature["cdStart"], feature["cdEnd"] = gene.coding
    return feature


def _exon(gene: Gene, start: int, end: int) -> dict[str, Any]:
    """Return an exon; igv.js draws what lies outside of the coding sequence thinner."""
    exon: dict[str, Any] = {"start": start, "end": end}
    if gene.coding is None:
        return exon
    first, last = gene.coding
    if end <= first or start >= last:
        return exon | {"utr": True}
    return exon | ({"cdStart": first} if start < first else {}) | ({"cdEnd": last} if end > last else {})

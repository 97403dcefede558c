"""A small plan of a cohort."""

from __future__ import annotations

from epigept_batch.cohort.plan import CohortPlan, Computation, Places, Shape
from epigept_batch.tiling import Contig

CONTIGS = (Contig("one", 20_000), Contig("two", 700), Contig("three", 90))
PLAN = CohortPlan(
    version="1",
    model="m",
    genome={"one": "a", "three": "b"},
    contigs=CONTIGS,
    selection={"one": ((3, 50), (121, 157)), "three": ((0, 1),)},
    window_bins=20,
    bin_bp=128,
    overlap=0,
    tracks=("DNase", "CTCF"),
    samples=5,
    sample_digest="s",
    expression_digest="e",
    dtype="float16",
    shape=Shape(2, 40, 2, 20),
    computation=Computation("cpu", "fp32", 1, 2, 1),
    places=Places("m.onnx", "g.fa", None),
)

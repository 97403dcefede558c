"""Bad inputs of the commands of `epigept-batch cohort`, and the cohorts, good and bad, that they name."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ON = "--tpm t.tsv --fasta g.fa --model m.onnx --device cpu --threads 1 "
INIT = f"cohort init new {ON}"
EXTRACT = "cohort extract whole_cohort --out out "
PART = "cohort partition new_cohort 1 --of 2 "
CASES = [
    "cohort init",
    "cohort init new --fasta g.fa --model m.onnx",
    f"cohort init folder {ON}",
    f"cohort init empty {ON}",
    f"cohort init empty/below {ON}",
    f"cohort init whole_cohort {ON} --tracks CTCF",
    f"cohort init cohort_of_edited_plan {ON}",
    f"cohort init cohort_of_cut_plan {ON}",
    INIT + "--tpm absent.tsv",
    INIT + "--tpm binary",
    INIT + "--tpm negative.tsv",
    INIT + "--samples sheet_twice.csv",
    INIT + "--fasta absent.fa",
    INIT + "--fasta stale.fa",
    INIT + "--fasta n.fa",
    INIT + "--model absent.onnx",
    INIT + "--model cut.onnx",
    INIT + "--region four",
    INIT + "--region one:9-5",
    INIT + "--bed empty",
    INIT + "--bed short.bed",
    INIT + "--tracks ATAC",
    INIT + "--overlap 100",
    INIT + "--set F03",
    INIT + "--scores absent",
    INIT + "--scores folder",
    INIT + "--dtype float64",
    INIT + "--device gpu",
    INIT + "--device cuda:0",
    INIT + "--threads 0",
    INIT + "--unit 16",
    INIT + "--unit 0x4",
    INIT + "--unit 2x2x2",
    INIT + "--unit 999999x999999",
    INIT + "--call 2x",
    INIT + "--call 9x9",
    "cohort extract",
    "cohort extract absent",
    "cohort extract folder",
    "cohort extract t.tsv",
    "cohort extract new_cohort --out out",
    "cohort extract cohort_of_edited_plan --out out",
    "cohort extract cohort_of_cut_samples --out out",
    "cohort extract cohort_of_cut_record --out out",
    "cohort extract cohort_of_foreign_record --out out",
    "cohort extract cohort_of_other_record --out out",
    "cohort extract cohort_of_empty_shard --out out",
    "cohort extract cohort_of_lost_shard --out out",
    "cohort extract cohort_of_changed_shard --out out",
    "cohort extract cohort_of_lost_marker --out out",
    "cohort extract cohort_of_cut_marker --out out",
    "cohort extract cohort_of_edited_array --out out",
    "cohort extract cohort_of_lost_array --out out",
    EXTRACT + "--sample heart",
    EXTRACT + "--tracks ATAC",
    EXTRACT + "--tracks DNase,",
    EXTRACT + "--region four",
    EXTRACT + "--region one:9-5",
    EXTRACT + "--region two",
    EXTRACT + "--chromosome nine",
    EXTRACT + "--bed absent.bed",
    EXTRACT + "--bed empty",
    EXTRACT + "--bed short.bed",
    EXTRACT + "--bed binary",
    EXTRACT + "--space cube",
    EXTRACT + "--threads 0",
    EXTRACT + "--out empty",
    EXTRACT + "--out empty/below",
    EXTRACT + "--out tracks_of_another",
    "cohort partition absent 1 --of 2",
    "cohort partition new_cohort 1",
    "cohort partition new_cohort --of 2",
    "cohort partition new_cohort 0 --of 2",
    "cohort partition new_cohort 3 --of 2",
    "cohort partition new_cohort one --of 2",
    "cohort partition new_cohort 1 --of 0",
    "cohort partition cohort_elsewhere 1 --of 1",
    "cohort partition cohort_of_cut_expression 1 --of 1",
    "cohort partition cohort_of_cut_plan 1 --of 1",
    PART + "--model absent.onnx",
    PART + "--model folder",
    PART + "--model cut.onnx",
    PART + "--model k.onnx",
    PART + "--fasta absent.fa",
    PART + "--fasta folder",
    PART + "--fasta hg19.fa",
    PART + "--scores absent",
    PART + "--scores folder",
    "cohort run absent",
    "cohort run t.tsv",
    "cohort run cohort_elsewhere",
    "cohort run cohort_of_later_plan",
    "cohort run cohort_of_changed_shard",
    "cohort run new_cohort --engine slurm",
    "cohort run new_cohort --workers 0",
    "cohort run new_cohort --workers many",
    "cohort run new_cohort --address auto",
    "cohort finalise absent",
    "cohort finalise new_cohort",
    "cohort finalise cohort_of_huge_plan",
    "cohort finalise cohort_of_cut_samples",
    "cohort finalise cohort_of_empty_shard",
    "cohort finalise cohort_of_lost_shard",
    "cohort finalise cohort_of_changed_shard",
    "cohort finalise cohort_of_lost_marker",
    "cohort finalise cohort_of_cut_marker",
    "cohort finalise cohort_of_foreign_marker",
    "cohort finalise cohort_of_second_marker",
    "cohort finalise cohort_of_foreign_shard",
    "cohort finalise cohort_of_changed_totals --no-checksums",
    "cohort status absent",
    "cohort status folder",
    "cohort status cohort_of_huge_plan",
    "cohort status cohort_of_text_plan",
    "cohort status cohort_of_cut_marker",
    "cohort status cohort_of_late_marker",
]


def cut(path: Path) -> None:
    """Cut a file in the middle."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Change a byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def edit(**values: Any) -> Callable[[Path], None]:  # noqa: ANN401 - of JSON
    """Return what changes values of a JSON file."""
    return lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | values))


def replace(old: str, new: str) -> Callable[[Path], None]:
    """Return what changes a word of a file."""
    return lambda path: path.write_text(path.read_text().replace(old, new))


SHARD, MARKER, ARRAY = "cube.zarr/CTCF/one/c/0/1", "units/0/1.json", "cube.zarr/CTCF/one/zarr.json"
HUGE = [["one", 10**30]]
DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "cohort_of_edited_plan": ("plan.json", edit(dtype="float32")),
    "cohort_of_huge_plan": ("plan.json", edit(contigs=HUGE, samples=10**18, selection={"one": [[0, 10**27]]})),
    "cohort_of_later_plan": ("plan.json", edit(format_version=2)),
    "cohort_of_cut_plan": ("plan.json", cut),
    "cohort_of_text_plan": ("plan.json", edit(contigs="one")),
    "cohort_of_cut_samples": ("samples.json", cut),
    "cohort_of_cut_record": ("cohort.json", cut),
    "cohort_of_foreign_record": ("cohort.json", edit(plan="0" * 64)),
    "cohort_of_other_record": ("cohort.json", lambda path: path.write_text("[]")),
    "cohort_of_empty_shard": (SHARD, lambda path: path.write_bytes(b"")),
    "cohort_of_lost_shard": (SHARD, lambda path: path.unlink()),
    "cohort_of_changed_shard": (SHARD, flip),
    "cohort_of_foreign_shard": (SHARD, lambda path: shutil.copy(path, path.with_name("99"))),
    "cohort_of_changed_totals": ("totals/0/1.npy", lambda path: path.write_bytes(bytes(path.stat().st_size))),
    "cohort_of_lost_marker": (MARKER, lambda path: path.unlink()),
    "cohort_of_cut_marker": (MARKER, cut),
    "cohort_of_foreign_marker": (MARKER, edit(plan="0" * 64)),
    "cohort_of_second_marker": (MARKER, lambda path: shutil.copy(path, path.with_name("1 (copy).json"))),
    "cohort_of_late_marker": (MARKER, edit(finished=1e300)),
    "cohort_of_edited_array": (ARRAY, replace('"little"', '"big"')),
    "cohort_of_lost_array": (ARRAY, lambda path: path.unlink()),
}
"""Copies of a good cohort, and the file of each that is damaged."""


def make_cohorts(folder: Path) -> None:
    """Write a new and a finished cohort of one contig, damaged copies, and tracks of another cohort."""
    from click.testing import CliRunner

    from epigept_batch.cli.main import cli

    def run(words: str) -> None:
        CliRunner().invoke(cli, ["cohort", *words.split(), "--quiet"], catch_exceptions=False)

    for name in ("new_cohort", "whole_cohort"):
        run(f"init {folder}/{name} --tpm {folder}/t.tsv --fasta {folder}/g.fa --model {folder}/m.onnx --device cpu "
            "--threads 1 --unit 2x2 --chromosome one")  # fmt: skip
    shutil.copytree(folder / "new_cohort", folder / "cohort_of_cut_expression")
    cut(folder / "cohort_of_cut_expression/expression.npy")
    shutil.copytree(folder / "new_cohort", folder / "cohort_elsewhere")
    edit(places={"model": "/absent/m.onnx", "fasta": "/absent/g.fa", "scores": None})(
        folder / "cohort_elsewhere/plan.json"
    )
    run(f"run {folder}/whole_cohort --workers 1")
    run(f"extract {folder}/whole_cohort --out {folder}/tracks_of_another --region one:1-500")
    for name, (file, damage) in DAMAGE.items():
        shutil.copytree(folder / "whole_cohort", folder / name)
        damage(folder / name / file)

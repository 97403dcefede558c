"""Write the intervals that differ as BED, and all compared regions as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.comparison.groups import Contrast
    from epigept_batch.comparison.moderated_t import Tests
    from epigept_batch.tiling import Region

SCORE_PER_EFFECT, MOST_SCORE = 250, 1000
"""Score of an interval in BED, per unit of its effect, and at most."""


@dataclass(frozen=True, eq=False)
class ComparedRegions:
    """The regions of a contrast with what was found there.

    Attributes:
        contrast: What is compared.
        regions: The regions, in genome order.
        bases: int64, (regions,): bases with data.
        means: float64, (regions, 2): mean ln(1 + signal) of the minuend and of the subtrahend.
        tests: The test of each region; None if there is none.
    """

    contrast: Contrast
    regions: Sequence[Region]
    bases: NDArray[np.int64]
    means: NDArray[np.float64]
    tests: Tests | None

    @property
    def effects(self) -> NDArray[np.float64]:
        """Minuend minus subtrahend, float64, (regions,)."""
        effects: NDArray[np.float64] = self.means[:, 0] - self.means[:, 1]
        return effects

    @property
    def columns(self) -> list[str]:
        """Names of the figures of a region."""
        contrast = self.contrast
        tested = [] if self.tests is None else ["t", "p", "fdr"]
        return ["effect", f"mean_{contrast.minuend.name}", f"mean_{contrast.other}", *tested]

    def figures(self, number: int) -> list[str]:
        """Return the figures of a region, formatted."""
        values = [self.effects[number], *self.means[number]]
        texts = [f"{value:.4f}" for value in values]
        if self.tests is not None:
            texts.append(f"{self.tests.t[number]:.4f}")
            texts += [f"{value:.4g}" for value in (self.tests.p[number], self.tests.fdr[number])]
        return texts


def write_bed(path: Path, found: ComparedRegions, chosen: NDArray[np.intp], *, track: str, rule: str) -> None:
    """Write intervals as BED6 with further columns, which a comment names.

    Args:
        path: The file.
        found: The regions.
        chosen: Numbers of those that differ, in order.
        track: Name of the track.
        rule: How they were chosen, in words.
    """
    contrast = found.contrast
    names = ["chrom", "start", "end", "name", "score", "strand", *found.columns]
    head = [f"# {contrast.name} {track}, ln(1 + signal): {rule}", f"# {_joined(names)}"]
    _write(path, [*head, *map(_joined, _bed_rows(found, chosen))])


def _bed_rows(found: ComparedRegions, chosen: NDArray[np.intp]) -> Iterable[list[str]]:
    effects = found.effects
    for count, number in enumerate(chosen.tolist(), 1):
        region, effect = found.regions[number], float(effects[number])
        score = min(MOST_SCORE, round(SCORE_PER_EFFECT * abs(effect)))
        name = region.name or f"{'higher' if effect > 0 else 'lower'}_{count}"
        place = [region.contig, str(region.start), str(region.end)]
        yield [*place, name, str(score), ".", *found.figures(number)]


def write_table(path: Path, found: ComparedRegions) -> None:
    """Write all regions with data, tab-separated, with one header line."""
    rows = [["chrom", "start", "end", "name", "bases_with_data", *found.columns]]
    for number, region in enumerate(found.regions):
        place = [region.contig, str(region.start), str(region.end), region.name, str(found.bases[number])]
        rows.append([*place, *found.figures(number)])
    _write(path, map(_joined, rows))


def _joined(cells: Sequence[str]) -> str:
    return "\t".join(cells)


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)

"""The values of a cohort in regions or bins, as one table: `epigept-batch cohort extract --out FILE`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.cohort.cube import Cube
from epigept_batch.commands.cohort.extract import open_extraction
from epigept_batch.commands.matrix.request import MatrixRequest
from epigept_batch.commands.matrix.run import run_matrix
from epigept_batch.matrix.columns import values_in_rows
from epigept_batch.matrix.statistic import merged
from epigept_batch.tiling import Region
from epigept_batch.tracks.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.commands.cohort.extract import Extraction
    from epigept_batch.commands.cohort.request import ExtractRequest
    from epigept_batch.commands.matrix.files import MatrixFiles
    from epigept_batch.matrix.regions import ContigRows, MatrixRows
    from epigept_batch.progress import Progress
    from epigept_batch.tiling import Contig


def run_extract_matrix(request: ExtractRequest, progress: Progress) -> MatrixFiles:
    """Write the values of regions or bins, and FILE.run.json beside them.

    Args:
        request: What to do; `out` is the file, whose ending tells the format.
        progress: Receives an update per track.

    Returns:
        The files that were written.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    matrix = MatrixRequest(
        folder=Path(request.location),
        out=request.out,
        beds=request.beds,
        bin_bp=request.bin_bp,
        regions=request.regions,
        chromosomes=request.chromosomes,
        samples=request.samples,
        tracks=request.tracks,
        statistic=request.statistic,
        space=request.space,
        threads=request.threads,
        force=request.force,
    )
    return run_matrix(matrix, progress, lambda _: CubeColumns(open_extraction(request, regions=False)))


@dataclass(frozen=True)
class CubeColumn:
    """A track of a sample of a cube."""

    sample: str
    label: str


class CubeColumns:
    """Tracks of a cube as columns; see `matrix.source.MatrixSource`.

    Args:
        taken: What is taken from the cube.
    """

    space = "log1p"

    def __init__(self, taken: Extraction) -> None:
        self._taken, self._plan = taken, taken.cohort.plan
        self._cube = Cube(taken.cohort.storage, self._plan, taken.cohort.units)
        self._numbers = [(number, track) for number in taken.samples for track in taken.tracks.names]
        self.columns: Sequence[CubeColumn] = [CubeColumn(taken.name(number), track) for number, track in self._numbers]

    @property
    def where(self) -> str:
        """The cohort."""
        return self._taken.cohort.storage.where()

    @property
    def location(self) -> str:
        """The cohort, from the root on."""
        return self._taken.cohort.storage.location

    @property
    def contigs(self) -> Sequence[Contig]:
        """All contigs of the genome."""
        return self._plan.contigs

    @property
    def regions(self) -> Sequence[str]:
        """What was predicted."""
        return self._taken.regions

    def predicted(self) -> list[Region]:
        """Return what was predicted."""
        bin_bp = self._plan.bin_bp
        return [
            Region(contig.name, first * bin_bp, min(last * bin_bp, contig.length))
            for contig in self._plan.contigs
            for first, last in self._plan.selection.get(contig.name, ())
        ]

    def read(self, number: int, rows: MatrixRows, *, statistic: str, wanted: str) -> NDArray[np.float32]:
        """Return the values of a column in all rows, float32, (rows,): NaN without data.

        Raises:
            InputError: A shard is missing or damaged.
        """
        sample, track = self._numbers[number]
        return values_in_rows(
            lambda there: self._records(sample, track, there),
            rows,
            statistic=statistic,
            space=self.space,
            wanted=wanted,
            where=self.where,
        )

    def _records(self, sample: int, track: str, there: ContigRows) -> Iterator[Records]:
        """Yield the bins with a value of all chunks that the rows of a contig touch."""
        if there.contig.name not in self._plan.selection:
            return
        bin_bp, step = self._plan.bin_bp, self._plan.shape.chunk_bins
        bins = self._plan.bins_of(there.contig)
        starts, ends = merged(there.starts, there.ends)
        touched = {
            chunk
            for start, end in zip(starts // (step * bin_bp), (ends - 1) // (step * bin_bp), strict=True)
            for chunk in range(start, end + 1)
        }
        for chunk in sorted(touched):
            first, last = chunk * step, min((chunk + 1) * step, bins)
            values = self._cube.read(track, there.contig, (sample, sample + 1), (first, last))[0]
            known = np.flatnonzero(~np.isnan(values))
            if len(known):
                begins = (first + known) * bin_bp
                yield Records(begins, np.minimum(begins + bin_bp, there.contig.length), values[known])

    def sheet_columns(self) -> dict[str, dict[str, str]]:
        """Return the further columns of the sample sheet, by sample."""
        columns = self._taken.cohort.columns
        return {one["sample"]: {name: one[name] for name in one if name != "sample"} for one in columns}

    def made_from(self) -> Mapping[str, Any]:
        """Return the digest of the plan, which covers all that values depend on."""
        return {"cohort": self._plan.digest}

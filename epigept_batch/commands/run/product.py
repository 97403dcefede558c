"""What a command makes of the windows of a run: the interface between the run and its commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.prediction.stitch import TileSignal
    from epigept_batch.provenance.run_record import OutputFiles
    from epigept_batch.tiling import Contig, Region, Span, Tile

    Again = Callable[[int], Iterator[tuple[Tile, NDArray[np.float32]]]]
    """Yields each window for a sample, given by its number, with what was kept of it."""


@dataclass(frozen=True, eq=False)
class NamedSample:
    """A sample of a run, as far as products know it.

    Attributes:
        name: Its name.
        copy_of: Name of the sample whose perturbed copy it is; None if it is not a copy.
    """

    name: str
    copy_of: str | None = None


@dataclass(frozen=True)
class Assignment:
    """What a product is to be made of.

    Attributes:
        samples: The samples.
        contigs: All contigs of the FASTA, in its order.
        regions: The selected bins as regions in samtools notation, in genome order.
        processes: Number of processes that may write.
        model_sha256: Digest of the model file.
    """

    samples: tuple[NamedSample, ...]
    contigs: tuple[Contig, ...]
    regions: tuple[str, ...]
    processes: int
    model_sha256: str


class Product(Protocol):
    """What a command makes of the windows of a run, such as tracks.

    It is made from the command's request and the model's spec, and checks both.
    """

    @property
    def bin_bp(self) -> int:
        """Base pairs per bin of its selection."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the network's outputs that it needs."""

    def selection(self, regions: Sequence[Region]) -> dict[str, tuple[Span, ...]]:
        """Return the selected bins, by contig, in the product's own bins."""

    @property
    def compares_copies(self) -> bool:
        """Whether the outputs of a perturbed copy also need the values of its sample, computed in the same run."""

    def files(self, sample: NamedSample) -> OutputFiles:
        """Return the files of a sample."""

    def leftovers(self, sample: NamedSample) -> Iterable[Path]:
        """Return every path beside which a killed run may have left hidden temporary files."""

    def inputs(self, sample: NamedSample) -> Mapping[str, Any]:
        """Return its options, JSON-compatible, that outputs depend on besides model, genome, selection and sample."""

    def shape(self, tile: Tile) -> tuple[int, int]:
        """Return the shape of what is kept of a window for a sample."""

    def kept(self, signal: TileSignal) -> NDArray[np.float32]:
        """Return all that it needs of a window, (samples, *shape); empty for a window that was not computed."""

    def work(self, assignment: Assignment) -> AbstractContextManager[Work]:
        """Begin to make the outputs; what is not published is removed in the end."""


class Work(Protocol):
    """A product in the making."""

    def take(self, tile: Tile, kept: NDArray[np.float32]) -> None:
        """Take the next window, in genome order, as `Product.kept` returned it."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been taken, because no selected bin has a base."""

    def finish(self, again: Again) -> None:
        """Make complete files under hidden names: everything that can fail.

        Args:
            again: Yields the windows once more for a sample, given by its number, with what was kept of each,
                (1, *shape).
        """

    def publish(self) -> None:
        """Give the files their final names."""

    def facts(self, number: int) -> Mapping[str, Any]:
        """Return what the record of a sample, by its number, says about the product, JSON-compatible."""

    def summary(self, number: int) -> str:
        """Return what was made of a sample, for the last line of a run."""

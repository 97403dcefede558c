"""Write maps as .cool and .mcool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError
from epigept_batch.tiling import bins_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig

    Pixels = tuple[Contig, NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
    """A contig, two of its bins, the second not before the first, and a value; sorted by the bins."""
    Numbered = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
    """The same with bins counted over all contigs."""

RATIO, RAW = "observed/expected", "raw"
"""What the values of a predicted map are, as its description says."""
ABOUT = "epigept-batch"
"""Key of that description in the metadata of a .cool."""
CHUNK = 1 << 20
"""Pixels per write: each costs several milliseconds."""
COARSEST_BP = 64_000
"""Largest bins of a .mcool: half of the published network's window, beyond which few pairs are seen."""
TYPES = {"count": np.float32}


def import_cooler() -> ModuleType:
    """Import cooler.

    Raises:
        DeviceError: It is not installed.
    """
    try:
        import cooler as module
    except ImportError as error:
        raise DeviceError("contact maps require cooler; install epigept-batch with its [contacts] extra") from error
    cooler: ModuleType = module
    return cooler


def write_cool(
    path: Path, contigs: Sequence[Contig], pixels: Iterable[Pixels], *, bin_bp: int, about: Mapping[str, Any]
) -> None:
    """Write a map; pixels that are not given are absent.

    Args:
        path: The file.
        contigs: All contigs of the FASTA, in its order.
        pixels: Successive parts of the map, in the order of the contigs and of their bins.
        bin_bp: Base pairs per bin.
        about: Description of the map, JSON-compatible.
    """
    cooler, pandas = import_cooler(), _import_pandas()
    lengths = pandas.Series({contig.name: contig.length for contig in contigs})
    cooler.create_cooler(
        str(path),
        cooler.binnify(lengths, bin_bp),
        _frames(pandas, _numbered(contigs, pixels, bin_bp=bin_bp)),
        columns=["count"],
        dtypes=TYPES,
        metadata={ABOUT: dict(about)},
        ordered=True,
    )


def write_mcool(path: Path, base: Path, *, bin_bp: int) -> None:
    """Write a map with coarser levels, each with bins twice as large, whose pixels average those that are present.

    Args:
        path: The file.
        base: The map as .cool.
        bin_bp: Its base pairs per bin.
    """
    cooler = import_cooler()
    levels = [bin_bp]
    while levels[-1] * 2 <= COARSEST_BP:
        levels.append(levels[-1] * 2)
    cooler.zoomify_cooler(
        str(base), str(path), levels, chunksize=10 * CHUNK, agg={"count": "mean"}, columns=["count"], dtypes=TYPES
    )


def _numbered(contigs: Sequence[Contig], pixels: Iterable[Pixels], *, bin_bp: int) -> Iterator[Numbered]:
    """Yield the pixels with bins counted over all contigs."""
    bins = [bins_of(contig.length, bin_bp) for contig in contigs]
    before = dict(zip(contigs, np.cumsum([0, *bins[:-1]]).tolist(), strict=True))
    for contig, first, second, values in pixels:
        yield first + before[contig], second + before[contig], values


def _frames(pandas: ModuleType, pixels: Iterable[Numbered]) -> Iterator[Any]:
    """Yield data frames of many pixels."""
    waiting: list[Numbered] = []
    for part in pixels:
        waiting.append(part)
        if sum(len(values) for _, _, values in waiting) >= CHUNK:
            yield _frame(pandas, waiting)
            waiting = []
    if waiting:
        yield _frame(pandas, waiting)


def _frame(pandas: ModuleType, parts: Sequence[Numbered]) -> Any:  # noqa: ANN401 - a data frame
    first, second, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    return pandas.DataFrame({"bin1_id": first, "bin2_id": second, "count": values.astype(np.float32)})


def _import_pandas() -> ModuleType:
    """Import pandas, which comes with cooler."""
    import pandas as pd

    module: ModuleType = pd
    return module

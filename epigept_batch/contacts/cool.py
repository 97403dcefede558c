"""Write a contact map as a .cool file, with the library cooler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError
from epigept_batch.tiling import bins_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig

    Pixels = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
    """Rows, columns not before the rows, both as bins of the contig, and values; by row, then by column."""


def require_cooler() -> Any:  # noqa: ANN401 - a module
    """Return the library.

    Raises:
        DeviceError: It is not installed.
    """
    try:
        import cooler
    except ImportError as error:
        raise DeviceError("cooler is not installed; install epigept-batch with its [contacts] extra") from error
    return cooler


def write_cool(
    path: Path, contigs: Sequence[Contig], maps: Iterable[Pixels], *, bin_bp: int, metadata: Mapping[str, Any]
) -> None:
    """Write a map within contigs, as float32.

    Args:
        path: The file to write.
        contigs: All contigs, in order.
        maps: The pixels of each contig, in the same order.
        bin_bp: Base pairs per bin.
        metadata: What the file says of itself.
    """
    cooler = require_cooler()
    import pandas as pd  # which cooler requires

    bins = [bins_of(contig.length, bin_bp) for contig in contigs]
    offsets = np.concatenate([[0], np.cumsum(bins)])

    def pixels() -> Iterable[dict[str, NDArray[Any]]]:
        for offset, (rows, columns, values) in zip(offsets, maps, strict=False):
            yield {"bin1_id": rows + offset, "bin2_id": columns + offset, "count": values.astype(np.float32)}

    lengths = pd.Series({contig.name: contig.length for contig in contigs})
    cooler.create_cooler(
        str(path),
        cooler.util.binnify(lengths, bin_bp),
        pixels(),
        dtypes={"count": np.float32},
        ordered=True,
        metadata=dict(metadata),
    )

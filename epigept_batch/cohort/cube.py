"""The values of a cohort: a Zarr v3 group with an array for each track and contig, (samples, bins).

A shard has the values of a unit, and is one file, written at once. Chunks within it are compressed by Blosc (zstd after
a bit shuffle) and carry a checksum. Values are ln(1 + signal); bins without a base or outside of the selection are NaN.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.storage import MemoryStore

from epigept_batch.cohort.marker import AGAIN, marker_name, read_marker, remedy_of
from epigept_batch.errors import InputError
from epigept_batch.names import METADATA, node_name
from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from zarr.abc.store import Store
    from zarr.core.buffer import Buffer

    from epigept_batch.cohort.marker import Marker
    from epigept_batch.cohort.plan import CohortPlan
    from epigept_batch.cohort.storage import Storage
    from epigept_batch.cohort.units import Unit, Units
    from epigept_batch.tiling import Contig, Span

CUBE = "cube.zarr"
ATTRIBUTE = "epigept_batch.cohort"
FINALISED = "the cohort was finalised"
LEVEL = 5
"""The zstd level behind a bit shuffle. Higher ones save less than 1 %."""


def shard_name(track: str, unit: Unit) -> str:
    """Return the name of the file with the values of a unit and a track."""
    return f"{CUBE}/{_array_name(track, unit.contig)}/c/{unit.group}/{unit.block}"


def _array_name(track: str, contig: Contig) -> str:
    return f"{node_name(track)}/{node_name(contig.name)}"


def metadata(plan: CohortPlan, samples: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file that describes the cube, that of the whole cube last.

    Args:
        plan: The plan.
        samples: Name and further columns of each sample, JSON-compatible.
    """
    kept: dict[str, Buffer] = {}
    store = MemoryStore(kept)
    about = {"plan": plan.digest, "tracks": plan.tracks, "bin_bp": plan.bin_bp, "values": "ln(1 + signal)"}
    root = zarr.create_group(store, attributes={ATTRIBUTE: about, "samples": list(samples)})
    for track in plan.tracks:
        root.create_group(node_name(track), attributes={"track": track})
        for contig in plan.contigs:
            if contig.name in plan.selection:
                shape = (plan.samples, plan.bins_of(contig))
                attributes = {"track": track, "contig": contig.name, "length": contig.length, "bin_bp": plan.bin_bp}
                _create(plan, store, _array_name(track, contig), shape, attributes)
    for name in sorted(kept, key=lambda name: -name.count("/")):
        yield f"{CUBE}/{name}", kept[name].to_bytes()


def encode_shard(plan: CohortPlan, values: NDArray[np.floating[Any]]) -> bytes:
    """Return the content of a shard; the same values always give the same bytes.

    Args:
        plan: The plan.
        values: (samples, bins) of a whole shard, in the plan's type.
    """
    kept: dict[str, Buffer] = {}
    _create(plan, MemoryStore(kept), "", values.shape, {})[:] = values
    return kept["c/0/0"].to_bytes()


def _create(
    plan: CohortPlan, store: Store, name: str, shape: tuple[int, ...], attributes: Mapping[str, Any]
) -> zarr.Array[Any]:
    """Create an array of the cube."""
    cut = plan.shape
    return zarr.create_array(
        store,
        name=name or None,
        shape=shape,
        shards=(cut.samples, cut.bins),
        chunks=(cut.chunk_samples, cut.chunk_bins),
        dtype=plan.dtype,
        fill_value=np.nan,
        compressors=(
            BloscCodec(cname="zstd", clevel=LEVEL, shuffle="bitshuffle", typesize=np.dtype(plan.dtype).itemsize),
            Crc32cCodec(),
        ),
        dimension_names=("sample", "bin"),
        attributes=dict(attributes),
        # NaN is also a value, so that a file is there for each unit that is finished.
        config={"write_empty_chunks": True},
    )


class Cube:
    """A cube for reading.

    Args:
        storage: Where the cohort lies.
        plan: Its plan.
        units: Its units.
    """

    def __init__(self, storage: Storage, plan: CohortPlan, units: Units) -> None:
        self._storage, self._plan = storage, plan
        self._units = units
        self._first = {(unit.contig.name, unit.block): unit.number for unit in units[:: units.groups]}
        self._array = cache(self._open_array)
        self._marker = cache(self._read_marker)
        self._check = cache(self._check_shard)

    def read(self, track: str, contig: Contig, samples: Span, bins: Span) -> NDArray[np.float32]:
        """Return values, float32, (samples, bins): ln(1 + signal), NaN without.

        Args:
            track: Name of the track.
            contig: A selected contig.
            samples: Samples [first, last).
            bins: Bins [first, last) of the contig.

        Raises:
            InputError: A shard is missing or damaged, or the cube is described as another one.
        """
        cut = self._plan.shape
        for block in range(bins[0] // cut.bins, ceil_div(bins[1], cut.bins)):
            first = self._first.get((contig.name, block))
            if first is not None:
                for group in range(samples[0] // cut.samples, ceil_div(samples[1], cut.samples)):
                    self._check(track, first + group)
        try:
            found = self._array(track, contig)[samples[0] : samples[1], bins[0] : bins[1]]
        except InputError:
            raise
        except Exception as error:  # a damaged file can raise any error
            where = self._storage.where(f"{CUBE}/{_array_name(track, contig)}")
            raise InputError(
                f"bins {bins[0]:,} to {bins[1]:,} cannot be read, because a file is damaged ({error}); find it with "
                "epigept-batch cohort finalise, and rerun its unit",
                where,
            ) from error
        return np.asarray(found, dtype=np.float32)

    def _check_shard(self, track: str, number: int) -> None:
        """Check that a shard has the size that its unit's marker says; Zarr takes an empty one for NaN."""
        unit = self._units[number]
        name = shard_name(track, unit)
        size, written = self._storage.size(name), self._marker(number).files.get(name)
        if size is None or written is None or size != written.size:
            what = f"missing, although {FINALISED}" if size is None else f"damaged or replaced after {FINALISED}"
            raise InputError(f"{what}; {remedy_of(self._storage, unit)}", self._storage.where(name))

    def _read_marker(self, number: int) -> Marker:
        marker = read_marker(self._storage, self._units[number], self._plan.digest)
        if marker is None:
            raise InputError(f"missing, although {FINALISED}; {AGAIN}", self._storage.where(marker_name(number)))
        return marker

    def _open_array(self, track: str, contig: Contig) -> zarr.Array[Any]:
        """Open an array, and check that it is described as the plan has it."""
        name = _array_name(track, contig)
        where, remedy = (
            self._storage.where(f"{CUBE}/{name}/{METADATA}"),
            "restore it with epigept-batch cohort finalise",
        )
        try:
            found = zarr.open_array(self._storage.zarr(CUBE), path=name, mode="r")
        except Exception as error:  # a damaged file can raise any error
            raise InputError(f"missing or damaged ({error}); {remedy}", where) from error
        shape = (self._plan.samples, self._plan.bins_of(contig))
        if _layout(found) != _layout(_create(self._plan, MemoryStore(), "", shape, {})):
            raise InputError(f"was edited; {remedy}", where)
        return found


def _layout(array: zarr.Array[Any]) -> str:
    """Return how the values of an array lie in its files."""
    described = array.metadata.to_dict()
    return repr({name: value for name, value in described.items() if name not in {"attributes", "dimension_names"}})

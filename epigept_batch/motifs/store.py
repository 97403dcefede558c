"""Motif scores of a genome stored on disk for later samples.

A store is a Zarr v3 group with one array per contig, float16, (factors, bins), as the network reads it. Chunks have all
factors and 1,000 bins, in one file each, compressed by zstd with a checksum, and are never half-written. An existing
chunk is complete, so a killed scan resumes where it stopped. The group's attributes record what the scores were made
from; each array's attributes record the contig's digest.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numcodecs.zstd import Zstd
from zarr.codecs import ZstdCodec

import epigept_batch
from epigept_batch.errors import REMEDIES, InputError, OutputError, reason
from epigept_batch.names import METADATA, node_name
from epigept_batch.tiling import bins_of, ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.sequence.stretch import Stretch
    from epigept_batch.spec import MotifSet, Spec
    from epigept_batch.tiling import Contig, Span

ATTRIBUTE = "epigept_batch.scores"
FORMAT_VERSION = 1
BLOCK_BINS = 1000
"""Bins per chunk: as many as a window of the published networks."""
LEVEL = 9
"""The zstd level, without a byte shuffle: 123 kB per real window. Higher levels save little; lower ones read slower."""
LARGEST_METADATA = 1 << 24
BLOCKS_KEPT = 2  # so that successive windows that share a block do not read it again
NAMES_SHOWN = 5
LEFTOVER_S = 3600


@dataclass(frozen=True)
class ScoreKey:
    """What scores depend on besides the sequence.

    Attributes:
        motifs: Number of motifs.
        matrices: Digest of the motifs with thresholds and factors.
        window: Where a bin's hits may lie, `LEFT,RIGHT`.
        bin_bp: Base pairs per bin.
        factors: Names, in the network's order.
    """

    motifs: int
    matrices: str
    window: str
    bin_bp: int
    factors: tuple[str, ...]

    @classmethod
    def of(cls, spec: Spec) -> ScoreKey:
        """Return the key of a model's scores."""
        return cls.of_motifs(spec.motif_set, spec.factors, bin_bp=spec.geometry.bin_bp)

    @classmethod
    def of_motifs(cls, motifs: MotifSet, factors: Sequence[str], *, bin_bp: int) -> ScoreKey:
        """Return the key of a motif set's scores, before there is a model."""
        return cls(len(motifs.motifs), motifs.motifs_sha256, str(motifs.window), bin_bp, tuple(factors))

    def difference(self, other: ScoreKey) -> str:
        """Return a clause on how another key's scores differ from these; empty if they do not."""
        if other.bin_bp != self.bin_bp:
            return f"for bins of {other.bin_bp} bp, not {self.bin_bp}"
        if other.factors != self.factors:
            return f"for other factors ({_names_apart(other.factors, self.factors)})"
        if other.window != self.window:
            return f"with motif hits in the window {other.window} around a bin, not {self.window}"
        if other.matrices != self.matrices:
            counts = f"{other.motifs}, not {self.motifs}" if other.motifs != self.motifs else "matrices or thresholds"
            return f"with other motifs ({counts})"
        return ""


def _names_apart(theirs: tuple[str, ...], ours: tuple[str, ...]) -> str:
    """Describe how two lists of names differ."""
    more, fewer = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs))
    words = [f"{sign}{name}" for sign, names in (("+", more), ("-", fewer)) for name in names[:NAMES_SHOWN]]
    rest = len(more) + len(fewer) - len(words)
    return ", ".join(words) + (f" and {rest} more" if rest else "") if words else "in another order"


class ScoreStore:
    """Stored scores by contig and bin.

    Created by `open` or `create`. Several threads may call `write`, each for its own block.

    Attributes:
        path: The folder of the store.
        key: What the scores were made with.
    """

    def __init__(self, path: Path, key: ScoreKey, group: zarr.Group) -> None:
        self.path = path
        self.key = key
        self._group = group
        self._unpack = Zstd()
        self._array = cache(self._open_array)
        self._read_block = lru_cache(BLOCKS_KEPT)(self._read_block_from_disk)

    def __reduce__(self) -> tuple[Callable[[Path], ScoreStore], tuple[Path]]:
        """Pickle the path: another process opens the store itself, for reading."""
        return ScoreStore.open, (self.path,)

    @classmethod
    def open(cls, path: Path) -> ScoreStore:
        """Open an existing store for reading.

        Raises:
            InputError: It does not exist, or is not one of ours.
        """
        return cls._opened(path, "r")

    @classmethod
    def create(cls, path: Path, key: ScoreKey) -> ScoreStore:
        """Open a store for adding scores; an existing one must have scores of the same kind.

        Raises:
            OutputError: The path is something else, or cannot be written.
        """
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                store = cls._opened(path, "r+")
                _remove_leftovers(path)
            else:
                document = {"format_version": FORMAT_VERSION, **asdict(key), "version": epigept_batch.__version__}
                path.mkdir(parents=True, exist_ok=True)
                group = zarr.create_group(path, attributes={ATTRIBUTE: document})
                store = cls(path, key, group)
        except InputError as error:
            raise OutputError(f"{error}; choose another --out") from error
        except OSError as error:
            raise OutputError(f"cannot be written: {reason(error)}; choose another --out", path) from error
        if difference := key.difference(store.key):
            raise OutputError(f"store has scores {difference}; choose another --out", path)
        return store

    @classmethod
    def _opened(cls, path: Path, mode: str) -> ScoreStore:
        if not path.exists():
            raise InputError("score store does not exist; make one with epigept-batch scan", path)
        try:
            if (path / METADATA).stat().st_size > LARGEST_METADATA:
                raise InputError("not an epigept-batch score store: its zarr.json is too large", path)
            group = zarr.open_group(path, mode=mode)  # type: ignore[arg-type]
            document: Mapping[str, Any] = group.attrs[ATTRIBUTE]  # type: ignore[assignment]
            version = document["format_version"]
            if version != FORMAT_VERSION:
                raise InputError(
                    f"score store has format {version}, but this version reads format {FORMAT_VERSION}; make it again",
                    path,
                )
            names = ScoreKey.__dataclass_fields__
            key = ScoreKey(
                **{name: document[name] for name in names if name != "factors"}, factors=tuple(document["factors"])
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            _raise_of_the_system(error, path)
            raise InputError("not an epigept-batch score store", path) from error
        return cls(path, key, group)

    @property
    def size(self) -> int:
        """Size on disk in bytes."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    @property
    def contig_names(self) -> list[str]:
        """Names of the contigs in the store, sorted."""
        return sorted(self._group.array_keys())

    def add(self, contig: Contig, md5: str) -> None:
        """Add an array for a contig, if the store has none.

        Raises:
            OutputError: It has one for another sequence.
        """
        if difference := self.difference(contig, md5):
            raise OutputError(f"{difference}; choose another --out", self.path)
        if self.has(contig):
            return
        self._group.create_array(
            node_name(contig.name),
            shape=(len(self.key.factors), self._bins(contig)),
            chunks=(len(self.key.factors), BLOCK_BINS),
            dtype="float16",
            fill_value=0,
            compressors=ZstdCodec(level=LEVEL, checksum=True),
            chunk_key_encoding={"name": "default", "separator": "."},
            dimension_names=("factor", "bin"),
            attributes={"length": contig.length, "md5": md5},
        )

    def difference(self, contig: Contig, md5: str) -> str:
        """Return how a contig's sequence differs from the one that was scanned; empty if it does not.

        Args:
            contig: A contig of the genome; if the store does not have it, there is no difference.
            md5: Its digest, as from `Genome.md5`.
        """
        if not self.has(contig):
            return ""
        kept = self._array(contig).attrs
        if kept["length"] != contig.length:
            return (
                f"store was made from another FASTA: its {contig.name} has {kept['length']:,} bp, not {contig.length:,}"
            )
        if kept["md5"] != md5:
            return f"store was made from another FASTA: its {contig.name} has the MD5 {kept['md5']}, not {md5}"
        return ""

    def blocks(self, contig: Contig) -> range:
        """Return the numbers of a contig's blocks."""
        return range(ceil_div(self._bins(contig), BLOCK_BINS))

    def span(self, contig: Contig, block: int) -> Span:
        """Return the bins of a block."""
        first = block * BLOCK_BINS
        return first, min(first + BLOCK_BINS, self._bins(contig))

    def block_size(self, contig: Contig, block: int) -> int:
        """Return the size of a finished block in bytes."""
        return self._file(contig, block).stat().st_size

    def missing(self, contig: Contig, blocks: Iterable[int]) -> list[int]:
        """Return those of the blocks that are not finished."""
        return [block for block in blocks if not self._file(contig, block).exists()]

    def write(self, contig: Contig, block: int, scores: NDArray[np.float16]) -> None:
        """Store the scores of a block, whose first bin is `block` × 1,000.

        Args:
            contig: A contig that was added.
            block: Number of the block.
            scores: float16, (factors, bins), 1,000 bins or up to the contig's end.

        Raises:
            OutputError: The disk is full.
        """
        first = block * BLOCK_BINS
        try:
            self._array(contig)[:, first : first + scores.shape[1]] = scores
        except OSError as error:
            raise OutputError(
                f"cannot be written: {reason(error)}; scores written so far are kept", self.path
            ) from error

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float16]:
        """Return scores of successive bins, float16, (factors, bins); 0 beyond the contig's end.

        Args:
            contig: A contig that has these bins.
            first: The first bin.
            bins: Number of bins.

        Raises:
            InputError: The scores are damaged.
        """
        if first % BLOCK_BINS == 0 and bins == BLOCK_BINS:
            return self._read_block(contig, first // BLOCK_BINS)
        scores = np.zeros((len(self.key.factors), bins), dtype=np.float16)
        last = min(first + bins, self._bins(contig))
        for block in range(first // BLOCK_BINS, ceil_div(last, BLOCK_BINS)):
            start = block * BLOCK_BINS
            begin, end = max(first, start), max(first, min(last, start + BLOCK_BINS))
            scores[:, begin - first : end - first] = self._read_block(contig, block)[:, begin - start : end - start]
        return scores

    def scores(self, stretch: Stretch) -> NDArray[np.float16]:
        """Return the scores of a stretch's bins, float16, (factors, bins); 0 beyond the contig's end.

        Raises:
            InputError: The scores are damaged.
        """
        return self.read(stretch.contig, stretch.first, stretch.bins)

    def _read_block_from_disk(self, contig: Contig, block: int) -> NDArray[np.float16]:
        """Read a whole block, (factors, 1,000), 0 beyond the contig's end.

        It bypasses Zarr, which would double the time. `add` makes each chunk one zstd frame of little-endian values.
        """
        file = self._file(contig, block)
        self._array(contig)  # a damaged array has its own message
        scores = np.empty((len(self.key.factors), BLOCK_BINS), dtype="<f2")
        try:
            self._unpack.decode(file.read_bytes(), out=scores)
        except FileNotFoundError:
            scores[:] = 0
        except Exception as error:  # a damaged file can raise any error
            _raise_of_the_system(error, file)
            raise InputError(f"damaged file ({error}); delete it and rerun epigept-batch scan", file) from error
        return scores

    def has(self, contig: Contig) -> bool:
        """Whether the store has an array for a contig."""
        return (self.path / node_name(contig.name) / METADATA).exists()

    def _open_array(self, contig: Contig) -> zarr.Array[Any]:
        folder = self.path / node_name(contig.name)
        try:
            array = self._group[node_name(contig.name)]
        except Exception as error:  # a damaged file can raise any error
            _raise_of_the_system(error, folder)
            raise InputError("damaged array; delete this folder and rerun epigept-batch scan", folder) from error
        if not isinstance(array, zarr.Array):
            raise InputError("not an array; delete this folder and rerun epigept-batch scan", folder)
        length, factors = array.attrs.get("length"), len(self.key.factors)
        bins = bins_of(length, self.key.bin_bp) if isinstance(length, int) else None
        form = (array.shape, array.chunks, array.dtype)
        if form != ((factors, bins), (factors, BLOCK_BINS), np.dtype(np.float16)) or "md5" not in array.attrs:
            raise InputError("array has another shape or type; delete this folder and rerun epigept-batch scan", folder)
        # An existing chunk is complete, so chunks without any hit must be written too.
        return array.with_config({"write_empty_chunks": True})

    def _file(self, contig: Contig, block: int) -> Path:
        """Return the file of a block, named as Zarr v3 defines for this chunk key encoding."""
        return self.path / node_name(contig.name) / f"c.0.{block}"

    def _bins(self, contig: Contig) -> int:
        return bins_of(contig.length, self.key.bin_bp)


def _raise_of_the_system(error: Exception, path: Path) -> None:
    """Raise if the system, short of files or memory, is at fault and not the store, which must then be kept.

    Raises:
        InputError: The system is at fault.
    """
    if isinstance(error, OSError) and error.errno in REMEDIES:
        raise InputError(f"score store cannot be read: {reason(error)}", path) from error


def _remove_leftovers(path: Path) -> None:
    """Remove files that Zarr had not finished when a scan was killed, but not files that another scan is writing."""
    for file in path.glob("*/*.partial"):
        if time.time() - file.stat().st_mtime > LEFTOVER_S:
            file.unlink(missing_ok=True)

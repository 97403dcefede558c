"""Open files of contact maps with hictkpy: .cool, .mcool and .hic."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.assemblies import name_in, names_of
from epigept_batch.errors import DeviceError, InputError, reason
from epigept_batch.tiling import Contig, bins_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

HDF5, HIC = b"\x89HDF\r\n\x1a\n", b"HIC\0"
"""What the files begin with."""
RAW = "NONE"
"""The name of no normalisation."""
NORMALISATIONS = ("weight", "ICE", "KR", "SCALE", "VC_SQRT", "VC")
"""Normalisations in order of preference: balanced within the genome or contig, then by coverage."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pixels of a contig, each once.

    Attributes:
        rows: int64, (pixels,): the bin of the anchor that comes first.
        columns: int64, (pixels,): the bin of the other anchor, not before `rows`.
        values: float64, (pixels,).
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]


class ContactFile:
    """A contact map at one resolution.

    Attributes:
        uri: The file, with the resolution if the user named it.
        bin_bp: Base pairs per bin.
        lengths: Lengths of the contigs in bp, by name, in the file's order.
        normalisation: Name of the normalisation of the values; `NONE` for the values as they are.

    Args:
        uri: A path, or `FILE.mcool::/resolutions/5000`.
        bin_bp: The resolution; None if there is only one.
        normalisation: A name; `NONE` for the values as they are; None for the first of `NORMALISATIONS` that the file
            has, else the values as they are.

    Raises:
        InputError: The file cannot be used, or does not have what is asked for.
        DeviceError: hictkpy is not installed.
    """

    def __init__(self, uri: str, *, bin_bp: int | None = None, normalisation: str | None = None) -> None:
        self.uri = uri
        found = resolutions(uri)
        if bin_bp is None and len(found) > 1:
            raise InputError(f"has several resolutions: {listed(found)}; choose one", uri)
        if bin_bp is not None and bin_bp not in found:
            raise InputError(f"has no resolution of {bin_bp:,} bp, only {listed(found)}", uri)
        self.bin_bp = bin_bp or found[0]
        path, _ = _parts(uri)
        self._file = _opened(path, self.bin_bp)
        self.lengths: dict[str, int] = dict(self._file.chromosomes())
        self.normalisation = self._choose(normalisation)
        self._offsets = dict(zip(self.lengths, _offsets(self.lengths, self.bin_bp), strict=True))
        self._weights = None if self.normalisation == RAW else self._file.weights(self.normalisation)

    def _choose(self, wanted: str | None) -> str:
        has: list[str] = self._file.avail_normalizations()
        if wanted is None:
            return next((name for name in NORMALISATIONS if name in has), RAW)
        if wanted not in {RAW, *has}:
            raise InputError(f"has no normalisation '{wanted}', only {', '.join([*has, RAW])}", self.uri)
        return wanted

    @property
    def contigs(self) -> tuple[Contig, ...]:
        """The contigs, in the file's order."""
        return tuple(Contig(name, length) for name, length in self.lengths.items())

    @property
    def attributes(self) -> dict[str, Any]:
        """What the file says about itself."""
        return dict(self._file.attributes())

    def name_of(self, contig: Contig) -> str | None:
        """Return the file's name of a contig; None if the file does not have it.

        Raises:
            InputError: It has another length in the file.
        """
        try:
            return name_in(self.lengths, contig)
        except ValueError as error:
            raise InputError(f"{error}; use contacts of this genome", self.uri) from error

    def check_genome(self, contigs: Sequence[Contig]) -> None:
        """Check that the file has any of a genome's contigs, under any of their names.

        Raises:
            InputError: It has none of them.
        """
        if not any(name in self.lengths for contig in contigs for name in names_of(contig)):
            ours, theirs = (next(iter(each), "none") for each in ([contig.name for contig in contigs], self.lengths))
            raise InputError(
                f"no contig in common with the genome: {theirs}, … instead of {ours}, …; "
                "use contacts of the same genome",
                self.uri,
            )

    def bad(self, name: str) -> NDArray[np.bool_]:
        """Return which bins of a contig the file marks as bad by having no weight, bool, (bins,)."""
        bins = bins_of(self.lengths[name], self.bin_bp)
        if self._weights is None:
            return np.zeros(bins, dtype=np.bool_)
        weights = self._weights[self._offsets[name] : self._offsets[name] + bins]
        wrong: NDArray[np.bool_] = ~(np.isfinite(weights) & (weights > 0))
        return wrong

    def pixels(self, name: str, rows: tuple[int, int], *, width: int) -> Pixels:
        """Return the pixels that the file has in some rows, fewer than `width` bins from the diagonal.

        Those with a bad bin are left out.

        Args:
            name: The file's name of the contig.
            rows: The bins [first, last) of the anchor that comes first.
            width: Bins from the diagonal, exclusive.

        Raises:
            InputError: A value is negative or not finite, or the file is damaged.
        """
        first, last = rows
        end = min(last + width - 1, bins_of(self.lengths[name], self.bin_bp))
        try:
            found = self._file.fetch(
                self._region(name, first, last),
                self._region(name, first, end),
                normalization=self.normalisation,
                count_type="float64",
                query_type="BED",
            ).to_coo()
        except RuntimeError as error:
            raise InputError(f"{name} cannot be read: {_first_line(error)}", self.uri) from error
        keep = (found.col >= found.row) & (found.col - found.row < width)
        row, column = (part[keep].astype(np.int64) + first for part in (found.row, found.col))
        return self._checked(name, Pixels(row, column, found.data[keep]))

    def _region(self, name: str, first: int, last: int) -> str:
        """Return base pairs as a line of BED, which no name can make ambiguous."""
        return f"{name}\t{first * self.bin_bp}\t{min(last * self.bin_bp, self.lengths[name])}"

    def _checked(self, name: str, pixels: Pixels) -> Pixels:
        """Return the pixels of good bins, with all values checked."""
        bad = self.bad(name)
        good = ~(bad[pixels.rows] | bad[pixels.columns])
        left = Pixels(pixels.rows[good], pixels.columns[good], pixels.values[good])
        wrong = ~(np.isfinite(left.values) & (left.values >= 0))
        if wrong.any():
            at = int(wrong.argmax())
            places = " and ".join(f"{name}:{bins[at] * self.bin_bp + 1:,}" for bins in (left.rows, left.columns))
            raise InputError(
                f"value {left.values[at]:.4g} between {places}; contacts must be finite and at least 0, such as "
                "counts, balanced counts or observed/expected",
                self.uri,
            )
        return left

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def resolutions(uri: str) -> tuple[int, ...]:
    """Return the resolutions of a file in bp, ascending; the one that its URI names, if it names one.

    Raises:
        InputError: The file is not a contact map, or does not have the named resolution.
        DeviceError: hictkpy is not installed.
    """
    path, named = _parts(uri)
    found = _resolutions(path)
    if named is None:
        return found
    if named not in found:
        raise InputError(f"has no resolution of {named:,} bp, only {listed(found)}", path)
    return (named,)


def _resolutions(path: Path) -> tuple[int, ...]:
    head = _head(path)
    if head[: len(HIC)] != HIC and head != HDF5:
        raise InputError("not a .cool, .mcool or .hic file, or truncated", path)
    hictkpy = _library()
    try:
        if head == HDF5 and not hictkpy.is_mcool_file(path):
            with hictkpy.File(path) as file:
                found = [file.resolution()]
        else:
            with hictkpy.MultiResFile(path) as file:
                found = [int(bin_bp) for bin_bp in file.resolutions()]
    except RuntimeError as error:
        raise InputError(f"not a .cool, .mcool or .hic file, or damaged: {_first_line(error)}", path) from error
    if not min(found, default=0):
        raise InputError("bins of different sizes; use a map with bins of one size", path)
    return tuple(sorted(found))


def listed(resolutions: Sequence[int]) -> str:
    """Return resolutions in words."""
    return ", ".join(f"{bin_bp:,}" for bin_bp in resolutions) + " bp"


def is_contact_file(path: Path) -> bool:
    """Whether a file begins as contact maps do.

    Raises:
        InputError: It cannot be read.
    """
    head = _head(path)
    return head == HDF5 or head.startswith(HIC)


def split_uri(uri: str) -> Path:
    """Return the path of a URI such as `FILE.mcool::/resolutions/5000`."""
    return _parts(uri)[0]


def _parts(uri: str) -> tuple[Path, int | None]:
    """Return the path of a URI and the resolution that it names, if any."""
    path, mark, group = uri.partition("::")
    if not mark or group == "/":
        return Path(path), None
    match = re.fullmatch(r"/?resolutions/([0-9]{1,10})", group)
    if not match:
        raise InputError(f"'{group}' does not name a resolution; use FILE.mcool::/resolutions/5000", path)
    return Path(path), int(match[1])


def _head(path: Path) -> bytes:
    if not path.exists():
        raise InputError("file not found", path)
    if not path.is_file():
        raise InputError("not a regular file", path)
    try:
        with path.open("rb") as stream:
            return stream.read(len(HDF5))
    except OSError as error:
        raise InputError(f"cannot be read: {reason(error)}", path) from error


def _opened(path: Path, bin_bp: int) -> Any:  # noqa: ANN401 - its type is in a library that is optional
    file = None
    try:
        file = _library().File(path, bin_bp)
    except RuntimeError as error:
        raise InputError(f"not a .cool, .mcool or .hic file, or damaged: {_first_line(error)}", path) from error
    if file.attributes().get("storage-mode", "symmetric-upper") != "symmetric-upper":
        raise InputError("not a symmetric map; use one whose storage-mode is symmetric-upper", path)
    return file


def _library() -> Any:  # noqa: ANN401 - its type is in a library that is optional
    try:
        import hictkpy
        import scipy.sparse  # noqa: F401 - hictkpy gives pixels as its matrices
    except ImportError as error:
        raise DeviceError(
            "contact maps require hictkpy and scipy; install epigept-batch with its [contacts] extra"
        ) from error
    return hictkpy


def _offsets(lengths: dict[str, int], bin_bp: int) -> list[int]:
    """Return the number of bins before each contig."""
    bins = [bins_of(length, bin_bp) for length in lengths.values()]
    return [0, *np.cumsum(bins)[:-1].tolist()] if bins else []


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

"""The contact maps of a run: a .cool for each sample, what was expected, and the strongest pairs."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.contacts.cool import RATIO, RAW, import_cooler, write_cool, write_mcool
from epigept_batch.contacts.expected import DistanceSums, Expected, read_expected, write_expected
from epigept_batch.contacts.pairs import WindowMean, size, upper_triangle, usable_blocks
from epigept_batch.contacts.strongest import CAUTION, Candidates, Rule, Strongest, write_bedpe, write_interact
from epigept_batch.errors import InputError, ModelError, OutputError, reason
from epigept_batch.files import publish, temporary_beside
from epigept_batch.inference.model_file import file_sha256
from epigept_batch.tiling import ceil_div, select_bins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.commands.contacts.request import ContactsRequest
    from epigept_batch.commands.run.product import Again, Assignment, NamedSample
    from epigept_batch.contacts.cool import Pixels
    from epigept_batch.contacts.pairs import Rows
    from epigept_batch.prediction.stitch import TileSignal
    from epigept_batch.spec import ContactOutput, Spec
    from epigept_batch.tiling import Region, Span, Tile

MIN_DISTANCE_BP = 20_000
"""Pairs that are nearer are mostly of one element, and all of them touch."""


@dataclass(frozen=True)
class ContactFiles:
    """The contact files of one sample in an output folder; see `provenance.run_record.OutputFiles`."""

    folder: Path
    sample: str
    mcool: bool
    what: str = "contacts"

    def _path(self, ending: str) -> Path:
        return self.folder / f"{self.sample}.{ending}"

    @property
    def cool(self) -> Path:
        """SAMPLE.contacts.cool."""
        return self._path("contacts.cool")

    @property
    def coarser(self) -> Path:
        """SAMPLE.contacts.mcool."""
        return self._path("contacts.mcool")

    @property
    def expected(self) -> Path:
        """SAMPLE.expected.tsv."""
        return self._path("expected.tsv")

    @property
    def bedpe(self) -> Path:
        """SAMPLE.contacts.bedpe."""
        return self._path("contacts.bedpe")

    @property
    def interact(self) -> Path:
        """SAMPLE.contacts.interact."""
        return self._path("contacts.interact")

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.cool, *([self.coarser] if self.mcool else []), self.expected, self.bedpe, self.interact)

    @property
    def record(self) -> Path:
        """SAMPLE.contacts.json; its name differs from that of the record of tracks."""
        return self._path("contacts.json")

    @property
    def journal(self) -> Path:
        """.SAMPLE.contacts.journal."""
        return self.folder / f".{self.sample}.contacts.journal"

    @property
    def changing(self) -> Path:
        """.SAMPLE.contacts.changing."""
        return self.folder / f".{self.sample}.contacts.changing"

    def could_be_outputs(self) -> list[Path]:
        """Return those of the files that exist."""
        paths = (self.cool, self.coarser, self.expected, self.bedpe, self.interact)
        return [path for path in paths if path.exists()]


class Maps:
    """The contact maps of a run; see `commands.run.product.Product`.

    Args:
        request: The options.
        spec: The spec of the model file.

    Raises:
        InputError: The file of --expected cannot be used.
        ModelError: The model has no such contact output.
        DeviceError: cooler is not installed.
    """

    compares_copies = False

    def __init__(self, request: ContactsRequest, spec: Spec) -> None:
        self.request = request
        self.output = find_output(request.map, spec, request.model)
        self.outputs = (self.output.name,)
        self.geometry = spec.geometry
        self.bin_bp = self.output.bin_bp
        self.blocks = spec.geometry.window_bp // self.bin_bp
        self.overlap = self._least_overlap() if request.overlap is None else request.overlap
        self.values = RAW if request.raw else RATIO
        self._min_distance_bp = request.min_distance_bp
        if self._min_distance_bp is None:
            self._min_distance_bp = min(MIN_DISTANCE_BP, spec.geometry.window_bp // 5)
        self.min_distance = ceil_div(self._min_distance_bp, self.bin_bp)
        self.expected = None if request.expected is None else read_expected(request.expected)
        self._check()
        import_cooler()

    def _check(self) -> None:
        """Check that the options suit the map.

        Raises:
            InputError: One does not.
        """
        window_bp = self.geometry.window_bp
        if self.expected is not None and self.expected.bin_bp != self.bin_bp:
            raise InputError(
                f"is for bins of {self.expected.bin_bp:,} bp, but the map has bins of {self.bin_bp:,} bp; use the "
                "expected.tsv of a run with this map",
                self.request.expected,
            )
        if self.min_distance >= self.blocks:
            raise InputError(
                f"--min-distance {self._min_distance_bp}: must be less than the {window_bp:,} bp of a window, in which "
                "pairs are seen"
            )
        if (window_bp - self.overlap) % self.bin_bp:
            raise InputError(
                f"--overlap {self.overlap}: must differ from the window of {window_bp:,} bp by a multiple of the map's "
                f"bins of {self.bin_bp:,} bp"
            )

    def _least_overlap(self) -> int:
        """Return the least overlap of at least half of a window with which all windows lie on the map's grid of bins.

        Every pair up to this distance is then seen in whole.
        """
        return self.geometry.window_bp - max(1, self.blocks // 2) * self.bin_bp

    def selection(self, regions: Sequence[Region]) -> dict[str, tuple[Span, ...]]:
        """Return the bins of the map that overlap the regions."""
        return select_bins(regions, self.bin_bp)

    def network_bins(self, regions: Sequence[Region]) -> dict[str, tuple[Span, ...]]:
        """Return the same selection in bins of the network."""
        times = self.bin_bp // self.geometry.bin_bp
        return {
            contig: tuple((first * times, last * times) for first, last in spans)
            for contig, spans in self.selection(regions).items()
        }

    def check_expected(self, tiles: Sequence[Tile]) -> None:
        """Refuse, before any work, what another run expected if it lacks a distance of this run.

        Raises:
            InputError: It does.
        """
        if self.expected is None:
            return
        times = self.bin_bp // self.geometry.bin_bp
        spans = (tile.paired for tile in tiles if tile.paired)
        distances = max((ceil_div(paired[-1][1] - paired[0][0], times) for paired in spans), default=0)
        if not self.expected.known(distances):
            raise InputError(
                f"lacks an expected value above 0 for a distance below {distances * self.bin_bp:,} bp, which this run "
                "needs; use the expected.tsv of a run over a larger part of the genome",
                self.request.expected,
            )

    def files(self, sample: NamedSample) -> ContactFiles:
        """Return the contact files of a sample."""
        return ContactFiles(self.request.out, sample.name, self.request.mcool)

    def leftovers(self, sample: NamedSample) -> Iterator[Path]:
        """Yield every path beside which a killed run may have left a hidden file."""
        files = ContactFiles(self.request.out, sample.name, mcool=True)
        yield from (*files.outputs, files.record, files.changing)

    def inputs(self, sample: NamedSample) -> Mapping[str, Any]:
        """Return what the files also depend on."""
        del sample
        request = self.request
        return {
            "map": self.output.name,
            "values": self.values,
            "expected": None if request.expected is None else file_sha256(request.expected),
            "strongest pairs": [request.share, self.min_distance * self.bin_bp],
            "levels": request.mcool,
            "overlap": self.overlap,
        }

    def shape(self, tile: Tile) -> tuple[int, int]:
        """Return one row of all pairs of a window's bins."""
        del tile
        return 1, size(self.blocks)

    def kept(self, signal: TileSignal) -> NDArray[np.float32]:
        """Return the pairs of a window, (samples, 1, pairs); NaN for those that are not wanted."""
        if not signal.others:
            return np.zeros((0, 0, 0), dtype=np.float32)
        usable = usable_blocks(signal.tile, signal.has_bases, bin_bp=self.geometry.bin_bp, block_bp=self.bin_bp)
        return upper_triangle(signal.others[self.output.name], usable)[:, None]

    @contextmanager
    def work(self, assignment: Assignment) -> Iterator[MapWork]:
        """Begin to make the contact files."""
        with ExitStack() as stack:
            yield MapWork(self, assignment, stack)


class MapWork:
    """Maps in the making; see `commands.run.product.Work`.

    All windows come twice: once to find what is expected at each distance, once more to write.
    """

    def __init__(self, maps: Maps, assignment: Assignment, stack: ExitStack) -> None:
        self._maps, self._assignment, self._stack = maps, assignment, stack
        self._contigs = assignment.contigs
        self._mean = WindowMean(len(assignment.samples), maps.blocks, block_bp=maps.bin_bp)
        self._sums = DistanceSums(len(assignment.samples), maps.blocks)
        self._temporaries: list[tuple[Path, Path]] = []
        self._strongest: list[str] = []

    def take(self, tile: Tile, kept: NDArray[np.float32]) -> None:
        """Add a window to the sums by distance."""
        for rows in self._mean.add(tile, kept[:, 0] if kept.size else kept):
            self._sums.add(rows)

    @cached_property
    def _distances(self) -> DistanceSums:
        """The sums by distance of all windows."""
        for rows in self._mean.rest():
            self._sums.add(rows)
        return self._sums

    @property
    def is_empty(self) -> bool:
        """Whether there is no pair."""
        return not self._distances.pixels.any()

    def finish(self, again: Again) -> None:
        """Write the files of every sample under hidden names."""
        for number, sample in enumerate(self._assignment.samples):
            try:
                self._write(number, sample, again)
            except OSError as error:
                raise OutputError(
                    f"cannot be written: {reason(error)}; free some space and rerun the same command: finished windows "
                    "are kept",
                    self._maps.files(sample).cool,
                ) from error

    def _write(self, number: int, sample: NamedSample, again: Again) -> None:
        maps, files = self._maps, self._maps.files(sample)
        mean = self._distances.mean(number)
        expected = maps.expected or Expected(maps.bin_bp, mean)
        candidates = int(self._distances.pixels[maps.min_distance :].sum())
        rule = Rule(sample.name, maps.request.share, maps.min_distance * maps.bin_bp, candidates, maps.bin_bp)
        strongest = Strongest(rule.number, maps.min_distance)
        cool = self._temporary(files.cool)
        about = self._about(sample.name)
        write_cool(
            cool, self._contigs, self._pixels(again(number), expected, strongest), bin_bp=maps.bin_bp, about=about
        )
        if maps.request.mcool:
            write_mcool(self._temporary(files.coarser), cool, bin_bp=maps.bin_bp)
        pairs = strongest.pairs()
        write_expected(
            self._temporary(files.expected),
            Expected(maps.bin_bp, expected.values[: maps.blocks]),
            pixels=self._distances.pixels,
            mean=mean,
            about=f"{sample.name}: mean attention of pairs of bins by distance, and what was expected",
        )
        write_bedpe(self._temporary(files.bedpe), self._contigs, pairs, rule)
        write_interact(self._temporary(files.interact), self._contigs, pairs, rule)
        self._strongest.append(rule.in_words(pairs))

    def _pixels(
        self, windows: Iterator[tuple[Tile, NDArray[np.float32]]], expected: Expected, strongest: Strongest
    ) -> Iterator[Pixels]:
        """Yield the pixels of a sample in genome order, and let `strongest` see them."""
        numbers = {contig: number for number, contig in enumerate(self._contigs)}
        for rows in self._rows(windows):
            pairs = _pairs(rows, numbers[rows.contig], expected)
            strongest.add(pairs)
            yield rows.contig, pairs.first, pairs.second, pairs.observed if self._maps.request.raw else pairs.ratio

    def _rows(self, windows: Iterator[tuple[Tile, NDArray[np.float32]]]) -> Iterator[Rows]:
        mean = WindowMean(1, self._maps.blocks, block_bp=self._maps.bin_bp)
        for tile, kept in windows:
            yield from mean.add(tile, kept[:, 0] if kept.size else kept)
        yield from mean.rest()

    def _about(self, sample: str) -> dict[str, Any]:
        """Return what the .cool says about itself."""
        maps = self._maps
        return {
            "sample": sample,
            "values": maps.values,
            "note": CAUTION,
            "layers": list(maps.output.layers),
            "window_bp": maps.geometry.window_bp,
            "overlap": maps.overlap,
            "model_sha256": self._assignment.model_sha256,
        }

    def _temporary(self, path: Path) -> Path:
        """Return a hidden file that `publish` renames to `path`, and that is removed if it does not."""
        temporary = temporary_beside(path)
        self._stack.callback(temporary.unlink, missing_ok=True)
        self._temporaries.append((temporary, path))
        return temporary

    def publish(self) -> None:
        """Give the files their names."""
        for temporary, path in self._temporaries:
            publish(temporary, path)

    def facts(self, number: int) -> Mapping[str, Any]:
        """Return what the record of a sample says about its map."""
        maps = self._maps
        return {
            "map": maps.output.name,
            "layers": list(maps.output.layers),
            "map_bin_bp": maps.bin_bp,
            "values": maps.values,
            "expected": None if maps.request.expected is None else str(maps.request.expected.resolve()),
            "strongest_pairs": self._strongest[number],
            "regions": self._assignment.regions,
            "pixels": int(self._distances.pixels.sum()),
        }

    def summary(self, number: int) -> str:
        """Return what was made."""
        del number
        return f"contacts of {int(self._distances.pixels.sum()):,} pairs of {self._maps.bin_bp:,} bp bins"


def find_output(name: str, spec: Spec, model: Path) -> ContactOutput:
    """Return a contact output of a model.

    Raises:
        ModelError: The model does not have it.
    """
    found = next((output for output in spec.contacts if output.name == name), None)
    if found is None:
        names = ", ".join(output.name for output in spec.contacts)
        advice = (
            f"choose --map among {names}" if names else "convert the checkpoint with epigept-export convert --contacts"
        )
        raise ModelError(f"no output '{name}'; {advice}", model)
    return found


def _pairs(rows: Rows, contig: int, expected: Expected) -> Candidates:
    """Return the pairs of finished rows that were seen, in genome order."""
    values = rows.values[0]
    row, distance = np.nonzero(~np.isnan(values))
    first = rows.first + row
    return Candidates(
        np.full(len(row), contig), first, first + distance, values[row, distance], expected.values[distance]
    )

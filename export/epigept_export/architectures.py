"""The published networks by their sizes."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, Self

from epigept_batch.names import LONGEST_TRACK, can_be_file_name
from epigept_batch.spec import LONGEST_WINDOW, ScanWindow
from epigept_batch.tiling import Geometry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from epigept_batch.spec import ExpressionReference

    Windows = Mapping[str, tuple[tuple[int, int], ...]]
    """By contig the runs [first, last) of window numbers on the grid from 0."""

TRACKS = ("DNase", "CTCF", "H3K27ac", "H3K4me3", "H3K36me3", "H3K27me3", "H3K9me3", "H3K4me1")


def homer_200(geometry: Geometry) -> ScanWindow:
    """What HOMER's default size of 200 makes of a bin: from 101 bp before its middle, (-37, 164) of 128 bp."""
    middle = geometry.bin_bp // 2
    return ScanWindow(middle - 101, middle + 100)


def homer_given(geometry: Geometry) -> ScanWindow:
    """A bin as HOMER takes it with `-size given`."""
    return ScanWindow(0, geometry.bin_bp)


LARGEST_SIZE, MOST_LAYERS, MOST_CONVOLUTIONS = 1 << 16, 256, 16
TRAINED = "trained"
"""The name of every network that was trained here; its checkpoint carries its sizes."""
HG_SCAN_WINDOW = homer_200(Geometry(1000, 128))


@dataclass(frozen=True)
class Architecture:
    """Sizes of a network and names of its parts in a checkpoint.

    Attributes:
        name: As the command line has it.
        tracks: Outputs, in order.
        bins: Bins of a window.
        factors: Transcription factors.
        layers: Transformer layers.
        feed_forward: Width of their feed-forward part.
        heads: Attention heads.
        positions: Rows of the position embedding.
        channels: Of the sequence and after each convolution.
        kernels: Of the convolutions.
        pools: Of the max pooling behind each.
        encoder_key: Under which the checkpoint has the transformer.
        output_keys: Under which it has the linear layers of the output, each followed by ReLU.
        hidden_output: Width between two such layers; unused where there is one.
        scan_window: Where the training data took a bin's motif hits from.
        training_windows: Name of the packaged list of training windows, if published; of a network that was trained
            here, the windows themselves.
        contiguous: Whether the training windows were stretches of a chromosome; the dnase network's were successive
            rows of a filtered list of open bins, their sequences joined.
    """

    name: str
    tracks: tuple[str, ...] = TRACKS
    bins: int = 1000
    factors: int = 711
    layers: int = 12
    feed_forward: int = 1024
    heads: int = 8
    positions: int = 1000
    channels: tuple[int, ...] = (4, 32, 64, 96, 128, 256)
    kernels: tuple[int, ...] = (3, 5, 5, 3, 3)
    pools: tuple[int, ...] = (4, 4, 2, 2, 2)
    encoder_key: str = "encoder"
    output_keys: tuple[str, ...] = ("fc1", "fc2")
    hidden_output: int = 128
    scan_window: ScanWindow = HG_SCAN_WINDOW
    training_windows: str | Windows | None = None
    contiguous: bool = True

    @property
    def sizes(self) -> dict[str, Any]:
        """What a model file says of the network."""
        return {
            "layers": self.layers,
            "hidden": self.hidden,
            "heads": self.heads,
            "feed_forward": self.feed_forward,
            "channels": self.channels,
            "kernels": self.kernels,
            "pools": self.pools,
        }

    def to_json(self) -> str:
        """As JSON, which a network that was trained here carries in its checkpoint."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: It is something else.
        """
        fields: dict[str, Any] = json.loads(text)
        for name in ("tracks", "channels", "kernels", "pools", "output_keys"):
            fields[name] = tuple(fields[name])
        fields["scan_window"] = ScanWindow(**fields["scan_window"])
        if isinstance(fields["training_windows"], dict):
            fields["training_windows"] = {
                contig: tuple((int(first), int(last)) for first, last in runs)
                for contig, runs in fields["training_windows"].items()
            }
        return cls(**fields)

    def checked(self) -> Self:
        """The same, if a network can have these sizes; they come out of a file and decide what is made.

        Raises:
            ValueError, TypeError: It cannot.
        """
        layered = (self.channels[1:], self.kernels, self.pools)
        sizes = (
            self.bins,
            self.factors,
            self.layers,
            self.feed_forward,
            self.heads,
            self.positions,
            self.hidden_output,
        )
        whole = [*sizes, *self.channels, *self.kernels, *self.pools]
        if not all(isinstance(size, int) and 0 < size <= LARGEST_SIZE for size in whole):
            raise ValueError("sizes that no network has")
        if not 0 < len(self.pools) <= MOST_CONVOLUTIONS or len({len(part) for part in layered}) > 1:
            raise ValueError("convolutions that do not fit each other")
        if self.layers > MOST_LAYERS or not 0 < len(self.output_keys) <= MOST_CONVOLUTIONS:
            raise ValueError("more layers than any network has")
        if math.prod(self.pools) * self.bins > LONGEST_WINDOW:
            raise ValueError("a window longer than any")
        if not self.tracks or not all(can_be_file_name(name, longest=LONGEST_TRACK) for name in self.tracks):
            raise ValueError("tracks whose names cannot be those of files")
        if isinstance(self.training_windows, str) and self.training_windows not in ARCHITECTURES:
            raise ValueError("training windows of no published network")
        return self

    @property
    def geometry(self) -> Geometry:
        """Bins and base pairs per bin, which is what the pools make of it."""
        return Geometry(self.bins, math.prod(self.pools))

    @property
    def zero_columns(self) -> int:
        """Columns of zeros behind the factors' that make the hidden width a multiple of the heads: 711 -> 712."""
        return -(self.channels[-1] + self.factors) % self.heads

    @property
    def hidden(self) -> int:
        """Width of the transformer: sequence channels, factors and zero columns."""
        return self.channels[-1] + self.factors + self.zero_columns

    @property
    def output_widths(self) -> tuple[int, ...]:
        """Widths from the transformer to the tracks."""
        between = (self.hidden_output,) * (len(self.output_keys) - 1)
        return (self.hidden, *between, len(self.tracks))


_HG19 = Architecture(
    "hg19", encoder_key="transformermodule", output_keys=("multitaskmodule.linear",), training_windows="hg19"
)
_DNASE = replace(
    _HG19,
    name="dnase",
    tracks=("DNase",),
    bins=50,
    layers=16,
    feed_forward=512,
    positions=512,
    pools=(5, 5, 2, 2, 2),
    scan_window=ScanWindow(-400, 600),
    training_windows=None,
    contiguous=False,
)
ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("hg38", training_windows="hg38"),
        _HG19,
        replace(_HG19, name="hg19-pretrain", encoder_key="encoder", output_keys=("fc2",)),
        _DNASE,
    )
}
"""The four published ones. That hg19-pretrain saw the windows of hg19 is an assumption: its own were not published."""


def with_factors(architecture: Architecture, factors: int) -> Architecture:
    """The same for another motif set, as users train it themselves; on which windows is not known."""
    return (
        architecture
        if factors == architecture.factors
        else replace(architecture, factors=factors, training_windows=None)
    )


def read_training_windows(name: str | Windows | None) -> Windows:
    """The training windows of a network, by their name if they are published.

    Those are from `windows_hg38.bed` and `windows_hg19.bed` of github.com/ZjGaothu/EpiGePT at 87a8225 (MIT).
    """
    if not isinstance(name, str):
        return name or {}
    text = resources.files("epigept_export").joinpath(f"training_windows.{name}.tsv").read_text()
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {contig: tuple(_run(piece) for piece in pieces.split(",")) for contig, pieces in rows}


def training_cells(architecture: Architecture, reference: ExpressionReference | None) -> tuple[str, ...]:
    """Names of the cells that a network was trained on; none where they are not known.

    Of a network that was trained here they are those of its expression reference. The published reference has more
    cells than the hg38 network was trained on: those are from `cells_hg38.tsv` and `train_cells.txt` of
    github.com/ZjGaothu/EpiGePT at 87a8225 (MIT).
    """
    if architecture.name == TRAINED and reference is not None:
        return reference.cells
    if architecture.training_windows != "hg38":
        return ()
    text = resources.files("epigept_export").joinpath("training_cells.hg38.txt").read_text()
    return tuple(line for line in text.splitlines() if not line.startswith("#"))


def _run(piece: str) -> tuple[int, int]:
    first, _, last = piece.partition("-")
    return int(first), int(last or first) + 1

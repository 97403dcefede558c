"""The architectures of the published networks."""

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
    """Runs [first, last) of window numbers by contig, on the grid from 0."""

TRACKS = ("DNase", "CTCF", "H3K27ac", "H3K4me3", "H3K36me3", "H3K27me3", "H3K9me3", "H3K4me1")


def homer_200(geometry: Geometry) -> ScanWindow:
    """Return the scan window of HOMER's default size, 200: from 101 bp before a bin's middle; (-37, 164) for 128 bp."""
    middle = geometry.bin_bp // 2
    return ScanWindow(middle - 101, middle + 100)


def homer_given(geometry: Geometry) -> ScanWindow:
    """Return the scan window of HOMER's `-size given`: the bin itself."""
    return ScanWindow(0, geometry.bin_bp)


LARGEST_SIZE, MOST_LAYERS, MOST_CONVOLUTIONS = 1 << 16, 256, 16
TRAINED = "trained"
"""The name of every network that was trained with epigept-export; its checkpoint contains its architecture."""
HG_SCAN_WINDOW = homer_200(Geometry(1000, 128))


@dataclass(frozen=True)
class Architecture:
    """Sizes of a network and names of its parts in a checkpoint.

    Attributes:
        name: Name on the command line.
        tracks: Outputs, in order.
        bins: Bins per window.
        factors: Transcription factors.
        layers: Transformer layers.
        feed_forward: Width of their feed-forward part.
        heads: Attention heads.
        positions: Rows of the position embedding.
        channels: Channels of the sequence and after each convolution.
        kernels: Kernel sizes of the convolutions.
        pools: Sizes of the max pooling after each convolution.
        encoder_key: Key of the transformer in the checkpoint.
        output_keys: Keys of the linear layers of the output, each followed by ReLU.
        hidden_output: Width between two such layers; unused if there is only one.
        scan_window: Window from which the training data took a bin's motif hits.
        training_windows: Name of the packaged list of training windows, if published; for a network that was trained
            with epigept-export, the windows themselves.
        contiguous: Whether the training windows were stretches of a chromosome. Those of the dnase network were
            successive rows of a filtered list of open bins, with their sequences joined.
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
        """The sizes that a model file records."""
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
        """Return JSON, which a network that was trained with epigept-export carries in its checkpoint."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: It is not such JSON.
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
        """Return the architecture if a network can have these sizes; they come from a file, so they are not trusted.

        Raises:
            ValueError, TypeError: A network cannot have them.
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
            raise ValueError("sizes out of range")
        if not 0 < len(self.pools) <= MOST_CONVOLUTIONS or len({len(part) for part in layered}) > 1:
            raise ValueError("numbers of channels, kernels and pools that do not match")
        if self.layers > MOST_LAYERS or not 0 < len(self.output_keys) <= MOST_CONVOLUTIONS:
            raise ValueError("too many layers, or no output layer")
        if math.prod(self.pools) * self.bins > LONGEST_WINDOW:
            raise ValueError("a window that is too long")
        if not self.tracks or not all(can_be_file_name(name, longest=LONGEST_TRACK) for name in self.tracks):
            raise ValueError("track names that cannot be file names")
        if isinstance(self.training_windows, str) and self.training_windows not in ARCHITECTURES:
            raise ValueError("training windows of an unknown network")
        return self

    @property
    def geometry(self) -> Geometry:
        """Bins and base pairs per bin; the pools together make a bin."""
        return Geometry(self.bins, math.prod(self.pools))

    @property
    def zero_columns(self) -> int:
        """Zero columns after the factors that make the hidden width a multiple of the heads: 711 -> 712."""
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
"""The four published architectures. For hg19-pretrain the training windows of hg19 are assumed: its own were not
published."""


def with_factors(architecture: Architecture, factors: int) -> Architecture:
    """Return the architecture with another number of factors, as users train it on unknown training windows."""
    return (
        architecture
        if factors == architecture.factors
        else replace(architecture, factors=factors, training_windows=None)
    )


def read_training_windows(name: str | Windows | None) -> Windows:
    """Return the training windows of a network; a name stands for a published list.

    The published lists are from `windows_hg38.bed` and `windows_hg19.bed` of github.com/ZjGaothu/EpiGePT at 87a8225
    (MIT).
    """
    if not isinstance(name, str):
        return name or {}
    text = resources.files("epigept_export").joinpath(f"training_windows.{name}.tsv").read_text()
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {contig: tuple(_run(piece) for piece in pieces.split(",")) for contig, pieces in rows}


def training_cells(architecture: Architecture, reference: ExpressionReference | None) -> tuple[str, ...]:
    """Return the names of a network's training cells; empty if they are not known.

    For a network that was trained with epigept-export, they are those of its expression reference. The published
    reference has more cells than the hg38 network was trained on; its training cells are from `cells_hg38.tsv` and
    `train_cells.txt` of github.com/ZjGaothu/EpiGePT at 87a8225 (MIT).
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

"""What a training is made of: a TOML file, read and checked."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError, reason
from epigept_batch.spec import ScanWindow
from epigept_export.architectures import TRAINED, Architecture

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {
    "published": Architecture(TRAINED),
    "small": Architecture(
        TRAINED,
        bins=256,
        layers=3,
        feed_forward=128,
        heads=4,
        positions=256,
        channels=(4, 16, 24, 32, 32, 40),
        hidden_output=64,
    ),
}
"""What `size` stands for; factors and tracks are those of the data."""
NETWORK_FIELDS = ("bins", "layers", "feed_forward", "heads", "channels", "kernels", "pools", "hidden_output")


@dataclass(frozen=True)
class DataConfig:
    """Where the data are.

    Attributes:
        fasta: The genome.
        motifs: Motifs in HOMER, MEME or JASPAR format.
        motif_factors: Their factors.
        motif_window: Where a bin's hits lie, in bp from its start.
        expression: TPM, factors × cells.
        signals: bigWigs, with {cell} and {track} in the path.
        tracks: Names of the tracks.
        scores: Store of motif scores; made where it is not there.
        space: What the bigWigs hold: `linear` signal, or `log1p` of it.
        zero_fill: Whether bases without data have a signal of 0, as in a pileup; else they are left out of the loss.
    """

    fasta: Path
    motifs: Path
    motif_factors: Path
    expression: Path
    signals: str
    tracks: tuple[str, ...]
    scores: Path
    motif_window: ScanWindow | None = None
    space: str = "linear"
    zero_fill: bool = False


@dataclass(frozen=True)
class SplitConfig:
    """What is held out; the network learns from the other contigs and cells.

    Attributes:
        validation_contigs: By which training is stopped.
        validation_cells: By which training is stopped.
        test_contigs: Not looked at.
        test_cells: Not looked at.
        contigs: All that are used; empty for every contig of the FASTA.
    """

    validation_contigs: tuple[str, ...]
    validation_cells: tuple[str, ...]
    test_contigs: tuple[str, ...] = ()
    test_cells: tuple[str, ...] = ()
    contigs: tuple[str, ...] = ()


@dataclass(frozen=True)
class FitConfig:
    """How it is trained.

    Attributes:
        epochs: At most.
        minutes: At most; 0 for no limit.
        windows: A batch.
        cells: A batch, drawn anew for each: the convolutions run once a window.
        learning_rate: Of Adam, after the warm-up.
        warmup_steps: Over which it rises.
        decay: Whether it falls along a cosine to the last epoch or minute.
        patience: Epochs without a better validation loss after which training stops.
        gradient_clip: Norm to which gradients are clipped; 0 for none.
        head_leak: Share of the gradient that the last ReLU lets through where it is shut, so that a track of few peaks
            does not die; the values are the same.
        seed: Of weights and batches.
        precision: Lightning's: `32-true`, `bf16-mixed`, `16-mixed`.
        devices: Lightning's: how many, or `auto`.
        accelerator: Lightning's: `cpu`, `gpu`, `auto`.
        workers: Processes that read.
    """

    epochs: int = 100
    minutes: float = 0
    windows: int = 4
    cells: int = 8
    learning_rate: float = 1e-4
    warmup_steps: int = 200
    decay: bool = True
    patience: int = 10
    gradient_clip: float = 1.0
    head_leak: float = 0.0
    seed: int = 1
    precision: str = "32-true"
    devices: int | str = "auto"
    accelerator: str = "auto"
    workers: int = 0


@dataclass(frozen=True)
class TrainingConfig:
    """A training.

    Attributes:
        path: The file it was read from.
        data: Where the data are.
        split: What is held out.
        architecture: Sizes, without factors.
        fit: How it is trained.
    """

    path: Path
    data: DataConfig
    split: SplitConfig
    architecture: Architecture
    fit: FitConfig


def read_config(path: Path, *, size: str | None = None) -> TrainingConfig:
    """Read a TOML file with tables `data`, `split`, `network` and `fit`; paths are relative to its folder.

    Args:
        path: The file.
        size: Goes before `network.size`.

    Raises:
        InputError: It cannot be read, or says something unknown or of another type.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"training configuration cannot be read: {reason(error)}", path) from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits and lists in lists among them
        raise InputError(f"is not TOML ({error})", path) from error
    unknown = set(document) - {"data", "split", "network", "fit"}
    if unknown:
        raise InputError(f"has an unknown table [{min(unknown)}]; known are data, split, network, fit", path)
    data = _table(path, document, "data", DataConfig)
    folder = path.parent
    paths = {f.name: folder / data[f.name] for f in fields(DataConfig) if f.type == "Path"}
    data_config = DataConfig(**{**data, **paths, "signals": str(folder / data["signals"])})
    if data_config.space not in {"linear", "log1p"}:
        raise InputError(f"data.space is {data_config.space!r}; give linear or log1p", path)
    if not all(f"{{{name}}}" in data_config.signals for name in ("cell", "track")):
        raise InputError("data.signals must hold {cell} and {track}", path)
    return TrainingConfig(
        path=path,
        data=data_config,
        split=SplitConfig(**_table(path, document, "split", SplitConfig)),
        architecture=_architecture(path, document.get("network", {}), data_config, size),
        fit=FitConfig(**_table(path, document, "fit", FitConfig)),
    )


def _architecture(path: Path, network: dict[str, Any], data: DataConfig, size: str | None) -> Architecture:
    chosen = size or network.get("size", "published")
    if chosen not in SIZES:
        raise InputError(f"network.size is {chosen!r}; give {' or '.join(SIZES)}", path)
    unknown = set(network) - {"size", *NETWORK_FIELDS}
    if unknown:
        raise InputError(f"has an unknown network.{min(unknown)}; known are size, {', '.join(NETWORK_FIELDS)}", path)
    given: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in network.items() if name != "size"
    }
    architecture = replace(SIZES[chosen], **given, tracks=data.tracks)
    window = data.motif_window or architecture.scan_window
    return replace(architecture, positions=architecture.bins, scan_window=window)


def _table(path: Path, document: dict[str, Any], name: str, kind: type) -> dict[str, Any]:
    """A table of the file as a dataclass's arguments, their names and types checked."""
    table = document.get(name, {})
    known = {field.name: field for field in fields(kind)}
    for key, value in table.items():
        if key not in known:
            raise InputError(f"has an unknown {name}.{key}; known are {', '.join(known)}", path)
        table[key] = _checked(path, f"{name}.{key}", str(known[key].type), value)
    absent = [key for key, field in known.items() if key not in table and _is_required(field)]
    if absent:
        raise InputError(f"lacks {name}.{absent[0]}", path)
    return dict(table)


def _is_required(field: Any) -> bool:  # noqa: ANN401 - a field of whatever type
    return repr(field.default).startswith("<dataclasses._MISSING_TYPE")


def _checked(path: Path, key: str, kind: str, value: object) -> object:
    """A value of the type that a field has."""
    if kind.startswith("tuple") and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if kind.startswith("ScanWindow"):
        if isinstance(value, list) and len(value) == 2 and all(isinstance(n, int) for n in value):  # noqa: PLR2004
            return ScanWindow(*value)
        raise InputError(f"{key} is {value!r}; give two numbers, [LEFT, RIGHT]", path)
    accepted = {
        "Path": str,
        "str": str,
        "bool": bool,
        "int": int,
        "float": (int, float),
        "int | str": (int, str),
    }
    if kind not in accepted or not isinstance(value, accepted[kind]) or (kind != "bool" and isinstance(value, bool)):  # type: ignore[arg-type]
        words = {"Path": "a path", "str": "text", "bool": "true or false", "int": "a whole number", "float": "a number"}
        raise InputError(f"{key} is {value!r}; give {words.get(kind, 'a list of names')}", path)
    return value

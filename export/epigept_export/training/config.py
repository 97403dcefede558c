"""The configuration of a training: a TOML file, read and checked."""

from __future__ import annotations

import math
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
"""Architectures by the value of `size`; factors and tracks come from the data."""
TABLES = ("data", "split", "network", "fit", "contacts")
NETWORK_FIELDS = ("bins", "layers", "feed_forward", "heads", "channels", "kernels", "pools", "hidden_output")


@dataclass(frozen=True)
class DataConfig:
    """The input files.

    Attributes:
        fasta: The genome.
        motifs: Motifs in HOMER, MEME or JASPAR format.
        motif_factors: Their factors.
        motif_window: Window from which a bin's motif hits are taken, in bp from its start.
        expression: TPM, factors × cells.
        signals: bigWigs, with {cell} and {track} in the path.
        tracks: Names of the tracks.
        scores: Store of motif scores; created if it does not exist.
        space: What the bigWigs contain: `linear` signal, or `log1p` of it.
        zero_fill: Whether bases without data have a signal of 0, as in a pileup; else they do not count in the loss.
        contacts: Maps (.cool, .mcool, .hic) or loops (BEDPE) of contacts, with {cell} in the path; empty for none.
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
    contacts: str = ""


@dataclass(frozen=True)
class SplitConfig:
    """The held-out contigs, regions and cells; the network is trained on the others.

    Attributes:
        validation_contigs: Contigs whose validation loss decides when training stops.
        validation_regions: Regions of other contigs for the same purpose, as `chr1:1,000,001-2,000,000`. A window that
            has any base there is held out.
        validation_cells: Cells whose validation loss decides when training stops; without any, the cells that the
            network is trained on.
        test_contigs: Contigs that training does not use at all.
        test_regions: Regions that training does not use at all.
        test_cells: Cells that training does not use at all.
        contigs: All contigs in use; empty for every contig of the FASTA.
    """

    validation_contigs: tuple[str, ...] = ()
    validation_regions: tuple[str, ...] = ()
    validation_cells: tuple[str, ...] = ()
    test_contigs: tuple[str, ...] = ()
    test_regions: tuple[str, ...] = ()
    test_cells: tuple[str, ...] = ()
    contigs: tuple[str, ...] = ()


@dataclass(frozen=True)
class FitConfig:
    """The settings of the training.

    Attributes:
        epochs: Maximum number of epochs.
        minutes: Maximum duration; 0 for no limit.
        windows: Windows per batch.
        cells: Cells per batch, drawn anew for each batch: the convolutions run once per window.
        learning_rate: Learning rate of Adam after the warm-up.
        warmup_steps: Steps over which the learning rate rises.
        decay: Whether it falls along a cosine until the last epoch or minute.
        patience: Epochs without a better validation loss after which training stops.
        gradient_clip: Norm to which gradients are clipped; 0 for none.
        head_leak: Share of the gradient that the last ReLU passes where its output is 0, so that a track of few peaks
            keeps learning; the values do not change.
        seed: Seed of weights and batches.
        precision: Lightning's precision: `32-true`, `bf16-mixed`, `16-mixed`.
        devices: Lightning's devices: how many, or `auto`.
        accelerator: Lightning's accelerator: `cpu`, `gpu`, `auto`.
        workers: Number of processes that read data.
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


Chosen = str | tuple[int, ...]
"""Numbers from 0, or a word."""
WORDS = {"layers": ("all", "last"), "heads": ("all",)}
"""Words for the choices of layers and heads."""


@dataclass(frozen=True)
class ContactTable:
    """The table `contacts` as the file has it; `ContactConfig` has its meaning."""

    weight: float = 2.0
    layers: Chosen = "all"
    heads: Chosen = "all"
    bin_bp: int = 0


@dataclass(frozen=True)
class ContactConfig:
    """The objective on contacts.

    Attributes:
        weight: What the mean cosine similarity is multiplied by before it is subtracted from the loss; with 0 it is
            only measured.
        layers: Layers whose attention should resemble contacts, from 0.
        heads: Their heads, from 0.
        bin_bp: Base pairs per bin of the contacts; 0 for those of the maps, or the network's for loops.
    """

    weight: float
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    bin_bp: int = 0


@dataclass(frozen=True)
class TrainingConfig:
    """The configuration of a training.

    Attributes:
        path: The file that it was read from.
        data: The input files.
        split: The held-out contigs and cells.
        architecture: Sizes of the network, without the number of factors.
        fit: The settings of the training.
        contacts: The objective on contacts; None without contacts.
    """

    path: Path
    data: DataConfig
    split: SplitConfig
    architecture: Architecture
    fit: FitConfig
    contacts: ContactConfig | None = None


def read_config(path: Path, *, size: str | None = None) -> TrainingConfig:
    """Read a TOML file with tables `data`, `split`, `network`, `fit` and `contacts`; paths are relative to its folder.

    Args:
        path: The file.
        size: Overrides `network.size`.

    Raises:
        InputError: The file cannot be read, or has an unknown key or a value of the wrong type.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"training configuration cannot be read: {reason(error)}", path) from error
    except (ValueError, RecursionError) as error:  # also for numbers of thousands of digits and deeply nested lists
        raise InputError(f"not valid TOML ({error})", path) from error
    unknown = set(document) - set(TABLES)
    if unknown:
        raise InputError(f"unknown table [{min(unknown)}]; known tables are {', '.join(TABLES)}", path)
    data = _table(path, document, "data", DataConfig)
    folder = path.parent
    paths = {f.name: folder / data[f.name] for f in fields(DataConfig) if f.type == "Path"}
    places = {key: str(folder / data[key]) for key in ("signals", "contacts") if data.get(key)}
    data_config = DataConfig(**{**data, **paths, **places})
    if data_config.space not in {"linear", "log1p"}:
        raise InputError(f"data.space is {data_config.space!r}; it must be linear or log1p", path)
    if not all(f"{{{name}}}" in data_config.signals for name in ("cell", "track")):
        raise InputError("data.signals must contain {cell} and {track}", path)
    architecture = _architecture(path, document.get("network", {}), data_config, size)
    return TrainingConfig(
        path=path,
        data=data_config,
        split=SplitConfig(**_table(path, document, "split", SplitConfig)),
        architecture=architecture,
        fit=FitConfig(**_table(path, document, "fit", FitConfig)),
        contacts=_contacts(path, document, data_config, architecture),
    )


def _architecture(path: Path, network: dict[str, Any], data: DataConfig, size: str | None) -> Architecture:
    chosen = size or network.get("size", "published")
    if chosen not in SIZES:
        raise InputError(f"network.size is {chosen!r}; it must be {' or '.join(SIZES)}", path)
    unknown = set(network) - {"size", *NETWORK_FIELDS}
    if unknown:
        raise InputError(f"unknown key network.{min(unknown)}; known keys are size, {', '.join(NETWORK_FIELDS)}", path)
    given: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in network.items() if name != "size"
    }
    architecture = replace(SIZES[chosen], **given, tracks=data.tracks)
    window = data.motif_window or architecture.scan_window
    return replace(architecture, positions=architecture.bins, scan_window=window)


def _contacts(
    path: Path, document: dict[str, Any], data: DataConfig, architecture: Architecture
) -> ContactConfig | None:
    given = ContactTable(**_table(path, document, "contacts", ContactTable))
    if not data.contacts:
        if "contacts" in document:
            raise InputError("[contacts] needs data.contacts, the files of contacts", path)
        return None
    if "{cell}" not in data.contacts:
        raise InputError("data.contacts must contain {cell}", path)
    if not (math.isfinite(given.weight) and given.weight >= 0):
        raise InputError(f"contacts.weight is {given.weight}; it must be at least 0", path)
    if given.bin_bp < 0:
        raise InputError(f"contacts.bin_bp is {given.bin_bp}; it must be a number of base pairs, or 0", path)
    return ContactConfig(
        weight=given.weight,
        layers=_numbers(path, "layers", given.layers, architecture.layers),
        heads=_numbers(path, "heads", given.heads, architecture.heads),
        bin_bp=given.bin_bp,
    )


def _numbers(path: Path, key: str, chosen: Chosen, count: int) -> tuple[int, ...]:
    """Return the numbers of the chosen layers or heads, in order."""
    if isinstance(chosen, str):
        if chosen not in WORDS[key]:
            words = " or ".join(f'"{word}"' for word in WORDS[key])
            raise InputError(f"contacts.{key} is {chosen!r}; it must be {words} or a list of numbers", path)
        return tuple(range(count)) if chosen == "all" else (count - 1,)
    wrong = [number for number in chosen if not 0 <= number < count]
    if wrong or not chosen:
        what = f"has {wrong[0]}" if wrong else "is empty"
        raise InputError(f"contacts.{key} {what}; the network has {key} 0 to {count - 1}", path)
    if len(set(chosen)) < len(chosen):
        raise InputError(f"contacts.{key} has a number twice", path)
    return tuple(sorted(chosen))


def _table(path: Path, document: dict[str, Any], name: str, kind: type) -> dict[str, Any]:
    """Return a table of the file as arguments of a dataclass, with names and types checked."""
    table = document.get(name, {})
    known = {field.name: field for field in fields(kind)}
    for key, value in table.items():
        if key not in known:
            raise InputError(f"unknown key {name}.{key}; known keys are {', '.join(known)}", path)
        table[key] = _checked(path, f"{name}.{key}", str(known[key].type), value)
    absent = [key for key, field in known.items() if key not in table and _is_required(field)]
    if absent:
        raise InputError(f"{name}.{absent[0]} is missing", path)
    return dict(table)


def _is_required(field: Any) -> bool:  # noqa: ANN401 - a field of any type
    return repr(field.default).startswith("<dataclasses._MISSING_TYPE")


def _checked(path: Path, key: str, kind: str, value: object) -> object:
    """Return a value if it has the type of its field."""
    if kind.startswith("tuple") and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if kind == "Chosen":
        if isinstance(value, list) and all(isinstance(n, int) and not isinstance(n, bool) for n in value):
            return tuple(value)
        if not isinstance(value, str):
            raise InputError(f'{key} is {value!r}; it must be "all" or a list of whole numbers', path)
        return value
    if kind.startswith("ScanWindow"):
        if isinstance(value, list) and len(value) == 2 and all(isinstance(n, int) for n in value):  # noqa: PLR2004
            return ScanWindow(*value)
        raise InputError(f"{key} is {value!r}; it must be two whole numbers, [LEFT, RIGHT]", path)
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
        raise InputError(f"{key} is {value!r}; it must be {words.get(kind, 'a list of names')}", path)
    return value

"""`epigept-batch info`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.options import installed_model, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES_SHOWN = 3


@click.command(short_help="Describe a model file.")
@click.argument("model", type=click.Path(path_type=Path), required=False, callback=installed_model)
@json_option("the description, with all names,")
def info(*, model: Path, as_json: bool) -> None:
    """Describe a model file: its network, what it was made from, and its precision.

    Without MODEL, describe the file that `epigept-batch setup` installed.

    \b
    Example:
      epigept-batch info model.onnx
    """
    document = describe(model)
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    rows = _rows(document)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:{width}}  {value}")


def describe(model: Path) -> dict[str, Any]:
    """Describe a model file in values that JSON can hold.

    Raises:
        ModelError: The file is not an EpiGePT model file.
    """
    from epigept_batch.inference.model_file import file_sha256, read_spec

    spec = read_spec(model)
    window = spec.motif_set.window
    return {
        "path": str(model),
        "bytes": model.stat().st_size,
        "sha256": file_sha256(model),
        "architecture": spec.architecture,
        "window_bp": spec.geometry.window_bp,
        "bins": spec.geometry.bins,
        "bin_bp": spec.geometry.bin_bp,
        "contiguous": spec.contiguous,
        "network": dict(spec.network),
        "tracks": spec.tracks,
        "factors": spec.factors,
        "motif_set": {
            "motifs": len(spec.motif_set.motifs),
            "window": [window.left, window.right],
            "sha256": spec.motif_set.sha256,
        },
        "expression_reference": spec.reference and {"cells": spec.reference.cells},
        "precision": spec.precision,
        "attention": spec.attention,
        "space": spec.space,
        "contacts": [asdict(output) for output in spec.contacts],
        "training_windows": sum(last - first for runs in spec.training_windows.values() for first, last in runs),
        "checkpoint_sha256": spec.checkpoint_sha256,
        "versions": dict(spec.versions),
        "check": {"seed": spec.check.seed, "shape": spec.check.signal.shape},
    }


def _rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the description as names and values."""
    motifs, reference = document["motif_set"], document["expression_reference"]
    left, right = motifs["window"]
    trained = f"{document['training_windows']:,} windows" if document["training_windows"] else "unpublished windows"
    joined = "" if document["contiguous"] else " of joined open bins; on contiguous sequence the network extrapolates"
    return [
        ("file", f"{document['path']}, {document['bytes'] / 1e6:.3g} MB, sha256 {document['sha256']}"),
        ("architecture", document["architecture"]),
        ("network", ", ".join(f"{_size(size)} {name}" for name, size in document["network"].items()) or "not recorded"),
        ("window", f"{document['window_bp']:,} bp: {document['bins']:,} bins of {document['bin_bp']} bp"),
        ("trained on", trained + joined),
        ("tracks", ", ".join(document["tracks"])),
        ("factors", _some(document["factors"])),
        ("motifs", f"{motifs['motifs']:,}, counted for a bin from {left:+} to {right:+} bp of its start"),
        (
            "expression reference",
            f"cells, {_some(reference['cells'])}" if reference else "none: tables must be --normalised",
        ),
        ("precision", document["precision"]),
        ("attention", document["attention"]),
        ("output", "ln(1 + signal)"),
        *((output["name"], _contacts(output, document["network"])) for output in document["contacts"]),
        ("checkpoint", f"sha256 {document['checkpoint_sha256']}"),
        ("made by", ", ".join(f"{name} {version}" for name, version in document["versions"].items())),
    ]


def _contacts(output: dict[str, Any], network: dict[str, Any]) -> str:
    """Describe a contact output."""
    layers, bin_bp = output["layers"], output["bin_bp"]
    number = "all layers" if len(layers) == network.get("layers") else f"layers {', '.join(map(str, layers))}, from 0,"
    return f"attention of {number} between bins of {bin_bp:,} bp"


def _size(size: Any) -> str:  # noqa: ANN401 - a number or several
    return "-".join(map(str, size)) if isinstance(size, list | tuple) else f"{size:,}"


def _some(names: Sequence[str]) -> str:
    """Return the number of names, and the first few."""
    shown = names if len(names) <= NAMES_SHOWN + 1 else (*names[:NAMES_SHOWN], "…", names[-1])
    return f"{len(names)}: {', '.join(shown)}"

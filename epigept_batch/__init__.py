"""epigept-batch: genome-wide epigenomic tracks from RNA-seq with EpiGePT.

The names below are the Python API, for notebooks and pipelines. Each one is loaded when it is first used.

    import epigept_batch as eb

    model = eb.load_model("model.onnx")
    prediction = model.predict("sample.tsv", "chr2:1,000,001-2,000,000", fasta="hg38.fa")
    prediction.to_frame()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from epigept_batch.api.expression import Expression, read_expression
    from epigept_batch.api.model import Model, load_model
    from epigept_batch.api.screen import Screen
    from epigept_batch.api.values import Bins, MotifScores, Prediction
    from epigept_batch.api.variants import VariantEffects
    from epigept_batch.errors import DeviceError, EpiGePTError, InputError, ModelError, OutputError

from epigept_batch.machine.environment import send_nothing

__version__ = "0.1.0"

# Here, before any other module is imported: ONNX Runtime reads the setting once, while it is loaded.
send_nothing()

PUBLIC = {
    "load_model": "api.model",
    "Model": "api.model",
    "read_expression": "api.expression",
    "Expression": "api.expression",
    "Prediction": "api.values",
    "MotifScores": "api.values",
    "Bins": "api.values",
    "Screen": "api.screen",
    "VariantEffects": "api.variants",
    "EpiGePTError": "errors",
    "InputError": "errors",
    "ModelError": "errors",
    "DeviceError": "errors",
    "OutputError": "errors",
}
"""The names of the public API and the module of each. Semantic versioning covers these names and no others."""
__all__ = [
    "Bins",
    "DeviceError",
    "EpiGePTError",
    "Expression",
    "InputError",
    "Model",
    "ModelError",
    "MotifScores",
    "OutputError",
    "Prediction",
    "Screen",
    "VariantEffects",
    "load_model",
    "read_expression",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - depends on the name
    """Load a public name when it is first used."""
    if name not in PUBLIC:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, "__version__"])

"""The precisions of a model file, and what stays float32 in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from epigept_batch.errors import InputError
from epigept_batch.names import PRECISIONS
from epigept_export import fused, quantised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from epigept_export.model import EpiGePT

FP32, FP16, INT8 = PRECISIONS
ATTENTIONS = FUSED, PLAIN = "fused", "plain"

KEPT_FP32 = {
    "factor features": "only their product is rounded to float16, as in training",
    "convolutions": "1 % of the work, and CUDA has no fused float16 convolution",
    "embeddings and their LayerNorm": "scores times expression reach hundreds, whose squares overflow float16",
    "output layers": "a thousandth of the work, and their rounding would affect the signal directly",
}
"""The parts that fp16 and int8 leave in float32, and why. They change the transformer's layers, 98 % of the work."""


def check_form(*, precision: str, attention: str) -> None:
    """Refuse a precision that is not available with this attention.

    Raises:
        InputError: int8 with standard operators only.
    """
    if precision == INT8 and attention == PLAIN:
        raise InputError("--attention plain: int8 requires fused operators; use --precision fp16 or fp32")


def make_form(network: EpiGePT, *, precision: str, attention: str) -> Mapping[str, int]:
    """Convert a network to the form in which it is exported, in place.

    Args:
        network: The plain network, float32.
        precision: One of `PRECISIONS`.
        attention: `fused`, or `plain` for standard operators only.

    Returns:
        The non-standard operators that the graph must have, and how often.
    """
    check_form(precision=precision, attention=attention)
    stack = network.layer_stack()
    per_layer: Mapping[str, int] = {}
    if precision == INT8:
        stack.replace(quantised.QuantisedLayer)
        per_layer = quantised.PER_LAYER
    elif attention == FUSED:
        stack.replace(fused.FusedLayer)
        per_layer = fused.PER_LAYER
    if precision == FP16:
        stack.half().dtype = torch.float16
    return {operator: count * network.architecture.layers for operator, count in per_layer.items()}

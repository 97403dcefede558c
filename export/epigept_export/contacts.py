"""The network with its attention as further outputs: contacts between the bins of a window.

The published system reads the self-attention between two bins as the strength of their contact. Fused kernels give no
probabilities. So the layers whose attention is wanted compute theirs beside the kernel, from the same weights. They are
averaged in the graph, because those of one layer and window already take 32 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from epigept_batch.errors import InputError
from epigept_batch.inference.ports import CONTACTS, SIGNAL
from epigept_batch.spec import ContactOutput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from epigept_export.architectures import Architecture
    from epigept_export.model import EpiGePT

ALL, LAST = "all", "last"
CONTACT_BIN_BP = 1280


@dataclass(frozen=True)
class ContactRequest:
    """The contact outputs that a user asks for: one for each choice of layers at each bin size.

    Attributes:
        layers: Choices of layers: `all`, `last`, or numbers from 0, separated by commas.
        bins_bp: Bin sizes in bp.
    """

    layers: tuple[str, ...] = (ALL,)
    bins_bp: tuple[int, ...] = (CONTACT_BIN_BP,)

    def outputs(self, architecture: Architecture) -> tuple[ContactOutput, ...]:
        """Return the outputs of a network. The first is called `contacts`, others also by their layers and bins.

        Raises:
            InputError: The network has no such layer, or its windows cannot be cut into such bins.
        """
        found: list[ContactOutput] = []
        for text in dict.fromkeys(self.layers):
            layers = parse_layers(text, architecture.layers)
            for bin_bp in dict.fromkeys(self.bins_bp):
                _check_bin(bin_bp, architecture)
                name = f"{CONTACTS}_{text.replace(',', '-')}_{bin_bp}" if found else CONTACTS
                found.append(ContactOutput(name, layers, bin_bp))
        return tuple(found)


def parse_layers(text: str, layers: int) -> tuple[int, ...]:
    """Read `all`, `last`, or numbers from 0 separated by commas, as the numbers of layers in ascending order.

    Args:
        text: The choice.
        layers: Layers of the network.

    Raises:
        InputError: The text is none of these, or the network has no such layer.
    """
    if text in {ALL, LAST}:
        return tuple(range(layers)) if text == ALL else (layers - 1,)
    numbers = [int(part) if part.strip().isdecimal() else -1 for part in text.split(",")]
    if not all(0 <= number < layers for number in numbers) or len(set(numbers)) < len(numbers):
        raise InputError(
            f"--layers {text}: must be {ALL}, {LAST}, or different numbers from 0 to {layers - 1} such as 0"
        )
    return tuple(sorted(numbers))


def _check_bin(bin_bp: int, architecture: Architecture) -> None:
    geometry = architecture.geometry
    bins, rest = divmod(bin_bp, geometry.bin_bp)
    if rest or bins < 1 or geometry.bins % bins:
        usable = [geometry.bin_bp * n for n in range(1, geometry.bins) if geometry.bins % n == 0]
        raise InputError(
            f"--contact-bin {bin_bp}: must be a multiple of {geometry.bin_bp} bp that divides the window of "
            f"{geometry.window_bp:,} bp: {', '.join(map(str, usable))}"
        )


class WithContacts(nn.Module):
    """A network that also outputs contacts.

    Args:
        network: The network, in the form to export.
        outputs: Its contact outputs.
    """

    def __init__(self, network: EpiGePT, outputs: Sequence[ContactOutput]) -> None:
        super().__init__()
        self.architecture = network.architecture
        self.network = network
        self.outputs = tuple(outputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of what `forward` returns."""
        return (SIGNAL, *(output.name for output in self.outputs))

    def forward(self, tokens: Tensor, motif_scores: Tensor, expression: Tensor) -> tuple[Tensor, ...]:
        """Predict every window for every sample, as `EpiGePT` does.

        Returns:
            The signal, and for each contact output float32, (windows, samples, blocks, blocks): how much a bin of the
            first block attends to a bin of the second, averaged over layers, heads and the bins of both blocks.
        """
        network, samples = self.network, expression.shape[0]
        transformer = network.transformer()
        *states, last = transformer.encoder.states(
            transformer.embeddings(network.features(tokens, motif_scores, expression))
        )
        attention = {
            number: transformer.encoder.probabilities(number, states[number]).mean(dim=1)
            for number in sorted({number for output in self.outputs for number in output.layers})
        }
        contacts = (
            block_means(mean([attention[number] for number in output.layers]), self._bins(output))
            for output in self.outputs
        )
        return network.tracks(last, samples), *(x.unflatten(0, (-1, samples)) for x in contacts)

    def _bins(self, output: ContactOutput) -> int:
        """Return the number of the network's bins per block."""
        return output.bin_bp // self.architecture.geometry.bin_bp


def with_contacts(network: EpiGePT, outputs: Sequence[ContactOutput]) -> EpiGePT | WithContacts:
    """Return a network with these contact outputs; the network itself if there are none."""
    return WithContacts(network, outputs) if outputs else network


def mean(parts: Sequence[Tensor]) -> Tensor:
    """Return the mean of tensors of one shape."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total / len(parts)


def block_means(x: Tensor, bins: int) -> Tensor:
    """Average over square blocks: (batch, bins, bins) -> (batch, blocks, blocks)."""
    blocks: Tensor = x.unflatten(2, (-1, bins)).unflatten(1, (-1, bins))
    return blocks.mean(dim=(2, 4))

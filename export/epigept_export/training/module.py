"""The network with the published objective, for Lightning."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import lightning
import torch
from torch import nn

from epigept_batch.tiling import ceil_div
from epigept_export.attention import OnePassSelfAttention
from epigept_export.load import ARCHITECTURE_KEY, embedded
from epigept_export.model import EpiGePT
from epigept_export.training.contacts import attention_inputs, mean_attention, row_similarities

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from epigept_export.architectures import Architecture
    from epigept_export.training.config import ContactConfig, FitConfig
    from epigept_export.training.data import Batch

POSITION_AMPLITUDE = 2.0
"""Amplitude of the position embedding. Factor features reach 60 before they are normalised together with the positions;
BERT's initial 0.02 would be lost among them."""
FIRST_SIGNAL = 0.1
NETWORK = "model"
"""Name of the network in the module; `read_state_dict` removes this prefix."""


def masked_squared_error(found: Tensor, expected: Tensor) -> Tensor:
    """Return the published loss: the mean squared error of ln(1 + signal) over all values with data; 0 without any.

    Args:
        found: float32, any shape.
        expected: The same, NaN without data.
    """
    there = ~expected.isnan()
    difference = torch.where(there, found - expected, 0)
    return difference.square().sum() / there.sum().clamp(min=1)


class TrackCorrelation:
    """Pearson r of each track over all bins of all cells, accumulated batch by batch."""

    def __init__(self, tracks: int) -> None:
        self._sums = torch.zeros(6, tracks, dtype=torch.float64)

    def add(self, found: Tensor, expected: Tensor) -> None:
        """Add values, (…, tracks), NaN without data."""
        there = ~expected.isnan()
        x, y = (torch.where(there, values, 0).double().flatten(0, -2) for values in (found, expected))
        terms = (there.double().flatten(0, -2), x, y, x * x, y * y, x * y)
        self._sums += torch.stack([term.sum(dim=0) for term in terms]).cpu()

    def values(self) -> list[float]:
        """Return r of each track; NaN if either series is constant."""
        n, x, y, xx, yy, xy = self._sums
        covariance = n * xy - x * y
        scale = ((n * xx - x * x).clamp(min=0) * (n * yy - y * y).clamp(min=0)).sqrt()
        return torch.where(scale > 0, covariance / scale, torch.nan).tolist()


class HeldOutSums:
    """Sums over the batches of a validation.

    Attributes:
        sums: float64, (5,): losses × windows, windows, rows with contacts, their cosines with the attention, and
            those with an attention that is the same everywhere.
    """

    def __init__(self) -> None:
        self.sums = torch.zeros(5, dtype=torch.float64)

    def add_loss(self, loss: Tensor, windows: int) -> None:
        """Add the loss of a batch's signals."""
        self.sums[:2] += torch.tensor([loss.item() * windows, windows])

    def add_rows(self, similarities: Tensor, contacts: Tensor) -> None:
        """Add the cosines of a batch's rows."""
        uniform = row_similarities(torch.ones_like(contacts), contacts)
        self.sums[2:] += torch.tensor([len(uniform), similarities.sum().item(), uniform.sum().item()])


class EpiGePTModule(lightning.LightningModule):
    """EpiGePT in training.

    Args:
        architecture: Its sizes.
        fit: The settings of the training.
        progress: Returns the progress of the training, from 0 to 1, for the decay of the learning rate.
        contacts: The objective on contacts; None for that on the signals alone.
    """

    def __init__(
        self,
        architecture: Architecture,
        fit: FitConfig,
        progress: Callable[[], float],
        contacts: ContactConfig | None = None,
    ) -> None:
        super().__init__()
        self.model = TrainedEpiGePT(architecture, head_leak=fit.head_leak)
        self._fit = fit
        self._progress = progress
        self._contacts = contacts
        self._correlation = TrackCorrelation(len(architecture.tracks))
        self.held_out = HeldOutSums()

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Return the loss of a batch."""
        size = len(batch.tokens)
        found, similarities = self._forward(batch, measured=self._contacts is not None and self._contacts.weight > 0)
        loss = masked_squared_error(found, batch.signal)
        if self._contacts is not None and similarities is not None:
            self.log("train_signal_loss", loss, batch_size=size)
            self.log("train_contact_similarity", similarities.mean(), batch_size=size)
            loss = loss - self._contacts.weight * similarities.mean()
        self.log("train_loss", loss, on_epoch=True, batch_size=size)
        return loss

    def _forward(self, batch: Batch, *, measured: bool) -> tuple[Tensor, Tensor | None]:
        """Return the signal, and the cosines of the rows of attention with contacts; None without contacts."""
        if self._contacts is None or batch.contacts is None or not measured:
            return self.model(*batch[:3]), None
        with attention_inputs(self.model, self._contacts.layers) as inputs:
            found = self.model(*batch[:3])
        attention = mean_attention(inputs, batch.contacts, self._contacts.heads)
        return found, row_similarities(attention, batch.contacts.contacts)

    def on_validation_epoch_start(self) -> None:
        """Reset the correlation and the sums."""
        self._correlation = TrackCorrelation(len(self.model.architecture.tracks))
        self.held_out = HeldOutSums()

    def validation_step(self, batch: Batch, _: int) -> None:
        """Log the loss, and add to the correlation, of held-out cells on held-out contigs."""
        found, similarities = self._forward(batch, measured=True)
        found = found.float()
        self._correlation.add(found, batch.signal)
        loss = masked_squared_error(found, batch.signal)
        if self._contacts is None:
            self.log("val_loss", loss, on_epoch=True, sync_dist=True, batch_size=len(batch.tokens))
        else:
            self.held_out.add_loss(loss, len(batch.tokens))
            if batch.contacts is not None and similarities is not None:
                self.held_out.add_rows(similarities, batch.contacts.contacts)

    def on_validation_epoch_end(self) -> None:
        """Log r of each track; with contacts the loss too, because the rows of all batches count alike."""
        for track, r in zip(self.model.architecture.tracks, self._correlation.values(), strict=True):
            self.log(f"val_r_{track}", r, sync_dist=True)
        if self._contacts is not None:
            sums = self.trainer.strategy.reduce(self.held_out.sums.to(self.device, torch.float32), reduce_op="sum")
            self.log_held_out(self._contacts.weight, *sums.tolist())

    def log_held_out(self, weight: float, losses: float, windows: float, rows: float, *cosines: float) -> None:
        """Log the loss of a validation, and the cosines if there are any; `HeldOutSums` has the sums."""
        loss = losses / windows
        self.log("val_signal_loss", loss, sync_dist=True)
        if rows:
            similarity, uniform = (cosine / rows for cosine in cosines)
            self.log("val_contact_similarity", similarity, sync_dist=True)
            self.log("val_contact_similarity_uniform", uniform, sync_dist=True)
            loss -= weight * similarity
        self.log("val_loss", loss, sync_dist=True)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - as Lightning has it
        """Return Adam with a learning rate that rises over the warm-up and may fall along a cosine."""
        optimizer = torch.optim.Adam(self.model.parameters(), lr=self._fit.learning_rate)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _rate(self, step: int) -> float:
        risen = min(1.0, (step + 1) / max(1, self._fit.warmup_steps))
        return risen * (0.5 * (1 + math.cos(math.pi * min(1.0, self._progress()))) if self._fit.decay else 1.0)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the architecture to the network's weights, so that `convert` recognises it."""
        for key, tensor in embedded(self.model.architecture).items():
            checkpoint["state_dict"][f"{NETWORK}.{key}"] = tensor

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remove the architecture from the weights."""
        checkpoint["state_dict"].pop(f"{NETWORK}.{ARCHITECTURE_KEY}", None)


class TrainedEpiGePT(EpiGePT):
    """The network in training: attention in one pass, and a head whose ReLUs may leak gradients.

    Args:
        architecture: Its sizes.
        head_leak: Share of the gradient that a ReLU of the head passes where its output is 0.
    """

    def __init__(self, architecture: Architecture, *, head_leak: float = 0.0) -> None:
        super().__init__(architecture)
        self._leak = head_leak
        for layer in self.layer_stack().layer:
            attention = layer.get_submodule("attention")
            attention.add_module("self", OnePassSelfAttention(architecture.hidden, architecture.heads))
        self._initialise()

    def _initialise(self) -> None:
        """Initialise as BERT, except for the positions: sines large enough to matter beside the factor features."""
        for module in self.transformer().modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
                if isinstance(module, nn.Linear):
                    nn.init.zeros_(module.bias)
        positions = self.transformer().embeddings.position_embeddings.weight
        positions.data.copy_(POSITION_AMPLITUDE * sines(*positions.shape))
        *_, last = self.output_layers()
        nn.init.constant_(last.get_parameter("bias"), FIRST_SIGNAL)

    def activate(self, x: Tensor) -> Tensor:
        """Apply ReLU with a share of the gradient where its output is 0."""
        shut = x.clamp(max=0)
        return x.relu() + self._leak * (shut - shut.detach())


def sines(positions: int, width: int) -> Tensor:
    """Return sines and cosines of wavelengths from 4 to all positions, float32, (positions, width)."""
    half = ceil_div(width, 2)
    wavelengths = 4 * (positions / 4) ** (torch.arange(half) / max(half - 1, 1))
    angles = 2 * math.pi * torch.arange(positions)[:, None] / wavelengths
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]

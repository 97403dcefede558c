"""EpiGePT: a sequence module, transcription factor features, a transformer and a multi-task head.

Parameters have the names of the published checkpoints, so that a state dict loads without changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from epigept_batch.inference.ports import SIGNAL
from epigept_export.attention import SelfAttention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from epigept_export.architectures import Architecture

LAYER_NORM_EPS = 1e-12
BASES = 4


class SequenceModule(nn.Module):
    """Five convolutions, each followed by ReLU and max pooling: one-hot bases to 256 channels per bin."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.pools = architecture.pools
        channels = architecture.channels
        for number, kernel in enumerate(architecture.kernels):
            conv = nn.Conv1d(channels[number], channels[number + 1], kernel, padding="same")
            self.add_module(f"conv{number + 1}", conv)

    @property
    def dtype(self) -> torch.dtype:
        """The data type of its arithmetic."""
        return self.get_parameter("conv1.weight").dtype

    def forward(self, one_hot: Tensor) -> Tensor:
        """(windows, 4, window_bp) -> (windows, channels, bins)."""
        x = one_hot
        for conv, pool in zip(self.children(), self.pools, strict=True):
            # ReLU and the maximum commute, and after the pooling there is only a fraction of the data.
            x = functional.max_pool1d(conv(x), pool).relu()
        return x


class FactorFeatures(nn.Module):
    """Motif score × expression of each factor, rounded to float16 as in training, then zero columns."""

    def __init__(self, zero_columns: int) -> None:
        super().__init__()
        self.zero_columns = zero_columns

    def forward(self, motif_scores: Tensor, expression: Tensor) -> Tensor:
        """(windows, factors, bins) × (samples, factors) -> (windows, samples, factors + zeros, bins)."""
        product = motif_scores.float().unsqueeze(1) * expression.unsqueeze(-1)
        return functional.pad(product.half().float(), (0, 0, 0, self.zero_columns))


class Embeddings(nn.Module):
    """BERT's embeddings for ready-made inputs: adds positions and token type 0, then normalises."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.position_embeddings = nn.Embedding(architecture.positions, architecture.hidden)
        self.token_type_embeddings = nn.Embedding(2, architecture.hidden)
        self.LayerNorm = nn.LayerNorm(architecture.hidden, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> the same."""
        added = self.position_embeddings.weight[: x.shape[1]] + self.token_type_embeddings.weight[0]
        out: Tensor = self.LayerNorm(x + added)
        return out


class AddAndNormalise(nn.Module):
    """A linear layer, then residual and LayerNorm."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """(batch, bins, width), (batch, bins, hidden) -> (batch, bins, hidden)."""
        out: Tensor = self.LayerNorm(self.dense(x) + residual)
        return out


class Attention(nn.Module):
    """Self-attention with its output layer."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.self = SelfAttention(architecture.hidden, architecture.heads)
        self.output = AddAndNormalise(architecture.hidden, architecture.hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> the same."""
        out: Tensor = self.output(self.self(x), x)
        return out


class Intermediate(nn.Module):
    """The first half of the feed-forward part, with the exact (erf) GELU."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.dense = nn.Linear(architecture.hidden, architecture.feed_forward)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> (batch, bins, feed-forward)."""
        return functional.gelu(self.dense(x))


class Layer(nn.Module):
    """A transformer layer, normalised after each part."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.attention = Attention(architecture)
        self.intermediate = Intermediate(architecture)
        self.output = AddAndNormalise(architecture.feed_forward, architecture.hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> the same."""
        x = self.attention(x)
        out: Tensor = self.output(self.intermediate(x), x)
        return out

    def probabilities(self, x: Tensor) -> Tensor:
        """Return the attention of its bins, as `SelfAttention.probabilities` does."""
        return self.attention.self.probabilities(x)


class LayerStack(nn.Module):
    """The transformer layers, in order.

    Attributes:
        dtype: Data type of their arithmetic; inputs and outputs stay float32.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.dtype = torch.float32
        self.layer = nn.ModuleList(Layer(architecture) for _ in range(architecture.layers))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> the same, in the data type of the input."""
        *_, last = self.states(x)
        return last

    def states(self, x: Tensor) -> Iterator[Tensor]:
        """Yield what each layer reads, in the data type of their arithmetic, and last their result, in the input's."""
        given = x.dtype
        x = x.to(self.dtype)
        for layer in self.layer:
            yield x
            x = layer(x)
        yield x.to(given)

    def probabilities(self, number: int, x: Tensor) -> Tensor:
        """Return the attention of a layer whose input is given: (batch, bins, hidden) -> (batch, heads, bins, bins)."""
        return cast("Layer", self.layer[number]).probabilities(x)

    def replace(self, make: Callable[[Layer], nn.Module]) -> None:
        """Replace each layer with another form, one at a time, because both forms take memory."""
        for number, layer in enumerate(self.layer):
            self.layer[number] = make(cast("Layer", layer))


class TransformerModule(nn.Module):
    """BERT's encoder over the bins of a window."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.embeddings = Embeddings(architecture)
        self.encoder = LayerStack(architecture)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bins, hidden) -> the same."""
        out: Tensor = self.encoder(self.embeddings(x))
        return out


class EpiGePT(nn.Module):
    """The network as in the model file.

    Args:
        architecture: Its sizes.
    """

    bases: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.convmodule = SequenceModule(architecture)
        self.factor_features = FactorFeatures(architecture.zero_columns)
        self.add_module(architecture.encoder_key, TransformerModule(architecture))
        widths = architecture.output_widths
        for number, key in enumerate(architecture.output_keys):
            _add_at(self, key, nn.Linear(widths[number], widths[number + 1]))
        bases = torch.arange(BASES, dtype=torch.int32, device="cpu")[:, None]
        self.register_buffer("bases", bases, persistent=False)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of what `forward` returns."""
        return (SIGNAL,)

    def forward(self, tokens: Tensor, motif_scores: Tensor, expression: Tensor) -> Tensor:
        """Predict every window for every sample; the convolutions run once per window.

        Args:
            tokens: uint8, (windows, window_bp): A 0, C 1, G 2, T 3, any other 4.
            motif_scores: float16, (windows, factors, bins).
            expression: float32, (samples, factors): ln(1 + TPM).

        Returns:
            float32, (windows, samples, bins, tracks): ln(1 + signal).
        """
        x = self.features(tokens, motif_scores, expression)
        return self.tracks(self.transformer()(x), expression.shape[0])

    def features(self, tokens: Tensor, motif_scores: Tensor, expression: Tensor) -> Tensor:
        """Return what the transformer reads, float32, (windows × samples, bins, hidden)."""
        # Comparisons are fast in every runtime; one of them spends an eighth of its time on a table look-up instead.
        one_hot = tokens.int().unsqueeze(1) == self.bases  # (windows, 4, window_bp)
        sequence = self.convmodule(one_hot.to(self.convmodule.dtype))  # (windows, channels, bins)
        factors = self.factor_features(motif_scores, expression)  # (windows, samples, factors + zeros, bins)
        samples = factors.shape[1]
        sequence = sequence.unsqueeze(1).expand(-1, samples, -1, -1)
        return torch.cat([sequence, factors], dim=2).flatten(0, 1).transpose(1, 2)

    def tracks(self, x: Tensor, samples: int) -> Tensor:
        """Apply the head: (windows × samples, bins, hidden) -> (windows, samples, bins, tracks)."""
        for layer in self.output_layers():
            x = self.activate(layer(x))
        out: Tensor = x.unflatten(0, (-1, samples))
        return out

    def activate(self, x: Tensor) -> Tensor:
        """Apply the activation that follows each layer of the head."""
        return x.relu()

    def output_layers(self) -> Iterable[nn.Module]:
        """Return the linear layers of the head."""
        return (self.get_submodule(key) for key in self.architecture.output_keys)

    def transformer(self) -> TransformerModule:
        """Return the transformer, whose name depends on the checkpoint."""
        module = self.get_submodule(self.architecture.encoder_key)
        return cast("TransformerModule", module)

    def layer_stack(self) -> LayerStack:
        """Return the transformer's layers."""
        return self.transformer().encoder


def _add_at(root: nn.Module, key: str, module: nn.Module) -> None:
    """Add a module under a dotted name."""
    *parents, name = key.split(".")
    for parent in parents:
        if not hasattr(root, parent):
            root.add_module(parent, nn.Module())
        root = root.get_submodule(parent)
    root.add_module(name, module)

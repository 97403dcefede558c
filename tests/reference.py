"""Naive, obviously right versions of everything that the packages do fast."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional
from transformers import BertConfig, BertModel

COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


def tokens(sequence):
    """uint8, (bp,)."""
    return np.array(["ACGT".find(base) if base in "ACGT" else 4 for base in sequence.upper()], dtype=np.uint8)


def alignment_score(matrix, bases):
    """Return HOMER's score of one alignment, or None if a base is not ACGT."""
    if any(base not in "ACGT" for base in bases):
        return None
    return sum(math.log(max(row["ACGT".index(base)], 0.001) / 0.25) for row, base in zip(matrix, bases, strict=True))


def motif_scores(sequence, motifs, factors, *, bin_bp, window):
    """Return the best hit of each factor in each bin of a whole contig: float64, (bins, factors)."""
    sequence = sequence.upper()
    bins = -(-len(sequence) // bin_bp)
    best = np.zeros((bins, len(factors)))
    for b in range(bins):
        left, right = max(b * bin_bp + window[0], 0), min(b * bin_bp + window[1], len(sequence))
        for motif in motifs:
            width = len(motif.probabilities)
            for start in range(left, right - width + 1):
                forward = sequence[start : start + width]
                backward = reverse_complement(forward)
                for bases in (forward, backward):
                    score = alignment_score(motif.probabilities, bases)
                    if score is not None and score >= motif.threshold:
                        for factor in motif.factors:
                            f = factors.index(factor)
                            best[b, f] = max(best[b, f], score)
    return best


def exact_score(matrix, bases):
    """Return the score of one alignment without any rounding of the sum, as a fraction."""
    return sum(
        (
            Fraction(math.log(max(row["ACGT".index(base)], 0.001) / 0.25))
            for row, base in zip(matrix, bases, strict=True)
        ),
        Fraction(0),
    )


def reverse_complement(bases):
    return "".join(COMPLEMENT.get(base, "N") for base in reversed(bases))


def extended_scores(found_tokens, motifs, factors, *, bin_bp, window):
    """Compute `motif_scores` from tokens, in extended precision and for all positions at once: (factors, bins)."""
    length = len(found_tokens)
    best = np.zeros((len(factors), -(-length // bin_bp)), dtype=np.longdouble)
    for motif in motifs:
        log_odds = np.full((len(motif.probabilities), 5), -np.inf, dtype=np.longdouble)
        log_odds[:, :4] = np.log(np.maximum(motif.probabilities, 0.001) / 0.25)
        positions = max(length - len(log_odds) + 1, 0)
        both = np.zeros((2, positions), dtype=np.longdouble)
        for place, row in enumerate(log_odds):
            both[0] += row[found_tokens[place : place + positions]]
            mirrored = len(log_odds) - 1 - place
            both[1] += row[[3, 2, 1, 0, 4]][found_tokens[mirrored : mirrored + positions]]
        scores = both.max(axis=0)
        scores = np.where(scores >= motif.threshold, scores, 0)
        for b in range(best.shape[1]):
            first, end = max(b * bin_bp + window[0], 0), min(b * bin_bp + window[1], length) - len(log_odds) + 1
            if first < end:
                for factor in motif.factors:
                    f = factors.index(factor)
                    best[f, b] = max(best[f, b], scores[first:end].max())
    return best


def quantile_normalised(sample, reference):
    """Apply the published pandas formula to a sample (Series) and a matrix of factors × cells (DataFrame)."""
    rank_mean = reference.stack().groupby(reference.rank(method="first").stack().astype(int)).mean()
    return sample.rank(method="min").astype(int).map(rank_mean)


def network_expression(tpm, matrix):
    """Return ln(1 + quantile-normalised TPM), float64."""
    return np.log1p(quantile_normalised(pd.Series(tpm), pd.DataFrame(matrix)).to_numpy())


def owner(bin_, *, bins, step):
    """Return the number of the window whose centre is nearest to a bin; of two, the first."""
    distances = [(abs(bin_ + 0.5 - (k * step + bins / 2)), k) for k in range(bin_ // step + 1)]
    return min(distances)[1]


class PublishedNetwork:
    """The published network with `transformers.BertModel`: eager, float32, one window and one sample at a time.

    The ReLU of the convolutions comes before the pooling, as in the published code.
    """

    def __init__(self, architecture, state):
        self.architecture, self.state = architecture, state
        config = BertConfig(
            vocab_size=256,
            hidden_size=architecture.hidden,
            num_hidden_layers=architecture.layers,
            num_attention_heads=architecture.heads,
            intermediate_size=architecture.feed_forward,
            max_position_embeddings=architecture.positions,
            attn_implementation="eager",
        )
        self.bert = BertModel(config).eval()
        prefix = f"{architecture.encoder_key}."
        weights = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        self.bert.load_state_dict({key: value for key, value in weights.items() if not key.endswith("position_ids")})

    @torch.no_grad()
    def __call__(self, window, scores, expression):
        """(window_bp,), (factors, bins), (factors,) -> (bins, tracks), float32."""
        return self.forward(window, scores, expression).numpy()

    def forward(self, window, scores, expression):
        """Return the same as a tensor that carries gradients."""
        hidden = self.bert(inputs_embeds=self._embedded(window, scores, expression)).last_hidden_state
        for key in self.architecture.output_keys:
            hidden = functional.linear(hidden, self.state[f"{key}.weight"], self.state[f"{key}.bias"]).relu()
        return hidden[0]

    @torch.no_grad()
    def attention(self, window, scores, expression):
        """Return the attention's probabilities of every layer and head: float32, (layers, heads, bins, bins)."""
        found = self.bert(inputs_embeds=self._embedded(window, scores, expression), output_attentions=True)
        return torch.cat(found.attentions).numpy()

    def _embedded(self, window, scores, expression):
        """Return what the transformer reads, (1, bins, hidden)."""
        state = self.state
        dtype = state["convmodule.conv1.weight"].dtype
        x = torch.from_numpy(np.eye(5, dtype=np.float32)[window][:, :4].T.copy())[None].to(dtype)
        for number, pool in enumerate(self.architecture.pools, 1):
            key = f"convmodule.conv{number}"
            convolved = functional.conv1d(x, state[f"{key}.weight"], state[f"{key}.bias"], padding="same")
            x = nn.MaxPool1d(pool)(convolved.relu())
        features = (scores.astype(np.float32).T * expression).astype(np.float16).astype(np.float32)
        zeros = np.zeros((len(features), self.architecture.zero_columns), dtype=np.float32)
        features = torch.from_numpy(np.concatenate([features, zeros], axis=1)).to(dtype)
        return torch.cat([x[0].T, features], dim=1)[None]


def contacts(attention, layers, bins):
    """Average attention (layers, heads, bins, bins) over layers, heads and square blocks of bins: (blocks, blocks)."""
    mean = attention.astype(np.float64)[list(layers)].mean(axis=(0, 1))
    blocks = len(mean) // bins
    averaged = np.zeros((blocks, blocks))
    for i in range(blocks):
        for j in range(blocks):
            averaged[i, j] = mean[i * bins : (i + 1) * bins, j * bins : (j + 1) * bins].mean()
    return averaged


def contact_map(windows, usable):
    """Join the maps of windows: a dict from pairs (i, j), i <= j, to the mean of both directions over all windows.

    Args:
        windows: Pairs of a window's first bin and its map, (blocks, blocks).
        usable: The bins whose pairs count.
    """
    seen = {}
    for first, map_ in windows:
        for i in range(len(map_)):
            for j in range(i, len(map_)):
                if first + i in usable and first + j in usable:
                    seen.setdefault((first + i, first + j), []).append((map_[i, j] + map_[j, i]) / 2)
    return {pair: sum(values) / len(values) for pair, values in seen.items()}


def expected_by_distance(pairs):
    """Return the mean value of the pairs at each distance."""
    by_distance = {}
    for (i, j), value in pairs.items():
        by_distance.setdefault(j - i, []).append(value)
    return {distance: sum(values) / len(values) for distance, values in by_distance.items()}


def published_network(architecture, state, inputs):
    """Run the published network on inputs of the model file: (windows, samples, bins, tracks), float32."""
    network = PublishedNetwork(architecture, state)
    windows = zip(inputs["tokens"], inputs["motif_scores"], strict=True)
    return np.stack([np.stack([network(*window, sample) for sample in inputs["expression"]]) for window in windows])


def edited_by_base(bases, changes):
    """Edit a list of bases one by one; return the edited list with the position that each comes from, or its anchor.

    Args:
        bases: The reference, a string.
        changes: Triples of start, number of replaced bases, and what replaces them, in order.

    Returns:
        A list of (base, position, whether it was inserted after that position).
    """
    edited, position = [], 0
    for start, removed, inserted in changes:
        edited += [(bases[here], here, False) for here in range(position, start)]
        for number, base in enumerate(inserted):
            if number < removed:
                edited.append((base, start + number, False))
            else:
                edited.append((base, start + min(removed, len(inserted)) - 1, True))
        position = start + removed
    return edited + [(bases[here], here, False) for here in range(position, len(bases))]


def aligned_by_base(edited, origin, values, has_bases, *, start, bins, bin_bp, contig_length):
    """Align values by bin of an edited window to the bins of the reference's window, base by base.

    Args:
        edited: As from `edited_by_base`.
        origin: Index in `edited` of the window's first base.
        values: Values of the bins of the edited window, (bins, tracks).
        has_bases: Which of them contain a base.
        start: Position of the reference's window.
        bins: Number of bins.
        bin_bp: Bases per bin.
        contig_length: Bases of the contig.
    """
    own, inserted = {}, {}
    for number in range(bins * bin_bp):
        if origin + number >= len(edited):
            break
        _, position, is_inserted = edited[origin + number]
        value = values[number // bin_bp] if has_bases[number // bin_bp] else None
        if is_inserted:
            inserted.setdefault(position, []).append(value)
        else:
            own[position] = value
    kept = {position for _, position, is_inserted in edited if not is_inserted}
    found = np.full((bins, values.shape[1]), np.nan)
    for bin_ in range(bins):
        first = start + bin_ * bin_bp
        positions = [p for p in range(first, first + bin_bp) if 0 <= p < contig_length]
        if positions and not kept.intersection(positions):
            found[bin_] = 0
            continue
        of_bases = []
        for position in positions:
            value = own.get(position)
            if value is None:
                continue
            more = [one for one in inserted.get(position, []) if one is not None]
            of_bases.append(np.max([value, *more], axis=0))
        if of_bases:
            found[bin_] = np.mean(of_bases, axis=0, dtype=np.float64)
    return found

"""Compute the score that a motif's hits must reach for a given p-value in random sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIT = 0.001
"""Step of the discretised scores, in nats."""
TIE = 1e-9
"""Words within this many nats count as equally good: far above rounding errors, far below real differences."""
DECIMALS = 6  # as HOMER prints thresholds
FIRST_REACH = 8_192  # units below the best score that are computed first: enough for most motifs at 1e-4


def best_word_probability(log_odds: NDArray[np.float64]) -> float:
    """Return the probability that a random word, each base at 0.25, is the best word or ties with it.

    Args:
        log_odds: float64, (width, 4), in nats.
    """
    ties = _deficits(log_odds) <= TIE
    return float(ties.mean(axis=1).prod())


def threshold_at(log_odds: NDArray[np.float64], p_value: float) -> float:
    """Return the least score that a random word, each base at 0.25, reaches with a probability of at most `p_value`.

    The distribution is computed by dynamic programming over the deficits of a word's bases to the best bases, each
    rounded down to a unit of 0.001 nat. A word with a deficit of less than k + 1 units has a rounded deficit of at most
    k. So if words with a rounded deficit of at most k have a total probability of at most `p_value`, then so do words
    that score at least best − (k + 1/2) units. That score is the threshold, for the largest such k. The half unit on
    either side is 500 times the rounding to 6 decimals. So neither that rounding nor the order of a float64 sum admits
    a word that was not counted.

    The threshold is never below the least possible one and at most (width + 1) units above it (0.032 nat for 31 bp;
    usually half of that). Probabilities are multiples of 4^-width, exact in float64 up to 26 bp.

    Args:
        log_odds: float64, (width, 4), in nats, as `Motif.log_odds`.
        p_value: Greater than 0 and less than 1.

    Returns:
        The threshold in nats, for `score >= threshold`. If the words that tie with the best already exceed `p_value`,
        it is the best score minus 5e-10 nat, so that only these words are hits, whatever the order of summation.
    """
    deficits = _deficits(log_odds)
    best = float(log_odds.max(axis=1).sum())
    steps = np.floor(deficits / UNIT).astype(np.int64)
    widest = int(steps.max(axis=1).sum())
    reach = min(FIRST_REACH, widest)
    cumulative = _cumulative(steps, reach)
    while cumulative[-1] <= p_value and reach < widest:
        reach = min(2 * reach, widest)
        cumulative = _cumulative(steps, reach)
    last = int(np.searchsorted(cumulative, p_value, side="right")) - 1
    if last < 0:
        return best - TIE / 2
    return round(best - (last + 0.5) * UNIT, DECIMALS)


def _deficits(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much less each base scores than the best base of its position, (width, 4), in nats."""
    deficits: NDArray[np.float64] = log_odds.max(axis=1, keepdims=True) - log_odds
    return deficits


def _cumulative(steps: NDArray[np.int64], reach: int) -> NDArray[np.float64]:
    """Return the probability that a random word has a deficit of at most 0, 1, …, `reach` units, float64, (reach + 1,).

    Deficits are never negative, so sums that exceed `reach` can be dropped on the way.
    """
    mass = np.zeros(reach + 1)
    mass[0] = 1
    for position in steps:
        sums = np.zeros(reach + 1)
        for lack in position[position <= reach]:
            sums[lack:] += mass[: reach + 1 - lack]
        mass = sums / len("ACGT")
    return np.cumsum(mass)

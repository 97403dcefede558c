"""What score a motif must reach to be as rare in random sequence as a p-value says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIT = 0.001
"""Step of the discretised scores, in nats."""
TIE = 1e-9
"""Nats within which words count as equally good: far above the rounding of a sum, far below what a matrix means."""
DECIMALS = 6  # as HOMER prints thresholds
FIRST_REACH = 8_192  # units below the best score that are looked at first: enough for most motifs at 1e-4


def best_word_probability(log_odds: NDArray[np.float64]) -> float:
    """How often a random word of the motif's width, each base at 0.25, is the best or one that ties with it.

    Args:
        log_odds: float64, (width, 4), in nats.
    """
    ties = _deficits(log_odds) <= TIE
    return float(ties.mean(axis=1).prod())


def threshold_at(log_odds: NDArray[np.float64], p_value: float) -> float:
    """The least score that a random word reaches with a probability of `p_value` at most, each base at 0.25.

    The distribution is computed by dynamic programming over what a word's bases lack to the best ones, each rounded
    down to a unit of 0.001 nat. A word that lacks less than k + 1 units lacks at most k rounded ones, so where the
    words of at most k rounded units have a probability of `p_value` at most, so have those that score best − (k + 1/2)
    units or more: the threshold, for the largest such k. The half unit that remains on either side is 500 times the
    rounding to 6 decimals, so neither that nor a float64 sum in any order lets a word in that was not counted.

    The threshold is at most (width + 1) units above the least one that does the same (0.032 nat for 31 bp; half of
    that is usual), never below it. Probabilities are multiples of 4^-width, exact in float64 up to 26 bp.

    Args:
        log_odds: float64, (width, 4), in nats, as `Motif.log_odds`.
        p_value: Between 0 and 1, neither included.

    Returns:
        In nats, for `score >= threshold`. Where the words that tie with the best are by themselves likelier than
        `p_value`, the best score less 5e-10 nat, so that they alone are hits, whatever the order of summation.
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
    """What each base lacks to the best of its position, (width, 4), in nats."""
    deficits: NDArray[np.float64] = log_odds.max(axis=1, keepdims=True) - log_odds
    return deficits


def _cumulative(steps: NDArray[np.int64], reach: int) -> NDArray[np.float64]:
    """Probability that a random word lacks at most 0, 1, …, `reach` units, float64, (reach + 1,).

    Units are never negative, so that what exceeds `reach` can be dropped on the way.
    """
    mass = np.zeros(reach + 1)
    mass[0] = 1
    for position in steps:
        sums = np.zeros(reach + 1)
        for lack in position[position <= reach]:
            sums[lack:] += mass[: reach + 1 - lack]
        mass = sums / len("ACGT")
    return np.cumsum(mass)

"""The moderated t-test of limma: many regions, few replicates (Smyth, Stat. Appl. Genet. Mol. Biol. 3:3, 2004).

The variance of each region between replicates is shrunk towards a variance that all regions share. How strongly is
estimated from how much the variances of regions differ, as limma's fitFDist does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROUNDING = 1e-6
"""Standard deviation of ln(1 + signal) below which replicates count as equal: tracks hold float32."""
LEAST_VARIANCE = 1e-5
"""Smallest variance that the prior is fitted to, as a share of the median, as in limma."""
LARGE, SMALL = 1e7, 1e-6
"""Values of the trigamma function beyond which its inverse is its asymptote, as in limma."""
STEPS = 50
LEAST_REGIONS = 2
"""Regions in which replicates must differ, if there are that many regions: the prior is about how variances differ."""


@dataclass(frozen=True)
class Prior:
    """What regions share.

    Attributes:
        variance: Variance towards which those of regions are shrunk.
        df: Its degrees of freedom: 0 for no shrinkage, infinite if all regions have one variance.
    """

    variance: float
    df: float


@dataclass(frozen=True, eq=False)
class Tests:
    """The test of each region.

    Regions in which replicates do not differ are not tested: their figures are NaN, and they count nowhere.

    Attributes:
        t: float64, (regions,): moderated t.
        p: float64, (regions,): two-sided p-values.
        fdr: float64, (regions,): p-values adjusted after Benjamini and Hochberg.
        prior: What the regions share.
        df_residual: Degrees of freedom of each region's own variance.
    """

    t: NDArray[np.float64]
    p: NDArray[np.float64]
    fdr: NDArray[np.float64]
    prior: Prior
    df_residual: int

    @property
    def tested(self) -> int:
        """Number of regions that were tested."""
        return int((~np.isnan(self.p)).sum())


def check_library() -> None:
    """Check that scipy is there.

    Raises:
        DeviceError: It is not.
    """
    try:
        import scipy  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise DeviceError(
            "tests between replicates require scipy; install epigept-batch with its [compare] extra"
        ) from error


def group_means(values: NDArray[np.float64], groups: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Return the mean of each group of columns, float64, (regions, groups)."""
    means: NDArray[np.float64] = np.stack([values[:, columns].mean(axis=1) for columns in groups], axis=1)
    return means


def residual_variances(
    values: NDArray[np.float64], groups: Sequence[NDArray[np.intp]]
) -> tuple[NDArray[np.float64], int]:
    """Return the variance within groups, float64, (regions,), and its degrees of freedom.

    Args:
        values: float64, (regions, samples).
        groups: The columns of each group; together they have at least one more sample than there are groups.
    """
    squares = sum(
        ((values[:, columns] - values[:, columns].mean(axis=1, keepdims=True)) ** 2).sum(axis=1) for columns in groups
    )
    df = sum(map(len, groups)) - len(groups)
    variances: NDArray[np.float64] = np.asarray(squares / df, dtype=np.float64)
    return np.where(variances < ROUNDING**2, 0, variances), df


def why_not(variances: NDArray[np.float64]) -> str | None:
    """Return why variances cannot be used for a test, in words; None if they can."""
    if not len(variances):
        return "no region to test"
    if (variances > 0).sum() < min(LEAST_REGIONS, len(variances)):
        return (
            f"replicates differ in fewer than {LEAST_REGIONS} regions, so there is no variance to compare with; "
            "check that they are not copies of one sample"
        )
    return None


def fit_prior(variances: NDArray[np.float64], df: int) -> Prior:
    """Fit the prior by the mean and the variance of ln(variance), as limma's fitFDist.

    Args:
        variances: float64, (regions,), at least one, all above 0.
        df: Their degrees of freedom.
    """
    if len(variances) == 1:
        return Prior(float(variances[0]), 0.0)
    from scipy.special import digamma, polygamma

    kept = np.maximum(variances, LEAST_VARIANCE * np.median(variances))
    logs = np.log(kept) - digamma(df / 2) + np.log(df / 2)
    excess = float(logs.var(ddof=1) - polygamma(1, df / 2))
    if excess <= 0:
        return Prior(float(kept.mean()), float("inf"))
    prior = 2 * inverse_trigamma(excess)
    return Prior(float(np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2))), prior)


def inverse_trigamma(value: float) -> float:
    """Return where the trigamma function has a value above 0, by Newton's method (Smyth 2004, appendix)."""
    if value > LARGE:
        return float(1 / np.sqrt(value))
    if value < SMALL:
        return 1 / value
    from scipy.special import polygamma

    at = 0.5 + 1 / value
    for _ in range(STEPS):
        trigamma = float(polygamma(1, at))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, at))
        at += step
        if -step / at < 1e-8:  # noqa: PLR2004 - limma's tolerance
            break
    return at


def moderated_t(
    values: NDArray[np.float64], groups: Sequence[NDArray[np.intp]], *, minuend: int, subtrahend: int
) -> Tests:
    """Test in each region whether two groups differ.

    The variance comes from all groups, as in a linear model with a mean per group. Regions without variance, which
    have no signal as a rule, are not tested. limma raises their variances to a share of the median instead, with which
    they make the prior of all other regions vague.

    Args:
        values: float64, (regions, samples), without NaN; replicates differ in at least one region.
        groups: The columns of each group.
        minuend: Number of the group that is compared.
        subtrahend: Number of the group that it is compared with.
    """
    from scipy.stats import false_discovery_control
    from scipy.stats import t as student

    every, df = residual_variances(values, groups)
    varied = every > 0
    variances, means = every[varied], group_means(values[varied], groups)
    prior = fit_prior(variances, df)
    error = np.sqrt(shrunk(variances, df, prior) * (1 / len(groups[minuend]) + 1 / len(groups[subtrahend])))
    t: NDArray[np.float64] = (means[:, minuend] - means[:, subtrahend]) / error
    total = min(df + prior.df, df * len(variances))
    p: NDArray[np.float64] = np.minimum(2 * student.sf(np.abs(t), total), 1)
    fdr = np.asarray(false_discovery_control(p, method="bh"))
    return Tests(_of_all(t, varied), _of_all(p, varied), _of_all(fdr, varied), prior, df)


def _of_all(figures: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the figures of some regions as figures of all, float64, (regions,): NaN for the others."""
    every = np.full(len(known), np.nan)
    every[known] = figures
    return every


def shrunk(variances: NDArray[np.float64], df: int, prior: Prior) -> NDArray[np.float64]:
    """Return the posterior variances, float64, (regions,)."""
    if np.isinf(prior.df):
        return np.full_like(variances, prior.variance)
    return (prior.df * prior.variance + df * variances) / (prior.df + df)

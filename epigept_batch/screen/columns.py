"""The columns of the tables of a screen, as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.screen.attribution import total_of
from epigept_batch.screen.changes import rank_among_factors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.screen.attribution import Attribution
    from epigept_batch.screen.changes import Changes
    from epigept_batch.tiling import Region

    Columns = dict[str, NDArray[Any]]


def columns_of_changes(changes: Changes) -> Columns:
    """Return a row per sample, region, track and factor, in this order; regions without any base have none."""
    there = np.flatnonzero(changes.bins)
    change = changes.change[:, :, there].transpose(0, 2, 3, 1)
    factors = change.shape[-1]
    sample, region, track, factor = (axis.ravel() for axis in np.indices(change.shape))
    of_samples = changes.samples
    return {
        "sample": np.array([one.sample for one in of_samples])[sample],
        "factor": np.array(changes.factors)[factor],
        **_places(changes, there[region]),
        "track": np.array(changes.tracks)[track],
        "unperturbed": np.repeat(changes.unperturbed[:, there].ravel(), factors),
        "change": change.ravel(),
        "rank_in_region": rank_among_factors(change).ravel(),
        "factors": np.full(change.size, factors, dtype=np.int64),
        "tpm_before": np.stack([one.tpm[0] for one in of_samples])[sample, factor],
        "tpm_after": np.stack([one.tpm[1] for one in of_samples])[sample, factor],
        "input_before": np.stack([one.before for one in of_samples])[sample, factor],
        "input_after": np.stack([one.after for one in of_samples])[sample, factor],
        "bins": changes.bins[there[region]],
        "bins_with_hit": _hits(changes)[factor, there[region]],
    }


def columns_of_attribution(found: Attribution) -> Columns:
    """Return a row per region, track and factor, in this order; regions without any base have none."""
    changes = found.changes
    there = np.flatnonzero(changes.bins)
    effect = found.effect[:, there].transpose(1, 2, 0)
    region, track, factor = (axis.ravel() for axis in np.indices(effect.shape))
    first, second = changes.samples
    return {
        **_of_both(found, there[region]),
        "factor": np.array(changes.factors)[factor],
        **_places(changes, there[region]),
        "track": np.array(changes.tracks)[track],
        "difference": found.difference[there[region], track],
        "effect": effect.ravel(),
        "effect_in_a": found.in_first[factor, there[region], track],
        "effect_in_b": found.in_second[factor, there[region], track],
        "rank_in_region": rank_among_factors(effect).ravel(),
        "factors": np.full(effect.size, effect.shape[-1], dtype=np.int64),
        "tpm_a": first.tpm[0][factor],
        "tpm_b": second.tpm[0][factor],
        "input_a": first.before[factor],
        "input_b": second.before[factor],
        "bins": changes.bins[there[region]],
        "bins_with_hit": _hits(changes)[factor, there[region]],
    }


def columns_of_remainder(found: Attribution) -> Columns:
    """Return a row per region and track: both signals, their difference, what effects add up to, and the remainder."""
    changes = found.changes
    there = np.flatnonzero(changes.bins)
    region, track = (axis.ravel() for axis in np.indices((len(there), len(changes.tracks))))
    where = there[region], track
    return {
        **_of_both(found, there[region]),
        **_places(changes, there[region]),
        "track": np.array(changes.tracks)[track],
        "signal_a": changes.unperturbed[0][where],
        "signal_b": changes.unperturbed[1][where],
        "difference": found.difference[where],
        "sum_of_effects": found.explained[where],
        "remainder": found.remainder[where],
        "sum_of_effects_in_a": total_of(found.in_first)[where],
        "sum_of_effects_in_b": total_of(found.in_second)[where],
        "factors": np.full(len(track), len(changes.factors), dtype=np.int64),
    }


def label(region: Region) -> str:
    """Return a region's name, or where it lies."""
    return region.name or str(region)


def _of_both(found: Attribution, rows: NDArray[np.int64]) -> Columns:
    names = [one.sample for one in found.changes.samples]
    return {f"sample_{side}": np.full(len(rows), name) for side, name in zip("ab", names, strict=True)}


def _places(changes: Changes, rows: NDArray[np.int64]) -> Columns:
    """Return the columns that say which region a row is about: its number counts from 1, its start from 0."""
    columns: Mapping[str, Sequence[Any]] = {
        "region": [changes.first + 1 + number for number in range(len(changes.regions))],
        "contig": [region.contig for region in changes.regions],
        "start": [region.start for region in changes.regions],
        "end": [region.end for region in changes.regions],
        "name": [label(region) for region in changes.regions],
    }
    return {name: np.array(values)[rows] for name, values in columns.items()}


def _hits(changes: Changes) -> NDArray[Any]:
    """Return counts as whole numbers, unless they are not known."""
    return changes.hits if np.isnan(changes.hits).any() else changes.hits.astype(np.int64)

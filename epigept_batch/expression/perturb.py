"""Change the expression of single factors, to ask what the network predicts without them or with more of them.

A change replaces a factor's TPM. Only that factor's normalised value changes: it becomes the reference value at the
factor's new rank among the other, unchanged factors, and these keep their values. In the published normalisation of a
changed table, all factors between the old and the new rank would move by one rank too, so an effect would not be the
factor's own. Each factor of a combined change takes its rank among the unchanged others, too.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.expression.gene_ids import candidate_ids
from epigept_batch.expression.vector import network_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from epigept_batch.expression.factor_tpm import FactorTPM

ABSENT = "absent"
SETTING = re.compile(r"(?P<factor>[^=*\s]+)\s*(?P<sign>[=*])\s*(?P<value>\S+)")
FORMS = "'GATA1=0' for a TPM, 'GATA1*2' for a multiple, or 'GATA1=absent' for a network input of 0"


@dataclass(frozen=True)
class Setting:
    """A change of one factor.

    Attributes:
        factor: Its name.
        sign: `=` for a TPM, `*` for a multiple of the sample's TPM.
        value: The TPM or multiple; None sets the network's input for the factor to 0.
    """

    factor: str
    sign: str
    value: float | None

    @property
    def name(self) -> str:
        """How it appears in the names of samples and files, such as `GATA1-0`, `TP53x2` or `SPI1-absent`."""
        return f"{self.factor}{'-' if self.sign == '=' else 'x'}{_shown(self.value)}"

    def __str__(self) -> str:
        return f"{self.factor}{self.sign}{_shown(self.value)}"


@dataclass(frozen=True)
class Perturbation:
    """Changes of one or more factors that are made together."""

    settings: tuple[Setting, ...]

    def of(self, sample: str) -> str:
        """Return the name of a sample's perturbed copy, such as `liver+GATA1-0`."""
        return "+".join((sample, *(setting.name for setting in self.settings)))

    def __str__(self) -> str:
        return ",".join(map(str, self.settings))


@dataclass(frozen=True)
class FactorChange:
    """What a setting does to a factor in a sample.

    Attributes:
        factor: Its name.
        setting: The setting, as a user writes it.
        tpm: TPM before and after; None after `absent`, which sets no TPM. On the normalised scale if the tables are.
        rank: Number of other factors with a lower TPM, before and after; None where ranks are not used, and the second
            None after `absent`, which sets no rank.
        network_input: The value that the network reads, ln(1 + normalised TPM), before and after.
    """

    factor: str
    setting: str
    tpm: tuple[float, float | None]
    rank: tuple[int, int | None] | None
    network_input: tuple[float, float]

    @property
    def does_nothing(self) -> bool:
        """Whether the network reads the same value as before."""
        return self.network_input[0] == self.network_input[1]

    def __str__(self) -> str:
        before, after = self.network_input
        if not self.does_nothing:
            return f"{self._place()}, network input {before:.4g} to {after:.4g}"
        return f"{self._place()}, network input stays {before:.4g}{self._why()}: this setting does nothing"

    def _place(self) -> str:
        """Return the TPM and the ranks."""
        (tpm, new_tpm), unit = self.tpm, "normalised TPM" if self.rank is None else "TPM"
        if new_tpm is None:
            at_rank = "" if self.rank is None else f" at rank {self.rank[0]}"
            return f"{self.factor} {unit} {tpm:.4g}{at_rank} to {ABSENT}"
        ranks = "" if self.rank is None else f", rank {self.rank[0]} to {self.rank[1]}"
        return f"{self.factor} {unit} {tpm:.4g} to {new_tpm:.4g}{ranks}"

    def _why(self) -> str:
        """Return why the network's input stays, where that is not plain."""
        if self.rank is None or self.rank[1] is None:
            return ""
        if self.rank[0] == self.rank[1]:
            return ", because it passes no other factor's TPM"
        return ", because the reference has the same value at both ranks"

    def account(self) -> dict[str, Any]:
        """Return a description that JSON can hold."""
        return {
            "factor": self.factor,
            "setting": self.setting,
            "tpm": self.tpm,
            "rank": self.rank,
            "network_input": self.network_input,
            "does_nothing": self.does_nothing,
        }


def parse_perturbation(text: str) -> Perturbation:
    """Read changes such as `GATA1=0`, `TP53*2` or `SPI1=absent`; commas combine several into one perturbation.

    Raises:
        InputError: It cannot be read, a value is not a finite number of at least 0, or a factor is set twice.
    """
    settings = tuple(_parse_setting(part.strip(), text) for part in text.split(","))
    names = [setting.factor for setting in settings]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--set {text}: sets {name} twice; use one value per factor")
    return Perturbation(settings)


def parse_perturbations(texts: Iterable[str]) -> tuple[Perturbation, ...]:
    """Read several perturbations.

    Raises:
        InputError: One cannot be read, or two are the same.
    """
    found = [parse_perturbation(text) for text in texts]
    seen: set[frozenset[Setting]] = set()
    for one in found:
        if frozenset(one.settings) in seen:
            raise InputError(f"--set {one}: given twice; remove one")
        seen.add(frozenset(one.settings))
    return tuple(found)


def _parse_setting(part: str, text: str) -> Setting:
    found = SETTING.fullmatch(part)
    if found is None:
        raise InputError(f"--set {text}: cannot read '{part}'; use {FORMS}")
    factor, sign, written = found["factor"], found["sign"], found["value"]
    if sign == "=" and written == ABSENT:
        return Setting(factor, sign, None)
    try:
        value = float(written)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0) or "_" in written:
        raise InputError(f"--set {text}: '{written}' is not a number of at least 0; use {FORMS}")
    return Setting(factor, sign, abs(value))


def check_factors(perturbations: Iterable[Perturbation], factors: Sequence[str]) -> None:
    """Check that a network has the factors of perturbations.

    Raises:
        InputError: It lacks one.
    """
    for perturbation in perturbations:
        for setting in perturbation.settings:
            if setting.factor not in factors:
                raise InputError(f"--set {perturbation}: {unknown_factor(setting.factor, factors)}")


def unknown_factor(name: str, factors: Sequence[str]) -> str:
    """Return a message about a factor that a network lacks: with the factor that has this alias, or similar names."""
    wanted, tiers_of = name.upper(), zip(factors, candidate_ids(factors), strict=True)
    similar = [factor for factor, tiers in tiers_of if wanted in {one.upper() for tier in tiers for one in tier}]
    if not similar:
        upper = {factor.upper(): factor for factor in factors}
        similar = [upper[one] for one in difflib.get_close_matches(wanted, list(upper), n=3)]
    hint = f"did you mean {' or '.join(similar)}?" if similar else "`epigept-batch info --json` lists them"
    return f"the model has no factor '{name}'; {hint}"


def perturb(
    tpm: FactorTPM, distribution: NDArray[np.float64] | None, perturbation: Perturbation
) -> tuple[NDArray[np.float32], tuple[FactorChange, ...]]:
    """Return what the network reads of a perturbed sample, and what changed.

    Args:
        tpm: The sample's TPM, unperturbed.
        distribution: See `expression.vector.quantile_normalise`; None if the values are normalised already, and so are
            those of the perturbation.
        perturbation: The changes; the network must have their factors.

    Returns:
        float32, (factors,), and a change per setting.

    Raises:
        InputError: A multiple of a factor that the sample's table lacks.
    """
    vector = network_expression(tpm.by_factor, distribution)
    changes = []
    for setting in perturbation.settings:
        number = tpm.factors.index(setting.factor)
        if setting.sign == "*" and tpm.found_as[number] is None:
            raise InputError(
                f"--set {perturbation}: the table lacks {setting.factor}, so there is nothing to multiply; set a TPM, "
                f"such as --set {setting.factor}=10"
            )
        change = _change(tpm.by_factor, number, distribution, setting)
        vector[number] = change.network_input[1]
        changes.append(change)
    return vector, tuple(changes)


def _change(
    tpm: NDArray[np.float64], number: int, distribution: NDArray[np.float64] | None, setting: Setting
) -> FactorChange:
    """Return what a setting does to a factor, by its number, whose rank is the one among the unchanged others."""
    before, after = float(tpm[number]), _tpm_after(float(tpm[number]), setting)
    rank = None
    if distribution is not None:
        others = np.delete(tpm, number)
        rank = int((others < before).sum()), None if after is None else int((others < after).sum())
    read = tuple(_read(*at, distribution) for at in zip((before, after), rank or (None, None), strict=True))
    return FactorChange(setting.factor, str(setting), (before, after), rank, (read[0], read[1]))


def _tpm_after(before: float, setting: Setting) -> float | None:
    """Return a factor's TPM after a setting; None if it is absent."""
    if setting.value is None:
        return None
    after = setting.value * before if setting.sign == "*" else setting.value
    if not math.isfinite(after):
        raise InputError(f"--set {setting}: {setting.factor} would have an infinite TPM; use a smaller multiple")
    return after


def _read(tpm: float | None, rank: int | None, distribution: NDArray[np.float64] | None) -> float:
    """Return what the network reads of a factor: ln(1 + normalised TPM) in float32, 0 if it is absent."""
    if tpm is None:
        return 0.0
    normalised = tpm if distribution is None or rank is None else distribution[rank]
    return float(np.log1p(np.array([normalised])).astype(np.float32)[0])


def _shown(value: float | None) -> str:
    """Return a value as a user writes it: 0, 0.5, 2, absent. Different values never look the same."""
    if value is None:
        return ABSENT
    short = f"{value:.15g}"
    return short if float(short) == value else repr(value)

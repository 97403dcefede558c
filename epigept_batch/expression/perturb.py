"""Change the expression of single factors, to ask what the network predicts without them or with more of them.

A change replaces a factor's TPM. Only that factor's normalised value changes: it becomes the reference value at the
factor's new rank among the other, unchanged factors, and these keep their values. In the published normalisation of a
changed table, all factors between the old and the new rank would move by one rank too, so an effect would not be the
factor's own.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError
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
        tpm: TPM before and after.
        rank: Number of other factors with a lower TPM, before and after; None where ranks are not used.
        network_input: The value that the network reads, ln(1 + normalised TPM), before and after.
    """

    factor: str
    setting: str
    tpm: tuple[float, float]
    rank: tuple[int, int] | None
    network_input: tuple[float, float]

    @property
    def does_nothing(self) -> bool:
        """Whether the network reads the same value as before."""
        return self.network_input[0] == self.network_input[1]

    def __str__(self) -> str:
        before, after = self.network_input
        rank = "" if self.rank is None else f", rank {self.rank[0]} to {self.rank[1]}"
        read = f"network input {before:.4g} to {after:.4g}"
        if self.does_nothing:
            why = "" if self.rank is None else ", because it passes no other factor's TPM"
            read = f"network input stays {before:.4g}{why}: this does nothing"
        return f"{self.factor} TPM {self.tpm[0]:.4g} to {self.tpm[1]:.4g}{rank}, {read}"


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
    for number, one in enumerate(found):
        if one in found[:number]:
            raise InputError(f"--set {one}: given twice; remove one")
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
    """Return a message about a factor that a network lacks, with similar names."""
    upper = {factor.upper(): factor for factor in factors}
    similar = [upper[one] for one in difflib.get_close_matches(name.upper(), list(upper), n=3)]
    hint = f"did you mean {' or '.join(similar)}?" if similar else "`epigept-batch expression` lists them"
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
        before = float(tpm.by_factor[number])
        after, rank, value = _set(tpm.by_factor, number, distribution, setting)
        old = float(vector[number])
        vector[number] = value
        changes.append(FactorChange(setting.factor, str(setting), (before, after), rank, (old, float(value))))
    return vector, tuple(changes)


def _set(
    tpm: NDArray[np.float64], number: int, distribution: NDArray[np.float64] | None, setting: Setting
) -> tuple[float, tuple[int, int] | None, np.float32]:
    """Return a factor's TPM after a setting, its ranks, and what the network reads of it."""
    before = float(tpm[number])
    after = 0.0 if setting.value is None else setting.value * (before if setting.sign == "*" else 1)
    if not math.isfinite(after):
        raise InputError(f"--set {setting}: {setting.factor} would have an infinite TPM; use a smaller multiple")
    others = np.delete(tpm, number)
    rank = None if distribution is None else (int((others < before).sum()), int((others < after).sum()))
    if setting.value is None:
        return after, rank, np.float32(0)
    normalised = after if distribution is None or rank is None else float(distribution[rank[1]])
    return after, rank, np.log1p(np.array([normalised])).astype(np.float32)[0]


def _shown(value: float | None) -> str:
    """Return a value as a user writes it: 0, 0.5, 2, absent."""
    return ABSENT if value is None else f"{value:.15g}"

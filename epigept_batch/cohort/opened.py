"""A cohort that exists: its plan, units and samples, read from where it lies."""

from __future__ import annotations

import hashlib
import io
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.cohort.plan import CohortPlan
from epigept_batch.cohort.units import Units
from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.cohort.storage import Storage

PLAN, SAMPLES, EXPRESSION = "plan.json", "samples.json", "expression.npy"


class Cohort:
    """A cohort that `init` made.

    Attributes:
        storage: Where it lies.
        plan: Its plan.
        units: Its units.

    Args:
        storage: Where it lies.

    Raises:
        InputError: There is no cohort, or its plan is damaged.
    """

    def __init__(self, storage: Storage) -> None:
        content = storage.read(PLAN)
        if content is None:
            raise InputError("no cohort here; make one with epigept-batch cohort init", storage.where())
        self.storage = storage
        self.plan = CohortPlan.of_json(content, storage.where(PLAN))
        self.units = Units(self.plan)

    @cached_property
    def samples(self) -> Sequence[Mapping[str, Any]]:
        """What is known of each sample, JSON-compatible; see `commands.run.record.account_of_sample`.

        Raises:
            InputError: The file is missing or damaged.
        """
        samples: list[dict[str, Any]] = json.loads(self._intact(SAMPLES, self.plan.sample_digest))
        return samples

    @property
    def columns(self) -> list[dict[str, Any]]:
        """What the cube says of each sample; see `columns_of`."""
        return [columns_of(sample) for sample in self.samples]

    @cached_property
    def expression(self) -> NDArray[np.float32]:
        """What the network reads of each sample, float32, (samples, factors).

        Raises:
            InputError: The file is missing or damaged.
        """
        content = self._intact(EXPRESSION, self.plan.expression_digest)
        values: NDArray[np.float32] = np.load(io.BytesIO(content), allow_pickle=False)
        return values

    def _intact(self, name: str, digest: str) -> bytes:
        """Return the content of a file that the plan names.

        Raises:
            InputError: It is missing or damaged.
        """
        content = self.storage.read(name)
        if content is None or hashlib.sha256(content).hexdigest() != digest:
            what = "missing" if content is None else "damaged or was edited"
            raise InputError(f"{what}; run the same epigept-batch cohort init again", self.storage.where(name))
        return content


def columns_of(account: Mapping[str, Any]) -> dict[str, Any]:
    """Return the name of a sample, and the further columns of its sheet, such as its group.

    Args:
        account: What is known of the sample; see `Cohort.samples`.
    """
    columns = (account["expression"]["sheet"] or {}).get("columns") or {}
    return {**(columns if isinstance(columns, dict) else {}), "sample": account["sample"]}

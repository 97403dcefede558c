"""Results of a screen: how regions change as each factor is set to another value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.api.values import make_frame
from epigept_batch.errors import InputError
from epigept_batch.screen.attribution import Attribution
from epigept_batch.screen.columns import columns_of_attribution, columns_of_changes, columns_of_remainder, label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.screen.changes import Changes


@dataclass(frozen=True, eq=False)
class Screen:
    """Changes of the mean ln(1 + signal) of regions as each factor in turn is set to another value.

    Attributes:
        found: The sums over the regions, which the properties below show.
        compares: Whether two samples are compared, each factor being set to the other sample's value.
        runs: How often the network ran: once per window and sample, and once per change that can matter there.
        notes: Notes on the genome, one sentence each.
    """

    found: Changes
    compares: bool = False
    runs: int = 0
    notes: tuple[str, ...] = ()

    @property
    def samples(self) -> tuple[str, ...]:
        """Names of the samples."""
        return tuple(sample.sample for sample in self.found.samples)

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the factors that were changed, in the network's order."""
        return self.found.factors

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions, in samtools notation."""
        return tuple(map(label, self.found.regions))

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks."""
        return self.found.tracks

    @property
    def unperturbed(self) -> NDArray[np.float32]:
        """Mean ln(1 + signal), float32, (samples, regions, tracks); NaN for a region without any base."""
        return self.found.unperturbed

    @property
    def change(self) -> NDArray[np.float32]:
        """Mean after the change minus `unperturbed`, float32, (samples, factors, regions, tracks)."""
        return self.found.change

    @property
    def inputs(self) -> NDArray[np.float32]:
        """What the network reads of each factor before and after the change, float32, (samples, 2, factors)."""
        return np.stack([np.stack([sample.before, sample.after]) for sample in self.found.samples])

    @property
    def bins(self) -> NDArray[np.int64]:
        """Number of bins with bases of each region, (regions,)."""
        return self.found.bins

    @property
    def bins_with_hit(self) -> NDArray[np.float64]:
        """Number of these in which a factor has a motif hit, (factors, regions)."""
        return self.found.hits

    @property
    def difference(self) -> NDArray[np.float32]:
        """Of a comparison: second sample minus first, float32, (regions, tracks).

        Raises:
            InputError: No samples were compared.
        """
        return self._attribution().difference

    @property
    def effect(self) -> NDArray[np.float32]:
        """Of a comparison: each factor's effect on the difference, float32, (factors, regions, tracks).

        It is the mean of the change in the first sample, and of the change in the second with its sign reversed.

        Raises:
            InputError: No samples were compared.
        """
        return self._attribution().effect

    @property
    def remainder(self) -> NDArray[np.float32]:
        """Of a comparison: `difference` minus the sum of the effects, float32, (regions, tracks).

        Raises:
            InputError: No samples were compared.
        """
        return self._attribution().remainder

    def to_frame(self, kind: str = "polars") -> Any:  # noqa: ANN401 - of either library
        """Return the rows of `screen.parquet`; regions without any base have none.

        Args:
            kind: `polars`, which this program requires anyway, or `pandas` if it is installed.

        Raises:
            InputError: The kind is neither, or pandas is not installed.
        """
        rows = columns_of_attribution(self._attribution()) if self.compares else columns_of_changes(self.found)
        return make_frame(rows, kind)

    def remainder_to_frame(self, kind: str = "polars") -> Any:  # noqa: ANN401 - of either library
        """Return the rows of `remainder.tsv`, of a comparison.

        Args:
            kind: `polars` or `pandas`.

        Raises:
            InputError: No samples were compared, the kind is neither, or pandas is not installed.
        """
        return make_frame(columns_of_remainder(self._attribution()), kind)

    def _attribution(self) -> Attribution:
        if not self.compares:
            raise InputError("no samples were compared; call Model.screen with between=('A', 'B')")
        return Attribution(self.found)

"""`epigept-batch evaluate --contacts`: compares predicted contacts with measured maps, loops, or tested pairs."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.commands.evaluate.contacts_plan import LOOPS, MAP, PAIRS, find_pairs, kind_of
from epigept_batch.commands.evaluate.contacts_words import (
    LEFT_OUT,
    account,
    notes_on_loops,
    notes_on_map,
    notes_on_pairs,
)
from epigept_batch.commands.evaluate.selected import find_regions
from epigept_batch.contacts.contact_file import resolutions
from epigept_batch.contacts.cool import RATIO, RAW
from epigept_batch.contacts.expected import read_expected
from epigept_batch.contacts.loops import read_labelled_pairs, read_loops
from epigept_batch.contacts.measured import MeasuredContacts
from epigept_batch.contacts.predicted import PredictedContacts
from epigept_batch.contacts.rebin import rebinned
from epigept_batch.errors import InputError
from epigept_batch.evaluation.contacts.areas import labelled_areas, matched_areas
from epigept_batch.evaluation.contacts.loops import LoopRanks
from epigept_batch.evaluation.contacts.maps import EDGES, KINDS, MapComparison
from epigept_batch.evaluation.contacts.pairs import PairScores
from epigept_batch.evaluation.contacts.scores import ATTENTION, MEASURED_DNASE, PREDICTED_DNASE, ContigScores
from epigept_batch.evaluation.contacts.table import check_table_path, write_table
from epigept_batch.evaluation.contacts.verdict import conclusion, headline
from epigept_batch.evaluation.selection import overlapped
from epigept_batch.evaluation.table import finite_or_none
from epigept_batch.tiling import bins_of, ceil_div
from epigept_batch.tracks.signal import BinnedTrack, SignalTrack

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.commands.evaluate.contacts_plan import Pair
    from epigept_batch.commands.evaluate.request import EvaluateContactsRequest
    from epigept_batch.contacts.loops import Anchors, LabelledPairs, Loops
    from epigept_batch.evaluation.contacts.areas import Areas, Estimate
    from epigept_batch.evaluation.contacts.maps import Correlations
    from epigept_batch.progress import Progress
    from epigept_batch.tiling import Contig

READ_BP = 8 << 20
"""Base pairs of a track that are read at a time."""


def run_evaluate_contacts(request: EvaluateContactsRequest, progress: Progress) -> list[dict[str, Any]]:
    """Compare every predicted map with the measured contacts of its sample.

    Args:
        request: What to compare.
        progress: Receives an update per contig.

    Returns:
        A JSON-compatible document per sample.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    if request.write is not None:
        check_table_path(request.write)
    pairs = list(find_pairs(request, progress))
    if request.predicted_space and not any(PREDICTED_DNASE in pair.signals for pair in pairs):
        raise InputError(
            "--predicted-space: has no effect without predicted accessibility; add --predicted-accessibility, or "
            "remove this option"
        )
    documents = []
    for pair in pairs:
        with ExitStack() as stack:
            documents.append(_Comparison(request, pair, stack).document(progress))
    if request.write is not None:
        write_table(request.write, documents)
    return documents


class _Comparison:
    """The comparison of one sample.

    Args:
        request: What the user asks for.
        pair: The sample's files.
        stack: Closes the files.
    """

    def __init__(self, request: EvaluateContactsRequest, pair: Pair, stack: ExitStack) -> None:
        self._pair = pair
        self._kind = kind_of(pair.contacts)
        self._predicted = PredictedContacts(pair.predicted)
        stack.callback(self._predicted.close)
        self._bin_bp = self._choose_bin(request.bin_bp)
        contigs = self._predicted.contigs
        self._tracks = {}
        for name, path in pair.signals.items():
            track = SignalTrack(path)
            stack.callback(track.close)
            track.check_genome(contigs)
            measured = name == MEASURED_DNASE
            self._tracks[name] = BinnedTrack(
                track,
                bin_bp=self._bin_bp,
                space=request.measured_space if measured else pair.space,
                wanted="linear",
                zero_fill=measured and request.zero_fill,
                finite=True,
            )
        self._wanted, self._excluded = find_regions(request, contigs)
        self._width = ceil_div(self._predicted.width * self._predicted.bin_bp, self._bin_bp)

    def _choose_bin(self, wanted: int | None) -> int:
        """Return the bin size: the one asked for, or that of the predicted or the measured map.

        Raises:
            InputError: It is smaller than the predicted map's, or so large that no distance is left.
        """
        own = self._predicted.bin_bp
        if wanted is not None and wanted < own:
            raise InputError(f"--bin {wanted}: smaller than the bins of the predicted map, {own:,} bp")
        bin_bp = wanted or own
        if wanted is None and self._kind == MAP:
            found = resolutions(self._pair.contacts)
            bin_bp = next((one for one in found if one >= own), found[-1] * ceil_div(own, found[-1]))
        if self._predicted.width * own < 2 * bin_bp:
            reach = self._predicted.width * own
            raise InputError(
                f"bins of {bin_bp:,} bp leave no distance to compare; the predicted map reaches {reach:,} bp"
            )
        return bin_bp

    def document(self, progress: Progress) -> dict[str, Any]:
        """Compare, and return the JSON document."""
        compare = {MAP: self._with_map, LOOPS: self._with_loops, PAIRS: self._with_pairs}[self._kind]
        pair = self._pair
        figures = compare(progress)
        document = {
            "sample": pair.sample,
            "against": self._kind,
            "predicted": pair.predicted,
            "contacts": pair.contacts,
            "bin_bp": self._bin_bp,
            "reach_bp": self._predicted.width * self._predicted.bin_bp,
            "values": RATIO if self._predicted.is_ratio else RAW,
            "accessibility": {name: str(path) for name, path in pair.signals.items()},
            **figures,
        }
        document["notes"] = [*figures["notes"], *self._notes()]
        return {"headline": headline(document), "conclusion": conclusion(document), **document}

    def _notes(self) -> Iterator[str]:
        if not self._predicted.stated:
            said = "observed/expected" if self._predicted.is_ratio else "raw attention"
            yield f"the predicted map does not say what its values are; treated as {said}, judged by their mean"
        if not self._pair.signals:
            yield (
                "no accessibility, so the baseline that matters is missing; run epigept-batch contacts --with-tracks, "
                "or add --predicted-accessibility or --accessibility"
            )

    def _scores(self, contig: Contig) -> ContigScores:
        """Read the predicted contacts and the accessibility of a contig."""
        band = rebinned(
            self._predicted.band(contig), from_bp=self._predicted.bin_bp, to_bp=self._bin_bp, length=contig.length
        )
        signals = {name: _signal(track, contig, self._bin_bp) for name, track in self._tracks.items()}
        inside = (
            overlapped(found.get(contig.name, ()), contig, self._bin_bp) for found in (self._wanted, self._excluded)
        )
        wanted, excluded = inside
        return ContigScores(band, signals, wanted & ~excluded)

    def _with_loops(self, progress: Progress) -> dict[str, Any]:
        """Compare with loops."""
        path = Path(self._pair.contacts)
        loops = read_loops(path, self._predicted.contigs)
        groups = _by_contig(loops.loops)
        found = LoopRanks(bin_bp=self._bin_bp)
        for contig in self._each(groups, progress):
            found.add(self._scores(contig), [loops.loops[number] for number in groups[contig.name]])
        counts = _counts(found.counts, loops)
        ranks = found.finish()
        if not ranks:
            raise InputError(f"no loop can be compared: {account(counts, 'loop')}", path)
        positives = len(ranks[ATTENTION].outranked)
        return {
            "counts": counts,
            "positives": positives,
            "negatives": found.negatives,
            "predictors": _areas(matched_areas(ranks, attention=ATTENTION)),
            "notes": [*notes_on_loops(counts, loops.loops, negatives=found.negatives, bin_bp=self._bin_bp)],
        }

    def _with_pairs(self, progress: Progress) -> dict[str, Any]:
        """Compare with tested enhancer-gene pairs."""
        path = Path(self._pair.contacts)
        tested = read_labelled_pairs(path, self._predicted.contigs)
        groups = _by_contig(tested.pairs)
        expected = None if self._pair.expected is None else read_expected(self._pair.expected)
        found = PairScores(bin_bp=self._bin_bp, is_ratio=self._predicted.is_ratio, expected=expected)
        for contig in self._each(groups, progress):
            own = groups[contig.name]
            labels = [tested.regulated[number] for number in own]
            found.add(self._scores(contig), [tested.pairs[number] for number in own], labels)
        counts = _counts(found.counts, tested)
        scores, positive = found.finish()
        if not len(positive):
            raise InputError(f"no pair can be compared: {account(counts, 'pair')}", path)
        return {
            "counts": counts,
            "positives": int(positive.sum()),
            "negatives": int((~positive).sum()),
            "predictors": _areas(labelled_areas(scores, positive, attention=ATTENTION)),
            "notes": [
                *notes_on_pairs(
                    {**counts, "compared_regulated": found.counts["compared_regulated"]},
                    regulated=sum(tested.regulated),
                    distance=self._dependence(known=expected is not None),
                )
            ],
        }

    def _dependence(self, *, known: bool) -> str | None:
        """Return how attention depends on distance in words; `known` is whether the expected attention is."""
        if not self._predicted.is_ratio:
            return None
        if known:
            return "observed/expected, multiplied by the expected attention of its run at that distance"
        return f"observed/expected × 1/distance, because {self._pair.sample}.expected.tsv does not exist beside the map"

    def _with_map(self, progress: Progress) -> dict[str, Any]:
        """Compare with a measured map."""
        measured = MeasuredContacts(self._pair.contacts, bin_bp=self._bin_bp)
        try:
            measured.file.check_genome(self._predicted.contigs)
            found = MapComparison(bin_bp=self._bin_bp, width=self._width)
            names = {contig.name for contig in self._predicted.contigs if measured.file.name_of(contig) is not None}
            for contig in self._each(names, progress):
                found.add(self._scores(contig), measured.band(contig, self._width))
        finally:
            measured.file.close()
        if not found.pairs.sum():
            raise InputError(
                "no pair of bins to compare: none lies in the selected regions and has a prediction, accessibility "
                "if it is used, and a measured contact in both bins",
                f"{self._pair.predicted} and {self._pair.contacts}",
            )
        correlations = found.finish(ATTENTION)
        return {
            "counts": {"compared": int(found.pairs.sum()), "bins": found.bins, "empty_bins": found.empty},
            "positives": None,
            "negatives": None,
            "predictors": {
                name: {kind: _figure(one.overall[kind], one.behind[kind], name) for kind in KINDS}
                for name, one in correlations.items()
            },
            "strata": _strata(found.pairs, correlations),
            "notes": [*notes_on_map(found, measured, bin_bp=self._bin_bp)],
        }

    def _each(self, names: Mapping[str, Any] | set[str], progress: Progress) -> Iterator[Contig]:
        """Yield the contigs with these names, and count them as progress."""
        chosen = [contig for contig in self._predicted.contigs if contig.name in names]
        progress.start(len(chosen))
        for contig in chosen:
            yield contig
            progress.advance()


def _by_contig(pairs: Sequence[Anchors]) -> dict[str, list[int]]:
    """Return the numbers of pairs by the name of their contig."""
    groups: dict[str, list[int]] = {}
    for number, pair in enumerate(pairs):
        groups.setdefault(pair.first.contig, []).append(number)
    return groups


def _signal(track: BinnedTrack, contig: Contig, bin_bp: int) -> NDArray[np.float64]:
    """Read a track over a contig, linear signal, float64, (bins,)."""
    bins, step = bins_of(contig.length, bin_bp), max(1, READ_BP // bin_bp)
    parts = [track.read(contig, first, min(step, bins - first)) for first in range(0, bins, step)]
    return np.concatenate(parts).astype(np.float64)


def _counts(found: Counter[str], read: Loops | LabelledPairs) -> dict[str, int]:
    """Return how many loops or pairs were compared, and why others were not."""
    return {"compared": 0, **found, **{name: getattr(read, name) for name in LEFT_OUT if hasattr(read, name)}}


def _areas(found: Mapping[str, Areas]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "auroc": _figure(one.auroc, one.auroc_behind, name),
            "auprc": _figure(one.auprc, one.auprc_behind, name),
        }
        for name, one in found.items()
    }


def _figure(value: Estimate, behind: Estimate, name: str) -> dict[str, Any]:
    """Return a figure with its interval, and by how much attention exceeds it."""
    ours = {key: finite_or_none(number) for key, number in asdict(value).items()}
    if name == ATTENTION:
        return ours
    return {**ours, "behind": {key: finite_or_none(number) for key, number in asdict(behind).items()}}


def _strata(pairs: NDArray[np.int64], correlations: Mapping[str, Correlations]) -> list[dict[str, Any]]:
    """Return the correlations by stratum of distance."""
    return [
        {
            "from_bp": low,
            "to_bp": high,
            "pairs": int(pairs[number]),
            "predictors": {
                name: {kind: finite_or_none(one.strata[kind][number]) for kind in KINDS}
                for name, one in correlations.items()
            },
        }
        for number, (low, high) in enumerate(zip(EDGES, (*EDGES[1:], None), strict=True))
    ]

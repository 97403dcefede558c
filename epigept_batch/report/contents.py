"""The sections of a report, in the order in which they are read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import epigept_batch
from epigept_batch.report.calibration import calibration_section
from epigept_batch.report.evaluation import evaluation_section
from epigept_batch.report.expression import expression_section, factors_of
from epigept_batch.report.parts import UNKNOWN, Facts, Items, Section, Table, Words, count, decimal, listed, moment
from epigept_batch.report.provenance import remarks_of, run_section, sources_section
from epigept_batch.report.signal import (
    contig_section,
    correlation_section,
    difference_section,
    distribution_section,
    loci_section,
)
from epigept_batch.results.scales import common_scales
from epigept_batch.sequence.regions import with_separators

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from epigept_batch.calibration.calibration_file import Calibration
    from epigept_batch.report.evaluation import EvaluationFile
    from epigept_batch.report.loci import Locus
    from epigept_batch.report.survey import Survey
    from epigept_batch.results.folder import RunFolder, SampleResults

MOST_REGIONS, MOST_NAMES = 6, 12
OK = "ok"
NETWORK = (
    "The network: Gao, Liu, Zeng, Jiang and Wong, EpiGePT: a pretrained transformer-based language model for "
    "context-specific human epigenomics, Genome Biology 25:310 (2024)."
)


def make_sections(
    folder: RunFolder,
    survey: Survey | None,
    loci: Sequence[Locus],
    evaluation: EvaluationFile | None,
    calibration: Calibration | None,
) -> list[Section]:
    """Return the sections of a report.

    Args:
        folder: The finished run.
        survey: What was read of its tracks; None if it has only contact maps.
        loci: The loci to show.
        evaluation: The figures of an evaluation; None for none.
        calibration: The calibration of the model; None for none.
    """
    found: list[Section | None] = [_summary(folder), expression_section(folder)]
    if evaluation is not None:
        found.append(evaluation_section(evaluation))
    if calibration is not None:
        found.append(calibration_section(calibration, folder))
    if survey is not None:
        found += [
            distribution_section(folder, survey),
            correlation_section(folder, survey),
            loci_section(folder, loci, plot_tops(folder), survey),
            contig_section(folder, survey),
            difference_section(folder),
        ]
    found += [_personal(folder), _contacts(folder), run_section(folder), sources_section(folder), _cite()]
    return [section for section in found if section is not None]


def plot_tops(folder: RunFolder) -> dict[str, float]:
    """Return the highest value that plots of a locus show of each track, as ln(1 + signal)."""
    scales = common_scales(folder)
    return {
        name: math.log1p(scales[name][1]) if folder.space == "linear" else scales[name][1] for name in folder.tracks
    }


def title_of(folder: RunFolder) -> str:
    """Return the title: the sample, or how many there are."""
    names = [sample.name for sample in folder.samples]
    return f"Predicted epigenome of {names[0]}" if len(names) == 1 else f"Predicted epigenomes of {len(names)} samples"


def _summary(folder: RunFolder) -> Section:
    records = [sample.any_record for sample in folder.samples]
    genome = records[0].get("genome") or {}
    tracks = ", ".join(folder.tracks) or UNKNOWN
    parts: list[Any] = [
        Facts(
            "What was predicted",
            [
                ("Samples", listed((sample.name for sample in folder.samples), MOST_NAMES)),
                ("Tracks", tracks),
                ("Values", "ln(1 + signal)" if folder.space == "log1p" else "signal"),
                ("Genome", genome.get("assembly") or "not a recognised assembly"),
                ("Regions", listed(map(with_separators, folder.regions), MOST_REGIONS) or UNKNOWN),
                ("Bins per track", _range([int(one["bins"]) for one in records if "bins" in one])),
            ],
        ),
        Table(
            "Samples",
            ("Sample", "Factors found", "Nearest training cell", "Spearman's r", "Files", "Finished"),
            [_sample_row(sample) for sample in folder.samples],
            frozenset({2}),
        ),
    ]
    if folder.unfinished:
        parts.append(
            Items(
                "Interrupted runs, which the report leaves out",
                [f"{listed(folder.unfinished, MOST_NAMES)}; rerun the prediction to complete them"],
                is_warning=True,
            )
        )
    concerns = [
        " ".join(filter(None, (f"{one['said']}.", one.get("advice"))))
        for one in remarks_of(folder)
        if one["state"] != OK
    ]
    if concerns:
        parts.append(Items("To check about the genome", concerns, is_warning=True))
    return Section("summary", "Summary", parts)


def _sample_row(sample: SampleResults) -> tuple[str, ...]:
    record = sample.any_record
    found, every = factors_of(sample)
    nearest = record.get("expression", {}).get("nearest_cell") or {}
    files = len(sample.record.get("files", ())) + (
        0 if sample.contacts is None else len(sample.contacts.record["files"])
    )
    return (
        sample.name,
        UNKNOWN if found is None else f"{found:,} of {every:,}",
        str(nearest.get("cell", UNKNOWN)),
        decimal(nearest.get("r")),
        count(files),
        moment(record.get("finished")),
    )


def _personal(folder: RunFolder) -> Section | None:
    """Return how many variants each haplotype has; no genotype."""
    accounts = [
        (one.name, one.any_record["personal_genome"]) for one in folder.samples if "personal_genome" in one.any_record
    ]
    if not accounts:
        return None
    kinds = list(dict.fromkeys(kind for _, account in accounts for kind in account.get("applied", {})))
    return Section(
        "personal-genome",
        "Personal genome",
        [
            Words("Numbers of variants only: the report contains no genotype."),
            Table(
                "Variants of each haplotype",
                ("Sample", "Haplotype", *kinds, "Skipped", "Records", "Heterozygous", "Without phase"),
                [
                    (
                        name,
                        str(account.get("haplotype", UNKNOWN)),
                        *(count(account.get("applied", {}).get(kind)) for kind in kinds),
                        count(sum(_leaves(account.get("skipped", {})))),
                        count(account.get("records")),
                        count(account.get("heterozygous")),
                        count(account.get("unphased", {}).get("sites")),
                    )
                    for name, account in accounts
                ],
            ),
        ],
    )


def _leaves(counts: object) -> Iterator[int]:
    if isinstance(counts, dict):
        for value in counts.values():
            yield from _leaves(value)
    elif isinstance(counts, int):
        yield counts


def _contacts(folder: RunFolder) -> Section | None:
    maps = [(sample.name, sample.contacts) for sample in folder.samples if sample.contacts is not None]
    if not maps:
        return None
    rows = [
        (
            name,
            count(found.record.get("map_bin_bp")),
            str(found.record.get("values", UNKNOWN)),
            count(found.record.get("pixels")),
            ", ".join(found.record["files"]),
        )
        for name, found in maps
    ]
    table = Table("Contact maps", ("Sample", "bp per bin", "Values", "Pixels", "Files"), rows, frozenset({2, 4}))
    return Section("contacts", "Contact maps", [table])


def _cite() -> Section:
    return Section(
        "cite",
        "How to cite",
        [
            Words(NETWORK),
            Words(
                f"This program: epigept-batch {epigept_batch.__version__}, see its CITATION.cff. State its version, "
                "the checksum of the model file, and the assembly, which are in this report."
            ),
        ],
    )


def _range(values: Sequence[int]) -> str:
    if not values:
        return UNKNOWN
    return count(values[0]) if len(set(values)) == 1 else f"{min(values):,} to {max(values):,}"

"""What a report says about the run itself: on what, from what, with which notes, and how long it took."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from epigept_batch.expression.notes import said_once
from epigept_batch.files import in_words
from epigept_batch.report.parts import (
    UNKNOWN,
    Facts,
    Items,
    Section,
    Table,
    Words,
    count,
    listed,
    moment,
    plural,
    seconds,
)
from epigept_batch.sequence.regions import with_separators

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from epigept_batch.results.folder import RunFolder, SampleResults

OF_A_RUN = (
    "versions", "architecture", "checkpoint_sha256", "precision", "space", "device", "provider", "arithmetic",
    "batch_size", "threads", "scores", "regions", "windows", "windows_resumed",
)  # fmt: skip
"""Keys of a record that samples of one run share."""
STAGES = {
    "inputs": "read inputs",
    "load": "load network",
    "sequence": "read sequence",
    "scan": "scan motifs",
    "scores": "read scores",
    "model": "network",
    "journal": "save progress",
    "write": "write",
}
"""Stages whose seconds a table gives, by their key; others follow under their own names."""
MOST_CONTIGS, MOST_REGIONS, MOST_NAMES = 30, 10, 12
SHOWN_OF_A_DIGEST = 16


def run_section(folder: RunFolder) -> Section:
    """Return what ran, on what, and the time of its stages."""
    runs = runs_of(folder)
    parts: list[Any] = [Facts(_title(samples, len(runs)), list(_run_facts(samples[0].any_record))) for samples in runs]
    parts.append(_timing(runs))
    parts.append(
        Words("Seconds of a stage are summed over threads, so that stages can add up to more than the elapsed time.")
    )
    return Section("run", "Run and timing", parts)


def runs_of(folder: RunFolder) -> list[list[SampleResults]]:
    """Return the samples of each run, by what their records share."""
    found: dict[str, list[SampleResults]] = {}
    for sample in folder.samples:
        record = sample.any_record
        stages = {key: value for key, value in record.get("seconds", {}).items() if key in {"inputs", "load", "scan"}}
        paths = {key: value for key, value in record.get("paths", {}).items() if key != "expression"}
        key = json.dumps([[record.get(key) for key in OF_A_RUN], stages, paths], sort_keys=True)
        found.setdefault(key, []).append(sample)
    return list(found.values())


def sources_section(folder: RunFolder) -> Section:
    """Return the input files with their checksums, and the verdict on the genome."""
    parts: list[Any] = [
        Words("Paths are those of the machine that ran the prediction. A checksum is a SHA-256, unless stated."),
        Table(
            "Input files",
            ("File", "What", "SHA-256"),
            [(path, what, digest) for path, what, digest in dict.fromkeys(_files(folder))],
            frozenset({1, 2}),
        ),
        *_genome_parts(folder),
    ]
    return Section("inputs", "Inputs", parts)


def notes_of(folder: RunFolder) -> list[str]:
    """Return the notes on samples, each once."""
    notes = [(one.name, one.any_record.get("expression", {}).get("notes", ())) for one in folder.samples]
    return list(said_once(notes))


def remarks_of(folder: RunFolder) -> list[Mapping[str, Any]]:
    """Return the remarks on the genome, each once."""
    found = {}
    for sample in folder.samples:
        for remark in (sample.any_record.get("genome") or {}).get("remarks", ()):
            found[remark["said"]] = remark
    return list(found.values())


def _title(samples: Sequence[SampleResults], runs: int) -> str:
    return "Run" if runs == 1 else f"Run of {listed((one.name for one in samples), MOST_NAMES)}"


def _run_facts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    versions = record.get("versions", {})
    yield "Finished", moment(record.get("finished"))
    yield "Versions", ", ".join(value if key == "runtime" else f"{key} {value}" for key, value in versions.items())
    yield "Network", f"{record.get('architecture', UNKNOWN)}, {record.get('precision', UNKNOWN)}"
    arithmetic = record.get("arithmetic")
    yield "Device", f"{record.get('device', UNKNOWN)} ({record.get('provider', UNKNOWN)}), computing in {arithmetic}"
    yield "Threads, batch size", f"{record.get('threads', UNKNOWN)}, {record.get('batch_size', UNKNOWN)}"
    yield "Motif scores", record.get("scores") or "scanned during the run"
    regions = record.get("regions") or ()
    yield "Regions", listed(map(with_separators, regions), MOST_REGIONS) or UNKNOWN
    resumed = record.get("windows_resumed") or 0
    yield "Windows", f"{count(record.get('windows'))}{f', of which {resumed:,} were resumed' if resumed else ''}"
    memory = record.get("peak_memory_bytes")
    yield "Peak memory", UNKNOWN if memory is None else in_words(memory)


def _timing(runs: Sequence[Sequence[SampleResults]]) -> Table:
    records = [samples[-1].any_record.get("seconds", {}) for samples in runs]
    others = dict.fromkeys(key for record in records for key in record if key not in {*STAGES, "total"})
    stages = [key for key in (*STAGES, *others) if any(key in record for record in records)]
    titles = ("Run of", *(STAGES.get(key, key) for key in stages), "elapsed")
    rows = [
        (
            listed((one.name for one in samples), MOST_NAMES),
            *(seconds(record.get(key)) for key in stages),
            seconds(record.get("total")),
        )
        for samples, record in zip(runs, records, strict=True)
    ]
    return Table("Time per stage", titles, rows)


def _files(folder: RunFolder) -> Iterator[tuple[str, str, str]]:
    for sample in folder.samples:
        record = sample.any_record
        paths, digests = record.get("paths", {}), record.get("sha256", {})
        yield str(paths.get("model", UNKNOWN)), "model file", str(digests.get("model", UNKNOWN))
        yield str(paths.get("fasta", UNKNOWN)), "genome", "see the contigs below"
        if record.get("scores"):
            yield str(record["scores"]), "motif scores", UNKNOWN
        tables, of_tables = _every(paths.get("expression")), _every(digests.get("expression"))
        for path, digest in zip(tables, of_tables, strict=False):
            yield path, "expression table", digest
        if personal := record.get("personal_genome"):
            yield str(personal.get("vcf", UNKNOWN)), "variants", str(personal.get("sha256", UNKNOWN))
        if sheet := record.get("expression", {}).get("sheet"):
            yield str(sheet.get("path", UNKNOWN)), "sample sheet", UNKNOWN


def _every(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _genome_parts(folder: RunFolder) -> Iterator[Any]:
    genome = folder.samples[0].any_record.get("genome") or {}
    fits = genome.get("contigs_that_fit") or {}
    yield Facts(
        "Genome",
        [
            ("Verdict", str(genome.get("state", UNKNOWN))),
            ("Assembly", genome.get("assembly") or "not recognised"),
            ("Trained on", genome.get("trained_on") or "not known"),
            *((f"Contigs of {name}", str(number)) for name, number in fits.items()),
        ],
    )
    remarks = [" ".join(filter(None, (f"{one['said']}.", one.get("advice")))) for one in remarks_of(folder)]
    if remarks:
        yield Items("Remarks on the genome", remarks)
    checksums: dict[str, str] = {}
    for sample in folder.samples:
        checksums |= sample.any_record.get("inputs", {}).get("genome") or {}
    if checksums:
        rows = list(checksums.items())
        more = len(rows) - MOST_CONTIGS
        yield Table(
            "MD5 of the sequence of each predicted contig", ("Contig", "MD5"), rows[:MOST_CONTIGS], frozenset({1})
        )
        if more > 0:
            yield Words(f"{plural(more, 'more contig')}: see the key inputs of run.json.")

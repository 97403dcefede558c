"""The run of `epigept-batch peaks`."""

from __future__ import annotations

import math
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.calibration.calibration_file import read_calibration
from epigept_batch.commands.peaks.calls import TrackReader, call_peaks, candidates_cutoff, strongest
from epigept_batch.commands.peaks.files import PeakFiles
from epigept_batch.commands.peaks.options import check_options, choose_tracks
from epigept_batch.commands.peaks.record import account_of_rule, inputs_of, make_record, model_of, read_peaks_record
from epigept_batch.commands.peaks.rules import TOP_SHARE, is_known, make_rules
from epigept_batch.errors import InputError, OutputError, reason
from epigept_batch.files import output_folder, publish, remove_leftovers, temporary_beside
from epigept_batch.intervals.peaks import PeakLines, autosql
from epigept_batch.provenance.run_record import is_up_to_date, names_to_replace, withdraw, write_record
from epigept_batch.results.bins import bin_bp_of, predicted_spans
from epigept_batch.results.folder import read_run_folder
from epigept_batch.tracks.bigbed import write_bigbed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from epigept_batch.calibration.calibration_file import Calibration
    from epigept_batch.commands.peaks.request import PeaksRequest
    from epigept_batch.commands.peaks.rules import TrackRule
    from epigept_batch.intervals.peaks import Peak
    from epigept_batch.progress import Progress
    from epigept_batch.results.folder import ResultTrack, RunFolder, SampleResults


@dataclass(frozen=True)
class _Job:
    """The peaks of one sample: its tracks, what they are made from, and the files."""

    sample: SampleResults
    tracks: tuple[ResultTrack, ...]
    inputs: Mapping[str, Any]
    files: PeakFiles


def run_peaks(request: PeaksRequest, progress: Progress) -> list[dict[str, Any]]:
    """Call the peaks of each sample and track of a finished run.

    The files of a sample appear together, after all of its tracks are called.

    Args:
        request: What to do.
        progress: Receives an update per track.

    Returns:
        The record of each sample, the content of its `SAMPLE.peaks.json`.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    folder = read_run_folder(request.folder, request.samples)
    names = choose_tracks(request.tracks, folder)
    check_options(request, names)
    bin_bp = bin_bp_of(folder)
    samples = [sample for sample in folder.samples if any(track.name in names for track in _signals(sample))]
    _check_predicted(folder, samples)
    calibration = _read_calibration(request, samples, bin_bp)
    rules = make_rules(request, names, bin_bp=bin_bp, calibration=calibration)
    jobs = [_job(request, sample, rules, calibration) for sample in samples]
    due = [job for job in jobs if request.force or not is_up_to_date(job.files, job.inputs)]
    for sentence in _notes(request, names, jobs, due):
        progress.say(sentence)
    with output_folder(request.output_folder):
        if due:
            progress.start(sum(len(job.tracks) for job in due))
        for job in due:
            _call(request, folder, job, rules, calibration, bin_bp=bin_bp, progress=progress)
    records = [read_peaks_record(job.files) for job in jobs]
    peaks = sum(track["peaks"] for record in records for track in record["tracks"].values())
    files = sum(len(job.tracks) for job in jobs)
    progress.finish(
        f"{peaks:,} peak{'s' * (peaks != 1)} in {files:,} file{'s' * (files != 1)} in {request.output_folder}/"
    )
    return records


def _signals(sample: SampleResults) -> Iterator[ResultTrack]:
    """Yield the tracks of a sample that hold the signal."""
    return (track for track in sample.tracks if not track.is_difference)


def _check_predicted(folder: RunFolder, samples: Sequence[SampleResults]) -> None:
    """Check that the records name predicted bins.

    Raises:
        InputError: One of a sample does not.
    """
    for sample in samples:
        if not any(predicted_spans(sample, contig) for contig in folder.contigs):
            raise InputError(
                f"the run.json of {sample.name} names no predicted bins; rerun the prediction", folder.path
            )


def _read_calibration(request: PeaksRequest, samples: Sequence[SampleResults], bin_bp: int) -> Calibration | None:
    """Read the calibration, and check that it fits the samples.

    Raises:
        InputError: It cannot be read, or is of another model or bin size.
    """
    if request.calibration is None:
        return None
    calibration = read_calibration(request.calibration)
    for sample in samples:
        model = model_of(sample)
        if not request.any_model and model != calibration.model:
            raise InputError(
                f"made with another model file (sha256 {calibration.model[:12]}…) than the tracks of {sample.name} "
                f"({model[:12] or 'not recorded'}…), whose values differ; calibrate the model of this run, or add "
                "--any-model",
                calibration.path,
            )
    calibration.check_fits(calibration.model, bin_bp=bin_bp)
    return calibration


def _job(
    request: PeaksRequest, sample: SampleResults, rules: Mapping[str, TrackRule], calibration: Calibration | None
) -> _Job:
    tracks = tuple(track for track in _signals(sample) if track.name in rules)
    forms = {track.name: rules[track.name].form for track in tracks}
    files = PeakFiles(request.output_folder, sample.name, forms, request.bigbed)
    return _Job(sample, tracks, inputs_of(request, tracks, rules, calibration), files)


def _notes(request: PeaksRequest, names: Sequence[str], jobs: Sequence[_Job], due: Sequence[_Job]) -> Iterator[str]:
    """Yield notes on tracks of unknown marks, and samples that are up to date."""
    for name in names:
        if not is_known(name, request):
            yield f"{name}: not a known mark, so its peaks are narrow; choose with --broad {name} or --narrow {name}"
    for job in jobs:
        if job not in due:
            yield f"{job.sample.name}: up to date"


def _call(
    request: PeaksRequest,
    folder: RunFolder,
    job: _Job,
    rules: Mapping[str, TrackRule],
    calibration: Calibration | None,
    *,
    bin_bp: int,
    progress: Progress,
) -> None:
    """Call the peaks of a sample, and write its files."""
    accounts = {}
    for path in (*job.files.outputs, job.files.record, job.files.changing):
        remove_leftovers(path)
    with ExitStack() as stack:
        made: dict[Path, Path] = {}
        for track in job.tracks:
            rule = rules[track.name]
            reader = TrackReader(folder, track, bin_bp=bin_bp)
            threshold = candidates_cutoff(reader, TOP_SHARE) if rule.threshold is None else rule.threshold
            peaks: Iterable[Peak] = call_peaks(reader.blocks(), rule, threshold)
            account = account_of_rule(rule, threshold, bin_bp=bin_bp)
            if rule.top is not None:
                peaks, account["candidates"] = strongest(peaks, rule.top)
            highest = reader.highest_signal()
            lines = PeakLines(f"{job.sample.name}.{track.name}", bin_bp, highest)
            path = job.files.lines(track.name)
            made[path] = _temporary(path, stack)
            with _writing(path):
                account |= _write(made[path], lines, peaks)
            if request.bigbed:
                big = job.files.big(track.name)
                made[big] = _temporary(big, stack)
                with _writing(big), made[path].open(encoding="utf-8") as written:
                    fields = (line.rstrip("\n").split("\t") for line in written)
                    write_bigbed(made[big], folder.contigs, fields, autosql(rule.form))
            accounts[track.name] = {"file": path.name, **account, "signal_of_score_1000": highest}
            _say_if_few(accounts[track.name], job, track, progress)
            progress.advance()
        record = make_record(
            job.sample, accounts, job.inputs, bigwigs=job.tracks, calibration=calibration, bin_bp=bin_bp
        )
        _say_what_goes(job, progress)
        withdraw(job.files)
        for path, temporary in made.items():
            publish(temporary, path)
        write_record(job.files, record)


def _say_what_goes(job: _Job, progress: Progress) -> None:
    """Name the earlier peaks that this call removes and does not replace, such as those of other tracks."""
    names = names_to_replace(job.files) - {path.name for path in job.files.outputs}
    if gone := sorted(path.name for path in job.files.could_be_outputs() if path.name in names):
        progress.say(f"{job.sample.name}: removed, since one call makes all peaks of a sample: {', '.join(gone)}")


def _temporary(path: Path, stack: ExitStack) -> Path:
    """Return a hidden file beside the final one, which is removed at the end unless it is renamed."""
    temporary = temporary_beside(path)
    stack.callback(temporary.unlink, missing_ok=True)
    return temporary


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn errors of the system into ones that name the file.

    Raises:
        OutputError: The file cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot be written: {reason(error)}; free some space or choose another --out", path
        ) from error


def _write(path: Path, lines: PeakLines, peaks: Iterable[Peak]) -> dict[str, Any]:
    """Write peaks; return their number, the base pairs that they cover, and the lowest and the highest signal."""
    number = covered = 0
    least, most = math.inf, -math.inf
    with path.open("w", encoding="utf-8") as file:
        for number, peak in enumerate(peaks, 1):
            file.write(lines.line(peak, number) + "\n")
            covered += lines.covered_bp(peak)
            least, most = min(least, peak.signal), max(most, peak.signal)
    signals = {"least_signal": least, "most_signal": most} if number else {"least_signal": None, "most_signal": None}
    return {"peaks": number, "covered_bp": covered, **signals}


def _say_if_few(account: Mapping[str, Any], job: _Job, track: ResultTrack, progress: Progress) -> None:
    """Say that a track has fewer peaks than the user may expect."""
    name = f"{job.sample.name} {track.name}"
    if account["top"] is not None and account["peaks"] < account["top"]:
        few = account["peaks"]
        progress.say(f"{name}: only {few:,} candidate{'s' * (few != 1)}, fewer than --top {account['top']:,}")
    elif not account["peaks"]:
        progress.say(
            f"{name}: no peak; the highest ln(1 + signal) is {math.log1p(account['signal_of_score_1000']):.4g}, the "
            f"threshold {account['threshold']:.4g}"
        )

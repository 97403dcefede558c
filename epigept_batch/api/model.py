"""A network on a device, ready to predict regions."""

from __future__ import annotations

from contextlib import closing
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.api.expression import Expression, as_paths, expression_of
from epigept_batch.api.progress import with_bar
from epigept_batch.api.screen import Screen
from epigept_batch.api.values import Bins, MotifScores, Prediction
from epigept_batch.api.variants import VariantEffects
from epigept_batch.errors import InputError
from epigept_batch.expression.factor_tpm import FactorTPM
from epigept_batch.expression.request import SampleRequest
from epigept_batch.inference.device import RunOptions, parse_device
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.session import open_sessions
from epigept_batch.machine.processors import usable_processors
from epigept_batch.motifs.scan import GenomeScan, MotifScanner
from epigept_batch.names import AVERAGES, SPACES, UNPHASED
from epigept_batch.prediction.effects import Scoring, predict_effects, reference_tiles, views_of
from epigept_batch.prediction.haplotypes import predict_haplotypes
from epigept_batch.prediction.predict import predict_tiles
from epigept_batch.prediction.scores import make_scanner, open_store, scores_for
from epigept_batch.prediction.stitch import runs
from epigept_batch.prediction.windows import WindowReader
from epigept_batch.screen.areas import Areas
from epigept_batch.screen.changes import gather
from epigept_batch.screen.choice import check_names, in_order, parse_value
from epigept_batch.screen.inputs import compared_samples, exchange, numbers_of, set_each
from epigept_batch.screen.windows import Layout as Parts
from epigept_batch.screen.windows import ScreenedWindows
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.genome_verdict import accept_genome
from epigept_batch.sequence.regions import by_any_name, select_regions
from epigept_batch.tiling import Region, ceil_div, make_tiles, select_bins
from epigept_batch.timing import StageClock
from epigept_batch.tracks.chosen import choose_tracks
from epigept_batch.variants.background import Background, Drawing, Strata, read_features
from epigept_batch.variants.chunks import DIFFERENCE, chunk_size, in_chunks
from epigept_batch.variants.personal import read_personal_genome
from epigept_batch.variants.score_table import Layout
from epigept_batch.variants.tally import Tally
from epigept_batch.variants.variant import MISSING, Variant, place
from epigept_batch.variants.variant_file import read_variants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from epigept_batch.screen.inputs import FactorInputs
    from epigept_batch.screen.windows import Part
    from epigept_batch.spec import Spec
    from epigept_batch.variants.haplotype import Haplotype
    from epigept_batch.variants.variant import Placed

    File = str | PathLike[str]


def load_model(
    path: File,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Model:
    """Load a model file onto a device.

    Args:
        path: Made by `epigept-export convert`.
        device: `auto`, `cpu`, `cuda`, `cuda:N`, `openvino` or `openvino:bf16`, as for `genome --device`.
        batch_size: Pairs of a window and a sample per call; by default, a number that suits the device.
        threads: How many CPU threads to use; by default, all that this process may use.
        progress: Whether to show a bar while the model predicts; in a notebook, a notebook's.

    Raises:
        InputError: The device name is unknown.
        ModelError: The file is not a model file.
        DeviceError: The device is not available.
    """
    return Model(Path(path), device=device, batch_size=batch_size, threads=threads, progress=progress)


class Model:
    """A network on a device, made by `load_model`. Use it from one thread at a time.

    Attributes:
        path: The model file.
        tracks: Names of the tracks.
        factors: Names of the transcription factors.
        bin_bp: Size of a bin in base pairs.
        window_bp: Size of the network's input window in base pairs.
        device: The device it runs on.
        notes: Notes on the model, for example why it runs on the CPU, one sentence each.
    """

    def __init__(
        self, path: Path, *, device: str, batch_size: int | None, threads: int | None, progress: bool = False
    ) -> None:
        self.path = path
        self._progress = progress
        self._spec: Spec = read_spec(path)
        self._threads = threads or usable_processors()
        heard = [] if self._spec.caution is None else [self._spec.caution]
        options = RunOptions(self._spec.precision, threads=self._threads, batch_size=batch_size)
        self._sessions = open_sessions(path, parse_device(device), options, say=heard.append)
        self.tracks, self.factors = self._spec.tracks, self._spec.factors
        self.bin_bp, self.window_bp = self._spec.geometry.bin_bp, self._spec.geometry.window_bp
        self.device = self._sessions[0].device
        self.notes = tuple(heard)

    def __repr__(self) -> str:
        return f"<Model {self.path.name}: {', '.join(self.tracks)} on {self.device}>"

    def predict(
        self,
        expression: Expression | File | Iterable[File],
        regions: str | Iterable[str],
        *,
        fasta: File,
        tracks: Iterable[str] = (),
        space: str = "log1p",
        overlap: int = 0,
        scores: File | None = None,
        any_genome: bool = False,
        vcf: File | None = None,
        vcf_sample: str | None = None,
        unphased: str | None = None,
    ) -> Prediction:
        """Predict the tracks of regions for samples, with the same values as `genome` writes.

        Args:
            expression: The result of `read_expression`, or tables to read.
            regions: One or several regions in samtools format, 1-based and inclusive: `chr2:1,000,001-2,000,000`.
            fasta: The genome, plain or bgzip.
            tracks: Names of the tracks wanted; all by default.
            space: `log1p` for ln(1 + signal), `linear` for the signal.
            overlap: Base pairs that neighbouring windows share.
            scores: Motif scores stored by `epigept-batch scan`.
            any_genome: Whether to accept a genome of another assembly than the model's.
            vcf: Phased variants of a person, whose two haplotypes are predicted as `SAMPLE.h1` and `SAMPLE.h2`.
            vcf_sample: Name of the person in the VCF; None if it has only one.
            unphased: What both haplotypes get at heterozygous sites without phase, `reference` or `alternative`; None
                to refuse such sites.

        Raises:
            InputError: A table, genome, region, track, space or VCF cannot be used.
        """
        if space not in SPACES:
            raise InputError(f"unknown space '{space}'; use {' or '.join(SPACES)}")
        if unphased is not None and unphased not in UNPHASED:
            raise InputError(f"unphased: unknown '{unphased}'; use {' or '.join(UNPHASED)}")
        read = self._read(expression)
        chosen = choose_tracks(tuple(tracks), self._spec.tracks)
        with Genome(Path(fasta)) as genome:
            asked = self._regions(genome, regions)
            verdict = accept_genome(genome, asked, self._spec, chosen=True, any_genome=any_genome)
            bins = Bins(genome.contigs, select_bins(asked, self.bin_bp), self.bin_bp)
            personal = None
            if vcf is not None:
                on = [contig for contig in genome.contigs if contig.name in bins.spans]
                personal = read_personal_genome(Path(vcf), vcf_sample, genome, on, unphased=unphased)
            haplotypes = () if personal is None else personal.haplotypes
            values = self._values(genome, bins, read, chosen, overlap=overlap, scores=scores, haplotypes=haplotypes)
            genome.check_unchanged()
        if space == "linear":
            np.expm1(values, out=values)
        if personal is None:
            return Prediction(values, bins, read.samples, chosen, space, verdict.notes, read.copies)
        suffixes = [haplotype.suffix for haplotype in haplotypes]
        samples = tuple(f"{name}{suffix}" for name in read.samples for suffix in suffixes)
        copies = {f"{copy}{end}": f"{sample}{end}" for copy, sample in read.copies.items() for end in suffixes}
        return Prediction(values, bins, samples, chosen, space, (*verdict.notes, *personal.notes()), copies)

    def _values(
        self,
        genome: Genome,
        bins: Bins,
        expression: Expression,
        tracks: Sequence[str],
        *,
        overlap: int,
        scores: File | None,
        haplotypes: Sequence[Haplotype] = (),
    ) -> NDArray[np.float32]:
        """Return ln(1 + signal), float32, (samples, bins, tracks); NaN where a bin has no base or value.

        With haplotypes, each sample has a row for each of them.
        """
        tiles = make_tiles(genome.contigs, bins.spans, geometry=self._spec.geometry, overlap=overlap)
        options: dict[str, Any] = {
            "spec": self._spec,
            "store": None if scores is None else open_store(Path(scores), self._spec, genome, tiles, model=self.path),
            "tracks": [self.tracks.index(track) for track in tracks],
            "threads": self._threads,
            "say": lambda _: None,
            "clock": StageClock(),
        }
        if haplotypes:
            rows = [(haplotype, number) for number in range(len(expression.samples)) for haplotype in haplotypes]
            signals = predict_haplotypes(genome, tiles, expression.values, rows, self._sessions, **options)
        else:
            signals = predict_tiles(genome, tiles, expression.values, self._sessions, **options)
        number = len(expression.samples) * max(len(haplotypes), 1)
        values = np.full((number, len(bins), len(tracks)), np.nan, dtype=np.float32)
        with closing(signals):
            for signal in with_bar(signals, len(tiles), "window", shown=self._progress):
                for run in runs(signal.tile, signal.taken(bin_bp=self.bin_bp)):
                    begin = bins.place(run.contig, run.first_bin)
                    values[:, begin : begin + run.values.shape[1]] = run.values
        return values

    def screen(
        self,
        expression: Expression | File | Iterable[File],
        regions: str | Iterable[str],
        *,
        fasta: File,
        factors: str | Iterable[str] | None = None,
        set_to: float | str = 0,
        between: tuple[str, str] | None = None,
        tracks: Iterable[str] = (),
        scores: File | None = None,
        any_genome: bool = False,
    ) -> Screen:
        """Set each factor in turn to a value, and measure how the mean signal of regions changes, as `screen` does.

        Args:
            expression: The result of `read_expression`, or tables to read.
            regions: One or several regions as for `predict`; they may overlap each other.
            fasta: The genome, plain or bgzip.
            factors: One or several names; all by default.
            set_to: A TPM, or `absent` for a network input of 0. For vectors of your own, whose TPM is not known, a
                number is a normalised TPM.
            between: Names of two samples. Each factor is set to the other sample's network input instead.
            tracks: Names of the tracks wanted; all by default.
            scores: Motif scores stored by `epigept-batch scan`.
            any_genome: Whether to accept a genome of another assembly than the model's.

        Raises:
            InputError: A table, genome, region, factor, track, value or name of a sample cannot be used.
        """
        names = [factors] if isinstance(factors, str) else list(self.factors if factors is None else factors)
        if not names:
            raise InputError("no factor; name at least one, or omit `factors` to change each factor of the model")
        chosen = choose_tracks(tuple(tracks), self._spec.tracks)
        known = in_order(check_names(names, self.factors), self.factors)
        samples = self._changed(self._read(expression), known, set_to, between)
        with Genome(Path(fasta)) as genome:
            asked = self._regions(genome, regions)
            verdict = accept_genome(genome, asked, self._spec, chosen=True, any_genome=any_genome)
            areas = Areas(genome.contigs, asked, self._spec.geometry)
            parts = self._parts(genome, areas, samples, chosen, scores=scores)
            genome.check_unchanged()
        layout = Parts(len(samples), len(known))
        numbered, everywhere = list(enumerate(samples)), range(len(asked))
        found = gather(
            lambda tile, number: parts[tile.index, number].values,
            areas,
            layout,
            numbered,
            regions=everywhere,
            tracks=chosen,
        )
        return Screen(found, between is not None, sum(part.evaluations for part in parts.values()), verdict.notes)

    def _changed(
        self, read: Expression, factors: Sequence[str], set_to: float | str, between: tuple[str, str] | None
    ) -> tuple[FactorInputs, ...]:
        """Return the samples of a screen with the change of each factor.

        Raises:
            InputError: The value, or the name of a sample, cannot be used.
        """
        tpm = np.expm1(read.values.astype(np.float64)) if read.tpm is None else read.tpm
        if between is not None:
            rows = compared_samples(between, read.samples, read.values)
            return exchange(
                between, read.values[rows], tpm[rows], numbers=numbers_of(factors, self.factors), factors=factors
            )
        if read.copies:
            raise InputError("a screen sets factors of samples, not of copies; pass the samples without copies")
        value = parse_value(str(set_to))
        reference = self._spec.reference
        as_is = read.tpm is None or read.normalised or reference is None
        distribution = None if as_is or reference is None else reference.distribution
        return tuple(
            set_each(
                name, FactorTPM(self.factors, of_sample, self.factors, ()), distribution, factors=factors, value=value
            )
            for name, of_sample in zip(read.samples, tpm, strict=True)
        )

    def _parts(
        self,
        genome: Genome,
        areas: Areas,
        samples: Sequence[FactorInputs],
        tracks: Sequence[str],
        *,
        scores: File | None,
    ) -> dict[tuple[int, int], Part]:
        """Compute all parts of a screen, by the number of their window and their own."""
        clock = StageClock()
        numbers = [self.tracks.index(track) for track in tracks]
        windows = ScreenedWindows(areas, samples, self._sessions, tracks=numbers, clock=clock)
        store = None if scores is None else open_store(Path(scores), self._spec, genome, areas.tiles, model=self.path)
        with scores_for(
            self._spec, self._sessions[0].ports, store, threads=self._threads, say=lambda _: None
        ) as source:
            parts = windows.parts(
                WindowReader(genome, source, geometry=self._spec.geometry, clock=clock),
                ((tile, range(windows.layout.parts)) for tile in areas.tiles),
                threads=self._threads,
                scans=isinstance(source, MotifScanner),
            )
            total = len(areas.tiles) * windows.layout.parts
            with closing(parts):
                counted = with_bar(parts, total, "part", shown=self._progress)
                return {(part.tile.index, part.number): part for part in counted}

    def score_variants(
        self,
        variants: File | Iterable[tuple[str, int, str, str]],
        expression: Expression | File | Iterable[File],
        *,
        fasta: File,
        tracks: Iterable[str] = (),
        grid: bool = False,
        average: str | Iterable[str] = (),
        background: int = 0,
        features: File | None = None,
        seed: int = 1,
        scores: File | None = None,
        any_genome: bool = False,
        allow_ref_mismatch: bool = False,
    ) -> VariantEffects:
        """Predict what variants change in the tracks of samples, as `epigept-batch variants` does.

        Args:
            variants: A VCF, BCF or table, or (contig, 1-based position, reference, alternative) of each variant.
            expression: The result of `read_expression`, or tables to read.
            fasta: The genome, plain or bgzip.
            tracks: Names of the tracks wanted; all by default.
            grid: Use the windows of `predict`, not a window around each variant.
            average: `strands`, `shifts` or both, to average over.
            background: Number of random variants to draw for each kind of variant; 0 for none.
            features: BED file; random variants have similar distances to its intervals.
            seed: Seed of the random variants.
            scores: Motif scores stored by `epigept-batch scan`.
            any_genome: Whether to accept a genome of another assembly than the model's.
            allow_ref_mismatch: Whether to accept variants of which many reference alleles differ from the genome.

        Raises:
            InputError: A file, genome, track or option cannot be used, or the variants belong to another genome.
            DeviceError: The file is VCF or BCF, and pysam is not installed.
        """
        names = (average,) if isinstance(average, str) else tuple(average)
        if unknown := [name for name in names if name not in AVERAGES]:
            raise InputError(f"average: '{unknown[0]}' is unknown; use {' or '.join(AVERAGES)}, or both")
        if grid and names:
            raise InputError("grid=True gives the difference of two predictions, which has no average; omit average")
        if features is not None and not background:
            raise InputError("features have no effect without a background; set background=200")
        chosen = choose_tracks(tuple(tracks), self._spec.tracks)
        read = self._read(expression)
        views = views_of(names, self._spec.geometry)
        scoring = Scoring(self._spec.geometry, self._spec.motif_set.window, grid=grid, views=views)
        with Genome(Path(fasta)) as genome:
            contigs, tally = by_any_name(genome.contigs), Tally()
            strata = Strata(None if features is None else read_features(Path(features), genome.contigs))
            placed = [place(one, contigs, genome, longest=scoring.longest) for one in _variants(variants)]
            for one in placed:
                tally.add(one)
                strata.add(one)
            tally.check(_name_of(variants), genome.path, allow_mismatch=allow_ref_mismatch)
            on = [contig for contig in genome.contigs if contig.name in tally.contigs]
            whole = [Region(contig.name, 0, contig.length) for contig in on]
            verdict = accept_genome(genome, whole, self._spec, chosen=True, any_genome=any_genome)
            drawn = Drawing(genome, on, strata, seed).draw_all(background, contigs, longest=scoring.longest)
            values = self._effects(genome, [*placed, *chain(*drawn.values())], read, chosen, scoring, scores)
            genome.check_unchanged()
        alleles = sum(len(one.alleles) for one in placed)
        found = None
        if drawn:
            found = Background.of(strata, drawn, values[alleles:, ..., DIFFERENCE])
        layout = Layout(read.samples, chosen, averaged=len(views) > 1, background=found)
        return VariantEffects(values[:alleles], tuple(placed), layout, (*verdict.notes, *tally.sentences()))

    def _effects(
        self,
        genome: Genome,
        placed: Sequence[Placed],
        read: Expression,
        tracks: Sequence[str],
        scoring: Scoring,
        scores: File | None,
    ) -> NDArray[np.float32]:
        """Return the effects of variants, float32, (alleles, samples, tracks, `FIELDS`)."""
        store = None
        if scores is not None:
            tiles = reference_tiles(placed, scoring)
            store = open_store(Path(scores), self._spec, genome, tiles, model=self.path)
        size = chunk_size(len(read.samples), len(scoring.views))
        effects = predict_effects(
            genome,
            in_chunks(placed, size),
            read.values,
            self._sessions,
            spec=self._spec,
            scoring=scoring,
            store=store,
            tracks=[self.tracks.index(track) for track in tracks],
            threads=self._threads,
            say=lambda _: None,
            clock=StageClock(),
        )
        with closing(effects):
            counted = with_bar(effects, ceil_div(len(placed), size), "chunk", shown=self._progress)
            return np.concatenate([values for _, values in counted])

    def scan(self, regions: str | Iterable[str], *, fasta: File) -> MotifScores:
        """Score the best motif hits of the model's factors, as the network reads them.

        Args:
            regions: Regions as for `predict`.
            fasta: The genome.

        Raises:
            InputError: A region cannot be used.
        """
        with (
            Genome(Path(fasta)) as genome,
            GenomeScan(genome, make_scanner(self._spec, threads=self._threads, say=lambda _: None)) as source,
        ):
            selected = select_bins(self._regions(genome, regions), self.bin_bp)
            bins = Bins(genome.contigs, selected, self.bin_bp)
            parts = [source.read(contig, first, last - first) for contig, first, last in bins.runs()]
            genome.check_unchanged()
        return MotifScores(np.concatenate(parts, axis=1), bins, self.factors)

    def read(self, tables: File | Iterable[File]) -> Expression:
        """Read tables for this model; `read_expression` has more options."""
        request = SampleRequest(tuple((None, path) for path in as_paths(tables)))
        return expression_of(request, self._spec, model=self.path)

    def _read(self, expression: Expression | File | Iterable[File]) -> Expression:
        """Return the expression, read if it is not yet.

        Raises:
            InputError: It is not for this model.
        """
        read = expression if isinstance(expression, Expression) else self.read(expression)
        if read.factors != self.factors:
            raise InputError(
                "the factors of the expression are not those of the model; read the expression for this model"
            )
        return read

    @staticmethod
    def _regions(genome: Genome, regions: str | Iterable[str]) -> list[Region]:
        """Return the regions asked for.

        Raises:
            InputError: A region cannot be used, or there is none.
        """
        asked = [regions] if isinstance(regions, str) else list(regions)
        if not asked:
            raise InputError("no region; provide at least one in samtools format, such as 'chr2:1,000,001-2,000,000'")
        return select_regions(genome.contigs, regions=asked)


def _variants(variants: File | Iterable[tuple[str, int, str, str]]) -> Iterator[Variant]:
    """Yield the variants of a file, or rows of contig, 1-based position, reference and alternative alleles."""
    if isinstance(variants, str | PathLike):
        yield from read_variants(Path(variants))
        return
    for number, (contig, position, ref, alt) in enumerate(variants):
        yield Variant(number, contig, position - 1, MISSING, ref, tuple(alt.split(",")) if alt != MISSING else ())


def _name_of(variants: File | Iterable[tuple[str, int, str, str]]) -> Path:
    """Return what variants are called in messages."""
    return Path(variants if isinstance(variants, str | PathLike) else "variants")

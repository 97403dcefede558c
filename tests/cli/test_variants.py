"""`epigept-batch variants` on small inputs: beside `genome` on edited FASTAs, and naive versions of windows."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyBigWig
import pysam
import pytest
import torch

import reference
from epigept_batch.commands.run.journal import Journal
from epigept_batch.commands.variants import run
from epigept_batch.inference.device import CPU
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.ports import Inputs
from epigept_batch.inference.session import open_session
from epigept_batch.motifs.scan import GenomeScan, MotifScanner
from epigept_batch.prediction.edited import EditedScores, EditedTile, EditedWindowReader, ScanInBlocks
from epigept_batch.prediction.effects import Scoring, View
from epigept_batch.sequence.genome import Genome
from epigept_batch.spec import ScanWindow
from epigept_batch.tiling import Contig, Geometry
from epigept_batch.timing import StageClock
from epigept_batch.variants import chunks
from epigept_batch.variants.background import Drawing, Strata, Stratum
from epigept_batch.variants.changes import Change
from epigept_batch.variants.variant import Variant, place
from epigept_export.convert import convert, read_expression_reference
from expression import read_tpm
from small import SMALL

HEADER = "##fileformat=VCFv4.2\n##contig=<ID=one>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
TRACKS = list(SMALL.tracks)
WINDOW, BIN, BINS = 2560, 128, 20


def record(contig, position, ref, alt, name="."):
    return f"{contig}\t{position + 1}\t{name}\t{ref}\t{alt}\t.\t.\t."


@pytest.fixture
def vcf(write):
    """Writer of a VCF of (contig, 0-based position, REF, ALT)."""

    def make(rows, name="variants.vcf", header=HEADER):
        return write(header + "".join(f"{record(*row)}\n" for row in rows), name)

    return make


@pytest.fixture
def snvs(sequences):
    """Random SNVs of a contig, at most one in each window of the grid where `apart`."""

    def make(contig="one", number=8, seed=3, apart=True):
        rng, sequence = np.random.default_rng(seed), sequences[contig]
        places = [i for i, base in enumerate(sequence) if base in "ACGT"]
        found = {}
        while len(found) < number:
            place = int(rng.choice(places))
            ref = sequence[place]
            found.setdefault(place // WINDOW if apart else len(found), (contig, place, ref, other(ref, rng)))
        return list(found.values())

    return make


def other(base, rng):
    return str(rng.choice([one for one in "ACGT" if one != base]))


def read(path):
    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values={"reference": "", "alternative": ""})


def tracks_of(folder, sample="sample"):
    """Values by track and contig, NaN where a bin is absent."""
    found = {}
    for track in TRACKS:
        with pyBigWig.open(str(folder / f"{sample}.{track}.bw")) as file:
            for contig, length in file.chroms().items():
                bins = -(-length // BIN)
                values = np.full(bins, np.nan)
                for start, _, value in file.intervals(contig) or ():
                    values[start // BIN] = value
                found[track, contig] = values
    return found


def edited_fasta(fasta, changes, path):
    """A copy of a FASTA with bases changed in place: {contig: [(position, base)]}."""
    text = []
    for block in fasta.read_text().split(">")[1:]:
        name, sequence = block.split("\n", 1)
        bases = list(sequence.replace("\n", ""))
        for position, base in changes.get(name.split()[0], ()):
            bases[position] = base
        text.append(f">{name}\n{''.join(bases)}\n")
    path.write_text("".join(text))
    return path


def test_on_the_grid_a_difference_is_that_of_two_genome_runs(score, genome, snvs, vcf, fasta, tmp_path):
    rows = snvs() + snvs("two", 1)
    rows += [("one", 2559, None, None), ("one", 5120, None, None)]  # beside borders of windows
    sequence = "".join(fasta.read_text().split(">")[1].split("\n")[1:]).upper()
    rows = [(c, p, r or sequence[p], a or other(sequence[p], np.random.default_rng(p))) for c, p, r, a in rows]
    done = score(vcf(rows), "--grid")
    assert done.code == 0, done.err
    table = read(tmp_path / "scores.tsv")
    assert len(table) == len(rows) * len(TRACKS)
    assert genome().code == 0
    before = tracks_of(tmp_path / "out")
    for number, (contig, position, _, alt) in enumerate(rows):
        changed = edited_fasta(fasta, {contig: [(position, alt)]}, tmp_path / f"{number}.fa")
        folder = tmp_path / f"out{number}"
        assert genome(fasta=changed, out=folder).code == 0
        after = tracks_of(folder)
        for track in TRACKS:
            row = table[(table["pos"] == position + 1) & (table["chrom"] == contig) & (table["track"] == track)]
            row = row.iloc[0]
            at = slice(max(position // BIN - 1, 0), position // BIN + 2)
            old, new = before[track, contig], after[track, contig]
            near = ~np.isnan(old[at])
            assert row["reference"] == pytest.approx(old[at][near].mean(), abs=2e-5)
            assert row["difference"] == pytest.approx((new[at][near] - old[at][near]).mean(), abs=2e-5)
            assert row["max_abs_difference"] == pytest.approx(np.nanmax(np.abs(new - old)), abs=2e-5)
    assert (table["max_abs_difference"] > 1e-3).any()


@pytest.fixture
def naive(small_reference, tpm, small_model):
    """Function that returns a window's signal from all bases of an edited contig, (bins, tracks)."""
    spec = read_spec(small_model)
    session = open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail)
    cells = read_expression_reference(small_reference, spec.factors)
    vector = reference.network_expression(read_tpm(tpm, spec.factors).by_factor, cells.matrix).astype(np.float32)

    def signal(bases, start, *, reverse=False):
        """Of an edited contig; the window may begin before it."""
        length = len(bases)
        padded = "N" * WINDOW * 2 + bases + "N" * WINDOW * 2
        begin = start + 2 * WINDOW
        if reverse:
            padded = reference.reverse_complement(padded)
            begin = len(padded) - begin - WINDOW
        tokens = reference.tokens(padded)
        with MotifScanner(spec.motif_set, spec.factors, bin_bp=BIN) as scanner:
            scores = scanner.scan(tokens, offset=begin, bins=BINS).astype(np.float16)
        order = range(BINS)[::-1] if reverse else range(BINS)
        for column, bin_ in enumerate(order):
            if not 0 <= start + bin_ * BIN < length:
                scores[:, column] = 0
        inputs = Inputs.of(
            tokens=tokens[None, begin : begin + WINDOW], motif_scores=scores[None], expression=vector[None]
        )
        found = session.signal(inputs)[0, 0]
        return found[::-1] if reverse else found

    return signal


def expected_effect(naive, sequence, position, ref, alt, start, *, reverse=False):
    """Reference and alternative by bin of the window, (bins, tracks), and the bins that count."""
    changes = [(position, len(ref), alt)]
    left = 0
    while left < min(len(ref), len(alt)) and ref[left] == alt[left]:
        left += 1
    ref, alt = ref[left:], alt[left:]
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    changes = [(position + left, len(ref), alt)]
    edited = reference.edited_by_base(sequence, changes)
    bases = "".join(base for base, *_ in edited)
    padded = [("N", p, False) for p in range(-2 * WINDOW, 0)] + edited
    padded += [("N", p, False) for p in range(len(sequence), len(sequence) + 2 * WINDOW)]
    origin = 2 * WINDOW + start
    of_edited = "".join(base for base, *_ in padded[origin : origin + WINDOW])
    has_bases = [bool(set(of_edited[b * BIN : (b + 1) * BIN]) & set("ACGT")) for b in range(BINS)]
    aligned = reference.aligned_by_base(
        padded,
        origin,
        naive(bases, start, reverse=reverse),
        has_bases,
        start=start,
        bins=BINS,
        bin_bp=BIN,
        contig_length=len(sequence),
    )
    before = naive(sequence, start, reverse=reverse).astype(np.float64)
    in_window = ("N" * WINDOW * 2 + sequence + "N" * WINDOW * 2)[start + 2 * WINDOW :][:WINDOW]
    there = np.array([bool(set(in_window[b * BIN : (b + 1) * BIN]) & set("ACGT")) for b in range(BINS)])
    before[~there] = aligned[~there] = np.nan
    return before, aligned


def random_indels(sequence, rng, number):
    """Insertions, deletions and complex changes, some of several bins."""
    places = [i for i in range(1, len(sequence) - 400) if set(sequence[i : i + 400]) <= set("ACGT")]
    for turn in range(number):
        place = int(rng.choice(places))
        size = int(rng.choice([1, 2, 5, 40, 150, 300]))
        bases = "".join(rng.choice(list("ACGT"), size))
        anchor = sequence[place]
        if turn % 3 == 0:
            yield place, anchor, anchor + bases
        elif turn % 3 == 1:
            yield place, sequence[place : place + size + 1], anchor
        else:
            yield place, sequence[place : place + 7], bases


def test_indels_in_windows_around_them_against_a_naive_version(score, vcf, naive, sequences, tmp_path):
    sequence = sequences["one"]
    rows = list(random_indels(sequence, np.random.default_rng(4), 24))
    rows += [(3, sequence[3], "A" if sequence[3] != "A" else "C"), (19_990, sequence[19_990], sequence[19_990] + "ACG")]
    done = score(vcf([("one", *row) for row in rows]))
    assert done.code == 0, done.err
    table = read(tmp_path / "scores.tsv")
    assert set(table["status"]) <= {"scored", "same_as_reference"}
    at, seen = 0, set()
    for position, ref, alt in rows:
        start = (position // BIN - BINS // 2) * BIN
        if ref == alt:
            at += len(TRACKS)
            continue
        before, after = expected_effect(naive, sequence, position, ref, alt, start)
        first, last = position // BIN - 1, -(-(position + len(ref)) // BIN) + 1
        near = np.zeros(BINS, bool)
        near[max(first, 0) - start // BIN : last - start // BIN] = True
        near &= ~np.isnan(after - before).any(axis=1)
        for number, track in enumerate(TRACKS):
            row = table.iloc[at]
            assert row["track"] == track
            assert row["reference"] == pytest.approx(before[near, number].mean(), abs=1e-5)
            assert row["alternative"] == pytest.approx(after[near, number].mean(), abs=1e-5)
            linear = [np.expm1(x[near, number]).mean() for x in (before, after)]
            assert row["log2_fold_change"] == pytest.approx(np.log2((linear[1] + 1) / (linear[0] + 1)), abs=1e-4)
            difference = np.abs(after - before)[:, number]
            assert row["max_abs_difference"] == pytest.approx(np.nanmax(difference), abs=1e-5)
            nearest = nearest_base(position, start // BIN + int(np.nanargmax(difference)), len(sequence))
            if np.nanmax(difference) - np.sort(difference[~np.isnan(difference)])[-2] > 1e-5:  # no tie but for rounding
                assert int(row["max_distance"]) == nearest - position
                seen.add(np.sign(nearest - position))
            at += 1
    assert at == len(table)
    assert seen == {-1, 0, 1}


def nearest_base(position, bin_, length):
    """The base of a bin that lies nearest to a position."""
    bases = range(bin_ * BIN, min((bin_ + 1) * BIN, length))
    return min(bases, key=lambda base: abs(base - position))


def clear(sequence, near):
    """The first position after `near` with only bases around it."""
    return next(i for i in range(near, len(sequence)) if set(sequence[i - 300 : i + 300]) <= set("ACGT"))


def test_the_average_is_over_both_strands_and_shifted_windows(score, vcf, naive, sequences, tmp_path):
    sequence = sequences["one"]
    one, two = clear(sequence, 9000), clear(sequence, 9500)
    rows = [(one, sequence[one], sequence[one] + "ACGTT"), (two, sequence[two : two + 4], sequence[two])]
    assert score(vcf([("one", *row) for row in rows]), average="strands,shifts").code == 0
    table = read(tmp_path / "scores.tsv")
    for number, (position, ref, alt) in enumerate(rows):
        found, plain = [], None
        for reverse in (False, True):
            for shift in (0, -2, 2):
                start = (position // BIN - BINS // 2 + shift) * BIN
                before, after = expected_effect(naive, sequence, position, ref, alt, start, reverse=reverse)
                near = slice(position // BIN - 1 - start // BIN, -(-(position + len(ref)) // BIN) + 1 - start // BIN)
                found.append((after[near] - before[near]).mean(axis=0))
                plain = np.nanmax(np.abs(after - before), axis=0) if plain is None else plain
        of_variant = table.iloc[number * len(TRACKS) : (number + 1) * len(TRACKS)]
        np.testing.assert_allclose(of_variant["difference"], np.mean(found, axis=0), atol=1e-5)
        np.testing.assert_allclose(of_variant["difference_sd"], np.std(found, axis=0, ddof=1), atol=1e-5)
        np.testing.assert_allclose(of_variant["max_abs_difference"], plain, atol=1e-5)


def test_an_indel_on_a_flat_network_changes_nothing(score, vcf, small_request, small_state, sequences, tmp_path):
    checkpoint, model = tmp_path / "flat.ckpt", tmp_path / "flat.onnx"
    torch.save(small_state | {"fc2.weight": torch.zeros_like(small_state["fc2.weight"])}, checkpoint)
    convert(replace(small_request, checkpoint=checkpoint, output=model, precision="fp32"), say=pytest.fail)
    sequence = sequences["one"]
    sizes = (1, 3, 50, 200)
    at = clear(sequence, 9000)
    rows = [("one", at, sequence[at], sequence[at] + "A" * size) for size in sizes]
    rows += [("one", at, sequence[at : at + 1 + size], sequence[at]) for size in sizes]
    for words in ((), ("--grid",), ("--average", "strands,shifts")):
        assert score(vcf(rows), "--force", *words, model=model).code == 0
        table = read(tmp_path / "scores.tsv")
        assert (table["reference"] > 1).all()
        whole_bins_deleted = (table["ref"].str.len() > 130).to_numpy()
        np.testing.assert_allclose(table["difference"][~whole_bins_deleted], 0, atol=1e-12)
        assert (table["max_abs_difference"][~whole_bins_deleted] < 1e-12).all()
        assert (table["max_abs_difference"][whole_bins_deleted] > 1).all()  # a bin deleted whole has a signal of 0


def test_stored_motif_scores_and_several_threads_change_nothing(score, scan, snvs, vcf, sequences, tmp_path):
    indels = [("one", *row) for row in random_indels(sequences["one"], np.random.default_rng(8), 6)]
    path = vcf([("one", 40, sequences["one"][40], "ACG"), *snvs(), *indels])
    assert scan().code == 0
    for words in ((), ("--grid",)):
        assert score(path, *words, out=tmp_path / "a.tsv", force=None).code == 0
        assert score(path, *words, out=tmp_path / "b.tsv", scores=tmp_path / "scores", threads=2).code == 0
        assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()
        for name in ("a.tsv", "b.tsv"):
            (tmp_path / name).unlink()
            (tmp_path / f"{name}.run.json").unlink()


def test_edited_windows_have_the_scores_of_a_scan_of_the_edited_sequence(small_model, sequences, tmp_path):
    """Bit for bit, of SNVs and indels, also where a window begins before its contig or ends beyond it."""
    spec = read_spec(small_model)
    rng = np.random.default_rng(12)
    for contig in ("one", "two", "three"):
        sequence = sequences[contig]
        (tmp_path / "x.fa").write_text(f">{contig}\n{sequence}\n")
        with (
            Genome(tmp_path / "x.fa") as genome,
            MotifScanner(spec.motif_set, spec.factors, bin_bp=BIN) as scanner,
        ):
            source = ScanInBlocks(GenomeScan(genome, scanner).read)
            reader = EditedWindowReader(
                genome, EditedScores(source, scanner, spec.geometry), geometry=spec.geometry, clock=StageClock()
            )
            for _ in range(25):
                position = int(rng.integers(0, len(sequence)))
                removed = int(rng.integers(0, min(200, len(sequence) - position)))
                inserted = "".join(rng.choice(list("ACGT"), int(rng.choice([0, 1, removed, 130]))))
                change = Change(position, removed, inserted)
                start = (position // BIN + int(rng.integers(-19, 3))) * BIN
                window = reader(EditedTile(0, genome.contigs[0], start, (), change=change))
                edited = sequence[:position] + inserted + sequence[position + removed :]
                # The window begins at the reference's position, so all before it is dropped or put where it was.
                origin = start if position >= start else max(start + change.shift, position + len(inserted))
                if position < start < position + removed or not edited:
                    continue
                whole = scanner.scan(reference.tokens(edited), offset=origin, bins=BINS).astype(np.float16)
                for bin_ in range(BINS):
                    if not 0 <= start // BIN + bin_ < -(-len(edited) // BIN):
                        whole[:, bin_] = 0
                if window.inputs is not None:
                    np.testing.assert_array_equal(window.inputs["motif_scores"], whole)


def test_formats_hold_the_same(score, snvs, vcf, other_tpm, tmp_path):
    rows = snvs(number=5, apart=False)
    path = vcf(rows)
    tables = ("--tpm", other_tpm)
    for name in ("s.tsv", "s.tsv.gz", "s.parquet", "s.vcf", "s.vcf.gz"):
        assert score(path, *tables, out=tmp_path / name).code == 0, name
    table = read(tmp_path / "s.tsv")
    assert len(table) == 5 * 2 * len(TRACKS)
    assert (tmp_path / "s.tsv").read_bytes() == gzip.decompress((tmp_path / "s.tsv.gz").read_bytes())
    parquet = pl.read_parquet(tmp_path / "s.parquet")
    assert list(parquet.columns) == list(table.columns)
    assert parquet["reference"].dtype == pl.Float32
    np.testing.assert_allclose(parquet["difference"], table["difference"], rtol=1e-6)
    plain = (tmp_path / "s.vcf").read_text()
    assert gzip.decompress((tmp_path / "s.vcf.gz").read_bytes()).decode() == plain
    before, after = path.read_text().splitlines(), plain.splitlines()
    assert [line for line in after if not line.startswith("##INFO=<ID=EPIGEPT,")] != before
    parts = next(line for line in after if "ID=EPIGEPT" in line).split(": ")[1].rstrip('">').split("|")
    assert parts[:3] == ["allele", "sample", "track"]
    values = []
    for old, new in zip(before[3:], after[4:], strict=True):
        assert new.split("\t")[:7] == old.split("\t")[:7]
        info = new.split("\t")[7]
        values += [dict(zip(parts, one.split("|"), strict=True)) for one in info.removeprefix("EPIGEPT=").split(",")]
    np.testing.assert_allclose([float(one["difference"]) for one in values], table["difference"], rtol=1e-5)
    assert [one["sample"] for one in values] == table["sample"].tolist()
    with pysam.VariantFile(str(tmp_path / "s.vcf.gz")) as file:
        assert [len(one.info["EPIGEPT"]) for one in file] == [2 * len(TRACKS)] * 5


def test_what_cannot_be_scored_has_a_row_and_a_status(score, sequences, write, tmp_path):
    sequence = sequences["one"]
    place = clear(sequence, 9000)
    base, n = sequence[place], sequence.index("N")
    wrong = "A" if base != "A" else "C"
    rows = [
        ("one", place, base, f"{wrong},<DEL>,*"),
        ("one", place, base, "."),
        ("one", place, base, "R"),
        ("one", place, base, f"{base}]one:7]"),
        ("one", place, base.lower(), base),
        ("one", place, wrong, base),
        ("one", place, base, base + "A" * 2000),
        ("nine", place, base, wrong),
        ("one", 19_999, "AA", "A"),
        ("one", n, "N", "A"),
        ("one", -1, "N", "A"),
        ("chrone", place, base, wrong),
    ]
    path = write(HEADER + "".join(f"{record(*row)}\n" for row in rows), "odd.vcf")
    done = score(path, tracks="CTCF")
    assert done.code == 0, done.err
    table = read(tmp_path / "scores.tsv")
    assert table["status"].tolist() == [
        "scored",
        "symbolic",
        "symbolic",
        "no_alternative",
        "not_acgt",
        "symbolic",
        "same_as_reference",
        "reference_mismatch",
        "too_long",
        "contig_not_in_fasta",
        "outside_contig",
        "no_bases",
        "outside_contig",
        "scored",
    ]
    assert table["reference"].isna().tolist() == [status != "scored" for status in table["status"]]
    assert "3 alleles not scored, symbolic" in done.err
    assert "<DEL> 1" in done.err
    assert "nine 1" in done.err
    counts = json.loads((tmp_path / "scores.tsv.run.json").read_text())["alleles"]
    assert counts["symbolic"] == 3
    assert sum(counts.values()) == 14


def test_a_file_of_another_assembly_is_refused(score, snvs, vcf, sequences, tmp_path):
    rows = snvs(number=40, apart=False)
    moved = [(c, p, other(sequences[c][p], np.random.default_rng(p)), sequences[c][p]) for c, p, *_ in rows[:3]]
    done = score(vcf(moved + rows[3:]))
    assert done.code == 2
    assert "REF differs from" in done.err
    assert "at 3 of 40 variants" in done.err
    assert not (tmp_path / "scores.tsv").exists()
    assert score(vcf(moved + rows[3:]), "--allow-ref-mismatch").code == 0
    table = read(tmp_path / "scores.tsv")
    assert (table["status"] == "reference_mismatch").sum() == 3 * len(TRACKS)
    assert score(vcf(moved[:2] + rows[3:], name="two.vcf"), "--force").code == 2  # 2 of 39 are over 5 %
    assert score(vcf(moved[:1] + rows[3:], name="one.vcf"), "--force").code == 0
    assert score(vcf(moved + rows[3:18], name="few.vcf"), "--force").code == 0  # fewer than 20 are not judged


def test_a_table_with_its_own_columns(score, snvs, vcf, write, tmp_path):
    rows = snvs(number=4)
    assert score(vcf(rows), out=tmp_path / "a.tsv").code == 0
    lines = ["Chromosome,POS,rsid,ref,alt", *(f"{c},{p + 1},rs{p},{r},{a}" for c, p, r, a in rows)]
    packed = gzip.compress(("\r\n".join(lines) + "\r\n").encode())
    assert score(write(packed, "variants.csv.gz"), out=tmp_path / "b.tsv").code == 0
    one, two = read(tmp_path / "a.tsv"), read(tmp_path / "b.tsv")
    assert two["id"].tolist() == [f"rs{p}" for _, p, *_ in rows for _ in TRACKS]
    pd.testing.assert_frame_equal(one.drop(columns="id"), two.drop(columns="id"))


def test_shards_in_order_are_the_whole(score, snvs, vcf, tmp_path):
    path = vcf(snvs(number=11, apart=False))
    assert score(path).code == 0
    parts = []
    for number in (1, 2, 3):
        out = tmp_path / f"{number}.tsv"
        assert score(path, shard=f"{number}/3", out=out).code == 0
        parts.append(out.read_text().splitlines())
    whole = (tmp_path / "scores.tsv").read_text().splitlines()
    assert [line for part in parts for line in part[1:]] == whole[1:]
    assert {part[0] for part in parts} == {whole[0]}
    assert score(path, shard="2/3", out=tmp_path / "2.vcf").code == 0
    records = [line for line in (tmp_path / "2.vcf").read_text().splitlines() if not line.startswith("#")]
    assert len(records) == (len(parts[1]) - 1) // len(TRACKS)


def test_a_stopped_run_resumes_and_gives_the_same(score, snvs, vcf, monkeypatch, tmp_path):
    monkeypatch.setattr(chunks, "LONGEST_CHUNK", 3)
    path = vcf(snvs(number=10, apart=False))
    assert score(path, out=tmp_path / "whole.tsv").code == 0
    added = []
    add = Journal.add

    def fail(self, tile, values):
        if len(added) == 2:
            raise KeyboardInterrupt
        added.append(tile)
        add(self, tile, values)

    monkeypatch.setattr(Journal, "add", fail)
    done = score(path)
    assert done.code == 130
    assert "6 variants are saved" in done.err
    assert not (tmp_path / "scores.tsv").exists()
    monkeypatch.setattr(Journal, "add", add)
    done = score(path)
    assert done.code == 0
    assert "resuming: 6 of 10 variants" in done.err
    assert (tmp_path / "scores.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()
    assert not (tmp_path / ".scores.tsv.journal").exists()
    assert "up to date" in score(path).err
    done = score(path, "--grid")
    assert done.code == 2
    assert "different choice of windows" in done.err


def test_a_deletion_at_the_contigs_end_and_an_insertion_at_its_start(score, vcf, sequences, tmp_path):
    sequence = sequences["three"]
    rows = [("three", 80, sequence[80:90], sequence[80]), ("three", 0, sequence[0], sequence[0] + "ACGT")]
    for words in ((), ("--grid",), ("--average", "strands")):
        assert score(vcf(rows), "--force", *words).code == 0
        table = read(tmp_path / "scores.tsv")
        assert (table["status"] == "scored").all()
        assert np.isfinite(table["difference"]).all()
        assert table["difference"].abs().max() > 0


def test_percentiles_are_among_random_variants_of_the_same_kind(score, snvs, vcf, sequences, tmp_path):
    rows = snvs(number=6, apart=False)
    at = clear(sequences["one"], 9000)
    rows.append(("one", at, sequences["one"][at], sequences["one"][at] + "ACG"))
    path = vcf(rows)
    done = score(path, background=120, tracks="CTCF,DNase")
    assert done.code == 0, done.err
    table = read(tmp_path / "scores.tsv")
    assert (table["background_variants"] == 120).all()
    assert table["percentile"].between(0.5 / 121, 120.5 / 121).all()
    drawn = json.loads((tmp_path / "scores.tsv.run.json").read_text())["background_variants"]
    assert set(drawn) == {f"{ref}>{alt}" for _, _, ref, alt in rows[:-1]} | {"insertion 3-4"}
    # The same variants, drawn again and scored as variants of a file, give the same ranks.
    random_vcf = tmp_path / "drawn.vcf"
    kind = f"{rows[0][2]}>{rows[0][3]}"
    with Genome(tmp_path / "synthetic.fa") as genome:
        strata = Strata(None)
        contigs = {contig.name: contig for contig in genome.contigs}
        for number, row in enumerate(rows):
            variant = Variant(number, row[0], row[1], ".", row[2], (row[3],))
            strata.add(place(variant, contigs, genome, longest=1000))
        of_kind = Drawing(genome, [contigs["one"]], strata, 1).draw(Stratum(kind), 120)
    assert all((one.ref, *one.alts) == tuple(kind.split(">")) for one in of_kind)
    assert not {one.position for one in of_kind} & {row[1] for row in rows}
    lines = [record(one.contig, one.position, one.ref, one.alts[0]) for one in of_kind]
    random_vcf.write_text(HEADER + "\n".join(lines) + "\n")
    assert score(random_vcf, out=tmp_path / "drawn.tsv", tracks="CTCF,DNase").code == 0
    random = read(tmp_path / "drawn.tsv")
    for row in table.iloc[:2].itertuples():
        sizes = random[random["track"] == row.track]["difference"].abs()
        assert row.percentile == pytest.approx(((sizes < abs(row.difference)).sum() + 0.5) / 121, abs=1e-6)
    seeded = score(path, background=120, tracks="CTCF,DNase", seed=2, out=tmp_path / "two.tsv")
    assert seeded.code == 0
    assert (read(tmp_path / "two.tsv")["percentile"] != table["percentile"]).any()


def test_no_percentile_among_too_few(score, snvs, vcf, tmp_path):
    done = score(vcf(snvs(number=2)), background=99)
    assert done.code == 0
    assert "only 99 random variants like" in done.err
    table = read(tmp_path / "scores.tsv")
    assert (table["percentile"] == "").all()
    assert (table["background_variants"] == 99).all()
    done = score(vcf(snvs(number=2)), "--force")
    assert "percentile" not in read(tmp_path / "scores.tsv").columns


def test_perturbed_copies_are_samples_too(score, snvs, vcf, tmp_path):
    path = vcf(snvs(number=3))
    assert score(path, "--set", "F01=0", "--set", "F02*3,F03=absent").code == 0
    table = read(tmp_path / "scores.tsv")
    names = ["sample", "sample+F01-0", "sample+F02x3+F03-absent"]
    assert table["sample"].unique().tolist() == names
    assert score(path, out=tmp_path / "plain.tsv").code == 0
    plain = read(tmp_path / "plain.tsv")
    of_sample = table[table["sample"] == "sample"].reset_index(drop=True)
    np.testing.assert_allclose(of_sample["difference"], plain["difference"], atol=1e-6)
    assert (table[table["sample"] == names[1]]["reference"].to_numpy() != plain["reference"].to_numpy()).any()
    record_ = json.loads((tmp_path / "scores.tsv.run.json").read_text())
    assert record_["samples"][names[1]]["perturbation"]["set"] == "F01=0"
    assert "perturbation" not in record_["samples"]["sample"]
    done = score(path, "--set", "F99=0", "--force")
    assert done.code == 2
    assert "no factor 'F99'" in done.err


def test_bcf_is_read_and_annotated_as_its_vcf(score, snvs, vcf, tmp_path):
    path = vcf(snvs(number=3))
    bcf = tmp_path / "variants.bcf"
    with pysam.VariantFile(str(path)) as source, pysam.VariantFile(str(bcf), "wb", header=source.header) as target:
        for one in source:
            target.write(one)
    assert score(path, out=tmp_path / "a.tsv").code == 0
    assert score(bcf, out=tmp_path / "b.tsv").code == 0
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()
    assert score(bcf, out=tmp_path / "b.vcf").code == 0
    assert score(path, out=tmp_path / "a.vcf").code == 0
    records = [
        [line for line in (tmp_path / name).read_text().splitlines() if not line.startswith("##")]
        for name in ("a.vcf", "b.vcf")
    ]
    assert records[0] == records[1]


def test_records_of_a_vcf_stay_as_they_are(score, sequences, write, tmp_path):
    """Numbers as written, names that VCF reserves, genotypes, and fields that the header does not define."""
    sequence = sequences["one"]
    at = clear(sequence, 4000)
    alt = "ACGT"["TGCA".index(sequence[at])]
    line = f"one\t{at + 1}\trs1;rs2\t{sequence[at]}\t{alt}\t1.50\tq10\tAF=0.10;FLAG;X=1e-3\tGT:DP\t0|1:3"
    header = HEADER.replace("\tINFO\n", "\tINFO\tFORMAT\tNA1\n")
    path = write(header + line + "\n", "own.vcf")
    assert score(path, out=tmp_path / "s.vcf", tpm=f"li|v,er={tmp_path / 'sample.tsv'}").code == 0
    found = (tmp_path / "s.vcf").read_text().splitlines()[-1]
    fields, expected = found.split("\t"), line.split("\t")
    assert fields[:7] + fields[8:] == expected[:7] + expected[8:]
    assert fields[7].startswith("AF=0.10;FLAG;X=1e-3;EPIGEPT=")
    assert "|li%7Cv%2Cer|" in fields[7]
    assert "0|1" not in (tmp_path / "s.vcf.run.json").read_text()


def test_a_file_that_changes_during_the_run_gives_no_scores(score, snvs, vcf, monkeypatch, tmp_path):
    path = vcf(snvs(number=3))
    add = Journal.add

    def change(self, tile, values):
        add(self, tile, values)
        path.write_text(path.read_text() + record("one", 5000, "A", "C") + "\n")

    monkeypatch.setattr(Journal, "add", change)
    done = score(path)
    assert done.code == 2
    assert "was changed during the run" in done.err
    assert not (tmp_path / "scores.tsv").exists()


def test_killed_between_the_file_and_its_record_the_run_is_made_again(score, snvs, vcf, monkeypatch, tmp_path):
    path = vcf(snvs(number=3))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_record", killed)
        assert score(path).code == 130
    assert not (tmp_path / "scores.tsv.run.json").exists()
    assert score(path).code == 0
    assert (tmp_path / "scores.tsv.run.json").exists()
    assert {p.name for p in tmp_path.iterdir() if p.name.startswith(".")} == set()


def test_json_is_the_record(score, snvs, vcf):
    done = score(vcf(snvs(number=2)), "--json")
    (found,) = json.loads(done.out)
    assert found["variants"] == 2
    assert found["inputs"]["choice of windows"] == "around each variant"


def test_bins_that_an_insertion_moves_out_of_a_window_of_the_grid_are_left_out(score, vcf, naive, sequences, tmp_path):
    sequence = sequences["one"]
    window = next(w for w in range(1, 7) if set(sequence[w * WINDOW + 2000 : (w + 1) * WINDOW + 300]) <= set("ACGT"))
    position = window * WINDOW + 18 * BIN + 5
    ref, alt = sequence[position], sequence[position] + "ACGTTGCA" * 50
    assert score(vcf([("one", position, ref, alt)]), "--grid").code == 0
    before, after = expected_effect(naive, sequence, position, ref, alt, window * WINDOW)
    assert np.isnan(after[19]).all()
    table = read(tmp_path / "scores.tsv")
    np.testing.assert_allclose(table["reference"], before[17:19].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(table["difference"], (after - before)[17:19].mean(axis=0), atol=1e-5)


@pytest.mark.parametrize(
    ("scan_window", "position", "expected"),
    [
        (ScanWindow(-37, 164), 2560 + 261, [2560]),
        (ScanWindow(-37, 164), 2560 + 5, [0, 2560]),
        (ScanWindow(-400, 600), 2560 + 261, [0, 2560]),
        (ScanWindow(-400, 600), 2560 - 300, [0, 2560]),
        (ScanWindow(-400, 600), 1280, [0]),
    ],
)
def test_a_window_of_the_grid_is_needed_where_motif_hits_reach(scan_window, position, expected):
    scoring = Scoring(Geometry(BINS, BIN), scan_window, grid=True)
    variant, contig = Variant(0, "one", position, ".", "A", ("C",)), Contig("one", 20_000)
    assert scoring.starts(variant, contig, Change(position, 1, "C"), View()) == expected


@pytest.mark.parametrize("name", ["variants.vcf", "sample.tsv"])
def test_an_input_is_never_replaced(score, snvs, vcf, tmp_path, name):
    path = vcf(snvs(number=2))
    (tmp_path / "link.vcf").symlink_to(path)
    before = (tmp_path / name).read_bytes()
    done = score(tmp_path / "link.vcf", "--force", out=tmp_path / name)
    assert done.code == 2
    assert "is also an input; choose another --out" in done.err
    assert (tmp_path / name).read_bytes() == before

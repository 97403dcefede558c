"""`epigept-batch genome --vcf`, against `genome` on a FASTA that is edited by hand, aligned base by base."""

import json
import re

import numpy as np
import pytest

import bigwigs
import reference
from epigept_batch.inference.session import Session
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.variants.changes import BASES
from vcfs import write_vcf

TRACKS = ("DNase", "CTCF", "H3K27ac")
BIN, BINS = 128, 20
WINDOW = BIN * BINS
LIKE_TWO_RUNS = 2e-5  # as the issue asks; measured 0 without indels, 1.2e-7 with


def read(folder, name, contig):
    """(bins, tracks) of a sample."""
    return np.stack([bigwigs.bins(folder / f"{name}.{track}.bw", contig, bin_bp=BIN) for track in TRACKS], axis=1)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.bw"))}


def alleles(bases, start, removed, inserted):
    """Position and alleles of a change as VCF has them, with the base before it where it changes the length."""
    if removed == len(inserted):
        return start, bases[start : start + removed], inserted
    anchor = bases[start - 1]
    return start - 1, anchor + bases[start : start + removed], anchor + inserted


def other_base(rng, base):
    return rng.choice([one for one in BASES if one != base])


def letters(rng, number):
    return "".join(rng.choice(list(BASES), number))


def random_changes(rng, bases):
    """Changes of one haplotype that keep a base from each other: substitutions, insertions and deletions.

    The base before each is A, C, G or T, because it is part of the alternative allele.
    """
    changes, position = [], int(rng.integers(1, 60))
    while position < len(bases) - 1:
        kind, removed = rng.integers(0, 4) if bases[position - 1] in BASES else 9, 1
        size = int(rng.choice([1, 2, 5, 30, 150, 400], p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05]))
        if kind <= 1 and bases[position] in BASES:
            changes.append((position, 1, other_base(rng, bases[position])))
        elif kind == 2:
            removed = 0
            changes.append((position, 0, letters(rng, size)))
        elif kind == 3 and position + size < len(bases):
            removed = size
            changes.append((position, size, ""))
        position += removed + int(rng.integers(2, 300))
    return changes


BORDERS = [
    *((WINDOW - 7, 20, ""), (2 * WINDOW - 4, 0, "ACGTACGTTT"), (3 * WINDOW, 0, "GATTACA"), (4 * WINDOW, 3, "")),
    *((5 * WINDOW - 600, 0, "ACGGT" * 120), (5 * WINDOW - 3, 3, ""), (6 * WINDOW - 1, 700, "")),
]
"""Changes across borders of windows, beside them, and of more than a bin."""


def records_of(sequences, by_haplotype):
    """Phased records of two haplotypes, each a dict from contig to changes."""
    found = []
    for contig, bases in sequences.items():
        for genotype, of_haplotype in zip(("1|0", "0|1"), by_haplotype, strict=True):
            found += [(contig, *alleles(bases, *change), genotype) for change in of_haplotype.get(contig, [])]
    return sorted(found, key=lambda record: (list(sequences).index(record[0]), record[1]))


def naive(genome, tmp_path, sequences, changes, *, overlap):
    """What each bin of each contig gets: every window edited, predicted as a contig of its own, and aligned."""
    step = BINS - overlap // BIN
    windows, contigs = {}, {}
    for contig, bases in sequences.items():
        edited = reference.edited_by_base(bases, changes.get(contig, []))
        edited += [("N", position, False) for position in range(len(bases), len(bases) + WINDOW)]
        end = len(edited) - WINDOW
        for number in range(-(-len(bases) // (step * BIN))):
            start = number * step * BIN
            origin = next(i for i, (_, p, inserted) in enumerate(edited) if p >= start and not (inserted and p < start))
            before = "".join(base for base, *_ in edited[max(origin - WINDOW, 0) : origin]).rjust(WINDOW, "N")
            name = f"{contig}_{number}"
            contigs[name] = (before if start else "") + "".join(base for base, *_ in edited[origin:end])
            windows[contig, number] = (name, BINS if start else 0, edited, origin, start)
    fasta = tmp_path / "windows.fa"
    fasta.write_text("".join(f">{name}\n{bases or 'N'}\n" for name, bases in contigs.items()))
    done = genome(fasta=fasta, out=tmp_path / "windows")
    assert done.code == 0, done.err
    found = {}
    for contig, bases in sequences.items():
        found[contig] = np.full((-(-len(bases) // BIN), len(TRACKS)), np.nan)
        aligned = {}
        for bin_ in range(len(found[contig])):
            number = reference.owner(bin_, bins=BINS, step=step)
            if number not in aligned:
                name, first, edited, origin, start = windows[contig, number]
                values = np.full((BINS, len(TRACKS)), np.nan)
                there = read(tmp_path / "windows", "sample", name)[first : first + BINS]
                values[: len(there)] = there
                aligned[number] = reference.aligned_by_base(
                    edited,
                    origin,
                    values,
                    ~np.isnan(values[:, 0]),
                    start=start,
                    bins=BINS,
                    bin_bp=BIN,
                    contig_length=len(bases),
                )
            if set(bases[bin_ * BIN : (bin_ + 1) * BIN]) & set(BASES):
                found[contig][bin_] = aligned[number][bin_ - number * step]
    return found


@pytest.mark.parametrize(("overlap", "seed"), [(0, 1), (1280, 2), (0, 3)])
def test_every_bin_has_the_value_of_the_edited_window_aligned_by_base(genome, sequences, tmp_path, overlap, seed):
    rng = np.random.default_rng(seed)
    both = [{contig: random_changes(rng, bases) for contig, bases in sequences.items()} for _ in range(2)]
    both[0]["one"] = BORDERS
    vcf = write_vcf(tmp_path / "phased.vcf", records_of(sequences, both))
    done = genome(vcf=vcf, overlap=overlap)
    assert done.code == 0, done.err
    for number, changes in enumerate(both, 1):
        expected = naive(genome, tmp_path / f"naive{number}", sequences, changes, overlap=overlap)
        for contig in sequences:
            found = read(tmp_path / "out", f"sample.h{number}", contig)
            np.testing.assert_array_equal(np.isnan(found), np.isnan(expected[contig]))
            np.testing.assert_allclose(found, expected[contig], atol=LIKE_TWO_RUNS, rtol=0)


@pytest.fixture(autouse=True)
def folders(tmp_path):
    for number in (1, 2):
        (tmp_path / f"naive{number}").mkdir()


def snvs(sequences, seed, contigs=("one", "two", "three")):
    rng = np.random.default_rng(seed)
    return {
        contig: [
            (position, 1, other_base(rng, sequences[contig][position]))
            for position in range(int(rng.integers(0, 9)), len(sequences[contig]), 41)
            if sequences[contig][position] in BASES
        ]
        for contig in contigs
    }


def edited_fasta(path, sequences, changes):
    edited = {contig: reference.edited_by_base(bases, changes.get(contig, [])) for contig, bases in sequences.items()}
    path.write_text("".join(f">{name}\n{''.join(base for base, *_ in bases)}\n" for name, bases in edited.items()))
    return path


@pytest.mark.parametrize("threads", [1, 2])
def test_with_snvs_alone_tracks_are_those_of_the_edited_fasta_to_the_byte(genome, sequences, tmp_path, threads):
    both = [snvs(sequences, 1), snvs(sequences, 2)]
    vcf = write_vcf(tmp_path / "phased.vcf", records_of(sequences, both))
    assert genome(vcf=vcf, threads=threads).code == 0
    for number, changes in enumerate(both, 1):
        out = tmp_path / f"edited{number}"
        assert genome(fasta=edited_fasta(tmp_path / f"h{number}.fa", sequences, changes), out=out).code == 0
        found = files(tmp_path / "out")
        assert {name.replace(f".h{number}", ""): found[name] for name in found if f".h{number}" in name} == files(out)


def test_without_variants_tracks_are_those_of_the_fasta_to_the_byte(genome, sequences, tmp_path):
    records = [("one", 5000, sequences["one"][5000], "T", "0|0"), ("two", 9, sequences["two"][9], "C", "./.")]
    vcf = write_vcf(tmp_path / "phased.vcf", records)
    done = genome(vcf=vcf)
    assert done.code == 0, done.err
    assert "haplotype 1 has no variant in the selected contigs" in done.err
    assert f"{vcf}: missing alleles at 1 of 2 records; treated as the reference" in done.err
    genome(out=tmp_path / "plain")
    for name, content in files(tmp_path / "plain").items():
        for number in (1, 2):
            assert (tmp_path / "out" / name.replace("sample.", f"sample.h{number}.")).read_bytes() == content


def test_kept_scores_serve_windows_without_changes_and_the_others_are_scanned(
    genome, scan, sequences, tmp_path, monkeypatch
):
    assert scan().code == 0
    both = [{"one": BORDERS[:2]}, snvs(sequences, 3, ["one"])]
    both[1]["one"] = both[1]["one"][:20]
    vcf = write_vcf(tmp_path / "phased.vcf", records_of(sequences, both))
    assert genome(vcf=vcf).code == 0
    scanned, real = [], MotifScanner.scores
    monkeypatch.setattr(
        MotifScanner, "scores", lambda self, stretch: scanned.append(stretch.first // BINS) or real(self, stretch)
    )
    done = genome(vcf=vcf, out=tmp_path / "kept", scores=tmp_path / "scores")
    assert done.code == 0, done.err
    assert sorted(scanned) == [0, 0, 1, 2]  # the insertion before the third window is within the reach of its motifs
    assert files(tmp_path / "kept") == files(tmp_path / "out")


@pytest.fixture
def computed(monkeypatch):
    """Windows that went into the network, counted; `limit` stops the run in place of the next."""

    class Count:
        windows = 0
        limit = None

    count, real = Count(), Session.run

    def run(self, inputs):
        if count.limit is not None and count.windows >= count.limit:
            raise KeyboardInterrupt
        count.windows += inputs.shape[0]
        return real(self, inputs)

    monkeypatch.setattr(Session, "run", run)
    return count


def test_windows_that_both_haplotypes_share_are_computed_once(genome, sequences, computed, tmp_path):
    genome(out=tmp_path / "plain")
    plain, computed.windows = computed.windows, 0
    # Both have a change in the second window, and only one of them in the fourth.
    shared, own = (WINDOW + 500, 0, "ACGT"), (3 * WINDOW + 500, 2, "")
    vcf = write_vcf(tmp_path / "phased.vcf", records_of(sequences, [{"one": [shared, own]}, {"one": [shared]}]))
    assert genome(vcf=vcf).code == 0
    assert computed.windows == plain + 1
    first, second = (read(tmp_path / "out", f"sample.h{number}", "one") for number in (1, 2))
    differing = np.flatnonzero((first != second).any(axis=1) & ~np.isnan(first).any(axis=1))
    assert {int(bin_) // BINS for bin_ in differing} == {3}


def test_a_change_that_only_one_haplotype_has_is_not_shared_where_the_other_has_one_too(genome, sequences, tmp_path):
    base = sequences["one"][700]
    first, second = [one for one in BASES if one != base][:2]
    vcf = write_vcf(tmp_path / "phased.vcf", [("one", 700, base, f"{first},{second}", "1|2")])
    assert genome(vcf=vcf).code == 0
    found = files(tmp_path / "out")
    assert found["sample.h1.DNase.bw"] != found["sample.h2.DNase.bw"]


def test_several_samples_have_two_haplotypes_each(genome, other_tpm, sequences, tmp_path):
    vcf = write_vcf(tmp_path / "phased.vcf", records_of(sequences, [{"one": BORDERS}, snvs(sequences, 4)]))
    assert genome("--tpm", other_tpm, vcf=vcf).code == 0
    genome(vcf=vcf, out=tmp_path / "alone")
    genome(vcf=vcf, out=tmp_path / "alone", tpm=other_tpm)
    assert files(tmp_path / "alone") == files(tmp_path / "out")
    assert len(files(tmp_path / "out")) == 2 * 2 * 3


def test_stopped_anywhere_it_becomes_the_same(genome, sequences, computed, tmp_path):
    vcf = write_vcf(tmp_path / "phased.vcf", records_of(sequences, [{"one": BORDERS}, snvs(sequences, 4)]))
    options = {"vcf": vcf, "batch-size": 1}
    assert genome(out=tmp_path / "whole", **options).code == 0
    windows = computed.windows
    for stop in range(1, windows, 4):
        computed.windows, computed.limit = 0, stop
        assert genome("--fresh", **options).code == 130
        computed.limit = None
        assert genome(**options).code == 0
        assert files(tmp_path / "out") == files(tmp_path / "whole")
        assert windows <= computed.windows <= windows + 4
        for path in (tmp_path / "out").iterdir():
            path.unlink()


def test_another_vcf_or_sample_is_noticed_and_the_same_is_up_to_date(genome, sequences, computed, tmp_path):
    base = sequences["one"][700]
    others = [one for one in BASES if one != base]
    vcf = tmp_path / "phased.vcf"
    write_vcf(vcf, [("one", 700, base, ",".join(others), "1|0", "2|0")], samples=("NA1", "NA2"))
    assert genome(vcf=vcf, **{"vcf-sample": "NA1"}).code == 0
    before, computed.windows = files(tmp_path / "out"), 0
    done = genome(vcf=vcf, **{"vcf-sample": "NA1"})
    assert done.code == 0
    assert "sample.h1 and sample.h2: up to date" in done.err
    assert computed.windows == 0
    done = genome(vcf=vcf, **{"vcf-sample": "NA2"})
    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        f"epigept-batch: {tmp_path}/out/sample.h1.run.json: existing tracks were made with a different haplotype; "
        "choose another --out, or replace them with --force"
    )
    assert files(tmp_path / "out") == before
    computed.limit = 3
    assert genome("--force", vcf=vcf, **{"vcf-sample": "NA2", "batch-size": 1}).code == 130
    computed.limit = None
    done = genome("--force", vcf=vcf, **{"vcf-sample": "NA1"})
    assert done.code == 2
    assert "belongs to an interrupted run with a different haplotype" in done.err
    # The second haplotype is the reference in both: only the first one is computed again.
    done = genome("--force", "--fresh", vcf=vcf, **{"vcf-sample": "NA2"})
    assert done.code == 0
    assert files(tmp_path / "out") != before


def test_a_haplotype_that_is_missing_is_computed_alone(genome, other_tpm, sequences, computed, tmp_path):
    vcf = write_vcf(tmp_path / "phased.vcf", records_of(sequences, [{"one": BORDERS}, snvs(sequences, 4)]))
    genome("--tpm", other_tpm, vcf=vcf)
    before, both = files(tmp_path / "out"), computed.windows
    computed.windows = 0
    for path in (tmp_path / "out").glob("*.h2.*"):
        path.unlink()
    done = genome("--tpm", other_tpm, vcf=vcf)
    assert done.code == 0, done.err
    assert "sample.h1 and other.h1: up to date" in done.err
    assert computed.windows < both
    assert files(tmp_path / "out") == before


def test_a_sample_whose_name_ends_like_a_haplotype_is_not_taken_for_one(genome, sequences, tpm, tmp_path):
    vcf = write_vcf(tmp_path / "phased.vcf", records_of(sequences, [{"one": BORDERS}, {}]))
    assert genome(vcf=vcf).code == 0
    done = genome(tpm=f"sample.h1={tpm}")
    assert done.code == 2
    assert "were made with a different haplotype" in done.err


def test_records_have_counts_and_nowhere_is_a_genotype(genome, sequences, tmp_path):
    bases = sequences["one"]
    records = records_of(sequences, [{"one": BORDERS}, snvs(sequences, 4)])
    records += [("one", 3000, bases[3000], "<DEL>", "1|0"), ("one", 3100, bases[3100], "*", "1|1")]
    records += [("chrUn", 10, "A", "C", "1|1")]
    vcf = write_vcf(tmp_path / "phased.vcf", records, contigs=(*sequences, "chrUn"))
    done = genome(vcf=vcf)
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "out/sample.h1.run.json").read_text())
    found = record["personal_genome"]
    assert found["applied"] == {"snvs": 0, "mnvs": 0, "insertions": 3, "deletions": 4}
    assert found["vcf"] == str(vcf)
    assert (found["vcf_sample"], found["haplotype"]) == ("NA1", 1)
    assert found["skipped"] == {
        "reference allele differs from the FASTA": 0,
        "overlaps another variant of the haplotype": 0,
        "allele without sequence": {"*": 1, "<DEL>": 1},
        "contig not in the FASTA": 1,
    }
    assert re.fullmatch("[0-9a-f]{64}", found["sha256"])
    assert re.fullmatch("[0-9a-f]{64}", record["inputs"]["haplotype"])
    second = json.loads((tmp_path / "out/sample.h2.run.json").read_text())
    assert second["inputs"]["haplotype"] != record["inputs"]["haplotype"]
    assert second["personal_genome"]["applied"]["snvs"] == len([r for r in records if r[-1] == "0|1"])
    for number, bins in ((1, 156), (2, 160)):
        path = tmp_path / f"out/sample.h{number}.CTCF.bw"
        values = [value for contig in sequences for _, _, value in bigwigs.records(path, contig)]
        assert len(values) == bins
        assert np.isfinite(values).all()
    assert (record["bins"], second["bins"]) == (156, 160)  # the insertion of 600 bp moves bins out of their window
    assert f"{vcf}: sample NA1: haplotype 1 has 3 insertions, 4 deletions; haplotype 2 has " in done.err
    assert f"{vcf}: skipped: allele without sequence (<DEL> 1, * 1); contig not in the FASTA (1)\n" in done.err
    text = done.err + "".join(path.read_text() for path in (tmp_path / "out").glob("*.json"))
    assert not re.search(r"\d[|/]\d\b|GATTACA|ACGTACGT", text.replace(str(tmp_path), ""))


def test_a_name_that_is_too_long_with_its_haplotype(genome, sequences, tpm, tmp_path):
    vcf = write_vcf(tmp_path / "phased.vcf", records_of(sequences, [{"one": BORDERS}, {}]))
    done = genome(tpm=f"{'x' * 149}={tpm}", vcf=vcf)
    assert done.code == 2
    assert "the name is too long for its haplotypes; rename it with NAME=FILE" in done.err


@pytest.mark.parametrize("option", ["vcf-sample", "unphased"])
def test_options_of_a_vcf_without_one(genome, tmp_path, option):
    done = genome(**{option: "reference"})
    assert done.code == 2
    assert done.err == (
        f"epigept-batch: --{option} describes the variants of a personal genome; add --vcf FILE, or omit this option\n"
    )
    assert not (tmp_path / "out").exists()

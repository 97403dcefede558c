"""What contigs and sequence say of a genome for a network."""

from dataclasses import replace

import pytest

from epigept_batch.assemblies import MITOCHONDRIA, chromosomes
from epigept_batch.inference.model_file import read_spec
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.genome_verdict import (
    FAILED,
    OK,
    WARNING,
    judge_contigs,
    judge_genome,
    trained_on,
    windows_not_known,
)
from epigept_batch.sequence.regions import select_regions
from epigept_batch.tiling import Contig

HG38_1, HG19_1, HG19_22 = 248_956_422, 249_250_621, 51_304_566


@pytest.fixture
def spec(small_model):
    """Of an hg38 network, as the published in that respect."""
    windows = {f"chr{name}": ((2, 9),) for name in (*range(1, 23), "X")}
    return replace(read_spec(small_model), training_windows=windows)


def of(assembly):
    return [
        Contig(one.name, one.length)
        for one in chromosomes()
        if one.assembly == assembly and one.name not in MITOCHONDRIA
    ]


def on_assembly(contigs, spec):
    verdict = judge_contigs(contigs, spec)
    remark = verdict.remarks[0]
    assert remark.about == "assembly"
    assert remark.aloud == (remark.state != OK)
    return verdict.state, remark.said, remark.advice


@pytest.mark.parametrize(
    ("architecture", "assembly"),
    [("hg38", "hg38"), ("hg19", "hg19"), ("hg19-pretrain", "hg19"), ("dnase", None), ("trained", None), ("", None)],
)
def test_what_a_network_was_trained_on(spec, architecture, assembly):
    assert trained_on(replace(spec, architecture=architecture)) == assembly
    assert trained_on(None) is None


@pytest.mark.parametrize("architecture", ["hg38", "hg19", "hg19-pretrain"])
@pytest.mark.parametrize("assembly", ["hg38", "hg19", "hs1", "mm10", "mm39"])
def test_another_assembly_is_refused_and_the_networks_own_is_not(spec, architecture, assembly):
    network = replace(spec, architecture=architecture)
    wanted = trained_on(network)
    contigs = of(assembly)
    for some, lengths in (
        (contigs, f"the lengths of {len(contigs)} contigs"),
        (contigs[-1:], "the length of 1 contig"),
    ):
        expected = (OK, f"{wanted}, the network's training assembly, by {lengths}", "")
        if assembly != wanted:
            expected = (
                FAILED,
                f"the network was trained on {wanted}, but this is the assembly {assembly} by {lengths}",
                f"use the FASTA of {wanted}, or add --any-genome to run anyway",
            )
        assert on_assembly(some, network) == expected


OTHER = "the network was trained on hg38, but this is another assembly or only a part of one: "


@pytest.mark.parametrize(
    ("contigs", "why"),
    [
        ([("chr2", 2_333_275)], "chr2 has 2,333,275 bp instead of 242,193,529"),
        ([("scaffold", 9), ("22", 22_000_000)], "22 has 22,000,000 bp instead of 50,818,468"),
        ([("one", 20_000)], "no contig has the name or the length of a chromosome of hg38"),
        ([("NC_000001.11", 6_000)], "NC_000001.11 has 6,000 bp instead of 248,956,422"),
        ([("NC_000001.10", 6_000)], "NC_000001.10, by its accession chr1 of hg19, has 6,000 bp instead of 248,956,422"),
        ([("NC_000001.9", 247_249_719)], "NC_000001.9 has 247,249,719 bp instead of 248,956,422"),
        ([("chr1", HG19_22)], "chr1 has 51,304,566 bp instead of 248,956,422"),
        ([("\x1b[1mX", 7)], "no contig has the name or the length of a chromosome of hg38"),
    ],
)
def test_lengths_that_fit_none_are_said(spec, contigs, why):
    verdict = judge_contigs([Contig(*contig) for contig in contigs], spec)
    assert verdict.remarks[0].sentence == f"{OTHER}{why}; use the FASTA of hg38"
    assert (verdict.state, verdict.remarks[0].state) == (WARNING, WARNING)


def test_parts_of_several_assemblies(spec):
    mixed = [*of("hg38"), *(Contig(f"mouse_{contig.name}", contig.length) for contig in of("mm10"))]
    state, said, advice = on_assembly(mixed, spec)
    assert (state, said) == (WARNING, "the contigs come from more than one assembly: 24 of hg38 and 21 of mm10")
    assert advice == "use the FASTA of hg38"
    # T2T-CHM13 with the Y of GRCh38, as its first version was used.
    state, said, _ = on_assembly([*of("hs1")[:-1], of("hg38")[-1]], spec)
    assert (state, said.partition(" by ")[0]) == (
        FAILED,
        "the network was trained on hg38, but this is the assembly hs1",
    )
    cut = [Contig("chr1", HG38_1), Contig("chr2", 2_333_275)]
    assert on_assembly(cut, spec)[:2] == (
        WARNING,
        "not every contig matches the assembly hg38: chr2 has 2,333,275 bp instead of 242,193,529",
    )


def test_mitochondria_alone(spec):
    assert on_assembly([Contig("MT", 16_569)], spec)[:2] == (
        OK,
        "hg38, the network's training assembly, by the length of 1 contig",
    )
    assert on_assembly([Contig("chrM", 16_571)], spec)[0] == FAILED
    state, said, _ = on_assembly([Contig("chrM", 16_299)], spec)
    assert (state, "is the assembly mm10 or mm39" in said) == (FAILED, True)
    assert on_assembly([*of("hg19"), Contig("MT", 16_569)], spec)[0] == FAILED


def test_of_a_network_whose_genome_is_not_known_nothing_is_refused(spec):
    for architecture in ("trained", "dnase"):
        network = replace(spec, architecture=architecture)
        for contigs in (of("hg19"), of("mm39"), [Contig("sim1", 5)]):
            verdict = judge_contigs(contigs, network)
            assert (verdict.state, verdict.notes) == (OK, ())
            assert "assembly" in verdict.remarks[0].said


def names(contigs, spec):
    return [(one.state, one.said) for one in judge_contigs(contigs, spec).remarks if one.about == "names"]


def test_ncbis_names_are_said(spec):
    found = names([Contig("NT_187361.1", 175_055), Contig("NC_000002.12", 242_193_529)], spec)
    ((state, said),) = found
    assert state == OK
    assert said == (
        "the contigs have NCBI accessions as names: NC_000002.12 is treated as chr2, for example; options accept "
        "chr2 or 2, and tracks keep the FASTA's names"
    )
    assert names(of("hg38"), spec) == []
    ((state, said),) = names([Contig("NC_000001.9", 247_249_719)], spec)
    assert state == WARNING
    assert said == (
        "NC_000001.9 with 247,249,719 bp is not a chromosome of a known assembly (hg38, hg19, hs1, mm10, mm39), so it "
        "is known by this name only"
    )
    assert names([Contig("Chr1", HG19_1)], spec) == [(OK, "Chr1 has the length of chr1 of hg19, but not its name")]


def judge(tmp_path, spec, records, **options):
    path = tmp_path / "g.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in records.items()))
    genome = Genome(path)
    return judge_genome(genome, select_regions(genome.contigs), spec, **{"chosen": False} | options)


def about(verdict, what):
    return [(one.state, one.sentence) for one in verdict.remarks if one.about == what]


def test_every_contig_taken_is_said_unless_it_was_chosen(tmp_path, spec):
    said = "every contig is selected, because none is chr1 to chr22, X or Y by its name or accession"
    assert about(judge(tmp_path, spec, {"one": "ACGT"}), "selection") == [(OK, said)]
    assert said in judge(tmp_path, spec, {"one": "ACGT"}).notes
    assert about(judge(tmp_path, spec, {"one": "ACGT"}, chosen=True), "selection") == []
    for name in ("chrX", "7", "NC_000001.11"):
        assert about(judge(tmp_path, spec, {"one": "A", name: "ACGT"}), "selection") == []


def test_the_letters_are_judged(tmp_path, spec):
    masked = about(judge(tmp_path, spec, {"chr1": "ACGTA" * 19 + "NNNNN" + "ACGT"}), "sequence")
    assert masked == []
    ((state, said),) = about(judge(tmp_path, spec, {"chr1": ("ACGTA" + "nnnnn") * 20 + "ACGTA"}), "sequence")
    assert state == WARNING
    assert said == (
        "outside of long runs of N, 49% of the sequence is N or not a base: is it hard-masked?; use the soft-masked "
        "FASTA, because the network cannot see masked sequence"
    )
    ((state, said),) = about(judge(tmp_path, spec, {"chr1": "ACGU" * 50}), "sequence")
    assert state == FAILED
    assert said == (
        "the sequence is RNA: it has U instead of T, and U would be treated like N; convert it to DNA, for example "
        "with sed '/^>/!y/Uu/Tt/', or add --any-genome to run anyway"
    )
    ((state, said),) = about(judge(tmp_path, spec, {"chr1": "ACGTTT" * 50 + "acgu"}), "sequence")
    assert (state, said) == (WARNING, "0.7% of T and U in the sequence are U, which is treated like N")
    assert about(judge(tmp_path, spec, {"chr1": "N" * 90}), "sequence") == []


def test_the_letters_are_those_of_all_chromosomes_and_of_what_is_chosen(tmp_path, spec):
    records = {"chr1": "ACGT" * 10, "chr2": "ACGU" * 10, "scaffold": "ACGT" * 100}
    path = tmp_path / "g.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in records.items()))
    genome = Genome(path)
    for chosen, looked_at in (("chr1", 80), ("chr2:3-4", 80), ("scaffold:1-2", 480)):
        found = judge_genome(genome, select_regions(genome.contigs, regions=[chosen]), spec, chosen=True)
        assert found.composition.looked_at == looked_at
        assert found.composition.uracil == 10
    others = judge(tmp_path, spec, {"one": "ACGT", "two": "ACG"})
    assert others.composition.looked_at == 7


def test_a_sequence_without_a_base_is_known_where_all_of_it_is_looked_at(tmp_path, spec, monkeypatch):
    assert judge(tmp_path, spec, {"chr1": "NNnRYN" * 20, "chr2": ""}).is_blank
    assert not judge(tmp_path, spec, {"chr1": "N" * 40 + "A" + "N" * 40}).is_blank
    assert not judge(tmp_path, spec, {"chr1": "N" * 80, "chr2": "NNA"}).is_blank
    monkeypatch.setattr("epigept_batch.sequence.composition.WINDOW_BP", 4)
    monkeypatch.setattr("epigept_batch.sequence.composition.WINDOWS", 2)
    assert not judge(tmp_path, spec, {"chr1": "N" * 80}).is_blank


def test_what_is_recorded(tmp_path, spec):
    found = judge(tmp_path, spec, {"chr1": "ACGTTUNNAA"}).account()
    assert found == {
        "state": "warning",
        "assembly": None,
        "trained_on": "hg38",
        "contigs_that_fit": {},
        "naming": "UCSC",
        "sequence": {"looked_at_bp": 10, "no_base_outside_of_long_runs": 0.2, "u_among_t_and_u": 0.333333},
        "remarks": found["remarks"],
    }
    assert [one["about"] for one in found["remarks"]] == ["assembly", "contigs", "sequence", "sequence"]
    assert set(found["remarks"][0]) == {"about", "state", "said", "advice"}
    assert judge_contigs([Contig("MT", 16_569)], spec).account()["assembly"] == "hg38 or hg19 or hs1"


def contigs_remark(tmp_path, spec, *names):
    ((state, sentence),) = about(judge(tmp_path, spec, dict.fromkeys(names, "ACGT")), "contigs")
    return state, sentence


def test_the_contigs_of_the_training_are_known_by_any_name(tmp_path, spec):
    network = replace(spec, training_windows={"chr1": ((0, 1),), "chr2": ((0, 1),)})
    there = "2 of 2 contigs of the training windows are present"
    for some in (("chr1", "chr2"), ("1", "2"), ("NC_000001.11", "CM000664.2")):
        assert contigs_remark(tmp_path, network, *some) == (OK, there)
    assert contigs_remark(tmp_path, network, "NC_000002.12") == (
        WARNING,
        "1 of 2 contigs of the training windows are present; missing: chr1",
    )
    state, said = contigs_remark(tmp_path, spec, "one")
    assert (state, said.partition(";")[0]) == (
        WARNING,
        "none of the 23 contigs that the network was trained on (chr1, chr2, chr3, chr4, chr5, …) is in the FASTA",
    )


def test_windows_are_told_only_where_assembly_and_lengths_agree(spec):
    hg38, hg19 = of("hg38"), of("hg19")
    assert windows_not_known(hg38, hg38, spec) is None
    assert windows_not_known(hg38[1:3], hg38[1:3], spec) is None
    assert windows_not_known(hg19, hg19, spec) == (
        "the network was trained on hg38, but this is the assembly hg19 by the lengths of 24 contigs"
    )
    piece = [Contig("chr2", 2_333_275)]
    assert windows_not_known(piece, piece, spec) == OTHER + "chr2 has 2,333,275 bp instead of 242,193,529"
    mixed = [hg38[0], *piece, Contig("chrUn_1", 70)]
    assert windows_not_known(mixed, mixed, spec) == (
        "not every contig matches the assembly hg38: chr2 has 2,333,275 bp instead of 242,193,529"
    )
    assert windows_not_known(mixed, [hg38[0], mixed[2]], spec) is None
    assert windows_not_known(hg19, hg19, replace(spec, training_windows={})) is None


def test_windows_of_a_network_of_ones_own_are_told_by_name_where_the_contigs_are_long_enough(spec):
    network = replace(spec, architecture="trained", training_windows={"sim1": ((0, 3),)})
    last = 2 * network.geometry.window_bp
    for length, known in ((last + 1, True), (last, False)):
        contig = [Contig("sim1", length)]
        assert (windows_not_known(contig, contig, network) is None) is known
    assert windows_not_known([Contig("other", 5)], [Contig("other", 5)], network) is None

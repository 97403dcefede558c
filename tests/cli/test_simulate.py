"""`epigept-batch simulate`: files that everything else reads."""

import hashlib
import sys

import cooler
import numpy as np
import pytest

import bigwigs
from conftest import runner_of
from epigept_batch.motifs.motif_set import read_motif_set
from epigept_batch.sequence.genome import Genome
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.contacts import MAP_BP, Anchors, contact_map
from epigept_batch.simulation.grammar import FACTORS, SCAN_WINDOW, TRACKS, Grammar
from epigept_batch.simulation.sequence import make_contig
from epigept_export.convert import read_expression_reference
from expression import read_one

LENGTH = 40_000


@pytest.fixture
def simulate(tmp_path):
    return runner_of(
        "simulate", {"out": tmp_path / "sim", "contigs": 2, "contig-bp": LENGTH, "cells": 3, "seed": 5, "threads": 1}
    )


def test_the_files_hold_what_was_simulated(simulate, tmp_path):
    done = simulate()
    assert done.code == 0
    assert done.err.endswith(f"epigept-batch: {tmp_path}/sim: 0.08 Mb in 2 contigs, 3 cells\n")
    folder, grammar = tmp_path / "sim", Grammar(5)
    motif_set = read_motif_set(folder / "motifs.motif", folder / "motif_factors.tsv", window=SCAN_WINDOW)
    assert motif_set.motifs_sha256 == grammar.motif_set.motifs_sha256
    genome = Genome(folder / "genome.fa")
    assert [(contig.name, contig.length) for contig in genome.contigs] == [("sim1", LENGTH), ("sim2", LENGTH)]
    tokens = make_contig(5, "sim2", LENGTH, grammar.motif_set)
    np.testing.assert_array_equal(genome.tokens(genome.contigs[1], 0, LENGTH), tokens)
    cells = read_expression_reference(folder / "expression.tsv", FACTORS)
    assert cells.cells == ("cell1", "cell2", "cell3")
    np.testing.assert_array_equal(cells.matrix[:, 1], make_expression(5, "cell2"))
    truth = grammar.truth(tokens, grammar.motif_scores(tokens), cells.matrix[:, 1])
    for number, track in enumerate(TRACKS):
        found = bigwigs.bins(folder / f"signal/cell2.{track}.bw", "sim2", bin_bp=128)
        np.testing.assert_array_equal(found, truth[:, number])
    assert len(list((folder / "signal").iterdir())) == 3 * len(TRACKS)


def test_the_tables_are_tpm_of_all_genes(simulate, tmp_path):
    simulate()
    sample = read_one(tmp_path / "sim/tables/cell1.tsv", FACTORS)
    np.testing.assert_array_equal(sample.tpm.by_factor, make_expression(5, "cell1"))
    assert sample.sources[0].verdict.kind == "TPM"


def test_the_same_seed_gives_the_same_bytes(simulate, tmp_path):
    simulate()
    simulate(out=tmp_path / "again")
    for name in ("genome.fa", "motifs.motif", "expression.tsv", "tables/cell3.tsv", "train.toml"):
        assert (tmp_path / "sim" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_one_that_was_stopped_leaves_nothing_and_may_be_run_again(simulate, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Grammar, "truth", stop)
        assert simulate().code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["sim"]
    assert not any((tmp_path / "sim").iterdir())
    assert simulate().code == 0
    assert (tmp_path / "sim").stat().st_mode == tmp_path.joinpath("sim/tables").stat().st_mode


def test_a_folder_that_has_something_is_not_written_to(simulate, tmp_path):
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim/mine").touch()
    done = simulate()
    assert done.code == 2
    assert done.err == f"epigept-batch: {tmp_path}/sim: exists and is not an empty folder; choose another --out\n"
    assert [path.name for path in (tmp_path / "sim").iterdir()] == ["mine"]


def contents(folder):
    """The digests of a folder's files by name, of contacts none."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "contacts"
    }


def test_contacts_change_nothing_else(simulate, tmp_path):
    simulate()
    assert simulate("--contacts", out=tmp_path / "too").code == 0
    without, with_ = (contents(tmp_path / name) for name in ("sim", "too"))
    config = with_.pop("train.toml")
    assert config != without.pop("train.toml")
    assert with_ == without
    assert len(without) == 3 * len(TRACKS) + 3 + 4


def test_the_simulation_is_that_of_the_demo(simulate, tmp_path):
    """The demo's network was trained on data of this form: text files of the first release, by their digests."""
    simulate()
    found = {name: digest[:16] for name, digest in contents(tmp_path / "sim").items() if "/" not in name}
    assert found == {
        "expression.tsv": "11fe873ea9fd7f2a",
        "genome.fa": "f99cf279be86b82c",
        "motif_factors.tsv": "4067c4f0023fe26e",
        "motifs.motif": "c4f7c379b1de7203",
        "train.toml": "379465529bff42a8",
    }


def test_maps_and_loops_are_those_of_the_grammar(simulate, tmp_path):
    length = 120_000
    done = simulate("--contacts", **{"contig-bp": length})
    assert done.err.endswith("0.24 Mb in 2 contigs, 3 cells, with contacts\n")
    grammar, folder = Grammar(5), tmp_path / "sim/contacts"
    assert len(list(folder.iterdir())) == 6
    lines = [line.split("\t") for line in (folder / "cell2.contacts.bedpe").read_text().splitlines()]
    file = cooler.Cooler(str(folder / "cell2.contacts.cool"))
    assert (file.binsize, dict(file.chromsizes)) == (MAP_BP, {"sim1": length, "sim2": length})
    tpm, expected = make_expression(5, "cell2"), []
    for name in ("sim1", "sim2"):
        tokens = make_contig(5, name, length, grammar.motif_set)
        anchors = Anchors.of(grammar, tokens, grammar.motif_scores(tokens))
        pixels = contact_map(anchors.loops(tpm, least=0), length)
        dense = np.zeros((118, 118))
        dense[pixels.rows, pixels.columns] = dense[pixels.columns, pixels.rows] = pixels.values
        np.testing.assert_allclose(file.matrix(balance=False).fetch(name), dense, rtol=1e-6)
        expected += [(name, *loop) for loop in zip(*anchors.loops(tpm), strict=True)]
    assert len(lines) == len(expected) > 8
    for line, (name, left, right, strength) in zip(lines, expected, strict=True):
        assert line[0] == line[3] == name
        assert [int(line[n]) for n in (1, 2, 4, 5)] == [left * 128, left * 128 + 128, right * 128, right * 128 + 128]
        assert line[6] == f"{name}_{left}_{right}"
        assert float(line[7]) == pytest.approx(strength, abs=1e-6)


def test_contacts_without_their_library_are_refused_at_once(simulate, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cooler", None)
    done = simulate("--contacts")
    assert done.code == 2
    assert done.err == "epigept-batch: contact maps require cooler; install epigept-batch with its [contacts] extra\n"
    assert not any((tmp_path / "sim").iterdir())
    assert simulate().code == 0

"""`epigept-export` and what `genome` does with what it writes, by the installed commands."""

import json

import numpy as np
import pytest
import torch

import bigwigs
from epigept_batch.inference.model_file import read_spec
from epigept_export.architectures import ARCHITECTURES, with_factors
from epigept_export.model import EpiGePT


def test_convert_ends_with_the_figures_of_its_verification(command, make_checkpoint, bare_motifs, tmp_path):
    """The default: the architecture by itself, fp16, verified."""
    output = tmp_path / "new folder/model.onnx"
    done = command("epigept-export", "convert", make_checkpoint("dnase"), *bare_motifs, "--output", output)
    assert done.returncode == 0, done.stderr
    header, dnase, limit = done.stdout.splitlines()
    assert header.split() == ["max", "abs", "error", "least", "r"]
    assert dnase.split()[0] == "DNase"
    assert float(dnase.split()[1]) <= 1e-2
    assert limit.split() == ["limit", "1.00e-02", "0.9999000"]
    assert done.stderr.startswith(f"epigept-export: {output}: dnase, fp16, ")
    assert done.stderr.endswith("1 track, 711 factors, 711 motifs in -400,600; verified\n")
    again = command("epigept-export", "verify", output, "--checkpoint", make_checkpoint("dnase"))
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_verify_exits_with_1_on_a_miss_and_2_on_another_network(
    command, export, make_bare_model, make_checkpoint, tmp_path
):
    from epigept_export.checkpoint import read_state_dict

    model = make_bare_model("dnase", "--precision", "fp32")
    state = read_state_dict(make_checkpoint("dnase"))
    state["multitaskmodule.linear.bias"] = state["multitaskmodule.linear.bias"] + 0.002
    torch.save(state, tmp_path / "other.ckpt")
    done = command("epigept-export", "verify", model, "--checkpoint", tmp_path / "other.ckpt")
    assert done.returncode == 1
    said = f"epigept-export: {model}: differs from the checkpoint's network by more than its precision allows: DNase is"
    assert said in done.stderr
    assert "other.ckpt is not the file that the model was made from; comparing anyway\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert "DNase" in done.stdout
    done = export("verify", model, "--checkpoint", make_checkpoint("hg38"))
    assert done.code == 2
    assert "not a checkpoint of dnase: " in done.err
    assert done.err.count("\n") == 1


@pytest.fixture
def normalised(tmp_path):
    """A table of the generated factors."""
    path = tmp_path / "sample.tsv"
    values = np.random.default_rng(3).gamma(0.5, 20, 711).round(2)
    path.write_text("gene_id\tTPM\n" + "".join(f"T{number:03d}\t{value}\n" for number, value in enumerate(values)))
    return path


def test_genome_runs_the_dnase_network_and_says_that_it_extrapolates(
    command, make_bare_model, normalised, fasta, tmp_path
):
    done = command(
        *("epigept-batch", "genome", "--tpm", normalised, "--normalised", "--fasta", fasta),
        *("--model", make_bare_model("dnase", "--precision", "fp32"), "--out", tmp_path / "out"),
    )
    assert done.returncode == 0, done.stderr
    assert (
        "epigept-batch: the dnase network was trained on open bins joined into windows; on contiguous sequence, "
        "as here, it extrapolates\n"
    ) in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["sample.DNase.bw", "sample.run.json"]
    path = tmp_path / "out/sample.DNase.bw"
    lengths = bigwigs.contigs(path)
    assert list(lengths.values()) == [20_000, 700, 90]
    for contig in lengths:
        values = bigwigs.bins(path, contig, bin_bp=200)
        assert np.nanstd(values) > 0.01 or len(values) < 10
        assert np.isfinite(values).any()
    record = json.loads((tmp_path / "out/sample.run.json").read_text())
    assert (record["architecture"], record["windows"]) == ("dnase", 4)


@pytest.mark.published
@pytest.mark.parametrize("architecture", ["hg19", "hg19-pretrain"])
def test_genome_runs_the_hg19_networks(command, make_bare_model, normalised, chr22, tmp_path, architecture):
    done = command(
        *("epigept-batch", "genome", "--tpm", normalised, "--normalised", "--fasta", chr22, "--out", tmp_path),
        *("--model", make_bare_model(architecture, "--precision", "fp32"), "--region", "22:17,000,001-17,010,000"),
    )
    assert done.returncode == 0, done.stderr
    values = bigwigs.bins(tmp_path / "sample.H3K4me1.bw", "22", bin_bp=128)
    assert np.isfinite(values).sum() == 79
    assert np.nanstd(values) > 0.01


def own_network(folder, factors):
    """A checkpoint as of a user who trained the smallest network on another motif set, and options for the set.

    The motifs are in JASPAR format: counts, and no thresholds.
    """
    torch.manual_seed(2)
    checkpoint = folder / "own.ckpt"
    torch.save(EpiGePT(with_factors(ARCHITECTURES["dnase"], factors)).state_dict(), checkpoint)
    rng = np.random.default_rng(2)
    names = [f"MA{number:04d}.1" for number in range(factors)]
    records = []
    for name in names:
        rows = rng.multinomial(100, rng.dirichlet([0.3] * 4), 10).T
        counts = (f"{base} [ {' '.join(map(str, row))} ]\n" for base, row in zip("ACGT", rows, strict=True))
        records.append(f">{name} TF\n{''.join(counts)}")
    (folder / "own.jaspar").write_text("".join(records))
    (folder / "own.tsv").write_text("".join(f"{name}\tTF{number}\n" for number, name in enumerate(names)))
    return checkpoint, ["--motifs", folder / "own.jaspar", "--motif-factors", folder / "own.tsv"]


@pytest.mark.parametrize("factors", [40, 101])
def test_a_network_of_another_motif_set_is_converted_verified_and_run(command, export, fasta, tmp_path, factors):
    """296 and 360 wide: heads of 37 and 45, zero columns or none."""
    checkpoint, motifs = own_network(tmp_path, factors)
    model = tmp_path / "own.onnx"
    options = ["--precision", "fp32", "--p-value", "1e-3", "--output", model]
    done = export("convert", checkpoint, *motifs, *options)
    assert done.code == 0, done.err
    assert f"1 track, {factors} factors, {factors} motifs in -400,600; verified\n" in done.err
    spec = read_spec(model)
    assert (spec.architecture, len(spec.factors), spec.training_windows) == ("dnase", factors, {})
    for motif in spec.motif_set.motifs:
        scores = motif.log_odds
        sampled = scores[np.arange(10), np.random.default_rng(1).integers(0, 4, (50_000, 10))].sum(axis=1)
        assert (sampled >= motif.threshold).mean() < 1.6e-3  # of the 1e-3 asked for
    again = export("verify", model, "--checkpoint", checkpoint)
    assert (again.code, again.out) == (0, done.out)
    table = tmp_path / "sample.tsv"
    table.write_text("gene_id\tTPM\n" + "".join(f"TF{number}\t{number}\n" for number in range(factors)))
    out = tmp_path / "out"
    done = command(
        *("epigept-batch", "genome", "--tpm", table, "--normalised", "--fasta", fasta, "--model", model, "--out", out)
    )
    assert done.returncode == 0, done.stderr
    assert np.isfinite(bigwigs.bins(out / "sample.DNase.bw", "one", bin_bp=200)).any()


def test_a_number_of_factors_that_shapes_do_not_tell_can_be_stated(export, tmp_path):
    """710 factors and 711 make a network of the same width: the published number is taken unless another is stated."""
    checkpoint, motifs = own_network(tmp_path, 710)
    words = ["convert", checkpoint, *motifs, "--no-verify", "--output", tmp_path / "own.onnx"]
    done = export(*words)
    assert done.code == 2
    assert done.err == (
        f"epigept-export: {tmp_path}/own.jaspar: gives 710 factors with own.tsv, but the network has 711; use the "
        "motif set that it was trained with, or state the number with --factors\n"
    )
    done = export(*words, "--factors", 710)
    assert done.code == 0, done.err
    assert len(read_spec(tmp_path / "own.onnx").factors) == 710
    done = export(*words, "--factors", 300)
    assert done.code == 2
    assert "not an EpiGePT checkpoint; " in done.err

"""`epigept-export` and what `genome` does with what it writes, by the installed commands."""

import json

import numpy as np
import pytest

import bigwigs


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


def test_verify_exits_with_1_on_a_miss_and_2_on_another_network(command, make_bare_model, make_checkpoint, tmp_path):
    import torch

    from epigept_export.checkpoint import read_state_dict

    model = make_bare_model("dnase", "--precision", "fp32")
    state = read_state_dict(make_checkpoint("dnase"))
    state["multitaskmodule.linear.bias"] = state["multitaskmodule.linear.bias"] + 0.002
    torch.save(state, tmp_path / "other.ckpt")
    done = command("epigept-export", "verify", model, "--checkpoint", tmp_path / "other.ckpt")
    assert done.returncode == 1
    assert f"epigept-export: {model}: is not the checkpoint's network within the limits of its precision" in done.stderr
    assert "other.ckpt is another file than the model was made from; comparing all the same\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert "DNase" in done.stdout
    done = command("epigept-export", "verify", model, "--checkpoint", make_checkpoint("hg38"))
    assert done.returncode == 2
    assert "is no dnase checkpoint: " in done.stderr
    assert done.stderr.count("\n") == 1


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

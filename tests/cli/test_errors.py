"""What a user may get wrong: one line that says what, where and what to do; exit 2; nothing written."""

from pathlib import Path

import pytest

from epigept_batch.cli.samples import parse_tables
from epigept_batch.errors import InputError
from epigept_batch.tiling import Geometry
from epigept_export.cli import parse_motif_window

GENES = [f"F{n:02d}" for n in range(15)]


def table(values):
    return "gene_id\tTPM\n" + "".join(f"{name}\t{value}\n" for name, value in values.items())


FILES = {
    "empty.fa": "",
    "text.fa": "no FASTA\n",
    "n.fa": ">one\n" + "N" * 3000 + "\n",
    "no.onnx": "no model\n",
    "noid.tsv": "x\tTPM\n1\t2\n",
    "notpm.tsv": "gene_id\texpected_count\nF00\t2\n",
    "few.tsv": table(dict.fromkeys(GENES[:14], 1)),
    "negative.tsv": table(dict.fromkeys(GENES, 1) | {"F04": -2}),
    "text.tsv": table(dict.fromkeys(GENES, 1) | {"F04": "much"}),
    "bad.bed": "one\t5\n",
    "a file": "",
}


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fasta": "absent.fa"}, "absent.fa: FASTA cannot be read: No such file or directory"),
        ({"fasta": "empty.fa"}, "empty.fa: FASTA is empty"),
        ({"fasta": "text.fa"}, "text.fa:1: not a FASTA header; each sequence needs a line >NAME before it"),
        ({"fasta": "n.fa"}, "n.fa: nothing to predict: the selected regions contain only N"),
        ({"region": "four:1-5"}, "--region four:1-5: the genome has no contig 'four'; its contigs are one, two, three"),
        ({"region": "one:500-400"}, "--region one:500-400: ends before it starts; use contig:start-end"),
        ({"region": "one:20001-20002"}, "--region one:20001-20002: starts beyond the end of one, which has 20000 bp"),
        (
            {"chromosome": "chrone"},
            "--chromosome chrone: the genome has no contig 'chrone'; did you mean 'one'?",
        ),
        ({"bed": "bad.bed"}, "bad.bed:1: not a BED line; it must have contig, start and end, separated by tabs"),
        ({"bed": "absent.bed"}, "absent.bed: BED file cannot be read: No such file or directory"),
        ({"model": "absent.onnx"}, "absent.onnx: model file cannot be read: No such file or directory"),
        ({"model": "no.onnx"}, "no.onnx: not an ONNX model, or truncated; make one with `epigept-export convert`"),
        ({"tpm": "absent.tsv"}, "absent.tsv: TPM table cannot be read: No such file or directory"),
        (
            {"tpm": "noid.tsv"},
            "noid.tsv: numeric ids (1, …) that are not NCBI ids of human genes; use Ensembl ids",
        ),
        (
            {"tpm": "notpm.tsv"},
            "notpm.tsv: counts (expected_count) but no TPM column; provide TPM, because counts depend on gene length",
        ),
        (
            {"tpm": "few.tsv"},
            "few.tsv: only 14 of 15 factors found (missing: F14), at least 95% required",
        ),
        ({"tpm": "negative.tsv"}, "negative.tsv:6: TPM '-2' is not a number of 0 or more"),
        ({"tpm": "text.tsv"}, "text.tsv:6: TPM 'much' is not a number of 0 or more"),
        ({"out": "a file"}, "a file: output folder cannot be written: File exists; choose another with --out"),
        (
            {"out": "a file/below"},
            "a file/below: output folder cannot be written: Not a directory; choose another with --out",
        ),
        ({"tracks": "DNase,ATAC"}, "--tracks: the model has no track 'ATAC'; its tracks are DNase, CTCF, H3K27ac"),
        ({"overlap": "100"}, "--overlap 100: must be a multiple of the bin size 128 from 0 to 2432"),
        ({"device": "gpu"}, "--device gpu: must be auto, cpu, cuda, cuda:N"),
        (
            {"device": "cuda"},
            "this ONNX Runtime has no CUDA support; for a GPU, install epigept-batch with its [gpu] extra",
        ),
    ],
    ids=lambda value: " ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_bad_input_is_one_line_and_exit_2_and_leaves_nothing(genome, folder, monkeypatch, options, message):
    if options.get("device") == "cuda":
        onnxruntime = pytest.importorskip("onnxruntime")
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.chdir(folder)
    outcome = genome(**options)
    errors = [line for line in outcome.err.splitlines() if line and "window" not in line]
    assert outcome.code == 2
    assert len(errors) == 1
    assert errors[0].startswith(f"epigept-batch: {message}")
    assert outcome.out == ""
    assert not list(folder.rglob("*.bw")) + list(folder.rglob("*.part")) + list(folder.rglob("*.json"))


def test_a_model_without_a_reference_wants_normalised_values(genome, small_model, tmp_path):
    import onnx

    from epigept_batch.spec import Spec

    model = onnx.load(small_model)
    spec = Spec.from_json(model.metadata_props[0].value)
    object.__setattr__(spec, "reference", None)
    model.metadata_props[0].value = spec.to_json()
    onnx.save(model, tmp_path / "bare.onnx")
    outcome = genome(model=tmp_path / "bare.onnx")
    assert outcome.code == 2
    assert "bare.onnx: has no expression reference; convert the checkpoint with --expression-reference" in outcome.err
    assert genome("--normalised", model=tmp_path / "bare.onnx").code == 0


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (
            "fasta",
            "no --fasta given and {home}/genome.fa does not exist; run `epigept-batch setup`, or pass --fasta FILE\n",
        ),
        (
            "model",
            "no --model given and {home}/model.onnx does not exist; run `epigept-batch setup`, or pass --model FILE\n",
        ),
    ],
)
def test_without_defaults_the_error_says_what_would_provide_them(genome, home, missing, message):
    outcome = genome(**{missing: None})
    assert outcome.code == 2
    assert outcome.err.startswith(f"epigept-batch: {message.format(home=home)}")


def test_usage_errors_keep_the_form_of_click(genome):
    for outcome in (
        genome(tpm=None),
        genome("--space", "cube"),
        genome("--threads", "0"),
        genome("--nonsense"),
    ):
        assert outcome.code == 2
        assert outcome.err.startswith("Usage: epigept-batch genome [OPTIONS]")


@pytest.mark.parametrize(
    ("value", "name", "path"),
    [
        ("a/b.tsv", None, "a/b.tsv"),
        ("x=a.tsv", "x", "a.tsv"),
        ("x=y=a.tsv", "x", "y=a.tsv"),
        ("dose=5.tsv", None, "dose=5.tsv"),
    ],
)
def test_tables_and_the_names_given_to_them(tmp_path, monkeypatch, value, name, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dose=5.tsv").touch()
    assert parse_tables(value) == [(name, Path(path))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tpm": "liver="}, "--tpm liver=: no file after '='; use --tpm NAME=FILE"),
        ({"tpm": "=a.tsv"}, "--tpm =a.tsv: no sample name before '='; use --tpm NAME=FILE"),
        ({"tpm": "../x=good.tsv"}, "good.tsv: sample '../x' cannot be used in a file name"),
        ({"tpm": "good.tsv", "sample": "x"}, "--sample x: no table has a sample with this name; the tables have good"),
        ({"tpm": "good.tsv", "merge": "a/b"}, "--merge a/b: cannot be used in a file name"),
        (
            {"tpm": "good.tsv", "group-by": "x"},
            "--group-by x: applies only to an .h5ad, and there is none; omit it",
        ),
        (
            {"tpm": "good.tsv", "tx2gene": "absent"},
            "absent: transcript-to-gene map cannot be read: No such file or directory",
        ),
    ],
)
def test_what_is_wrong_with_samples_is_said(genome, folder, monkeypatch, options, message):
    monkeypatch.chdir(folder)
    (folder / "good.tsv").write_text(table(dict.fromkeys(GENES, 1)))
    outcome = genome(**options)
    assert outcome.code == 2
    assert outcome.err.startswith(f"epigept-batch: {message}")
    assert outcome.err.count("\n") == 1
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("text", "window"),
    [("given", (0, 128)), ("homer-200", (-37, 164)), ("-400,600", (-400, 600)), ("3, 9", (3, 9))],
)
def test_motif_windows(text, window):
    found = parse_motif_window(text)(Geometry(1000, 128))
    assert (found.left, found.right) == window


def test_homers_windows_of_other_bins():
    """200 bp bins are HOMER's default size, but for the base by which it is longer to the left."""
    assert str(parse_motif_window("homer-200")(Geometry(50, 200))) == "-1,200"
    assert str(parse_motif_window("given")(Geometry(50, 200))) == "0,200"


@pytest.mark.parametrize("text", ["", "5", "9,3", "3,3", "a,b", "1,2,3", "homer"])
def test_what_is_no_motif_window_is_said(text):
    with pytest.raises(InputError, match=f"--motif-window {text}: must be homer-200, given or LEFT,RIGHT"):
        parse_motif_window(text)


@pytest.fixture
def convert(export, make_checkpoint, synthetic, tmp_path):
    """Run `epigept-export convert` with a motif set that is not the network's."""

    def run(**options):
        given = {
            "motifs": synthetic / "synthetic.motifs",
            "motif-factors": synthetic / "synthetic.factors.tsv",
            "output": tmp_path / "model.onnx",
        } | options
        words = [word for name, value in given.items() if name != "checkpoint" for word in (f"--{name}", value)]
        return export("convert", given.get("checkpoint", make_checkpoint("hg38")), *words)

    return run


def test_convert_says_what_is_wrong_in_one_line(convert, make_checkpoint, tmp_path, synthetic):
    (tmp_path / "empty").touch()
    cases = [
        (
            {},
            f"{synthetic}/synthetic.motifs: gives 15 factors with synthetic.factors.tsv, but the network has 711",
        ),
        (
            {"motifs": tmp_path / "empty"},
            f"{tmp_path}/empty: file is empty; use motifs in HOMER, MEME or JASPAR format",
        ),
        ({"checkpoint": tmp_path / "empty"}, f"{tmp_path}/empty: empty file; use a file that torch.save wrote"),
        (
            {"architecture": "dnase"},
            f"{make_checkpoint('hg38')}: not a checkpoint of dnase: transformermodule.embeddings.position_embeddings",
        ),
        (
            {"precision": "int8", "attention": "plain"},
            "--attention plain: int8 requires fused operators; use --precision fp16 or fp32",
        ),
        ({"motif-window": "9,3"}, "--motif-window 9,3: must be homer-200, given or LEFT,RIGHT"),
    ]
    for options, message in cases:
        done = convert(**options)
        assert done.code == 2
        assert done.err.startswith(f"epigept-export: {message}")
        assert done.err.count("\n") == 1
    assert not (tmp_path / "model.onnx").exists()


def test_convert_does_not_overwrite_what_is_no_model_file(convert, tmp_path, make_checkpoint):
    (tmp_path / "notes.txt").write_text("mine")
    for output, message in (
        (make_checkpoint("hg38"), "is also an input; choose another --output"),
        (tmp_path / "notes.txt", "exists and is not a model file; move it away or choose another --output"),
        (tmp_path, "exists and is not a model file"),
    ):
        before = output.read_bytes() if output.is_file() else None
        done = convert(output=output)
        assert done.code == 2
        assert done.err.startswith(f"epigept-export: {output}: {message}")
        assert before is None or output.read_bytes() == before
    done = convert(output=tmp_path / "notes.txt/model.onnx")
    assert "notes.txt: output folder cannot be written: File exists; choose another with --output" in done.err


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("torch", "torch not installed; run pip install 'epigept-batch[export]'\n"),
        ("onnxruntime", "verification needs ONNX Runtime, which is not installed; install epigept-batch with its"),
    ],
)
def test_convert_without_a_library_says_what_to_install(monkeypatch, missing, message):
    from click.testing import CliRunner

    from epigept_export import cli

    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == missing else name)
    words = ["convert", "x.ckpt", "--motifs", "m", "--motif-factors", "f", "--output", "o"]
    result = CliRunner().invoke(cli.cli, words, prog_name="epigept-export")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"epigept-export: {message}")
    assert result.stderr.count("\n") == 1

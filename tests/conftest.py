"""Fixtures: the shared data, model files of the published and of a small size, the commands."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from epigept_batch.cli.main import cli
from epigept_batch.spec import ScanWindow
from epigept_export.convert import ConvertRequest, convert
from epigept_export.model import EpiGePT
from small import SMALL

TESTS = Path(__file__).parent
SHARED = TESTS.parent.parent / "shared" / "data"
SYNTHETIC = TESTS / "data" / "synthetic"
SCRIPTS = Path(sys.executable).parent


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path_factory):
    """Caches and installed files of the tests, not the user's."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("EPIGEPT_BATCH_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared():
    """The folder of real data, which is no part of the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the real data of {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def synthetic():
    """Generated inputs with the outputs of the published network code and of HOMER."""
    return SYNTHETIC


@pytest.fixture
def chr2(shared, tmp_path):
    """The real piece of chromosome 2 under a name beside which an index may lie."""
    link = tmp_path / "chr2.fa.gz"
    link.symlink_to(shared / "genome/hg38_chr2_1-2333275.fa.gz")
    return link


@pytest.fixture(scope="session")
def chr22(shared, tmp_path_factory):
    """The real piece of chromosome 22 (record `22`), which comes as gzip, plain."""
    fasta = tmp_path_factory.mktemp("chr22") / "22.fa"
    with gzip.open(shared / "genome/hg19_chr22_1-22000000.fa.gz") as packed, fasta.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    return fasta


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory):
    """Writer of checkpoints in the published layout, one of each architecture a session."""
    made = {}

    def make(architecture):
        if architecture not in made:
            path = tmp_path_factory.mktemp("checkpoints") / f"{architecture}.ckpt"
            subprocess.run([sys.executable, TESTS / "make_checkpoint.py", architecture, path], check=True)
            made[architecture] = path
        return made[architecture]

    return make


@pytest.fixture(scope="session")
def hg38_model(make_checkpoint, shared, tmp_path_factory):
    """The model file of the published size with the published motifs, by the installed command."""
    path = tmp_path_factory.mktemp("models") / "hg38.onnx"
    command = [
        *(SCRIPTS / "epigept-export", "convert", make_checkpoint("hg38")),
        *("--motifs", shared / "motifs/all_motif_rmdup"),
        *("--motif-factors", shared / "motifs/MotifMatch_human_rmdup.mat"),
        *("--expression-reference", shared / "expression/reference_expression.tsv"),
        *("--output", path),
    ]
    subprocess.run(command, check=True)
    return path


@pytest.fixture(scope="session")
def hg38_bare_model(make_checkpoint, tmp_path_factory):
    """The published network with 711 generated motifs, which a bare clone can make."""
    folder = tmp_path_factory.mktemp("bare")
    names = [f"T{number:03d}" for number in range(711)]
    rows = "0.7\t0.1\t0.1\t0.1\n" * 6
    (folder / "motifs").write_text("".join(f">AAAAAA\t{name}\t4.0\n{rows}" for name in names))
    (folder / "factors.tsv").write_text("".join(f"{name}\t{name}\n" for name in names))
    path = folder / "hg38.onnx"
    command = [
        *(SCRIPTS / "epigept-export", "convert", make_checkpoint("hg38")),
        *("--motifs", folder / "motifs", "--motif-factors", folder / "factors.tsv", "--output", path),
    ]
    subprocess.run(command, check=True)
    return path


@pytest.fixture(scope="session")
def small_state():
    """Weights of the small network whose outputs vary along the window and stay above 0."""
    torch.manual_seed(1)
    state = EpiGePT(SMALL).state_dict()
    for key in state:
        if "LayerNorm" not in key:
            state[key] = torch.randn_like(state[key]) * (0.3 if state[key].ndim > 1 else 0.1)
    state["fc2.bias"] += 2
    return state


@pytest.fixture(scope="session")
def small_checkpoint(small_state, tmp_path_factory):
    """The small network as a bare state dict."""
    path = tmp_path_factory.mktemp("small") / "small.ckpt"
    torch.save(small_state, path)
    return path


@pytest.fixture(scope="session")
def small_reference(tmp_path_factory):
    """TPM of 15 factors in four cells."""
    path = tmp_path_factory.mktemp("reference") / "reference.tsv"
    matrix = np.random.default_rng(5).gamma(0.5, 20, (15, 4)).round(3)
    rows = [f"F{number:02d}\t" + "\t".join(map(str, row)) for number, row in enumerate(matrix)]
    path.write_text("\n".join(["\ta\tb\tc\td", *rows]) + "\n")
    return path


@pytest.fixture(scope="session")
def small_model(small_checkpoint, small_reference, synthetic, tmp_path_factory):
    """A model file of 20 bins of 128 bp, 15 factors and 3 tracks: seconds instead of minutes."""
    path = tmp_path_factory.mktemp("models") / "small.onnx"
    convert(
        ConvertRequest(
            checkpoint=small_checkpoint,
            architecture=SMALL,
            motifs=synthetic / "synthetic.motifs",
            motif_factors=synthetic / "synthetic.factors.tsv",
            expression_reference=small_reference,
            motif_window=ScanWindow(-37, 164),
            output=path,
        )
    )
    return path


@pytest.fixture
def fasta(synthetic, tmp_path):
    """Three contigs of 20,000, 700 and 90 bp with N runs, lower case and IUPAC letters."""
    return Path(shutil.copy(synthetic / "synthetic.fa", tmp_path / "synthetic.fa"))


@pytest.fixture
def tpm(tmp_path):
    """A table of the small network's factors."""
    path = tmp_path / "sample.tsv"
    values = np.random.default_rng(6).gamma(0.5, 20, 15).round(2)
    path.write_text("gene_id\tTPM\n" + "".join(f"F{n:02d}\t{value}\n" for n, value in enumerate(values)))
    return path


@pytest.fixture(scope="session")
def command():
    """Run an installed command in a process of its own."""

    def run(name, *arguments):
        words = [SCRIPTS / name, *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    return run


@dataclass
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str


@pytest.fixture
def genome(fasta, small_model, tpm, tmp_path):
    """Run `epigept-batch genome` on the small inputs in this process; options override."""
    runner = CliRunner()

    def run(*arguments, **options):
        given = {"tpm": tpm, "fasta": fasta, "model": small_model, "out": tmp_path / "out", "device": "cpu"}
        words = [
            word for name, value in (given | options).items() for word in (f"--{name}", value) if value is not None
        ]
        result = runner.invoke(cli, ["genome", *map(str, words), *map(str, arguments)], prog_name="epigept-batch")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run

"""Fixtures: the shared data, model files of the published size and of a small size, and the commands."""

from __future__ import annotations

import fcntl
import functools
import gzip
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import reference
from epigept_batch.cli.main import cli
from epigept_batch.machine.environment import POOLS
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.setup import download
from epigept_batch.spec import Motif, MotifSet, ScanWindow
from epigept_export.architectures import homer_given
from epigept_export.cli import cli as export_cli
from epigept_export.contacts import ContactRequest
from epigept_export.convert import ConvertRequest, convert, read_expression_reference
from epigept_export.model import EpiGePT
from expression import read_tpm
from faulty_server import faulty_server
from gpus import take_the_processor_for_a_gpu
from small import SMALL

TESTS = Path(__file__).parent
SHARED = TESTS.parent.parent / "shared" / "data"
SYNTHETIC = TESTS / "data" / "synthetic"
SCRIPTS = Path(sys.executable).parent


PUBLISHED = "EPIGEPT_TESTS_PUBLISHED"


def pytest_runtest_setup(item):
    """Skip tests that convert further networks of the published size, a minute each, unless all tests are wanted."""
    if item.get_closest_marker("published") and not os.environ.get(PUBLISHED):
        pytest.skip(f"converts another network of the published size; make check-all sets {PUBLISHED}")


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path_factory):
    """Keep caches and installed files of the tests apart from the user's; undo what a command sets after the test."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("EPIGEPT_BATCH_HOME", str(folder))
    for name in POOLS:
        monkeypatch.setenv(name, "1")  # so that the original value is restored
        monkeypatch.delenv(name)
    return folder


DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}


@pytest.fixture(autouse=True)
def _signals_are_heeded():
    """Heed signals as at a terminal, also in child processes. In the background and under nohup some are ignored."""
    ignored = [number for number in DEFAULTS if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, DEFAULTS[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session", autouse=True)
def _compiled_scan():
    """Compile the scan for motifs of every number of tables, so that no test has to compile it."""
    for width in range(4, 37, 4):
        motif = Motif("m", np.full((width, 4), 0.25), 0.0, ("f",))
        scanner = MotifScanner(MotifSet((motif,), ScanWindow(0, 64)), ("f",), bin_bp=64)
        scanner.scan(np.zeros(64, np.uint8), offset=0, bins=1)


@pytest.fixture(scope="session")
def shared():
    """The folder of real data, which is not part of the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the real data of {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def synthetic():
    """Generated inputs with the outputs of the published network code and of HOMER."""
    return SYNTHETIC


@pytest.fixture
def server(monkeypatch):
    """A local server that can fail, and a program that times out soon."""
    monkeypatch.setattr(download, "PATIENCE", download.Patience(connect=5, read=0.4, tries=3, pause=0.001))
    with faulty_server() as server:
        yield server


@pytest.fixture
def chr2(shared, tmp_path):
    """The real piece of chromosome 2, under a name where an index can be written beside it."""
    link = tmp_path / "chr2.fa.gz"
    link.symlink_to(shared / "genome/hg38_chr2_1-2333275.fa.gz")
    return link


@pytest.fixture(scope="session")
def chr22(shared, tmp_path_factory):
    """The real piece of chromosome 22 (record `22`), unpacked from gzip."""
    fasta = tmp_path_factory.mktemp("chr22") / "22.fa"
    with gzip.open(shared / "genome/hg19_chr22_1-22000000.fa.gz") as packed, fasta.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    return fasta


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Maker of large files: each is made once, even if several processes run the tests. Takes a name and its maker."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made once"
    folder.mkdir(exist_ok=True)

    def made(name, make):
        path = folder / name
        with path.with_name(f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                make(path)
        return path

    return made


@pytest.fixture(scope="session")
def make_checkpoint(made_once):
    """Writer of checkpoints in the published layout, one for each architecture."""

    def make(architecture):
        command = [sys.executable, TESTS / "make_checkpoint.py", architecture.replace("-", "_")]
        return made_once(f"{architecture}.ckpt", lambda path: subprocess.run([*command, path], check=True))

    return make


@pytest.fixture(scope="session")
def make_hg38_model(make_checkpoint, made_once, shared):
    """Maker of hg38 model files with the published motifs, with the installed command, one for each precision."""

    def make(precision):
        command = [
            *(SCRIPTS / "epigept-export", "convert", make_checkpoint("hg38"), "--precision", precision),
            "--no-verify",  # the tests compare them with the published network
            *("--motifs", shared / "motifs/all_motif_rmdup"),
            *("--motif-factors", shared / "motifs/MotifMatch_human_rmdup.mat"),
            *("--expression-reference", shared / "expression/reference_expression.tsv"),
        ]
        return made_once(
            f"hg38.{precision}.onnx", lambda path: subprocess.run([*command, "--output", path], check=True)
        )

    return make


@pytest.fixture(scope="session")
def bare_motifs(tmp_path_factory):
    """Options for 711 generated motifs, so that a bare clone can convert networks of the published sizes."""
    folder = tmp_path_factory.mktemp("bare")
    names = [f"T{number:03d}" for number in range(711)]
    rows = "0.7\t0.1\t0.1\t0.1\n" * 6
    (folder / "motifs").write_text("".join(f">AAAAAA\t{name}\t4.0\n{rows}" for name in names))
    (folder / "factors.tsv").write_text("".join(f"{name}\t{name}\n" for name in names))
    return ["--motifs", folder / "motifs", "--motif-factors", folder / "factors.tsv"]


@pytest.fixture(scope="session")
def make_bare_model(make_checkpoint, made_once, bare_motifs, request):
    """Maker of model files of the published sizes that need no other data, one for each form.

    The command does not verify them, because the tests that use them compare them with more. If the real data exist,
    hg38 in fp32 is the file with the real motifs, which other tests also need: the network is the same.
    """

    def make(architecture, *options):
        if SHARED.is_dir() and (architecture, *options) == ("hg38", "--precision", "fp32"):
            return request.getfixturevalue("make_hg38_model")("fp32")
        words = ["convert", make_checkpoint(architecture), *bare_motifs, *options, "--no-verify", "--output"]

        def convert_it(path):
            done = outcome_of(export_cli, "epigept-export", [*words, path])
            assert done.code == 0, done.err

        return made_once(f"{'.'.join((architecture, *options))}.onnx", convert_it)

    return make


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
def small_request(small_checkpoint, small_reference, synthetic):
    """A request for a model file of 20 bins of 128 bp, 15 factors and 3 tracks, without the output path."""
    return ConvertRequest(
        checkpoint=small_checkpoint,
        architecture=SMALL,
        motifs=synthetic / "synthetic.motifs",
        motif_factors=synthetic / "synthetic.factors.tsv",
        expression_reference=small_reference,
        output=Path(),
    )


@pytest.fixture(scope="session")
def make_small_model(small_request, tmp_path_factory):
    """Maker of small model files, in seconds instead of minutes, one for each form per session."""
    folder = tmp_path_factory.mktemp("models")

    @functools.cache
    def make(precision, attention="fused"):
        path = folder / f"small.{precision}.{attention}.onnx"
        convert(replace(small_request, output=path, precision=precision, attention=attention), say=pytest.fail)
        return path

    return make


@pytest.fixture(scope="session")
def small_model(make_small_model):
    """The small model file in fp32."""
    return make_small_model("fp32")


@pytest.fixture(scope="session")
def contacts_model(small_request, tmp_path_factory):
    """The small model file in fp32 with contacts of all layers in bins of 256 bp, and of the last layer of 512 bp."""
    path = tmp_path_factory.mktemp("models") / "small.contacts.onnx"
    wanted = ContactRequest(("all", "last"), (256, 512))
    convert(replace(small_request, output=path, precision="fp32", contacts=wanted), say=pytest.fail)
    return path


@pytest.fixture(scope="session")
def given_model(small_request, tmp_path_factory):
    """The small model file that scores only motif hits in the bin itself."""
    path = tmp_path_factory.mktemp("models") / "small.given.onnx"
    convert(replace(small_request, output=path, precision="fp32", motif_window=homer_given), say=pytest.fail)
    return path


@pytest.fixture
def write(tmp_path):
    """Write a table."""

    def write(content, name="sample.tsv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


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


@pytest.fixture
def other_tpm(tmp_path):
    """A table of another sample."""
    path = tmp_path / "other.tsv"
    rows = np.random.default_rng(9).gamma(0.5, 20, 15).round(2)
    path.write_text("gene_id\tTPM\n" + "".join(f"F{n:02d}\t{value}\n" for n, value in enumerate(rows)))
    return path


@pytest.fixture
def sequences(fasta):
    """Upper-cased sequence by contig."""
    records = fasta.read_text().split(">")[1:]
    return {r.split(maxsplit=1)[0]: "".join(r.split("\n")[1:]).upper() for r in records}


@pytest.fixture
def network_inputs(sequences, synthetic, small_reference, tpm):
    """Function that returns what the small network reads of a window: tokens, HOMER's scores and the expression."""
    factors = tuple(f"F{n:02d}" for n in range(SMALL.factors))
    cells = read_expression_reference(small_reference, factors)
    vector = reference.network_expression(read_tpm(tpm, factors).by_factor, cells.matrix).astype(np.float32)
    homer = np.load(synthetic / "scores.homer-200.npy")
    bins_of = [-(-len(sequence) // 128) for sequence in sequences.values()]
    firsts = dict(zip(sequences, np.cumsum([0, *bins_of]), strict=False))

    def window(contig, start):
        sequence = sequences[contig][start : start + SMALL.geometry.window_bp]
        bins = -(-len(sequence) // 128)
        scores = np.zeros((SMALL.factors, SMALL.bins), np.float16)
        row = firsts[contig] + start // 128
        scores[:, :bins] = homer[row : row + bins].T
        return reference.tokens(sequence.ljust(SMALL.geometry.window_bp, "N")), scores, vector

    return window


@pytest.fixture(scope="session")
def command():
    """Run an installed command in a process of its own."""

    def run(name, *arguments):
        words = [SCRIPTS / name, *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    return run


@dataclass
class Outcome:
    """What a command leaves: its exit code and what it printed."""

    code: int
    out: str
    err: str


def outcome_of(group, program, words):
    """Run a command in this process; return what it leaves.

    The environment is restored, because a command in a fixture of a wider scope would limit threads of other tests.
    """
    with patch.dict(os.environ):
        result = CliRunner().invoke(group, list(map(str, words)), prog_name=program)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def runner_of(name, given):
    """Return a runner of an `epigept-batch` command in this process; options override `given`, and None removes one."""

    def run(*arguments, **options):
        words = [
            word for option, value in (given | options).items() for word in (f"--{option}", value) if value is not None
        ]
        return outcome_of(cli, "epigept-batch", [name, *words, *arguments])

    return run


@pytest.fixture(scope="session")
def export():
    """Run `epigept-export` in this process, which has already loaded torch and Lightning: a new process takes seconds.

    Only for commands that end before the work begins, because the work changes torch settings of the whole process.
    """
    return lambda *words: outcome_of(export_cli, "epigept-export", words)


@pytest.fixture
def gpu_of_host_memory(monkeypatch):
    """The processor in place of a GPU; see `gpus`."""
    return take_the_processor_for_a_gpu(monkeypatch)


@pytest.fixture
def genome(fasta, small_model, tpm, tmp_path):
    """Run `epigept-batch genome` on the small inputs in this process; options override the defaults."""
    return runner_of(
        "genome", {"tpm": tpm, "fasta": fasta, "model": small_model, "out": tmp_path / "out", "device": "cpu"}
    )


@pytest.fixture
def contacts(fasta, contacts_model, tpm, tmp_path):
    """Run `epigept-batch contacts` likewise."""
    return runner_of(
        "contacts", {"tpm": tpm, "fasta": fasta, "model": contacts_model, "out": tmp_path / "out", "device": "cpu"}
    )


@pytest.fixture
def score(fasta, small_model, tpm, tmp_path):
    """Run `epigept-batch variants` on a file likewise."""
    given = {"tpm": tpm, "fasta": fasta, "model": small_model, "out": tmp_path / "scores.tsv", "device": "cpu"}
    run = runner_of("variants", given)
    return lambda *words, **options: run(*words, **{name.replace("_", "-"): value for name, value in options.items()})


@pytest.fixture
def screen(fasta, small_model, tpm, tmp_path):
    """Run `epigept-batch screen` likewise; the test names the regions."""
    return runner_of(
        "screen", {"tpm": tpm, "fasta": fasta, "model": small_model, "out": tmp_path / "out", "device": "cpu"}
    )


@pytest.fixture
def scan(fasta, small_model, tmp_path):
    """Run `epigept-batch scan` likewise."""
    return runner_of("scan", {"fasta": fasta, "model": small_model, "out": tmp_path / "scores"})

"""`epigept-batch setup`: what it installs, what it leaves alone, and what it says."""

import fcntl
import gzip
import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from Bio import bgzf

import bigwigs
from conftest import SCRIPTS, runner_of
from epigept_batch.commands.setup import plan
from epigept_batch.inference.model_file import read_spec
from epigept_batch.setup import exporter
from epigept_batch.setup.catalogue import read_catalogue
from epigept_export.load import embedded
from small import SMALL

CONTIGS = {"one": 20_000, "two": 700, "three": 90}


@pytest.fixture
def setup():
    """Run `epigept-batch setup` in this process."""
    return runner_of("setup", {})


@pytest.fixture
def plain(synthetic):
    """The genome as it is to be installed."""
    return (synthetic / "synthetic.fa").read_bytes()


def write_catalogue(path, assets, contigs=CONTIGS):
    lines = ['title = "small"']
    for name, entry in assets.items():
        lines += [f"[assets.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
    lines += ["[contigs]", *(f'"{name}" = {length}' for name, length in contigs.items())]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def ready(server, plain, small_model, tmp_path):
    """A catalogue of a genome and a model file that need not be converted."""
    assets = {
        "genome": {"url": server.put("/hg.fa.gz", gzip.compress(plain)), "page": "the page"},
        "model": {"url": server.put("/small.onnx", small_model.read_bytes())},
    }
    return write_catalogue(tmp_path / "ready.toml", assets)


@pytest.fixture
def published(server, plain, small_state, small_reference, synthetic, tmp_path):
    """A catalogue of a small network as networks are published: weights, motifs, reference and genome."""
    checkpoint = tmp_path / "small.ckpt"
    torch.save(small_state | embedded(SMALL), checkpoint)
    motifs, factors = ((synthetic / f"synthetic.{kind}").read_bytes() for kind in ("motifs", "factors.tsv"))
    assets = {
        "genome": {"url": server.put("/hg.fa.gz", gzip.compress(plain)), "bytes": 9000, "unpacked_bytes": 21_000},
        "checkpoint": {"url": server.put("/help/model.ckpt", checkpoint.read_bytes()), "licence": "MIT"},
        "expression_reference": {"url": server.put("/reference.tsv", small_reference.read_bytes()), "bytes": 1200},
        "motifs": {"url": server.put("/motifs", motifs), "sha256": hashlib.sha256(motifs).hexdigest()},
        "motif_factors": {"url": server.put("/f.tsv", factors), "sha256": hashlib.sha256(factors).hexdigest()},
    }
    return write_catalogue(tmp_path / "published.toml", assets)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def last(outcome):
    return outcome.err.splitlines()[-1]


def test_after_setup_a_run_needs_a_table_and_nothing_else(
    command, published, server, home, tpm, tmp_path, plain, setup
):
    """The main job from a published network on, by the installed commands."""
    done = command("epigept-batch", "setup", published, "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["what", "download", "state", "licence", "from"]
    assert lines[3].split() == [
        "expression",
        "reference",
        "1",
        "kB",
        "to",
        "fetch",
        "not",
        "stated",
        server.address("/reference.tsv"),
    ]
    assert lines[4].split() == ["checkpoint", "to", "fetch", "MIT", server.address("/help/model.ckpt")]
    assert lines[7:9] == [f"{home}/model.onnx: convert to fp32", f"{home}/genome.fa: install"]
    assert lines[9].startswith(f"disk: about 31 kB needed in {home}, ")
    assert "epigept-batch: converted: hg38, fp32, " in done.stderr
    assert "; verified\n" in done.stderr
    sources = [
        f"setup/{name}"
        for name in (
            "checkpoint/model.ckpt",
            "expression_reference/reference.tsv",
            "motif_factors/f.tsv",
            "motifs/motifs",
        )
    ]
    assert files(home) == ["genome.fa", "genome.fa.fai", "model.onnx", "setup.json", *sources]
    assert (home / "genome.fa").read_bytes() == plain
    assert [path for path, _ in server.requests] == [
        "/motifs",
        "/f.tsv",
        "/reference.tsv",
        "/help/model.ckpt",
        "/hg.fa.gz",
    ]

    run = subprocess.run(
        [SCRIPTS / "epigept-batch", "genome", "--tpm", tpm], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    values = bigwigs.bins(tmp_path / "sample.DNase.bw", "one", bin_bp=128)
    assert len(values) == 157
    assert np.nanstd(values) > 0.01
    record = json.loads((home / "setup.json").read_text())
    model, genome = record["installed"]["model.onnx"], record["installed"]["genome.fa"]
    assert model["sha256"] == hashlib.sha256((home / "model.onnx").read_bytes()).hexdigest()
    assert model["made_from"]["checkpoint"]["sha256"] == read_spec(home / "model.onnx").checkpoint_sha256
    assert model["precision"] == "fp32"
    assert model["versions"]["torch"] == torch.__version__
    assert (genome["how"], genome["contigs"], genome["bytes"]) == ("unpacked", 3, len(plain))

    server.requests.clear()
    again = setup(published, "--precision", "fp32")
    assert again.code == 0
    assert again.err == f"epigept-batch: {home}/model.onnx: up to date\nepigept-batch: {home}/genome.fa: up to date\n"
    other = setup(published)
    assert other.code == 0, other.err
    assert f"{home}/model.onnx: convert to fp16 again (previously fp32)\n" in other.out
    assert read_spec(home / "model.onnx").precision == "fp16"
    assert server.requests == []


def test_a_ready_model_and_a_packed_genome_are_installed_and_done_once(setup, ready, server, home, plain, small_model):
    outcome = setup(ready, "--json")
    assert outcome.code == 0, outcome.err
    assert (home / "genome.fa").read_bytes() == plain
    assert (home / "genome.fa.fai").read_text().split("\n")[1].split("\t")[:2] == ["two", "700"]
    assert (home / "model.onnx").read_bytes() == small_model.read_bytes()
    assert sorted(path.name for path in home.iterdir()) == ["genome.fa", "genome.fa.fai", "model.onnx", "setup.json"]
    assert json.loads(outcome.out) == json.loads((home / "setup.json").read_text())
    server.requests.clear()
    outcome = setup(ready)
    assert outcome.err.count("up to date") == 2
    assert server.requests == []
    outcome = setup(ready, "--force")
    assert f"{home}/genome.fa: install again (because of --force)" in outcome.out
    assert [path for path, _ in server.requests] == ["/small.onnx", "/hg.fa.gz"]


def test_a_dry_run_says_what_would_be_done_and_does_nothing(setup, ready, server, home):
    outcome = setup(ready, "--dry-run")
    assert outcome.code == 0
    assert f"{home}/genome.fa: install\n" in outcome.out
    assert outcome.err == ""
    assert files(home) == []
    assert server.requests == []


NO_FASTA = "not a FASTA, because no line begins with >; provide another file with --genome"
BAD_FILES = {
    "genome": ("genome", b"notes\n", NO_FASTA),
    "packed genome": ("genome", gzip.compress(b"notes\n"), NO_FASTA),
    "cut genome": ("genome", gzip.compress(b">one\nACGT\n")[:20], ": damaged gzip ("),
    "other genome": (
        "genome",
        b">one\nACGT\n",
        "wrong assembly: one has 4 bp instead of 20,000; use --genome to provide the",
    ),
    "model": ("model", b"notes\n", "not an ONNX model"),
    "motifs": ("motifs", b"notes\n", "1: begins with 'notes' and contains no line 'MEME version'; use motifs"),
    "factors": ("motif-factors", b"notes\n", "1: line must have a motif and a factor, separated by a tab"),
}


@pytest.mark.parametrize(("option", "content", "message"), BAD_FILES.values(), ids=BAD_FILES)
@pytest.mark.parametrize("more", [["--dry-run"], []], ids=["dry", "real"])
def test_a_local_file_of_no_use_is_refused_before_anything_is_fetched_or_written(
    setup, published, server, home, tmp_path, option, content, message, more
):
    published.write_text("\n".join(line for line in published.read_text().split("\n") if "sha256" not in line))
    path = tmp_path / "given"
    path.write_bytes(content)
    outcome = setup(published, *more, f"--{option}", path)
    assert outcome.code == 2
    assert outcome.err.startswith(f"epigept-batch: {path}:")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert files(home) == []
    assert not list(tmp_path.glob("*.fai"))
    assert server.requests == []


FAULTS = {
    "not there": (
        {"status": 404},
        "cannot be downloaded (404 Not Found); rerun, or download it from the page and pass it with --genome FILE",
        None,
    ),
    "overloaded": ({"status": 503}, "not available now (503 Service Unavailable), 3 times in a row; ", None),
    "cut": ({"cut": 1000}, "download ended after 3,000 of", 3000),
    "stalls": ({"stall": 1000}, "connection lost after 3,000 bytes (Read timed out.), 3 times in a row; ", 3000),
    "drops": ({"status": 0}, "cannot be reached (Remote end closed connection without response), 3 times", None),
    "a web page": ({"headers": {"Content-Type": "text/html"}}, "a web page, not the file; ", None),
}


@pytest.mark.parametrize(("fault", "message", "part"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line_and_the_next_run_goes_on(setup, ready, server, home, plain, fault, message, part):
    url = server.put("/hg.fa.gz", gzip.compress(plain), **fault)
    outcome = setup(ready)
    assert outcome.code == 2
    assert last(outcome).startswith(f"epigept-batch: {url}: {message}")
    assert "Traceback" not in outcome.err
    parts = [] if part is None else ["setup/genome/hg.fa.gz.part", "setup/genome/hg.fa.gz.part.json"]
    assert files(home) == ["model.onnx", "setup.json", *parts]
    server.put("/hg.fa.gz", gzip.compress(plain, mtime=0) if part is None else server.files["/hg.fa.gz"].body)
    server.requests.clear()
    outcome = setup(ready)
    assert outcome.code == 0, outcome.err
    assert ("to fetch, 3 kB already fetched" in outcome.out) == (part is not None)
    assert server.requests == [("/hg.fa.gz", part and f"bytes={part}-")]
    assert (home / "genome.fa").read_bytes() == plain


def test_a_pinned_file_that_is_another_is_said_and_removed(setup, ready, home):
    ready.write_text(ready.read_text().replace("[assets.genome]", f'[assets.genome]\nmd5 = "{"0" * 32}"'))
    outcome = setup(ready)
    assert outcome.code == 2
    assert ": checksum mismatch: md5 " in last(outcome)
    assert files(home) == ["model.onnx", "setup.json"]


def bgzip(plain):
    packed = io.BytesIO()
    stream = bgzf.BgzfWriter(fileobj=packed)
    stream.write(plain)
    stream.flush()
    return packed.getvalue() + bgzf._bgzf_eof  # noqa: SLF001 - closing would close the buffer too


@pytest.mark.parametrize(
    ("name", "pack", "how"),
    [
        ("a.fa", bytes, "linked"),
        ("a.fa.gz", gzip.compress, "unpacked"),
        ("a.fa.bgz", bgzip, "unpacked"),
    ],
    ids=["plain", "gzip", "bgzip"],
)
def test_a_genome_of_the_users_own(setup, ready, server, home, tmp_path, plain, name, pack, how):
    path = tmp_path / name
    before = pack(plain)
    path.write_bytes(before)
    outcome = setup(ready, genome=path)
    assert outcome.code == 0, outcome.err
    assert (home / "genome.fa").read_bytes() == plain
    assert (home / "genome.fa").is_symlink() == (how == "linked")
    assert json.loads((home / "setup.json").read_text())["installed"]["genome.fa"]["how"] == how
    assert path.read_bytes() == before
    assert [asked for asked, _ in server.requests] == ["/small.onnx"]
    assert setup(ready, genome=path).err.count("up to date") == 2
    outcome = setup(ready, genome=server.address("/hg.fa.gz"))
    assert f"{home}/genome.fa: install again (genome previously from {path})" in outcome.out
    assert not (home / "genome.fa").is_symlink()
    assert path.read_bytes() == before


def test_what_was_given_stays_until_another_is_given_or_all_is_done_anew(setup, ready, server, home, tmp_path, plain):
    path = tmp_path / "mine.fa.gz"
    path.write_bytes(gzip.compress(plain))
    assert setup(ready, genome=path).code == 0
    server.requests.clear()
    again = setup(ready)
    assert again.out.splitlines()[2].split() == ["genome", "up", "to", "date,", "given", "by", "you", "—", str(path)]
    assert again.err.count("up to date") == 2
    path.write_bytes(gzip.compress(plain, mtime=0) + gzip.compress(b""))
    changed = setup(ready)
    assert f"{home}/genome.fa: install again (genome changed since)\n" in changed.out
    assert (changed.code, changed.out.splitlines()[2].split()[1:4]) == (0, ["given", "by", "you"])
    path.unlink()
    assert setup(ready).err.count("up to date") == 2
    (home / "genome.fa").unlink()
    gone = setup(ready)
    assert gone.code == 2
    message = "genome cannot be read: No such file or directory; provide another file with --genome"
    assert last(gone) == f"epigept-batch: {path}: {message}"
    assert server.requests == []
    assert setup(ready, "--force").code == 0
    assert [asked for asked, _ in server.requests] == ["/small.onnx", "/hg.fa.gz"]
    assert setup(ready).out.splitlines()[2].split()[:4] == ["genome", "up", "to", "date"]


def test_a_model_that_was_given_ready_stays_until_parts_of_one_are(setup, published, home, fasta, small_model):
    assert setup(published, model=small_model, genome=fasta).code == 0
    again = setup(published)
    assert again.err.count("up to date") == 2
    parts = setup(published, "--dry-run", checkpoint=small_model)
    assert f"{home}/model.onnx: convert to fp16 again (" in parts.out
    assert parts.out.splitlines()[5].split()[:6] == ["genome", "up", "to", "date,", "given", "by"]


def test_the_plan_says_what_is_given_and_of_the_disk_only_what_is_needed(setup, ready, home, fasta, small_model):
    outcome = setup(ready, "--dry-run", genome=fasta, model=small_model)
    model, genome = outcome.out.splitlines()[1:3]
    assert model.split() == ["model", "given", "by", "you", "—", str(small_model)]
    assert genome.split() == ["genome", "given", "by", "you", "—", str(fasta)]
    assert outcome.out.splitlines()[-1].startswith("disk: about ")
    assert setup(ready, genome=fasta, model=small_model).code == 0
    assert setup(ready, genome=fasta, model=small_model).out.splitlines()[-1] == f"{home}/genome.fa: up to date"


def test_a_plain_genome_is_fetched_as_it_is(setup, ready, server, home, plain):
    outcome = setup(ready, genome=server.put("/hg.fa", plain))
    assert outcome.code == 0, outcome.err
    assert (home / "genome.fa").read_bytes() == plain
    assert not (home / "genome.fa").is_symlink()
    assert files(home) == ["genome.fa", "genome.fa.fai", "model.onnx", "setup.json"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "one = 20000",
            "one = 20001",
            "wrong assembly: one has 20,000 bp instead of 20,001; use --genome to provide the assembly that",
        ),
        (
            "two = 700",
            "four = 700",
            "no contig four; use --genome to provide the assembly that the network was trained on",
        ),
    ],
)
@pytest.mark.parametrize("given", [False, True])
def test_another_assembly_is_refused_however_it_came(
    setup, ready, server, home, tmp_path, plain, old, new, message, given
):
    ready.write_text(ready.read_text().replace(f'"{old[:3]}"{old[3:]}', f'"{new.split()[0]}" = {new.split()[2]}'))
    path = tmp_path / "a.fa"
    path.write_bytes(plain)
    outcome = setup(ready, genome=path if given else None)
    assert outcome.code == 2
    assert last(outcome).startswith(f"epigept-batch: {path if given else server.address('/hg.fa.gz')}: {message}")
    assert files(home) == ([] if given else ["model.onnx", "setup.json"])
    assert [asked for asked, _ in server.requests] == ([] if given else ["/small.onnx", "/hg.fa.gz"])
    assert path.exists()


def test_contigs_may_lack_chr(setup, ready, home):
    ready.write_text(ready.read_text().replace('"one"', '"chrone"'))
    assert setup(ready).code == 0
    assert (home / "genome.fa").exists()


@pytest.mark.parametrize("harm", [lambda b: b[:-20], lambda b: b[:500] + b"xx" + b[502:]], ids=["cut short", "damaged"])
def test_a_damaged_genome_is_refused(setup, ready, server, home, plain, harm):
    server.put("/hg.fa.gz", harm(gzip.compress(plain)))
    outcome = setup(ready)
    assert outcome.code == 2
    assert last(outcome).startswith(f"epigept-batch: {home}/setup/genome/hg.fa.gz: damaged gzip (")
    assert files(home) == ["model.onnx", "setup.json"]


def test_a_full_disk_while_unpacking_leaves_nothing_half(setup, ready, home, monkeypatch):
    from epigept_batch.setup import assembly

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(assembly, "_next_block", full)
    outcome = setup(ready)
    assert outcome.code == 2
    assert last(outcome).endswith("genome.fa: cannot be written: No space left on device; free some space and rerun")
    assert files(home) == ["model.onnx", "setup.json", "setup/genome/hg.fa.gz"]


@pytest.mark.parametrize(("name", "option"), [("genome.fa", "--genome"), ("model.onnx", "--model")])
def test_what_setup_did_not_make_is_not_replaced(setup, ready, home, plain, small_model, name, option):
    own = {"genome.fa": plain, "model.onnx": small_model.read_bytes()}[name]
    (home / name).write_bytes(own + b"\n" * (name == "genome.fa"))
    before = (home / name).read_bytes()
    outcome = setup(ready)
    assert outcome.code == 2
    assert outcome.err == (
        f"epigept-batch: {home}/{name}: not made by setup, or changed since, so it is not replaced; keep it with "
        f"{option} {home}/{name}, or replace it with --force\n"
    )
    assert files(home) == [name]
    assert (home / name).read_bytes() == before

    kept = setup(ready, option, home / name)
    assert kept.code == 0, kept.err
    assert (home / name).read_bytes() == before
    assert not (home / name).is_symlink()
    assert setup(ready, option, home / name).err.count("up to date") == 2

    (home / name).write_bytes(b"changed")
    assert setup(ready).code == 2
    assert setup(ready, "--force").code == 0
    assert (home / name).read_bytes() == own


def test_motifs_of_the_users_own_must_be_those_of_the_network(setup, published, home, tmp_path, synthetic, server):
    own = tmp_path / "own.motifs"
    own.write_text((synthetic / "synthetic.motifs").read_text() + "\n")
    outcome = setup(published, motifs=own)
    pinned, found = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (synthetic / "synthetic.motifs", own))
    assert outcome.code == 2
    assert outcome.err == (
        f"epigept-batch: {own}: not the motifs file that the network was trained with: sha256 {found} instead of "
        f"{pinned}; leave out --motifs to fetch the right file\n"
    )
    assert files(home) == []
    assert server.requests == []


def test_a_checkpoint_of_no_use_is_said_by_the_exporter(setup, published, server, home):
    server.put("/help/model.ckpt", b"no checkpoint")
    outcome = setup(published)
    assert outcome.code == 2
    assert last(outcome) == (
        f"epigept-batch: {home}/setup/checkpoint/model.ckpt: not a checkpoint, or truncated; use a file that "
        "torch.save wrote (torch 1.6 or later), or safetensors (--force fetches everything again)"
    )
    assert "model.onnx" not in files(home)


def test_a_local_file_of_no_use_is_not_said_to_be_fetched_again(setup, published, tmp_path):
    own = tmp_path / "own.tsv"
    own.write_text("\ta\tb\nF00\t1\tx\n")
    outcome = setup(published, **{"expression-reference": own})
    assert outcome.code == 2
    assert last(outcome) == f"epigept-batch: {own}:2: a row must have a factor and 2 TPM values of at least 0"


WITHOUT = "import epigept_export.cli as c; c.find_spec = lambda name: None if name == 'torch' else name; c.main()"
BROKEN = "import sys; sys.modules['torch'] = None; import epigept_export.cli as c; c.find_spec = str; c.main()"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            WITHOUT,
            "torch not installed; run pip install 'epigept-batch[export]'; or provide a ready model file with --model",
        ),
        (
            BROKEN,
            (
                "torch cannot be loaded (import of torch halted; None in sys.modules); run pip install "
                "'epigept-batch[export]' again; or provide a ready model file with --model"
            ),
        ),
    ],
)
def test_a_missing_exporter_is_said_before_anything_is_fetched(
    setup, published, server, home, monkeypatch, program, message
):
    monkeypatch.setattr(exporter, "PROGRAM", (sys.executable, "-c", program))
    for options in ([], ["--dry-run"]):
        outcome = setup(published, *options)
        assert outcome.code == 2
        assert outcome.err == f"epigept-batch: {message}\n"
    assert files(home) == []
    assert server.requests == []


@pytest.mark.parametrize(
    ("program", "code", "message"),
    [
        (
            "import os; os.kill(os.getpid(), 9)",
            1,
            "epigept-export convert was stopped by SIGKILL; conversion requires 1.5 GB",
        ),
        ("import sys; print('epigept-export: a miss', file=sys.stderr); sys.exit(1)", 1, "a miss"),
        ("import sys; sys.exit(3)", 1, "epigept-export convert exited with code 3"),
    ],
)
def test_a_conversion_that_fails_leaves_what_was_fetched(setup, published, home, monkeypatch, program, code, message):
    check = "import sys\nif 'check' in sys.argv: sys.exit(0)\n"
    monkeypatch.setattr(exporter, "PROGRAM", (sys.executable, "-c", check + program))
    outcome = setup(published)
    assert outcome.code == code
    assert last(outcome).startswith(f"epigept-batch: {message}")
    sources = ["checkpoint/model.ckpt", "expression_reference/reference.tsv", "motif_factors/f.tsv", "motifs/motifs"]
    assert files(home) == ["setup.json", *(f"setup/{name}" for name in sources)]


def test_a_local_genome_is_installed_before_a_conversion_that_takes_longer(
    setup, published, server, tmp_path, monkeypatch, fasta
):
    monkeypatch.setattr(exporter, "PROGRAM", (sys.executable, "-c", "import sys; sys.exit('check' not in sys.argv)"))
    places = {
        "checkpoint": "/help/model.ckpt",
        "expression-reference": "/reference.tsv",
        "motifs": "/motifs",
        "motif-factors": "/f.tsv",
    }
    parts = {name: tmp_path / f"{name}.of_mine" for name in places}
    for name, place in places.items():
        parts[name].write_bytes(server.files[place].body)
    fasta.write_text(fasta.read_text().replace("\n", "\n\n", 3))
    outcome = setup(published, genome=fasta, **parts)
    assert outcome.code == 2
    assert "make all lines the same length and remove blank lines" in last(outcome)
    assert "converting" not in outcome.err


def test_what_is_fetched_from_elsewhere_takes_the_place_of_what_was(setup, published, server, home, monkeypatch):
    monkeypatch.setattr(exporter, "PROGRAM", (sys.executable, "-c", "import sys; sys.exit('check' not in sys.argv)"))
    assert setup(published).code == 1
    assert setup(published, checkpoint=server.put("/other.ckpt", b"other")).code == 1
    assert [path.name for path in (home / "setup/checkpoint").iterdir()] == ["other.ckpt"]
    server.requests.clear()
    assert setup(published).code == 1
    assert [path for path, _ in server.requests] == ["/help/model.ckpt"]


def test_too_small_a_disk_is_said_before_anything_is_fetched(setup, ready, server, home, monkeypatch):
    ready.write_text(
        ready.read_text().replace("[assets.genome]", "[assets.genome]\nbytes = 5_000_000\nunpacked_bytes = 20_000_000")
    )
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda _: SimpleNamespace(free=24_000_000))
    outcome = setup(ready)
    assert outcome.code == 2
    assert outcome.err == (
        f"epigept-batch: {home}: requires about 25.0 MB, but only 24.0 MB are free; free some space, or set "
        "EPIGEPT_BATCH_HOME to another folder\n"
    )
    assert server.requests == []


def test_two_setups_do_not_meet(setup, ready, home):
    with (home / "setup.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        outcome = setup(ready)
    assert outcome.code == 2
    assert outcome.err == f"epigept-batch: {home}: another setup is running in this folder; wait for it to finish\n"


def test_a_lock_that_ends_while_it_is_waited_for_keeps_nobody_out_and_is_taken_anew(setup, ready, home, monkeypatch):
    """Between another's opening of the file and its lock the first set-up may be done, and the file be gone."""
    lock, lock_file = home / "setup.lock", fcntl.flock
    locked = []

    def flock(stream, how):
        if not locked:
            lock.unlink()
        locked.append(lock.exists())
        lock_file(stream, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert setup(ready).code == 0
    assert locked == [False, True]
    assert not lock.exists()


def interrupt(catalogue, number, when):
    """Send a signal to `setup` as soon as something is so; its exit code and what it said last."""
    words = [SCRIPTS / "epigept-batch", "setup", catalogue]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not when(process):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        return process.returncode, err.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_keeps_what_has_come(ready, server, home, plain, setup, number):
    body = gzip.compress(plain)
    server.put("/hg.fa.gz", body, stall=2000)
    part = home / "setup/genome/hg.fa.gz.part"
    ended = interrupt(ready, number, lambda _: part.exists() and part.stat().st_size == 2000)
    assert ended == (130, "epigept-batch: interrupted")
    assert part.read_bytes() == body[:2000]
    assert "genome.fa" not in files(home)
    server.put("/hg.fa.gz", body)
    assert setup(ready).code == 0
    assert server.requests[-1] == ("/hg.fa.gz", "bytes=2000-")


def test_an_interruption_ends_the_conversion_too(published, home):
    children = []

    def converting(process):
        tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
        children[:] = [child for task in tasks for child in task.read_text().split()]
        return (home / "setup/work").is_dir() and bool(children)

    assert interrupt(published, signal.SIGTERM, converting) == (130, "epigept-batch: interrupted")
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not (home / "setup/work").exists()
    assert "model.onnx" not in files(home)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--model", "a", "--checkpoint", "b"],
            "--model provides a ready model file, but --checkpoint is used to make one",
        ),
        (
            ["--genome", "absent.fa"],
            "{cwd}/absent.fa: genome cannot be read: No such file or directory; provide another file with --genome",
        ),
        (
            ["--genome", "ftp://a/b.fa"],
            "ftp://a/b.fa: not a download address; use http://, https:// or a file with --genome",
        ),
        (["--checkpoint", "ready.toml"], "ready.toml: has no motifs; provide it with --motifs"),
        (["--model", "ready.toml"], "{cwd}/ready.toml: not an ONNX model, or truncated"),
    ],
)
def test_what_is_given_wrong_is_said(setup, ready, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    outcome = setup("ready.toml", *options)
    assert outcome.code == 2
    assert message.format(cwd=tmp_path) in last(outcome)
    assert last(outcome).startswith("epigept-batch: ")
    assert ready.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("assets = [", "not valid TOML: "),
        ("", "not a valid catalogue: [assets.genome] is missing"),
        ('[assets.genome]\nurl = "a"', "not a valid catalogue: [assets.motifs] is missing"),
        ("[assets.genome]\nbytes = 3", "not a valid catalogue: genome has no url"),
        ("[assets.genome]\nurl = 3", "not a valid catalogue: url of genome has the wrong type: 3"),
        ('[assets.genome]\nurl = "a"\nsha = "b"', "not a valid catalogue: unknown key sha of genome"),
        ('[assets.genom]\nurl = "a"', "not a valid catalogue: unknown key genom"),
        (
            '[assets.genome]\nurl = "a"\n[assets.model]\nurl = "b"\n[contigs]\nchr1 = "x"',
            "not a valid catalogue: the length of contig chr1",
        ),
    ],
)
def test_what_is_wrong_with_a_catalogue_is_said(setup, tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    outcome = setup(path)
    assert outcome.code == 2
    assert outcome.err.startswith(f"epigept-batch: {path}: {message}")
    assert outcome.err.count("\n") == 1


def test_a_catalogue_that_is_not_there_is_said(setup, tmp_path):
    assert last(setup("hg19")) == "epigept-batch: no catalogue 'hg19'; use hg38, or the path of a catalogue file"
    absent = tmp_path / "absent.toml"
    assert last(setup(absent)) == f"epigept-batch: {absent}: catalogue cannot be read: No such file or directory"


def test_a_catalogue_may_name_files(setup, home, tmp_path, plain, small_model):
    (tmp_path / "hg.fa").write_bytes(plain)
    shutil.copy(small_model, tmp_path / "small.onnx")
    path = write_catalogue(tmp_path / "files.toml", {"genome": {"url": "hg.fa"}, "model": {"url": "small.onnx"}})
    assert setup(path).code == 0
    assert (home / "genome.fa").resolve() == tmp_path / "hg.fa"
    assert (home / "model.onnx").read_bytes() == small_model.read_bytes()


def test_the_catalogue_of_hg38():
    """Pins and lengths as published."""
    catalogue = read_catalogue("hg38")
    assert len(catalogue.contigs) == 24
    assert sum(catalogue.contigs.values()) == 3_088_269_832
    assert catalogue.assets["genome"].md5 == "1c9dcaddfa41027f17cd8f7a82c7293b"
    for asset in catalogue.assets.values():
        assert asset.is_remote
        assert asset.page.startswith("https://")


def test_the_catalogue_of_hg38_pins_the_motifs_of_the_real_data(shared):
    assets = read_catalogue("hg38").assets
    for name, file in (("motifs", "all_motif_rmdup"), ("motif_factors", "MotifMatch_human_rmdup.mat")):
        path = shared / "motifs" / file
        assert hashlib.sha256(path.read_bytes()).hexdigest() == assets[name].sha256
        assert path.stat().st_size == assets[name].bytes

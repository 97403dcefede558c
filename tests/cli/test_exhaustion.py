"""Where the system is short of something: one line that says of what, and what to do."""

import errno
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from epigept_batch.cli.main import cli
from epigept_batch.errors import InputError, ModelError, OutputError
from epigept_batch.expression.tables import open_table
from epigept_batch.files import make_folder
from epigept_batch.inference import model_file
from epigept_batch.inference.model_file import read_spec
from epigept_batch.motifs.motif_set import read_factor_pairs, read_motifs
from epigept_batch.motifs.store import ScoreKey, ScoreStore
from epigept_batch.sequence import fasta_index
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.regions import read_bed
from epigept_batch.tiling import Contig
from epigept_export.checkpoint import read_state_dict
from epigept_export.convert import read_expression_reference
from epigept_export.training.config import read_config

READERS = {
    "table": (open_table, InputError),
    "FASTA": (Genome, InputError),
    "motifs": (read_motifs, InputError),
    "factor pairs": (read_factor_pairs, InputError),
    "BED": (lambda path: read_bed(path, {}), InputError),
    "expression reference": (lambda path: read_expression_reference(path, []), InputError),
    "training configuration": (read_config, InputError),
    "model file": (read_spec, ModelError),
    "checkpoint": (read_state_dict, ModelError),
    "output folder": (lambda path: make_folder(path.parent), OutputError),
}


@contextmanager
def no_files_left():
    """No file can be opened any more."""
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("name", READERS)
def test_every_reader_says_that_no_more_files_can_be_opened(tmp_path, name):
    read, kind = READERS[name]
    path = tmp_path / "input"
    path.write_text(">a\nACGT\n")
    with (
        pytest.raises(kind, match="Too many open files; raise the limit, for example with ulimit -n 4096"),
        no_files_left(),
    ):
        read(path)


def refuse(*_, **__):
    raise OSError(errno.EMFILE, "Too many open files")


def test_so_does_an_index_that_cannot_be_made(tmp_path, monkeypatch):
    path = tmp_path / "g.fa"
    path.write_text(">a\nACGT\n")
    monkeypatch.setattr(fasta_index.pyfaidx.Faidx, "_open_fai", refuse)
    with pytest.raises(InputError, match="FASTA cannot be read or indexed: Too many open files; raise the limit"):
        Genome(path)
    assert [p.name for p in tmp_path.iterdir()] == ["g.fa"]


def test_a_store_is_not_called_damaged_for_want_of_files(tmp_path, monkeypatch):
    """Else its user would be told to delete it."""
    contig = Contig("c", 128_000)
    store = ScoreStore.create(tmp_path / "store", ScoreKey(1, "m", "0,128", 128, ("f",)))
    store.add(contig, "md5")
    store.write(contig, 0, np.ones((1, 1000), np.float16))
    opened = ScoreStore.open(tmp_path / "store")
    real = Path.read_bytes
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: real(path) if path.suffix == ".json" else refuse())
        with pytest.raises(InputError, match="c.0.0: score store cannot be read: Too many open files; raise the limit"):
            opened.read(contig, 0, 1000)
    monkeypatch.setattr(zarr, "open_group", refuse)
    with pytest.raises(InputError, match="store: score store cannot be read: Too many open files; raise the limit"):
        ScoreStore.open(tmp_path / "store")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.EMFILE, "Too many open files", "/x/y"),
            "/x/y: Too many open files; raise the limit, for example",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; free some space and rerun"),
        (
            OSError(errno.EDQUOT, "Disk quota exceeded"),
            "Disk quota exceeded; free some space within your quota and rerun",
        ),
        (OSError(errno.EFBIG, "File too large"), "File too large; raise the limit of ulimit -f"),
        (MemoryError(), "out of memory; close other programs, or use a machine with more memory"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_nobody_foresaw_is_one_line_all_the_same(monkeypatch, error, said):
    def fail(_):
        raise error

    monkeypatch.setattr(model_file, "read_spec", fail)
    result = CliRunner().invoke(cli, ["info", "model.onnx"], prog_name="epigept-batch")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"epigept-batch: {said}")
    assert result.stderr.count("\n") == 1


def test_other_errors_keep_their_traceback(monkeypatch):
    def fail(_):
        raise OSError(errno.ENOTDIR, "Not a directory", "x")

    monkeypatch.setattr(model_file, "read_spec", fail)
    result = CliRunner().invoke(cli, ["info", "model.onnx"], prog_name="epigept-batch")
    assert isinstance(result.exception, NotADirectoryError)

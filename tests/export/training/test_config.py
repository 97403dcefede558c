"""Configurations of trainings, and what is said of bad ones."""

import pytest

from epigept_batch.errors import InputError
from epigept_batch.simulation.write import Simulation, training_config
from epigept_batch.spec import ScanWindow
from epigept_export.training.config import read_config

SIMULATION = Simulation(1, ("sim1", "sim2", "sim3"), 50_000, tuple(f"cell{n}" for n in range(5)))


@pytest.fixture
def write(tmp_path):
    """The configuration of a simulation with something replaced."""

    def write(old="", new=""):
        text = training_config(SIMULATION)
        assert old in text
        path = tmp_path / "train.toml"
        path.write_text(text.replace(old, new, 1))
        return path

    return write


def test_the_simulations_own_configuration(write, tmp_path):
    config = read_config(write())
    assert config.data.fasta == tmp_path / "genome.fa"
    assert config.data.signals == f"{tmp_path}/signal/{{cell}}.{{track}}.bw"
    assert config.split.validation_contigs == ("sim2",)
    assert config.split.test_contigs == ("sim3",)
    assert config.split.validation_cells == ("cell3",)
    assert config.split.test_cells == ("cell4",)
    architecture = config.architecture
    assert (architecture.bins, architecture.positions, architecture.layers) == (256, 256, 3)
    assert architecture.scan_window == ScanWindow(-256, 384)
    assert architecture.tracks == config.data.tracks
    assert config.fit.learning_rate == 2e-3


def test_the_size_is_that_of_the_file_or_the_command_line(write):
    assert read_config(write('size = "small"', 'size = "published"')).architecture.layers == 12
    assert read_config(write('size = "small"\n', "")).architecture.feed_forward == 1024
    assert read_config(write(), size="published").architecture.layers == 12
    assert read_config(write('size = "small"', 'size = "small"\nlayers = 7')).architecture.layers == 7


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[data]", "[dta]", r"unknown table \[dta\]; known tables are data, split, network, fit"),
        ("fasta =", "fast =", "unknown key data.fast; known keys are fasta, motifs"),
        ('fasta = "genome.fa"\n', "", "data.fasta is missing"),
        ('fasta = "genome.fa"', "fasta = 3", "data.fasta is 3; it must be a path"),
        ("{cell}.{track}", "{cell}", "data.signals must contain {cell} and {track}"),
        (
            "motif_window = [-256, 384]",
            "motif_window = [1]",
            r"data.motif_window is \[1\]; it must be two whole numbers",
        ),
        ("minutes = 42", 'minutes = "long"', "fit.minutes is 'long'; it must be a number"),
        ("minutes = 42", "minutes = true", "fit.minutes is True; it must be a number"),
        ("epochs = 1000", "epochs = 1.5", "fit.epochs is 1.5; it must be a whole number"),
        ('size = "small"', 'size = "huge"', "network.size is 'huge'; it must be published or small"),
        ('size = "small"', "depth = 3", "unknown key network.depth; known keys are size, bins, layers"),
        ("[data]", "[data", "not valid TOML"),
        (
            'scores = "genome.scores"',
            'scores = "s"\nspace = "cube"',
            "data.space is 'cube'; it must be linear or log1p",
        ),
        (
            'validation_cells = ["cell3"]',
            'validation_cells = "cell3"',
            "split.validation_cells is 'cell3'; it must be a list",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(write, old, new, message):
    path = write(old, new)
    with pytest.raises(InputError, match=message) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="training configuration cannot be read: No such file or directory"):
        read_config(tmp_path / "absent.toml")

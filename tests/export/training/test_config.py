"""Configurations of trainings, and what is said of bad ones."""

from dataclasses import replace

import pytest

from epigept_batch.errors import InputError
from epigept_batch.simulation.write import Simulation, training_config
from epigept_batch.spec import ScanWindow
from epigept_export.training.config import ContactConfig, read_config

SIMULATION = Simulation(1, ("sim1", "sim2", "sim3"), 50_000, tuple(f"cell{n}" for n in range(5)))
CONTACTS = 'contacts = "hic/{cell}.cool"'


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


def test_contacts_are_off_unless_there_are_files(write):
    assert read_config(write()).contacts is None
    assert read_config(write()).data.contacts == ""


def test_the_simulations_own_configuration_with_contacts(tmp_path):
    path = tmp_path / "train.toml"
    path.write_text(training_config(replace(SIMULATION, contacts=True)))
    config = read_config(path)
    assert config.data.contacts == f"{tmp_path}/contacts/{{cell}}.contacts.cool"
    assert config.contacts == ContactConfig(2.0, (0, 1, 2), (0, 1, 2, 3), 0)


def test_layers_and_heads_are_chosen_by_word_or_number(write, tmp_path):
    def contacts(table, size="small"):
        new = f'scores = "genome.scores"\n{CONTACTS}\n[contacts]\n{table}'
        return read_config(write('scores = "genome.scores"\n', new), size=size).contacts

    assert read_config(write("[split]", f"{CONTACTS}\n[split]")).data.contacts == f"{tmp_path}/hic/{{cell}}.cool"
    assert read_config(write("[split]", f"{CONTACTS}\n[split]")).contacts == contacts("")
    assert contacts("") == ContactConfig(2.0, (0, 1, 2), (0, 1, 2, 3), 0)
    assert contacts("", size="published") == ContactConfig(2.0, tuple(range(12)), tuple(range(8)), 0)
    assert contacts('layers = "last"').layers == (2,)
    assert contacts('layers = "last"', size="published").layers == (11,)
    assert contacts("layers = [2, 0]").layers == (0, 2)
    assert contacts("heads = [3]\nweight = 0\nbin_bp = 1024") == ContactConfig(0, (0, 1, 2), (3,), 1024)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("weight = -1", "contacts.weight is -1; it must be at least 0"),
        ("weight = nan", "contacts.weight is nan; it must be at least 0"),
        ("weight = inf", "contacts.weight is inf; it must be at least 0"),
        ('weight = "much"', "contacts.weight is 'much'; it must be a number"),
        ("bin_bp = -5", "contacts.bin_bp is -5; it must be a number of base pairs, or 0"),
        ("bin_bp = 1.5", "contacts.bin_bp is 1.5; it must be a whole number"),
        ('layers = "first"', 'contacts.layers is \'first\'; it must be "all" or "last" or a list of numbers'),
        ('heads = "last"', "contacts.heads is 'last'; it must be \"all\" or a list of numbers"),
        ("layers = [3]", "contacts.layers has 3; the network has layers 0 to 2"),
        ("layers = [-1]", "contacts.layers has -1; the network has layers 0 to 2"),
        ("heads = [0, 4]", "contacts.heads has 4; the network has heads 0 to 3"),
        ("heads = []", "contacts.heads is empty; the network has heads 0 to 3"),
        ("heads = [1, 1]", "contacts.heads has a number twice"),
        ("heads = [true]", r"contacts.heads is \[True\]; it must be \"all\" or a list of whole numbers"),
        ("heads = 2", 'contacts.heads is 2; it must be "all" or a list of whole numbers'),
        ("depth = 2", "unknown key contacts.depth; known keys are weight, layers, heads, bin_bp"),
    ],
)
def test_what_is_wrong_with_contacts_is_said_in_one_line(write, table, message):
    path = write('scores = "genome.scores"\n', f'scores = "genome.scores"\n{CONTACTS}\n[contacts]\n{table}')
    with pytest.raises(InputError, match=message) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[data]", "[dta]", r"unknown table \[dta\]; known tables are data, split, network, fit, contacts"),
        ("[split]", 'contacts = "hic.cool"\n[split]', "data.contacts must contain {cell}"),
        ("[split]", "contacts = 3\n[split]", "data.contacts is 3; it must be text"),
        ("[split]", "[contacts]\n[split]", r"\[contacts\] needs data.contacts, the files of contacts"),
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

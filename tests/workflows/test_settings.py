"""The workflows call commands that exist, with options that exist, and have the same settings."""

import re

import click
import pytest
import yaml

from epigept_batch.cli.main import cli
from pages import ROOT

FOLDER = ROOT / "workflows"
WORKFLOWS = {name: (FOLDER / name).read_text() for name in ("snakemake/Snakefile", "nextflow/main.nf")}
SETTINGS = yaml.safe_load((FOLDER / "snakemake/config.yaml").read_text())
CALL = re.compile(r"epigept-batch cohort (\w+) ([^\n]*)")


@pytest.mark.parametrize("name", [*WORKFLOWS, "slurm/cohort.sbatch"])
def test_commands_and_options_exist(name):
    calls = CALL.findall((FOLDER / name).read_text())
    assert calls
    for command, words in calls:
        known = cli.commands["cohort"].commands[command]
        options = {option for one in known.params if isinstance(one, click.Option) for option in one.opts}
        assert set(re.findall(r"(?<=\s)--[\w-]+", words)) - {"--wrap"} <= options, (command, words)


def test_both_workflows_do_the_same():
    calls = {name: [command for command, _ in CALL.findall(text)] for name, text in WORKFLOWS.items()}
    assert calls["snakemake/Snakefile"] == calls["nextflow/main.nf"] == ["init", "partition", "finalise", "extract"]


def test_every_setting_is_used_and_has_the_same_default():
    assert set(re.findall(r'config\["(\w+)"\]', WORKFLOWS["snakemake/Snakefile"])) == set(SETTINGS)
    assert set(re.findall(r"params\.(\w+)", WORKFLOWS["nextflow/main.nf"])) == set(SETTINGS)
    block = (FOLDER / "nextflow/nextflow.config").read_text().partition("params {\n")[2].partition("\n}")[0]
    lines = re.findall(r"^    (\w+) = ('[^']*'|\d+)(?: +//.*)?$", block, re.MULTILINE)
    assert len(lines) == block.count("\n") + 1
    assert {name: yaml.safe_load(value) for name, value in lines} == SETTINGS

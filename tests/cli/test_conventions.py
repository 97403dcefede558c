"""What users of command-line tools expect of every command: short options, defaults, examples, completion."""

import inspect
import os
import re
import shutil
import subprocess
from collections import defaultdict

import click
import pytest

from conftest import SCRIPTS
from epigept_batch.cli.main import cli
from epigept_batch.cli.samples import parse_tables
from epigept_batch.errors import InputError
from epigept_export.cli import cli as export_cli

PROGRAMS = {"epigept-batch": cli, "epigept-export": export_cli}
SHORT = {"--out": "-o", "--threads": "-t", "--quiet": "-q", "--help": "-h"}


def names_of(group):
    """Names of a group's commands, and of those in its groups, such as `cohort init`."""
    for name, command in group.commands.items():
        yield name
        if isinstance(command, click.Group):
            yield from (f"{name} {inner}" for inner in names_of(command))


COMMANDS = [(program, name) for program, group in PROGRAMS.items() for name in names_of(group)]
SAME_DEFAULT = ("--threads", "--model", "--fasta", "--batch-size", "--precision", "--all-contigs")
OF_ANOTHER_MEANING = {  # that of the tracks; one to install; that of the run; of bins in peaks; that of the plan
    *((f"cohort {name}", option) for name in ("partition", "run") for option in ("--model", "--fasta")),
    ("calibrate", "--model"),
    ("evaluate", "--model"),
    ("mean", "--model"),
    ("setup", "--model"),
    ("view", "--fasta"),
    ("peaks", "--precision"),
}


def command_of(program, name):
    found = PROGRAMS[program]
    for word in name.split():
        found = found.commands[word]
    return found


def options_of(program, name):
    return [option for option in command_of(program, name).params if isinstance(option, click.Option)]


@pytest.mark.parametrize(("program", "name"), COMMANDS)
def test_common_options_have_their_short_forms(program, name):
    for option in options_of(program, name):
        for long, short in SHORT.items():
            assert (long in option.opts) == (short in option.opts), option.opts


@pytest.mark.parametrize(("program", "name"), COMMANDS)
def test_what_writes_a_file_or_folder_takes_out(program, name):
    longs = {long for option in options_of(program, name) for long in option.opts}
    # The cohort itself is the argument of those that write into it.
    within = name.startswith("cohort") and name != "cohort extract"
    without = ("setup", "info", "bench", "completion", "check", "verify", "view")
    assert ("--out" in longs) == (not within and name not in without)


def test_older_names_of_out_stay():
    assert "--output" in {name for option in options_of("epigept-export", "convert") for name in option.opts}
    for command in ("evaluate", "expression"):
        assert "--write" in {name for option in options_of("epigept-batch", command) for name in option.opts}


@pytest.mark.parametrize("command", [*PROGRAMS.values(), *(command_of(*words) for words in COMMANDS)])
def test_every_help_ends_with_an_example(command):
    example = inspect.cleandoc(command.help).split("\b\nExample:\n")[1].strip()
    words = re.sub(r"^eval \"\$\(", "", example).split()
    assert words[0] in PROGRAMS
    assert words[1] in PROGRAMS[words[0]].commands
    command = PROGRAMS[words[0]].commands[words[1]]
    if isinstance(command, click.Group):
        command = command.commands[words[2]]
    longs = {long for option in command.params for long in option.opts}
    line = example.splitlines()[0].split()
    assert {word for word in line if word.startswith("--")} <= longs


def test_the_same_option_has_the_same_default_in_the_same_words():
    said = defaultdict(set)
    for program, name in COMMANDS:
        for option in options_of(program, name):
            if option.opts[-1] in SAME_DEFAULT and (name, option.opts[-1]) not in OF_ANOTHER_MEANING:
                in_help = re.search(r"\[default: ([^];]*)", option.help or "")
                shown = str(option.default) if option.show_default else None
                said[option.opts[-1]].add(in_help[1] if in_help else shown)
    assert {name: words for name, words in said.items() if len(words) > 1} == {}
    assert said["--threads"] == {"all available cores"}
    assert said["--model"] == said["--fasta"] == {"the file that `epigept-batch setup` installed"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_both_programs_say_their_version(program):
    done = subprocess.run([SCRIPTS / program, "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(rf"{program}, version \d+\.\d+\.\d+\n", done.stdout)


def test_help_names_the_other_program_and_lists_commands_by_workflow():
    text = cli.get_help(click.Context(cli, info_name="epigept-batch"))
    assert "use epigept-export." in text
    assert text.index("  demo ") < text.index("  setup ") < text.index("  genome ") < text.index("  bench ")


def complete(program, words, folder, shell="bash"):
    """What a shell is offered for the last word."""
    names = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    environment = {**os.environ, **names, variable: f"{shell}_complete"}
    done = subprocess.run(
        [SCRIPTS / program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        stdin=subprocess.DEVNULL,
    )
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["epigept-batch", "gen"], "plain,genome"),
        (["epigept-batch", "genome", "--over"], "plain,--overlap"),
        (["epigept-batch", "genome", "--tpm", "sam"], "file,sam"),
        (["epigept-batch", "genome", "--tpm", "a.tsv", "b.tsv", "--spa"], "plain,--space"),
        (["epigept-batch", "genome", "--fasta", ""], "file,"),
        (["epigept-batch", "bench", "--device", "openvino:"], "plain,openvino:bf16"),
        (["epigept-batch", "evaluate", "--measured", "enc"], "file,enc"),
        (["epigept-batch", "setup", "--genome", "hg"], "file,hg"),
        (["epigept-export", "convert", "--precision", "int"], "plain,int8"),
    ],
)
def test_completion(tmp_path, words, offered):
    assert complete(words[0], words, tmp_path) == [offered]


@pytest.mark.parametrize("program", PROGRAMS)
def test_bash_completes_with_the_printed_script(tmp_path, program):
    (tmp_path / "script").write_bytes(subprocess.check_output([SCRIPTS / program, "completion", "bash"]))
    command = program.split("-")[1]
    function = f"_{program.replace('-', '_')}_completion {program}"
    words = f"COMP_WORDS=({program} co); COMP_CWORD=1; {function}; echo ${{COMPREPLY[@]}}"
    offered = subprocess.check_output(
        [shutil.which("bash"), "-c", f"source ./script; {words}"],
        env={**os.environ, "PATH": f"{SCRIPTS}:{os.environ['PATH']}"},
        cwd=tmp_path,
        text=True,
    )
    assert offered.split() == (
        ["cohort", "contacts", "compare", "completion"] if command == "batch" else ["convert", "completion"]
    )


@pytest.mark.parametrize(
    ("shell", "sign"), [("zsh", "#compdef epigept-batch"), ("fish", "complete --no-files --command epigept-batch")]
)
def test_other_shells_get_a_script_of_theirs(shell, sign):
    assert sign in subprocess.check_output([SCRIPTS / "epigept-batch", "completion", shell], text=True)


def test_a_quoted_pattern_stands_for_its_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("quants/s2/quant.sf", "quants/s1/quant.sf", "quants/deep/er/quant.sf", "odd[1].tsv", "odd1.tsv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path) for _, path in parse_tables("quants/*/quant.sf")] == ["quants/s1/quant.sf", "quants/s2/quant.sf"]
    assert [str(path) for _, path in parse_tables(f"{tmp_path}/quants/**/quant.sf")] == [
        f"{tmp_path}/quants/{name}/quant.sf" for name in ("deep/er", "s1", "s2")
    ]
    assert parse_tables("liver=quants/s1/q*.sf")[0][0] == "liver"
    assert [str(path) for _, path in parse_tables("odd[1].tsv")] == ["odd[1].tsv"]  # a file of this very name
    assert [str(path) for _, path in parse_tables("quan[t]s/s1/*")] == ["quants/s1/quant.sf"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("none/*.sf", "--tpm none/*.sf: no file matches this pattern"),
        ("quants/s*", "--tpm quants/s*: no file matches this pattern"),
        ("liver=quants/*/quant.sf", "--tpm liver=quants/*/quant.sf: 2 files match, but there is one name"),
    ],
)
def test_patterns_that_name_no_files(tmp_path, monkeypatch, value, message):
    monkeypatch.chdir(tmp_path)
    for name in ("s1", "s2"):
        (tmp_path / "quants" / name).mkdir(parents=True)
        (tmp_path / "quants" / name / "quant.sf").touch()
    with pytest.raises(InputError, match=re.escape(message)):
        parse_tables(value)

"""What containers and conda install is what pyproject.toml asks for, and the image does not run as root."""

import re
import shlex
import shutil
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import epigept_batch
from pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WANTED = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
GPU = [Requirement(text) for text in PROJECT["project"]["optional-dependencies"]["gpu"]]
BUILD = [Requirement(text) for text in PROJECT["build-system"]["requires"]]
LOCKED = re.compile(r"^([\w.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def dockerfile():
    """Instructions of the Dockerfile and their words, in order."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in text.splitlines() if line]


def copied():
    """Files and folders that .dockerignore lets into the image."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[0] == "*"
    return {line[1:] for line in lines if line.startswith("!")}


def definition():
    """Sections of the Apptainer definition, by name, as lines."""
    head, *sections = re.split(r"^%", (ROOT / "apptainer.def").read_text(), flags=re.MULTILINE)
    named = {name: body for name, _, body in (section.partition("\n") for section in sections)}
    return {name: [line.strip() for line in body.splitlines() if line.strip()] for name, body in named.items()}, head


def commands(text):
    return [" ".join(shlex.split(part)) for part in text.split("&&")]


@pytest.fixture(scope="module")
def locked():
    """Locked versions by name."""
    text = (ROOT / "requirements.lock").read_text()
    found = {name: version for name, version, _ in LOCKED.findall(text)}
    assert len(found) == len(re.findall("^[^# ]", text, re.MULTILINE))
    assert "make lock" in text.partition("\n\n")[0]
    return found


def test_the_lock_file_has_hashed_versions_that_the_project_allows(locked):
    for needed in [*WANTED, *GPU, *BUILD]:
        assert needed.specifier.contains(locked[canonicalize_name(needed.name)]), needed
    assert not {"torch", "ray", "onnxruntime", "pytest"} & set(locked)
    assert {"nvidia-cudnn-cu13", "nvidia-cublas"} <= set(locked)


def test_the_image_installs_only_what_is_locked_and_does_not_run_as_root():
    instructions = dockerfile()
    installs = [one for name, words in instructions if name == "RUN" for one in commands(words) if "pip install" in one]
    assert len(installs) == 2
    assert "--require-hashes --only-binary :all: --requirement /src/requirements.lock" in installs[0]
    assert "--no-deps --no-build-isolation /src" in installs[1]
    names = [name for name, _ in instructions]
    assert names.index("USER") > max(n for n, name in enumerate(names) if name == "RUN")
    assert int(dict(instructions)["USER"]) > 0
    assert dict(instructions)["ENTRYPOINT"] == '["epigept-batch"]'


def test_the_image_has_the_files_that_the_installation_needs():
    build = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {"pyproject.toml", "requirements.lock", PROJECT["project"]["readme"]}
    needed |= {path.partition("/")[0] for path in build} | set(PROJECT["project"]["license-files"])
    assert copied() == needed
    assert all((ROOT / name).exists() for name in needed)


def test_apptainer_makes_the_same_image():
    sections, head = definition()
    assert re.search(r"^From: (.*)$", head, re.MULTILINE)[1] == dict(dockerfile())["FROM"]
    assert {line.split()[0] for line in sections["files"]} == copied()
    docker = [one for name, words in dockerfile() if name == "RUN" for one in commands(words)]
    post = [line for line in sections["post"] if not line.startswith("export")]
    assert post == docker[: len(post) - 2] + [one for one in docker if one.startswith("pip install")]
    assert sections["runscript"] == ['exec epigept-batch "$@"']


def test_the_conda_recipe_asks_for_what_the_project_asks_for():
    recipe = yaml.safe_load((ROOT / "recipe/recipe.yaml").read_text())
    assert recipe["context"]["version"] == epigept_batch.__version__
    wanted = {str(one).lower().replace(">=", " >=") for one in WANTED}
    python = f"python {PROJECT['project']['requires-python']}"
    assert set(recipe["requirements"]["run"]) == wanted | {python, "onnxruntime >=1.22"}
    assert set(recipe["requirements"]["host"]) == {python, "pip", *(str(one).replace(">=", " >=") for one in BUILD)}
    points = [f"{name} = {where}" for name, where in PROJECT["project"]["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == points
    assert recipe["about"]["summary"] == PROJECT["project"]["description"]


def test_hadolint_has_no_complaint():
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("needs hadolint, which the [workflows] extra installs")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")

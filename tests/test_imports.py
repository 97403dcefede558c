"""Who may import whom: the tiers of ARCHITECTURE.md. The exporter knows the runtime, never the reverse."""

import ast
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

RUNTIME = Path(find_spec("epigept_batch").origin).parent
EXPORT = Path(find_spec("epigept_export").origin).parent

TIERS = (
    ("vocabulary",),  # the modules of the top level
    ("machine", "provenance"),  # processors and the environment; records of how outputs were made
    ("sequence", "expression", "tracks", "inference"),  # things, each on its own
    ("motifs", "contacts", "variants", "results", "intervals"),  # which lie on sequence; what runs left in a folder
    # What is done with things:
    ("prediction", "evaluation", "calibration", "matrix", "simulation", "setup", "demo", "figures"),
    ("screen", "browser", "report", "comparison", "cohort"),  # what is done with predictions
    ("commands", "api"),  # one module or folder per command; the same from Python
    ("cli",),  # their options and words
)
"""Each room imports from itself and from lower tiers."""
DOORS = {"__init__.py": "api", "__main__.py": "cli"}
"""Modules of the top level that open a room to who imports, or runs, the package."""
OWNERS = {
    "onnxruntime": {"inference/runtime.py"},
    "pyfaidx": {"sequence/fasta_index.py"},
    "Bio": {"sequence/fasta_index.py"},
    "pyBigWig": {"tracks/signal.py"},
    "cooler": {"contacts/cool.py"},
    "matplotlib": {
        "evaluation/figures.py",
        *(f"figures/{name}.py" for name in ("contacts", "coordinates", "genes", "page", "region", "signals", "style")),
        "report/drawing.py",
    },
    "starlette": {"browser/live.py", "browser/server.py"},
    "uvicorn": {"browser/serving.py"},
    "jinja2": {"report/page.py"},
    "markupsafe": {"report/page.py"},
    "pysam": {"variants/vcf.py"},
    "hictkpy": {"contacts/contact_file.py"},
    "scipy": {"comparison/moderated_t.py", "contacts/contact_file.py"},  # the latter only checks that it is there
    "anndata": {"expression/pseudobulk.py", "matrix/h5ad.py"},
    "h5py": {"expression/pseudobulk.py", "matrix/h5ad.py"},
    "numba": {"motifs/kernels.py", "motifs/gpu/device.py", "motifs/gpu/kernels.py"},
    "requests": {"setup/download.py"},
    "tqdm": {"api/progress.py", "cli/progress.py"},
    "urllib3": {"setup/download.py"},
    "numcodecs": {"motifs/store.py"},
    "obstore": {"cohort/object_storage.py"},
    "ray": {"commands/cohort/ray.py"},
    "zarr": {"cohort/cube.py", "cohort/object_storage.py", "cohort/storage.py", "motifs/store.py"},
    "onnx": {f"inference/{name}.py" for name in ("arithmetic", "cpu_form", "integers", "model_file", "needed")},
}


def imports(path):
    """Names of the modules that a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def runtime_files():
    return sorted(RUNTIME.rglob("*.py"))


def room(name):
    """The room of a module of ours; modules of the top level are vocabulary."""
    rooms = {room for tier in TIERS for room in tier}
    return name if name in rooms else "vocabulary"


def ours(path):
    """Rooms that a runtime file imports."""
    parts = (name.split(".") for name in imports(path))
    return {room(part[1]) for part in parts if part[0] == "epigept_batch" and len(part) > 1}


@pytest.mark.parametrize("path", runtime_files(), ids=lambda p: str(p.relative_to(RUNTIME)))
def test_directions(path):
    parts = path.relative_to(RUNTIME).parts
    own = parts[0] if len(parts) > 1 else DOORS.get(parts[0], "vocabulary")
    tier = next(number for number, rooms in enumerate(TIERS) if own in rooms)
    assert ours(path) <= {own} | {room for rooms in TIERS[:tier] for room in rooms}


def test_the_top_level_is_small_and_every_folder_is_a_room():
    assert len(list(RUNTIME.glob("*.py"))) <= 12
    folders = {path.parent.relative_to(RUNTIME).parts[0] for path in runtime_files() if path.parent != RUNTIME}
    assert folders == {room for tier in TIERS for room in tier} - {"vocabulary"}


@pytest.mark.parametrize("library", OWNERS)
def test_each_library_has_one_owner(library):
    users = {
        path.relative_to(RUNTIME).as_posix()
        for path in runtime_files()
        if any(name.split(".")[0] == library for name in imports(path))
    }
    assert users == OWNERS[library]


def test_tables_are_read_in_one_room():
    users = [path for path in runtime_files() if any(name.split(".")[0] == "polars" for name in imports(path))]
    rooms = {path.parent.relative_to(RUNTIME).as_posix() for path in users}
    assert rooms == {"api", "expression", "matrix", "screen", "variants"}
    rooms = {"matrix", "screen", "variants"}
    writers = {f"{path.parent.name}/{path.name}" for path in users if path.parent.name in rooms}
    assert writers == {"matrix/tables.py", "screen/tables.py", "variants/score_table.py"}


def test_the_runtime_knows_neither_torch_nor_the_exporter():
    for path in runtime_files():
        assert not {"torch", "epigept_export"} & {name.split(".")[0] for name in imports(path)}


def test_the_exporter_runs_without_onnxruntime():
    for path in EXPORT.rglob("*.py"):
        assert "onnxruntime" not in {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("module", ["epigept_batch", "epigept_batch.cli.main", "epigept_batch.commands.genome.run"])
def test_importing_the_runtime_loads_neither_torch_nor_onnxruntime(module):
    script = f"import sys, {module}; print(sorted({{'torch', 'onnxruntime'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_commands_answer_help_without_loading_heavy_libraries():
    script = (
        "import sys, epigept_batch.cli.main, epigept_export.cli;"
        "print(sorted({'torch', 'onnxruntime', 'numba', 'polars', 'onnx', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_on_the_architecture_names_files_and_rooms_that_are_there():
    root = Path(__file__).parent.parent
    page = (root / "ARCHITECTURE.md").read_text()
    there = [
        path.as_posix()
        for folder in (root / "epigept_batch", root / "export", root / "tests")
        for path in folder.rglob("*.*")
    ]
    named = set(re.findall(r"`([\w/]+\.(?:py|tsv))`", page)) - {
        "commands/NAME.py",
        "cli/NAME.py",
        "benchmarks/bad_inputs.py",
    }
    assert len(named) > 30
    assert not [name for name in named if not any(path.endswith(f"/{name}") for path in there)]
    assert {room for tier in TIERS for room in tier} <= set(re.findall(r"\w+", page))

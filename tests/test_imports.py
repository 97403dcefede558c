"""Who may import whom: cli -> pipeline -> stages -> vocabulary; the exporter knows the runtime, never the reverse."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

RUNTIME = Path(find_spec("epigept_batch").origin).parent
EXPORT = Path(find_spec("epigept_export").origin).parent

VOCABULARY = {"assemblies", "errors", "made_from", "names", "notes", "sample_request", "spec", "tiling"}
SUPPORT = {"bystanders", "files", "home", "prefetch", "processors", "progress", "timing"}
PIPELINES = {
    "pipeline",
    "scan_pipeline",
    "expression_pipeline",
    "simulation_pipeline",
    "demo_pipeline",
    "doctor_pipeline",
    "evaluation_pipeline",
    "setup_pipeline",
    "bench_pipeline",
}
OWNERS = {
    "onnxruntime": {"inference/runtime.py"},
    "pyfaidx": {"inputs/fasta_index.py"},
    "Bio": {"inputs/fasta_index.py"},
    "pyBigWig": {"inputs/signal.py"},
    "matplotlib": {"evaluation/figures.py"},
    "anndata": {"inputs/expression/pseudobulk.py"},
    "h5py": {"inputs/expression/pseudobulk.py"},
    "numba": {"inputs/motif_kernels.py"},
    "requests": {"installation/download.py"},
    "tqdm": {"cli/progress.py"},
    "urllib3": {"installation/download.py"},
    "numcodecs": {"inputs/scores.py"},
    "zarr": {"inputs/scores.py"},
    "onnx": {"inference/arithmetic.py", "inference/model_file.py", "inference/cpu_form.py", "inference/integers.py"},
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


def ours(path):
    """First names below epigept_batch that a runtime file imports."""
    parts = (name.split(".") for name in imports(path))
    return {part[1] for part in parts if part[0] == "epigept_batch" and len(part) > 1 and part[1] != "__version__"}


@pytest.mark.parametrize("path", runtime_files(), ids=lambda p: str(p.relative_to(RUNTIME)))
def test_directions(path):
    place = path.relative_to(RUNTIME).parts
    stage = place[0].removesuffix(".py")
    allowed = {
        "__init__": {"environment"},
        "cli": {"cli", "evaluation", "inference", "installation", "errors", "home", "notes", "plan", "sample_request"}
        | {"environment", "files", "processors"}
        | PIPELINES,
        "plan": {"inputs", "inference", "outputs"} | VOCABULARY,
        "pipeline": {"plan", "resume", "inputs", "inference", "outputs"} | VOCABULARY | SUPPORT,
        "scan_pipeline": {"inputs", "inference"} | VOCABULARY | SUPPORT,
        "expression_pipeline": {"inputs", "inference", "outputs"} | VOCABULARY,
        "bench_pipeline": {"plan", "pipeline", "simulation", "inputs", "inference", "outputs"} | VOCABULARY | SUPPORT,
        "simulation_pipeline": {"simulation"} | VOCABULARY | SUPPORT,
        "demo_pipeline": {"plan", "pipeline", "demo", "simulation", "inputs", "inference", "evaluation", "outputs"}
        | VOCABULARY
        | SUPPORT,
        "doctor_pipeline": {"inputs", "inference"} | VOCABULARY | SUPPORT,
        "evaluation_pipeline": {"evaluation", "inputs", "inference"} | VOCABULARY | SUPPORT,
        "evaluation": {"evaluation", "inputs", "outputs"} | VOCABULARY | SUPPORT,
        "setup_pipeline": {"installation", "inputs", "inference"} | VOCABULARY | SUPPORT,
        "installation": {"installation"} | VOCABULARY | SUPPORT,
        "simulation": {"simulation", "inputs", "outputs"} | VOCABULARY | SUPPORT,
        "inputs": {"inputs"} | VOCABULARY | SUPPORT,
        "inference": {"inference"} | VOCABULARY | SUPPORT,
        "outputs": {"outputs"} | VOCABULARY | SUPPORT,
        "assemblies": {"tiling"},
        "spec": {"errors", "names", "tiling"},
        "tiling": {"errors"},
        "files": {"errors"},
        "home": {"errors"},
        "journal": {"errors", "files", "made_from"},
        "resume": {"journal", "outputs", "inference", "plan", "timing"} | VOCABULARY,
    }.get(stage, set())
    assert ours(path) <= allowed


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
    assert {path.parent.relative_to(RUNTIME).as_posix() for path in users} == {"inputs/expression"}


def test_only_pipelines_name_every_stage():
    stages = {"inputs", "inference", "outputs"}
    users = {p.name for p in runtime_files() if stages <= ours(p)}
    assert users == {"bench_pipeline.py", "demo_pipeline.py", "expression_pipeline.py", "pipeline.py", "plan.py"}


def test_the_runtime_knows_neither_torch_nor_the_exporter():
    for path in runtime_files():
        assert not {"torch", "epigept_export"} & {name.split(".")[0] for name in imports(path)}


def test_the_exporter_runs_without_onnxruntime():
    for path in EXPORT.rglob("*.py"):
        assert "onnxruntime" not in {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("module", ["epigept_batch", "epigept_batch.cli.main", "epigept_batch.pipeline"])
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

"""A small cohort, and the inputs that it is made of."""

import shutil

import numpy as np
import pytest

from cohorts import OPTIONS, SAMPLES, cohort


@pytest.fixture(scope="session")
def cohort_sheet(tmp_path_factory):
    """A sheet of five samples with groups."""
    folder, rng = tmp_path_factory.mktemp("samples"), np.random.default_rng(6)
    lines = ["sample\tfile\tgroup"]
    for number, name in enumerate(SAMPLES):
        rows = "".join(f"F{n:02d}\t{value}\n" for n, value in enumerate(rng.gamma(0.5, 20, 15).round(2)))
        (folder / f"{name}.tsv").write_text("gene_id\tTPM\n" + rows)
        lines.append(f"{name}\t{name}.tsv\tg{number % 2}")
    path = folder / "sheet.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def cohort_inputs(cohort_sheet, small_model, synthetic, tmp_path_factory):
    """Options that name the inputs."""
    fasta = shutil.copy(synthetic / "synthetic.fa", tmp_path_factory.mktemp("genome") / "synthetic.fa")
    return ("--samples", cohort_sheet, "--fasta", fasta, "--model", small_model)


@pytest.fixture(scope="session")
def whole_cohort(cohort_inputs, tmp_path_factory):
    """A cohort that one process computed and finalised, in float32; never changed."""
    folder = tmp_path_factory.mktemp("whole") / "cohort"
    assert cohort("init", folder, *cohort_inputs, *OPTIONS, "--dtype", "float32").code == 0
    done = cohort("run", folder, "--workers", 1)
    assert done.code == 0, done.err
    return folder

"""Cells summed to groups, as pandas sums them."""

import builtins

import numpy as np
import pandas as pd
import pytest

from epigept_batch.errors import DeviceError, InputError
from epigept_batch.expression import pseudobulk
from expression import PUBLISHED, read_all, read_one
from quantifications import OTHER, SAMPLE, generate_genes, h5ad, published_ids

anndata = pytest.importorskip("anndata")


@pytest.fixture(scope="module")
def genes():
    return generate_genes()


@pytest.fixture
def path(genes, tmp_path):
    return h5ad(genes, tmp_path)


def expected(data, cells):
    """Raw counts of some cells, summed and scaled to a million, for the factors; by pandas from the whole matrix."""
    ids = data.var["gene_ids"].astype(str).to_numpy()
    sums = pd.Series(data.layers["counts"].toarray()[cells].sum(axis=0, dtype=float))
    means = (sums / sums.sum() * 1e6).groupby(ids).mean()
    return means[[ensembl for ensembl, _ in published_ids()]].to_numpy()


@pytest.mark.parametrize("cells_at_once", [7, 4096])
def test_groups_are_samples(path, monkeypatch, cells_at_once):
    monkeypatch.setattr(pseudobulk, "CELLS_AT_ONCE", cells_at_once)
    found = read_all(path, factors=PUBLISHED, group_by="kind")
    assert set(found) == {SAMPLE, OTHER}
    data = anndata.read_h5ad(path)
    for name, sample in found.items():
        wanted = expected(data, (data.obs["kind"] == name).to_numpy())
        np.testing.assert_allclose(sample.tpm.by_factor, wanted, rtol=1e-6)
        account = sample.account()["tables"][0]
        assert (account["format"], account["verdict"]) == ("AnnData, layers/counts", "raw counts")
        assert account["column"] == name
        assert sample.notes[0].startswith(
            "counts of 20 cells, scaled to a million without dividing by gene length, which is"
        )
    assert list(read_all(path, factors=PUBLISHED, group_by="kind", samples=(OTHER,))) == [OTHER]


def test_without_groups_all_cells_are_one_sample(path):
    found = read_all(path, factors=PUBLISHED)
    assert list(found) == ["cells"]
    np.testing.assert_allclose(found["cells"].tpm.by_factor, expected(anndata.read_h5ad(path), slice(None)), rtol=1e-6)


@pytest.mark.parametrize("form", ["csr", "csc", "dense", "raw", "X"])
def test_counts_are_found_wherever_and_however_they_are_kept(path, form):
    data = anndata.read_h5ad(path)
    wanted = expected(data, (data.obs["kind"] == SAMPLE).to_numpy())
    counts = data.layers.pop("counts")
    normalised = data.X
    if form in {"raw", "X"}:
        data.X = counts
        if form == "raw":
            data.raw = data
            data.X = normalised
    else:
        data.layers["counts"] = {"csr": counts, "csc": counts.tocsc(), "dense": counts.toarray()}[form]
    data.write_h5ad(path)
    found = read_all(path, factors=PUBLISHED, group_by="kind")
    np.testing.assert_allclose(found[SAMPLE].tpm.by_factor, wanted, rtol=1e-6)
    place = {"raw": "raw/X", "X": "X"}.get(form, "layers/counts")
    assert found[SAMPLE].sources[0].quantified.format == f"AnnData, {place}"


def test_cells_without_a_group_are_left_out_and_said(path):
    data = anndata.read_h5ad(path)
    data.obs["kind"] = pd.Categorical([None] * 5 + ["a"] * 15 + ["b"] * 20, categories=["a", "b", "unused"])
    data.write_h5ad(path)
    found = read_all(path, factors=PUBLISHED, group_by="kind")
    assert list(found) == ["a", "b"]
    assert found["a"].notes[0].startswith("counts of 15 cells")
    assert found["a"].notes[1] == "5 cells without a group are left out"


def change(path, how):
    data = anndata.read_h5ad(path)
    how(data)
    data.write_h5ad(path)


def test_what_cannot_be_summed_is_said(path):
    def refused(message, **options):
        with pytest.raises(InputError, match=message):
            read_one(path, PUBLISHED, **options)

    refused(r"no column 'cluster' in obs to group cells by \(obs has kind\)", group_by="cluster")
    change(path, lambda data: data.layers.pop("counts"))
    refused(r"no raw counts \(looked in X\); store them in layers/counts")
    change(path, lambda data: setattr(data, "var_names", [f"g{n}" for n in range(data.n_vars)]))
    change(path, lambda data: setattr(data, "var", data.var.drop(columns="gene_ids")))
    change(path, lambda data: setattr(data, "X", data.X * 0))
    refused(": no column with human gene ids")


def test_counts_that_turn_out_to_be_none_are_said(path, monkeypatch):
    monkeypatch.setattr(pseudobulk, "CELLS_AT_ONCE", 8)
    data = anndata.read_h5ad(path)
    counts = data.layers["counts"].toarray()
    counts[30, 5] = 0.5
    data.layers["counts"] = counts
    data.write_h5ad(path)
    with pytest.raises(InputError, match=r"cells.h5ad: values in layers/counts are not counts"):
        read_one(path, PUBLISHED)


def test_kallistos_hdf5_and_others_are_no_cells(tmp_path):
    import h5py

    path = tmp_path / "abundance.h5"
    with h5py.File(path, "w") as file:
        file["est_counts"] = [1.0]
    with pytest.raises(InputError, match=r"an HDF5 file, but not an .h5ad; for kallisto use abundance.tsv"):
        read_one(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=": a damaged HDF5 file"):
        read_one(path)


def test_without_anndata_the_extra_is_named(path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "anndata":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        DeviceError, match=r"cells.h5ad: .h5ad requires AnnData; install epigept-batch with its \[h5ad\]"
    ):
        read_one(path)

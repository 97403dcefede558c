import json

import numpy as np
import pytest

from epigept_batch.errors import ModelError
from epigept_batch.spec import Check, ExpressionReference, Motif, MotifSet, ScanWindow, Spec
from epigept_batch.tiling import Geometry


def spec(**changes):
    motif = Motif("m", np.array([[0.1, 0.2, 0.3, 0.4], [0.001, 0.997, 0.001, 0.001]]), 1.25, ("A", "B"))
    given = {
        "architecture": "hg38",
        "geometry": Geometry(1000, 128),
        "tracks": ("DNase",),
        "factors": ("A", "B"),
        "motif_set": MotifSet((motif,), ScanWindow(-37, 164)),
        "reference": ExpressionReference(("x", "y", "z"), np.array([[1.0, 2, 3], [0.5, 9, 0.1]])),
        "precision": "fp32",
        "attention": "fused",
        "check": Check(7, np.array([[[[0.1, 2.5], [1e-8, 3]]]], dtype=np.float32)),
        "checkpoint_sha256": "ab",
        "versions": {"torch": "2"},
        "training_windows": {"chr1": ((6, 13), (20, 21))},
        "training_cells": ("K562", "H1"),
    }
    return Spec(**given | changes)


def test_round_trip():
    text = spec().to_json()
    again = Spec.from_json(text)
    assert again.to_json() == text
    assert again.geometry.window_bp == 128_000
    assert again.motif_set.factors == ("A", "B")
    assert again.motif_set.sha256 == spec().motif_set.sha256
    np.testing.assert_array_equal(again.reference.matrix, spec().reference.matrix)
    assert again.training_windows == {"chr1": ((6, 13), (20, 21))}
    assert again.training_cells == ("K562", "H1")
    assert again.check.seed == 7
    np.testing.assert_array_equal(again.check.signal, spec().check.signal)
    assert again.check.signal.dtype == np.float32


def test_scores_are_bounded_by_the_best_base_at_each_place():
    """HOMER's ln(p / 0.25) with p at least 0.001."""
    (motif,) = spec().motif_set.motifs
    assert motif.best_score == pytest.approx(np.log(0.4 / 0.25) + np.log(0.997 / 0.25))
    assert Motif("z", np.zeros((1, 4)), 0).best_score == pytest.approx(np.log(0.001 / 0.25))


def test_round_trip_without_reference():
    assert Spec.from_json(spec(reference=None).to_json()).reference is None


def test_the_reference_distribution_is_the_mean_of_equal_ranks():
    np.testing.assert_allclose(spec().reference.distribution, [(0.5 + 2 + 0.1) / 3, (1 + 9 + 3) / 3])


def test_the_motif_set_digest_knows_the_window():
    motifs = spec().motif_set.motifs
    assert MotifSet(motifs, ScanWindow(0, 128)).sha256 != MotifSet(motifs, ScanWindow(-37, 164)).sha256


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": 1}', '{"format_version": 1, "bins": "x"}'])
def test_damage_is_said(text):
    with pytest.raises(ModelError, match="the spec in the model file is damaged"):
        Spec.from_json(text)


def test_a_later_format_is_refused():
    document = json.loads(spec().to_json()) | {"format_version": 2}
    with pytest.raises(ModelError, match="has format 2, this program reads 1"):
        Spec.from_json(json.dumps(document))

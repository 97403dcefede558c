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
        "tracks": ("DNase", "CTCF"),
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
    with pytest.raises(ModelError, match="has format 2, but this version reads format 1"):
        Spec.from_json(json.dumps(document))


HOSTILE = {
    "no bins": {"bins": 0},
    "bins below 0": {"bins": -1000},
    "a window of terabytes": {"bins": 1 << 40},
    "infinite bins": {"bins": float("inf")},
    "bins of no number": {"bins": "1e3"},
    "a bin of gigabytes": {"bin_bp": 1 << 30},
    "track outside the folder": {"tracks": ["../../DNase", "CTCF"]},
    "track of an absolute path": {"tracks": ["/etc/DNase", "CTCF"]},
    "track of a dot": {"tracks": [".", "CTCF"]},
    "track with NUL": {"tracks": ["a\0b", "CTCF"]},
    "track with a line end": {"tracks": ["a\nb", "CTCF"]},
    "track of a lone surrogate": {"tracks": ["a\ud800", "CTCF"]},
    "track longer than a file's name": {"tracks": ["x" * 300, "CTCF"]},
    "tracks that are one file where case is none": {"tracks": ["dnase", "DNase"]},
    "no tracks": {"tracks": []},
    "track that is no name": {"tracks": [5, "CTCF"]},
    "factors of no motif": {"factors": ["A", "C"]},
    "a factor too many": {"factors": ["A", "B", "C"], "expression_reference": None},
    "no motifs": {"motif_set": {"window": [0, 128], "motifs": []}},
    "a reversed motif window": {"motif_set": {"window": [128, 0], "motifs": []}},
    "a motif window of gigabytes": {"motif_set": {"window": [0, 1 << 40], "motifs": []}},
    "a reference of another size": {"expression_reference": {"cells": ["x"], "matrix": [[1]]}},
    "a reference with NaN": {"expression_reference": {"cells": ["x"], "matrix": [[1], [float("nan")]]}},
    "a reference below 0": {"expression_reference": {"cells": ["x"], "matrix": [[1], [-1]]}},
    "an unknown precision": {"precision": "fp8"},
    "an unknown space": {"space": "sqrt"},
    "a check of another shape": {"check": {"seed": 1, "shape": [1, 1, 1, 1], "signal": [1]}},
    "a check of an absurd shape": {"check": {"seed": 1, "shape": [1 << 60, 1 << 60], "signal": [1]}},
    "a seed below 0": {"check": {"seed": -1, "shape": [1, 1, 1, 2], "signal": [1, 1]}},
    "training windows backwards": {"training_windows": {"chr1": [[5, 3]]}},
    "training windows of text": {"training_windows": {"chr1": "all"}},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_network_has_is_refused_before_anything_is_made_of_it(name):
    document = json.loads(spec().to_json()) | HOSTILE[name]
    with pytest.raises(ModelError, match="the spec in the model file is damaged") as caught:
        Spec.from_json(json.dumps(document))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "motif",
    [
        {"probabilities": [[1, 0, 0, float("nan")]]},
        {"probabilities": [[-1, 0, 0, 2]]},
        {"probabilities": [[0.25] * 4] * 401},
        {"probabilities": []},
        {"threshold": float("inf")},
    ],
    ids=lambda motif: str(motif)[:40],
)
def test_so_are_motifs_that_cannot_be(motif):
    document = json.loads(spec().to_json())
    document["motif_set"]["motifs"][0] |= motif
    with pytest.raises(ModelError, match="motif 'm' with an invalid matrix or threshold"):
        Spec.from_json(json.dumps(document))


def test_nested_lists_without_end_are_damage():
    with pytest.raises(ModelError, match="is damaged"):
        Spec.from_json("[" * 200_000)

"""Plots as matplotlib has them before they become pixels: what stands where, how large, and that nothing is hidden."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from epigept_batch.evaluation import figures as plots
from epigept_batch.evaluation.compared import ComparedBins, Counts, Infinite
from epigept_batch.evaluation.figures import COLOURS, Plotter
from epigept_batch.evaluation.report import figures

TRACKS = ("DNase", "CTCF", "H3K27ac", "H3K4me3", "H3K36me3", "H3K27me3", "H3K9me3", "H3K4me1")
PREDICTORS = ("prediction", "mean_of_training_cells", "nearest_training_cell")


def compared(contigs=1, bins=300, predictors=PREDICTORS, *, seed=1):
    """Bins of so many contigs, compared with what is more or less like the measured signal."""
    rng = np.random.default_rng(seed)
    measured = rng.gamma(0.3, 1, contigs * bins).astype(np.float32)
    noise = {name: rng.gamma(0.3, 0.2 + number, len(measured)) for number, name in enumerate(predictors)}
    return ComparedBins(
        contigs={f"chr{number + 1}": slice(number * bins, (number + 1) * bins) for number in range(contigs)},
        measured=measured,
        predictors={name: (measured + values).astype(np.float32) for name, values in noise.items()},
        peaks=None,
        seen=None,
        counts=Counts(len(measured), 0, 0, 0, 0, len(measured)),
        infinite=Infinite(0, 0),
        scales={},
        ratios={},
    )


def document(bins, track="DNase", sample="liver"):
    return {"sample": sample, "track": track, "parts": list(figures(bins))}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draw by a method of the plotter; the figure, laid out."""

    kept = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *to, **how: (kept.append(figure), save(figure, *to, **how)))

    def draw(method, *arguments):
        kept.clear()
        getattr(Plotter(tmp_path / "figures"), method)(*arguments)
        (figure,) = kept
        figure.draw_without_rendering()
        return figure

    return draw


def bars(axes):
    """Bars by colour: thickness in inches, and length in what the axis counts."""
    figure = axes.get_figure()
    return [(patch.get_window_extent().height / figure.dpi, patch.get_width()) for patch in axes.patches]


def boxes(axes):
    texts = [text for text in (*axes.texts, *axes.get_yticklabels()) if text.get_text()]
    return [text.get_window_extent() for text in texts]


@pytest.mark.parametrize("predictors", [PREDICTORS, PREDICTORS[:1]])
@pytest.mark.parametrize("tracks", [1, 2, 8])
def test_a_bar_is_a_bar_whatever_the_number_of_tracks(drawn, tracks, predictors):
    documents = [document(compared(predictors=predictors, seed=n), TRACKS[n]) for n in range(tracks)]
    figure = drawn("draw_comparison", documents)
    (axes,) = figure.axes
    expected = [one["parts"][0]["predictors"][name]["pearson_log1p"] for name in predictors for one in documents]
    shown = bars(axes)
    differences = tracks if len(predictors) > 1 else 0
    assert [length for _, length in shown[: len(expected)]] == pytest.approx(expected)
    assert len(shown) == len(expected) + differences
    assert all(0.1 < thickness < 0.4 for thickness, _ in shown)
    assert [text.get_text() for text in axes.texts][: len(expected)] == [f"{value:.3f}" for value in expected]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(TRACKS[:tracks])
    assert figure.get_suptitle() == "liver"
    width, height = figure.get_size_inches()
    assert (width, 2.5 < height < 9) == (7, True)


@pytest.mark.parametrize("samples", [2, 3])
def test_names_and_values_do_not_overlap_and_lie_within(drawn, samples):
    documents = [
        document(compared(seed=n), TRACKS[n], f"a_long_name_of_a_sample_{sample}")
        for sample in range(samples)
        for n in range(4)
    ]
    figure = drawn("draw_comparison", documents)
    found = boxes(figure.axes[0])
    assert len(found) == samples * 4 * 5
    for number, box in enumerate(found):
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in found[number + 1 :])


def test_no_figure_is_higher_than_can_be_drawn(drawn, monkeypatch):
    assert plots.MOST_INCHES * plots.DPI < 2**16
    monkeypatch.setattr(plots, "MOST_INCHES", 8.0)
    one = document(compared())
    figure = drawn("draw_comparison", [one | {"sample": f"s{number}"} for number in range(30)])
    assert figure.get_size_inches()[1] == 8


@pytest.mark.parametrize(("contigs", "rows"), [(1, 3), (2, 2), (24, 24), (300, 50)])
def test_what_stands_beside_the_density(drawn, contigs, rows):
    """By chromosome where there are some; of one, all kinds of correlation, not one dot in an empty panel."""
    bins = compared(contigs, 20)
    one = document(bins)
    figure = drawn("draw_track", one, bins)
    density, beside = figure.axes[:2]
    assert density.get_title() == f"{len(bins.measured):,} bins"
    labels = [label.get_text() for label in beside.get_yticklabels()]
    assert len(labels) == rows
    if contigs == 1:
        assert labels == ["r of ln(1 + signal)", "r of the signal", "Spearman's r"]
        metrics = one["parts"][0]["predictors"]["mean_of_training_cells"]
        assert [length for _, length in bars(beside)][3:6] == pytest.approx(list(metrics.values())[:3])
    else:
        assert labels[0] == "chr1"
        assert beside.get_ylim() == (contigs - 0.5, -0.5)
        assert [line.get_color() for line in beside.lines] == list(COLOURS.values())


def test_what_is_not_defined_is_said_and_drawn_all_the_same(drawn):
    bins = compared(bins=1)
    figure = drawn("draw_track", document(bins), bins)
    assert {text.get_text() for text in figure.axes[1].texts} == {"not defined"}
    assert figure.axes[0].get_title() == "1 bin"
    figure = drawn("draw_comparison", [document(bins)])
    assert [text.get_text() for text in figure.axes[0].texts] == ["not defined"]


def test_an_r_below_0_is_seen(drawn):
    bins = compared(predictors=PREDICTORS[:1])
    bins.predictors["prediction"][:] = 9 - bins.measured
    figure = drawn("draw_comparison", [document(bins)])
    (axes,) = figure.axes
    assert axes.get_xlim()[0] < -1
    assert [length for _, length in bars(axes)] == pytest.approx([-1])

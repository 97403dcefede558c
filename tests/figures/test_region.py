"""What a figure of a region shows, as matplotlib has it before it becomes a file, against the files of the run."""

import itertools
import json

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.patches import StepPatch

import bigwigs
from chosen_runs import BIN_BP, LENGTHS, write_bigwig, write_map, write_run
from epigept_batch.errors import InputError
from epigept_batch.figures.panels import SignalPanel, highest, with_limits
from epigept_batch.figures.reader import PanelReader, Shown
from epigept_batch.figures.region import draw_region, layout_for
from epigept_batch.figures.signals import NOT_PREDICTED
from epigept_batch.figures.style import publication_style
from epigept_batch.results.colours import DOWN, MEASURED, UP, track_colours
from epigept_batch.results.folder import read_run_folder
from epigept_batch.results.scales import rounded_up
from epigept_batch.tiling import Region

REGION = Region("chr1", 10_000, 40_000)
FIRST, LAST = REGION.start // BIN_BP, -(-REGION.end // BIN_BP)
TRACKS = ("DNase", "CTCF")


def values(seed, scale=1.0):
    """Signal of all bins, some of them without data."""
    rng = np.random.default_rng(seed)
    found = {contig: rng.gamma(0.4, scale, -(-length // BIN_BP)) for contig, length in LENGTHS.items()}
    found["chr1"][100:120] = np.nan
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two samples and a perturbed copy; the first has peaks and contacts. The second has a part of chr1."""
    out = tmp_path_factory.mktemp("run") / "out"
    write_run(out, "a", {track: values(number) for number, track in enumerate(TRACKS)})
    part = {"chr1": np.where(np.arange(782) < 200, values(7)["chr1"], np.nan)}
    write_run(out, "b", dict.fromkeys(TRACKS, part), regions=["chr1:1-25600"])
    change = {contig: bins - 0.4 for contig, bins in values(9).items()}
    labels = {"DNase": values(4), "CTCF": values(5), "DNase.difference": change, "CTCF.difference": change}
    write_run(out, "a+X-0", labels, perturbation={"of": "a", "set": "X=0"})
    (out / "a.DNase.narrowPeak").write_text("chr1\t9000\t10500\nchr1\t30000\t30500\nchr2\t11000\t12000\n")
    (out / "a.CTCFL.narrowPeak").write_text("chr1\t11000\t12000\n")  # not of CTCF
    rng = np.random.default_rng(8)
    write_map(out, "a", [(i, j, float(rng.gamma(2, 0.5))) for i in range(98) for j in range(i, min(98, i + 20))])
    measured = out.parent / "measured"
    measured.mkdir()
    for sample, track in itertools.product("ab", TRACKS):
        write_bigwig(measured / f"{sample}.{track}.bw", values(20, 5.0), LENGTHS)
    (out.parent / "genes.bed").write_text("chr1\t12000\t20000\tGATA1\t0\t+\nchr1\t90000\t95000\tAWAY\t0\t+\n")
    return out


@pytest.fixture
def draw(folder):
    """Draw a region of the folder; the figure and its panels."""

    def draw(region=REGION, samples=(), scale="common", width_mm=180.0, **shown):
        found = read_run_folder(folder, samples)
        layout = layout_for(["a"], width_mm=width_mm, space="log1p", has_maps=shown.get("contacts", True))
        with (
            publication_style(),
            PanelReader(found, Shown(columns=layout.columns, whole=layout.whole, **shown)) as reader,
        ):
            panels = with_limits(reader.panels(region), scale, highest([reader.signals(region)]))
            return draw_region(region, panels, layout), panels

    return draw


def measured_of(folder):
    return str(folder.parent / "measured/{sample}.{track}.bw")


def steps(axes):
    """Values and edges of each filled area, with its colour and opacity."""
    patches = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
    return [(patch.get_data(), to_hex(patch.get_facecolor()), patch.get_alpha()) for patch in patches]


def at(step, edges):
    """Values of a filled area between edges of which it has some."""
    found, own, _ = step
    assert set(own) <= set(edges)
    assert (own[0], own[-1]) == (edges[0], edges[-1])
    return found[np.searchsorted(own, edges[:-1], side="right") - 1]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [one.get_text() for one in figure.texts]


def names(panels):
    return [
        (panel.track, panel.sample, panel.is_difference) if isinstance(panel, SignalPanel) else type(panel).__name__
        for panel in panels
    ]


def test_every_track_is_drawn_in_order_with_the_values_of_its_file(draw, folder):
    figure, panels = draw(contacts=False)
    order = [("DNase", s, d) for s, d in (("a", False), ("a+X-0", False), ("b", False), ("a+X-0", True))]
    assert names(panels) == [*order, *(("CTCF", s, d) for _, s, d in order)]
    colours = track_colours(TRACKS)
    for axes, panel in zip(figure.axes, panels, strict=False):
        ending = ".difference" if panel.is_difference else ""
        expected = bigwigs.bins(folder / f"{panel.sample}.{panel.track}{ending}.bw", "chr1", bin_bp=BIN_BP)[FIRST:LAST]
        drawn = steps(axes)
        edges = np.arange(FIRST, LAST + 1) * BIN_BP
        for step, colour, _ in drawn:
            sides = {UP: np.maximum(expected, 0), DOWN: np.minimum(expected, 0), colours[panel.track]: expected}
            np.testing.assert_allclose(at(step, edges), sides[colour], rtol=1e-6)
        assert [colour for _, colour, _ in drawn] == ([UP, DOWN] if panel.is_difference else [colours[panel.track]])
        assert axes.get_xlim() == (REGION.start, REGION.end)


def test_no_data_is_blank_and_zero_is_a_line(draw, folder):
    figure, panels = draw(contacts=False, samples=["a"])
    expected = bigwigs.bins(folder / "a.DNase.bw", "chr1", bin_bp=BIN_BP)[FIRST:LAST]
    lines = [line.get_xdata() for line in figure.axes[0].lines]
    assert [list(line) for line in lines] == [[FIRST * BIN_BP, 100 * BIN_BP], [120 * BIN_BP, LAST * BIN_BP]]
    assert np.isnan(expected[100 - FIRST : 120 - FIRST]).all()
    assert not panels[0].absent
    assert not any("not predicted" in text for text in texts(figure))


def test_what_was_not_predicted_is_grey(draw):
    figure, panels = draw(contacts=False, samples=["b"], tracks=("dnase",))
    assert panels[0].absent == ((25_600, 40_000),)
    (span,) = [patch for patch in figure.axes[0].patches if to_hex(patch.get_facecolor()) == NOT_PREDICTED]
    assert (span.get_x(), span.get_x() + span.get_width()) == (25_600, 40_000)
    assert any("grey: not predicted" in text for text in texts(figure))


def test_a_region_that_was_not_predicted_at_all_is_refused(draw):
    with pytest.raises(InputError, match=r"chr1:30001-40000: not predicted .* chr1:1-25600"):
        draw(Region("chr1", 30_000, 40_000), samples=["b"])


def test_measured_tracks_are_below_their_predictions_in_the_same_space(draw, folder):
    figure, panels = draw(contacts=False, samples=["a", "b"], tracks=("CTCF",), measured=measured_of(folder))
    assert [(panel.sample, panel.is_measured) for panel in panels] == [
        ("a", False),
        ("a", True),
        ("b", False),
        ("b", True),
    ]
    expected = np.log1p(bigwigs.bins(folder.parent / "measured/a.CTCF.bw", "chr1", bin_bp=BIN_BP)[FIRST:LAST])
    ((step, colour, _),) = steps(figure.axes[1])
    np.testing.assert_allclose(at(step, panels[1].columns.edges), expected, rtol=1e-6)
    assert colour == MEASURED
    assert texts(figure).count("measured") == 2
    assert [bool(panel.absent) for panel in panels] == [False, False, True, False]
    _, panels = draw(contacts=False, samples=["a"], tracks=("DNase",), measured=measured_of(folder))
    assert [panel.peaks is not None for panel in panels] == [True, False]


def test_zero_fill_draws_missing_bases_as_zero(draw, folder):
    shown = {"contacts": False, "samples": ["a"], "tracks": ("CTCF",), "measured": measured_of(folder)}
    _, panels = draw(**shown)
    _, filled = draw(**shown, zero_fill=True)
    assert np.isnan(panels[1].columns.mean[100 - FIRST : 120 - FIRST]).all()
    assert (filled[1].columns.mean[100 - FIRST : 120 - FIRST] == 0).all()


def test_common_scale_has_room_for_all_and_own_for_each(draw, folder):
    shown = {"contacts": False, "tracks": ("DNase",), "measured": measured_of(folder)}
    figure, panels = draw(**shown)
    signals = [panel for panel in panels if not panel.is_difference]
    top = max(np.nanmax(panel.columns.high) for panel in signals)
    assert {panel.limits for panel in signals} == {(0, rounded_up(float(top)))}
    assert {axes.get_ylim()[1] for axes in figure.axes[: len(signals)]} == {rounded_up(float(top))}
    (difference,) = [panel for panel in panels if panel.is_difference]
    size = rounded_up(float(np.nanmax(np.abs([difference.columns.low, difference.columns.high]))))
    assert difference.limits == (-size, size)
    _, own = draw(**shown, scale="own")
    for panel in own:
        if not panel.is_difference:
            assert panel.limits == (0, rounded_up(float(np.nanmax(panel.columns.high))))
    assert len({panel.limits for panel in own}) > 2
    assert any("one scale per track" in text for text in texts(figure))


def test_what_exceeds_a_given_scale_is_marked(draw):
    figure, panels = draw(contacts=False, samples=["a"], tracks=("DNase",), scale=0.5)
    columns = panels[0].columns
    marks = [line for line in figure.axes[0].lines if line.get_color() == "black"]
    covered = np.zeros(len(columns.mean), dtype=bool)
    for line in marks:
        assert set(line.get_ydata()) == {0.5}
        covered |= (columns.edges[:-1] >= line.get_xdata()[0]) & (columns.edges[1:] <= line.get_xdata()[1])
    np.testing.assert_array_equal(covered, columns.high > 0.5)
    ((found, _, _), _, _) = steps(figure.axes[0])[0]
    assert np.nanmax(found) == 0.5
    assert any("beyond the scale" in text for text in texts(figure))


def test_differences_are_marked_on_the_side_that_exceeds_the_scale(draw):
    figure, panels = draw(contacts=False, samples=["a+X-0"], tracks=("DNase.difference",), scale=0.2)
    assert panels[0].limits == (-0.2, 0.2)
    marks = [line for line in figure.axes[0].lines if line.get_color() == "black"]
    for edge, beyond in ((0.2, panels[0].columns.high > 0.2), (-0.2, panels[0].columns.low < -0.2)):
        covered = np.zeros(len(beyond), dtype=bool)
        edges = panels[0].columns.edges
        for line in marks:
            if set(line.get_ydata()) == {edge}:
                covered |= (edges[:-1] >= line.get_xdata()[0]) & (edges[1:] <= line.get_xdata()[1])
        assert covered.any()
        np.testing.assert_array_equal(covered, beyond)


def test_wide_regions_show_maximum_and_mean(draw, folder):
    whole = Region("chr1", 0, 100_000)
    figure, panels = draw(whole, contacts=False, samples=["a"], tracks=("DNase",), width_mm=70.0)
    bins = panels[0].columns.bins
    assert bins > 1
    expected = bigwigs.bins(folder / "a.DNase.bw", "chr1", bin_bp=BIN_BP)
    (highs, _, light), (means, _, dark) = steps(figure.axes[0])
    assert light < dark
    edges = np.append(np.arange(0, 782, bins) * BIN_BP, 100_000)
    high, mean = at(highs, edges), at(means, edges)
    for number in range(len(mean)):
        group = expected[number * bins : (number + 1) * bins]
        if np.isfinite(group).any():
            assert high[number] == pytest.approx(np.nanmax(group), rel=1e-6)
            assert mean[number] == pytest.approx(np.nanmean(group), rel=1e-5)
        else:
            assert np.isnan([high[number], mean[number]]).all()
    assert any(f"of {bins} bins" in text for text in texts(figure))


def test_peaks_of_the_folder_are_bars_below_their_track(draw):
    figure, panels = draw(contacts=False, samples=["a"])
    assert [panel.peaks for panel in panels] == [((10_000, 10_500), (30_000, 30_500)), None]
    (bars,) = figure.axes[0].collections
    spans = [(path.get_extents().x0, path.get_extents().x1) for path in bars.get_paths()]
    assert spans == [(10_000, 10_500), (30_000, 30_500)]
    assert figure.axes[0].get_ylim()[0] < 0 == figure.axes[1].get_ylim()[0]


def test_peaks_of_files_that_the_user_names(draw, tmp_path):
    for track in TRACKS:
        (tmp_path / f"{track}.bed").write_text("chr1\t20000\t21000\n")
    _, panels = draw(contacts=False, samples=["a"], peaks=str(tmp_path / "{track}.bed"))
    assert [panel.peaks for panel in panels] == [((20_000, 21_000),)] * 2
    (tmp_path / "DNase.bed").unlink()
    _, panels = draw(contacts=False, samples=["a"], peaks=str(tmp_path / "{track}.bed"))
    assert [panel.peaks for panel in panels] == [None, ((20_000, 21_000),)]


def test_contacts_are_above_the_tracks_with_pixels_over_the_middle_of_their_anchors(draw):
    figure, panels = draw(samples=["a"])
    assert names(panels)[0] == "ContactPanel"
    (mesh,) = figure.axes[0].collections
    assert mesh.get_rasterized()
    panel = panels[0]
    middles = np.array([path.vertices[:4].mean(axis=0) for path in mesh.get_paths()])
    np.testing.assert_allclose(middles[:, 0], panel.first + panel.distance / 2 + 512)
    np.testing.assert_allclose(middles[:, 1], panel.distance)
    shades = np.log2(panel.values)
    darkest = mesh.get_facecolors()[int(shades.argmax())]
    assert darkest[0] > darkest[2]  # red for more than expected
    palest = mesh.get_facecolors()[int(np.abs(shades).argmin())]
    assert palest[:3].min() > 0.9
    assert any("log₂" in axes.get_ylabel() for axes in figure.axes)


def test_a_contig_without_contacts_has_an_empty_triangle(draw):
    figure, panels = draw(Region("chr2", 0, 12_000), samples=["a"])
    assert len(panels[0].values) == 0
    assert figure.axes[0].get_ylim()[0] == 0


def test_genes_are_last(draw, folder):
    figure, panels = draw(contacts=False, samples=["a"], genes=folder.parent / "genes.bed")
    assert [gene.name for gene in panels[-1].genes] == ["GATA1"]
    assert "GATA1" in texts(figure)
    assert "AWAY" not in texts(figure)


@pytest.mark.parametrize(
    ("start", "end", "unit", "labels"),
    [
        (1_000_000, 1_200_000, "Mb", ["1.05", "1.10", "1.15", "1.20"]),
        (20_000_000, 70_000_000, "Mb", ["30", "40", "50", "60", "70"]),
        (99_999, 110_000, "kb", ["100", "102", "104", "106", "108", "110"]),
        (1_999, 2_099, "bp", ["2,000", "2,020", "2,040", "2,060", "2,080"]),
    ],
)
def test_coordinates_are_one_based_and_round(start, end, unit, labels):
    from matplotlib.figure import Figure

    from epigept_batch.figures.coordinates import draw_axis

    axes = Figure().add_subplot()
    draw_axis(axes, Region("chr7", start, end), 140.0)
    assert axes.get_xlabel() == f"chr7 ({unit})"
    assert [label.get_text() for label in axes.get_xticklabels()] == labels
    size = {"Mb": 1_000_000, "kb": 1000, "bp": 1}[unit]
    for place, text in zip(axes.get_xticks(), labels, strict=True):
        assert place + 0.5 == float(text.replace(",", "")) * size


def test_no_text_leaves_the_figure_or_touches_another(draw, folder):
    figure, _ = draw(measured=measured_of(folder), genes=folder.parent / "genes.bed")
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    found = [*figure.texts]
    for axes in figure.axes:
        found += [*axes.texts, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in found if text.get_text()]
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y0 >= 0, text
        assert box.y1 <= figure.bbox.height, text
    for (one, box), (other, another) in itertools.combinations(boxes, 2):
        assert box.shrunk(0.98, 0.75).count_overlaps([another.shrunk(0.98, 0.75)]) == 0, (one, other)


def test_names_of_tracks_and_patterns_that_cannot_be_used(draw, folder):
    with pytest.raises(InputError, match="no track 'ATAC'; the folder has DNase, CTCF, DNase.difference"):
        draw(tracks=("ATAC",))
    with pytest.raises(InputError, match=r"one file for 2 predicted tracks; put \{track\}"):
        draw(samples=["a"], measured=str(folder.parent / "measured/{sample}.DNase.bw"))
    with pytest.raises(InputError, match="measured bigWig not found"):
        draw(samples=["a"], measured=str(folder.parent / "absent/{sample}.{track}.bw"))
    with pytest.raises(InputError, match=r"put \{sample\} and \{track\}"):
        draw(peaks="peaks.bed")


def test_a_common_scale_is_that_of_all_pages(folder):
    found = read_run_folder(folder, ["a"])
    regions = [Region("chr1", 0, 20_000), Region("chr1", 40_000, 90_000)]
    with PanelReader(found, Shown(contacts=False)) as reader:
        pages = [reader.signals(region) for region in regions]
        tops = highest(pages)
        limits = [[panel.limits for panel in with_limits(page, "common", tops)] for page in pages]
    assert limits[0] == limits[1]
    assert tops["DNase", False] == max(float(np.nanmax(page[0].columns.high)) for page in pages)
    assert min(float(np.nanmax(page[0].columns.high)) for page in pages) < tops["DNase", False]


def test_the_bin_size_comes_from_a_track_with_data(tmp_path):
    tracks = {"DNase": {"chr1": np.full(782, np.nan)}, "CTCF": {"chr1": np.full(391, 1.0)}}
    write_run(tmp_path / "out", "a", tracks, bin_bp=256)
    with PanelReader(read_run_folder(tmp_path / "out"), Shown()) as reader:
        empty, full = reader.signals(Region("chr1", 0, 100_000))
    assert np.diff(full.columns.edges)[0] == 256
    assert not empty.columns.has_data.any()


@pytest.mark.parametrize(("measured_space", "change"), [("linear", np.asarray), ("log1p", np.expm1)])
def test_measured_tracks_beside_a_linear_run_become_signal(tmp_path, measured_space, change):
    signal, measured = {"chr1": np.full(782, 5.0)}, np.linspace(0, 4, 782)
    write_run(tmp_path / "out", "a", {"DNase": signal}, space="linear")
    write_bigwig(tmp_path / "m.bw", {"chr1": measured}, LENGTHS)
    shown = Shown(measured=str(tmp_path / "m.bw"), measured_space=measured_space)
    with PanelReader(read_run_folder(tmp_path / "out"), shown) as reader:
        _, panel = reader.signals(Region("chr1", 0, 100_000))
    np.testing.assert_allclose(panel.columns.mean, change(measured.astype(np.float32)), rtol=1e-5)


def test_measured_tracks_of_another_genome_are_refused(tmp_path):
    write_run(tmp_path / "out", "a", {"DNase": {"chr1": np.ones(782)}})
    write_bigwig(tmp_path / "m.bw", {"chr9": np.ones(9)}, {"chr9": 9 * BIN_BP})
    with pytest.raises(InputError, match="no contig in common"):
        PanelReader(read_run_folder(tmp_path / "out"), Shown(measured=str(tmp_path / "m.bw")))


def test_contacts_are_grey_where_they_were_not_predicted(tmp_path):
    write_run(tmp_path / "out", "a", {"DNase": {"chr1": np.ones(782)}})
    write_map(tmp_path / "out", "a", [(0, 3, 2.0)])
    path = tmp_path / "out/a.contacts.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"regions": ["chr1:1-40960"]}))
    with PanelReader(read_run_folder(tmp_path / "out"), Shown()) as reader:
        triangle, track = reader.panels(Region("chr1", 0, 100_000))
    assert (triangle.absent, track.absent) == (((40_960, 100_000),), ())


def test_a_folder_of_contacts_alone_can_be_drawn(tmp_path):
    write_map(tmp_path / "out", "a", [(0, 3, 2.0)])
    with PanelReader(read_run_folder(tmp_path / "out"), Shown()) as reader:
        assert names(reader.panels(Region("chr1", 0, 20_000))) == ["ContactPanel"]


def test_a_merged_column_whose_maximum_alone_exceeds_the_scale_is_noted(draw):
    figure, panels = draw(
        Region("chr1", 0, 100_000), contacts=False, samples=["a"], tracks=("DNase",), width_mm=70.0, scale=2.5
    )
    assert np.nanmax(panels[0].columns.mean) < 2.5 < np.nanmax(panels[0].columns.high)
    assert any("beyond the scale" in text for text in texts(figure))


def test_a_note_tells_of_one_scale_only_where_there_is_one(draw, folder):
    shown = {"contacts": False, "samples": ["a"], "tracks": ("DNase",), "measured": measured_of(folder)}
    for scale, number in (("common", 1), ("own", 2)):
        figure, panels = draw(scale=scale, **shown)
        assert len({panel.limits for panel in panels}) == number
        assert any("one scale per track" in text for text in texts(figure)) == (number == 1)

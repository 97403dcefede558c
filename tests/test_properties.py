"""What holds for any contigs, regions, overlaps, tables and texts."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epigept_batch.errors import InputError
from epigept_batch.expression.request import SampleRequest
from epigept_batch.expression.samples import read_samples
from epigept_batch.names import can_be_file_name
from epigept_batch.prediction.stitch import TileSignal, runs
from epigept_batch.sequence.regions import parse_region
from epigept_batch.tiling import Contig, Geometry, Region, make_tiles, merge_spans, select_bins
from reference import owner

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True)
FACTORS = tuple(f"F{number:02d}" for number in range(15))


@st.composite
def layouts(draw):
    """A window, an overlap, contigs, and regions of them."""
    geometry = Geometry(draw(st.integers(1, 30)), draw(st.integers(1, 20)))
    overlap = draw(st.integers(0, geometry.bins - 1)) * geometry.bin_bp
    lengths = draw(st.lists(st.integers(1, 2000), min_size=1, max_size=4))
    contigs = [Contig(f"c{number}", length) for number, length in enumerate(lengths)]
    regions = []
    for _ in range(draw(st.integers(1, 6))):
        contig = draw(st.sampled_from(contigs))
        start = draw(st.integers(0, contig.length - 1))
        regions.append(Region(contig.name, start, draw(st.integers(start + 1, contig.length))))
    return geometry, overlap, contigs, regions


@SETTINGS
@given(layouts())
def test_every_selected_bin_comes_from_one_window_the_one_in_whose_centre_it_lies_nearest(layout):
    geometry, overlap, contigs, regions = layout
    step = geometry.bins - overlap // geometry.bin_bp
    selection = select_bins(regions, geometry.bin_bp)
    wanted = {
        (region.contig, bin_)
        for region in regions
        for bin_ in range(geometry.bins_of(region.end))
        if (bin_ + 1) * geometry.bin_bp > region.start
    }
    owned = {}
    for index, tile in enumerate(make_tiles(contigs, selection, geometry=geometry, overlap=overlap)):
        assert tile.index == index
        first = tile.start // geometry.bin_bp
        for begin, end in tile.spans:
            assert first <= begin < end <= first + geometry.bins
            for bin_ in range(begin, end):
                assert (tile.contig.name, bin_) not in owned
                owned[tile.contig.name, bin_] = first // step
    assert set(owned) == wanted
    assert all(number == owner(bin_, bins=geometry.bins, step=step) for (_, bin_), number in owned.items())


@SETTINGS
@given(layouts(), st.integers(0, 1 << 32), st.floats(0, 1))
def test_windows_give_the_signal_without_the_bins_that_have_no_base(layout, seed, share):
    geometry, overlap, contigs, regions = layout
    rng = np.random.default_rng(seed)
    whole = {c.name: rng.random((2, geometry.bins_of(c.length) + geometry.bins, 3), np.float32) for c in contigs}
    bases = {name: rng.random(values.shape[1]) < share for name, values in whole.items()}
    selection = select_bins(regions, geometry.bin_bp)
    signals = []
    for tile in make_tiles(contigs, selection, geometry=geometry, overlap=overlap):
        first = tile.start // geometry.bin_bp
        window = slice(first, first + geometry.bins)
        signals.append(TileSignal(tile, whole[tile.contig.name][:, window], bases[tile.contig.name][window]))
    random.Random(seed).shuffle(signals)
    order = {contig.name: number for number, contig in enumerate(contigs)}
    written, last = set(), (-1, -1)
    for signal in sorted(signals, key=lambda signal: signal.tile.index):
        taken = signal.taken(bin_bp=geometry.bin_bp)
        for run in runs(signal.tile, taken):
            place = (order[run.contig.name], run.first_bin)
            assert place > last
            end = run.first_bin + run.values.shape[1]
            last = (place[0], end - 1)
            np.testing.assert_array_equal(run.values, whole[run.contig.name][:, run.first_bin : end])
            written |= {(run.contig.name, bin_) for bin_ in range(run.first_bin, end)}
    selected = {(name, b) for name, spans in selection.items() for first, end in spans for b in range(first, end)}
    assert written == {(name, bin_) for name, bin_ in selected if bases[name][bin_]}


@SETTINGS
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60))))
def test_merged_spans_hold_the_same_bins_in_order_and_do_not_touch(spans):
    merged = merge_spans(spans)
    assert {b for first, last in merged for b in range(first, last)} == {b for f, last in spans for b in range(f, last)}
    assert all(first < last for first, last in merged)
    assert all(one[1] < other[0] for one, other in pairwise(merged))


NAMES = st.text(st.sampled_from("chrHLA:*-,0123"), min_size=1, max_size=8)


@SETTINGS
@given(st.dictionaries(NAMES, st.integers(1, 10**9), min_size=1, max_size=4), st.data())
def test_a_region_that_is_written_as_samtools_writes_it_is_read_as_it_was(lengths, data):
    contigs = {name: Contig(name, length) for name, length in lengths.items()}
    contig = data.draw(st.sampled_from(sorted(contigs)))
    start = data.draw(st.integers(1, lengths[contig]))
    end = data.draw(st.integers(start, lengths[contig]))
    form = data.draw(st.sampled_from(["{}:{}-{}", "{}:{:,}-{:,}"]))
    text = form.format(contig, start, end)
    if text not in contigs:
        assert parse_region(text, contigs) == Region(contig, start - 1, end)


@SETTINGS
@given(st.text(max_size=30) | st.text(st.sampled_from("chr1:-,9 \n"), max_size=12))
def test_any_text_is_a_region_within_its_contig_or_said_to_be_none_in_one_line(text):
    contigs = {"chr1": Contig("chr1", 100), "chr1:9": Contig("chr1:9", 5)}
    try:
        region = parse_region(text, contigs)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert 0 <= region.start < region.end <= contigs[region.contig].length


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


VALUES = st.floats(0, 1e6, allow_nan=False).map(lambda value: round(value, 4))


@settings(SETTINGS, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(VALUES, min_size=15, max_size=15).filter(any),
    st.permutations(range(15)),
    st.sampled_from(["\t", ","]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
)
def test_a_table_gives_the_factors_in_the_order_of_the_network_however_it_is_written(
    folder, values, order, separator, end, quoted, extra
):
    quote = '"' if quoted else ""
    rows = [["gene_id", "TPM"], *([f"{quote}{FACTORS[n]}{quote}", repr(values[n])] for n in order)]
    if extra:
        rows = [[row[0], "x" if number else "note", *row[1:]] for number, row in enumerate(rows)]
    path = folder / "sample.tsv"
    path.write_text("".join(separator.join(row) + end for row in rows), newline="")
    (sample,) = read_samples(SampleRequest(((None, path),)), FACTORS, None)
    assert sample.tpm.by_factor.tolist() == values
    assert sample.tpm.missing == ()


@settings(SETTINGS, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_a_table_or_said_to_be_none_in_one_line(folder, content):
    path = folder / "any.tsv"
    path.write_bytes(b"gene_id\tTPM\n" + content)
    with pytest.raises(InputError) as caught:
        read_samples(SampleRequest(((None, path),)), FACTORS, None)
    assert "\n" not in str(caught.value)
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_samples(SampleRequest(((None, path),)), FACTORS, None)


@SETTINGS
@given(st.text(max_size=200))
def test_a_name_that_can_be_a_files_is_one_in_the_folder_itself(folder, name):
    if can_be_file_name(name):
        path = folder / f"{name}.DNase.bw"
        assert path.parent == folder
        assert path.resolve().parent == folder.resolve()
        path.touch()
        path.unlink()

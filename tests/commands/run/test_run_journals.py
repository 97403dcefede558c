"""Windows from where a run was stopped: in genome order, each once, at the same cost however many are finished."""

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import epigept_batch
from epigept_batch.commands.run.journal import Journal
from epigept_batch.commands.run.resume import RunJournals
from epigept_batch.prediction.ahead import map_ahead
from epigept_batch.prediction.stitch import TileSignal
from epigept_batch.provenance.run_record import SampleFiles
from epigept_batch.tiling import Contig, Geometry, make_tiles
from epigept_batch.timing import StageClock

GEOMETRY = Geometry(bins=4, bin_bp=8)
CONTIGS = (Contig("b", 200), Contig("a", 100))
TILES = make_tiles(CONTIGS, {"a": [(0, 13)], "b": [(0, 25)]}, geometry=GEOMETRY)
SESSION = SimpleNamespace(provider="CPU", arithmetic="fp32")


def signal_of(tile, samples=2):
    rng = np.random.default_rng(tile.index)
    return TileSignal(tile, rng.random((samples, 4, 3)).astype(np.float32), np.ones(4, np.bool_))


def open_journals(folder, samples=("s", "t"), fresh=False):
    plan = SimpleNamespace(tiles=TILES, products=(product(folder),), request=SimpleNamespace(fresh=fresh))
    those = [SimpleNamespace(name=name, inputs=({"model": "m"},)) for name in samples]
    return RunJournals(plan, those, StageClock())


def product(folder):
    """Keeps the three tracks of the bins that are taken from a window."""
    return SimpleNamespace(
        files=lambda sample: SampleFiles(folder, sample.name, ("CTCF",)),
        kept=lambda signal: signal.taken(bin_bp=8),
        shape=lambda tile: (sum(last - first for first, last in tile.spans), 3),
    )


def interrupted_after(folder, number, samples=("s", "t")):
    """A run that has kept so many windows."""
    with open_journals(folder, samples) as journals:
        journals.begin(SESSION)
        source = journals.joined(signal_of(tile, len(samples)) for tile in journals.due)
        for _ in range(number):
            next(source)


@pytest.mark.parametrize("kept", [0, 1, 6, len(TILES)])
def test_windows_come_in_genome_order_with_their_values_wherever_they_come_from(tmp_path, kept):
    interrupted_after(tmp_path, kept)
    with open_journals(tmp_path) as journals:
        journals.begin(SESSION)
        assert [tile.index for tile in journals.due] == list(range(kept, len(TILES)))
        found = list(journals.joined(signal_of(tile) for tile in journals.due))
    assert [(tile.contig.name, tile.start) for tile, _ in found] == [
        *(("b", 32 * number) for number in range(7)),
        *(("a", 32 * number) for number in range(4)),
    ]
    for tile, (values,) in found:
        np.testing.assert_array_equal(values, signal_of(tile).taken(bin_bp=8))


@pytest.mark.parametrize(
    "order", [(1, 0, *range(2, len(TILES))), range(len(TILES))[::-1], range(1, len(TILES)), range(len(TILES) - 1)]
)
def test_a_window_out_of_its_turn_is_no_result(tmp_path, order):
    with open_journals(tmp_path) as journals:
        journals.begin(SESSION)
        source = journals.joined(signal_of(TILES[number]) for number in order)
        with pytest.raises(RuntimeError, match=r"tile \d+ did not come in its turn"):
            list(source)
    for tile, values in kept_values(tmp_path / ".s.journal").items():
        np.testing.assert_array_equal(values, signal_of(TILES[tile]).taken(bin_bp=8)[0])


def kept_values(path):
    """What a sample's journal holds, by window."""
    with Journal(path, {"model": "m", "version of epigept-batch": epigept_batch.__version__}) as journal:
        return {tile: journal.read(tile) for tile in journal.tiles}


@pytest.mark.parametrize(("workers", "ahead"), [(0, 0), (1, 2), (3, 8)])
def test_windows_that_end_early_wait_for_their_turn(tmp_path, workers, ahead):
    """Each takes less time than the one before it."""

    def slow(tile):
        time.sleep(0.02 * (len(TILES) - tile.index) / len(TILES))
        return signal_of(tile)

    with open_journals(tmp_path) as journals:
        journals.begin(SESSION)
        found = list(journals.joined(map_ahead(slow, journals.due, workers=workers, ahead=ahead)))
    assert [tile for tile, _ in found] == TILES
    for tile, (values,) in found:
        np.testing.assert_array_equal(values, signal_of(tile).taken(bin_bp=8))


def test_a_window_is_finished_when_every_sample_has_it_and_kept_once_for_each(tmp_path):
    interrupted_after(tmp_path, 5, samples=("s",))
    interrupted_after(tmp_path, 2, samples=("t",))
    with open_journals(tmp_path) as journals:
        journals.begin(SESSION)
        assert journals.finished == {0, 1}
        assert journals.kept == 5
        list(journals.joined(signal_of(tile) for tile in journals.due))
    for name in ("s", "t"):
        path = tmp_path / f".{name}.journal"
        header, records = path.read_bytes().split(b"\n", 1)
        assert kept_values(path).keys() == set(range(len(TILES))), header
        assert len(records) == len(TILES) * 16 + sum(last - first for t in TILES for first, last in t.spans) * 12


def test_keeping_a_window_does_not_list_those_before_it(tmp_path, monkeypatch):
    """Else a run of n windows takes n² steps: seconds a sample for a human genome."""
    listed = []
    real = Journal.tiles.fget
    with open_journals(tmp_path) as journals:
        journals.begin(SESSION)
        monkeypatch.setattr(Journal, "tiles", property(lambda journal: listed.append(1) or real(journal)))
        list(journals.joined(signal_of(tile) for tile in journals.due))
    assert listed == []


@pytest.mark.parametrize(("seconds", "expected"), [(0.001, [2, 4, 6, 8, 10]), (0.25, [2, 7])])
def test_of_the_time_at_most_a_share_goes_into_putting_journals_on_the_disk(tmp_path, monkeypatch, seconds, expected):
    """A window takes a second, a journal's way to the disk so many; there are two, every 1.5 seconds or ten times that.

    What is counted is the windows that had come when a journal was put there.
    """
    now, windows, synced = [0.0], [], []

    def sync(_):
        now[0] += seconds
        synced.append(len(windows))

    def come(tile):
        now[0] += 1
        windows.append(tile)
        return signal_of(tile)

    monkeypatch.setattr("epigept_batch.commands.run.resume.time.monotonic", lambda: now[0])
    monkeypatch.setattr("epigept_batch.commands.run.resume.SYNC_SECONDS", 1.5)
    with open_journals(tmp_path) as journals:
        journals.begin(SESSION)
        monkeypatch.setattr(Journal, "sync", sync)
        list(journals.joined(map(come, journals.due)))
    assert synced == [number for number in expected for _ in ("s", "t")]


def reads():
    """Read calls of this process so far."""
    return int(Path("/proc/self/io").read_text().split("syscr: ")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux's account of a process")
def test_the_header_of_a_genome_of_many_contigs_is_read_by_the_block(tmp_path):
    """A digest and the selected bins of each of 10,000 scaffolds: a call per byte would take a second a sample."""
    names = [f"scaffold_{number}_length_2000_cov_3.2" for number in range(10_000)]
    inputs = {"genome": dict.fromkeys(names, "0" * 32), "selection": {name: [[0, 16]] for name in names}}
    path = tmp_path / ".s.journal"
    with Journal(path, inputs) as journal:
        journal.begin({"provider": "CPU"})
        journal.add(3, np.ones((2, 2), np.float32))
    assert path.stat().st_size > 1 << 20
    before = reads()
    with Journal(path, inputs) as journal:
        assert journal.tiles == {3}
    assert reads() - before < 100


@pytest.mark.parametrize("block", range(1, 70))
def test_a_header_is_read_whole_wherever_a_block_ends(tmp_path, monkeypatch, block):
    path = tmp_path / ".s.journal"
    with Journal(path, {"model": "m"}) as journal:
        journal.begin({})
        journal.add(3, np.full((2, 2), 5, np.float32))
    monkeypatch.setattr("epigept_batch.commands.run.journal.HEADER_BLOCK", block)
    with Journal(path, {"model": "m"}) as journal:
        assert journal.read(3).tolist() == [[5, 5], [5, 5]]

import pytest

from epigept_batch.inference.gpu import batch_size
from epigept_batch.inference.gpu.batch_size import Trial, kept_trial, try_sizes


@pytest.fixture
def trial(monkeypatch):
    """Try sizes on a device that takes so many seconds a batch."""

    def trial(seconds, *, most=128, fits=128, graph=None):
        def run(size):
            if size > fits:
                raise MemoryError

        def run_graph(size):
            if graph(size) is None:
                raise RuntimeError

        took = {run: seconds, run_graph: graph}
        monkeypatch.setattr(batch_size, "_seconds", lambda run, size: took[run](size))
        return try_sizes(
            run,
            most=most,
            is_too_large=lambda error: isinstance(error, MemoryError),
            run_graph=None if graph is None else run_graph,
        )

    return trial


def test_the_smallest_of_the_fastest_sizes_is_taken(trial):
    found = trial(lambda size: 1 + size / 16)  # 16 / (1 + 1): half the limit of 16 a second; 32: two thirds
    assert found.batch_size == 128
    assert found.rates[16] == pytest.approx(8)
    assert trial(lambda size: max(size, 8) / 100).batch_size == 8
    assert trial(lambda size: size / 100).batch_size == 1


def test_graphs_of_small_batches_do_not_end_the_trial_of_larger_ones(trial):
    found = trial(lambda size: (10 + size) / 1000, graph=lambda size: (1 + size) / 1000)
    assert list(found.graph_rates) == [1, 2]
    assert found.graph_rates[2] == pytest.approx(2 / 0.003)
    assert (found.batch_size, found.graphs) == (128, False)  # 128 / 0.138 > 2 / 0.003


def test_a_small_batch_as_a_graph_is_chosen_over_a_larger_one_that_is_no_faster(trial):
    found = trial(lambda size: max(size, 8) / 100, graph=lambda size: size / 100)
    assert (found.batch_size, found.graphs) == (1, True)
    assert trial(lambda size: max(size, 2) / 100, graph=lambda size: max(size, 2) / 100).graphs is False


@pytest.mark.parametrize("works", [0, 1])
def test_a_size_for_which_a_graph_fails_is_not_used_as_one(trial, works):
    found = trial(lambda size: 5 / 100 + size / 1000, graph=lambda size: size / 1e6 if size <= works else None)
    assert found.graphs == bool(works)
    assert list(found.graph_rates) == [1][:works]


def test_small_batches_are_timed_more_often():
    ran = []
    try_sizes(ran.append, most=64, is_too_large=lambda _: False, sizes=(1, 64))
    assert ran.count(1) == 33
    assert ran.count(64) in {0, 4}


def test_what_does_not_fit_is_not_taken(trial):
    assert trial(lambda _: 1, most=20).batch_size == 16
    assert trial(lambda _: 1, fits=7).batch_size == 4
    assert trial(lambda _: 1, most=0).batch_size == 1
    with pytest.raises(MemoryError):
        trial(lambda _: 1, fits=0)


def test_a_trial_is_made_once_for_what_it_depends_on(home):
    made = []

    def make():
        made.append(1)
        return Trial(8, {4: 100.5, 8: 180.0}, {8: 190.0})

    assert (
        kept_trial("H100, model", make) == kept_trial("H100, model", make) == Trial(8, {4: 100.5, 8: 180.0}, {8: 190.0})
    )
    assert made == [1]
    kept_trial("A100, model", make)
    assert made == [1, 1]
    for file in (home / "batches").iterdir():
        file.write_text("{")
    assert kept_trial("H100, model", make).batch_size == 8
    assert made == [1, 1, 1]


def test_a_trial_says_what_it_found():
    assert str(Trial(8, {4: 100.4, 8: 1800.0})) == "batch size 8 (windows per second by batch size: 4: 100, 8: 1,800)"
    assert str(Trial(2, {1: 100.4, 2: 180.0}, {1: 90, 2: 200})) == (
        "batch size 2 with CUDA graphs "
        "(windows per second by batch size: 1: 100, 2: 180; with CUDA graphs: 1: 90, 2: 200)"
    )

import threading
from contextlib import closing

import pytest

from epigept_batch.prediction.ahead import map_ahead

MODES = [(0, 0), (1, 0), (1, 2), (3, 1), (3, 8)]


@pytest.mark.parametrize(("workers", "ahead"), MODES)
def test_results_come_in_order(workers, ahead):
    assert list(map_ahead(lambda x: x * x, range(50), workers=workers, ahead=ahead)) == [x * x for x in range(50)]


@pytest.mark.parametrize(("workers", "ahead"), MODES)
def test_no_more_than_so_many_are_ahead_of_the_consumer(workers, ahead):
    taken = []

    def items():
        for number in range(30):
            taken.append(number)
            yield number

    for number in map_ahead(lambda x: x, items(), workers=workers, ahead=ahead):
        assert len(taken) <= number + 1 + ahead
    assert len(taken) == 30


def test_the_next_is_under_way_while_the_consumer_has_one():
    begun = [threading.Event() for _ in range(3)]
    results = map_ahead(lambda x: begun[x].set(), range(3), workers=1, ahead=2)
    next(results)
    assert begun[2].wait(5)
    results.close()


def chain(workers, failing, error):
    """Two stages after a source, of which one raises at the fourth item."""

    def stage(name):
        def run(x):
            if name == failing and x == 3:
                raise error
            return x

        return run

    def source():
        for x in range(10):
            yield stage("source")(x)

    first = map_ahead(stage("first"), source(), workers=workers, ahead=2)
    return map_ahead(stage("second"), first, workers=workers, ahead=2)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("failing", ["source", "first", "second"])
@pytest.mark.parametrize("error", [ValueError("midway"), KeyboardInterrupt()])
def test_an_error_of_any_stage_comes_in_the_place_of_its_result(workers, failing, error):
    before = threading.active_count()
    found = []
    with pytest.raises(type(error)), closing(chain(workers, failing, error)) as results:
        found.extend(results)
    at_once = isinstance(error, KeyboardInterrupt)  # which need not wait for the results before it
    assert found == [0, 1, 2][: len(found)] if at_once else found == [0, 1, 2]
    assert threading.active_count() <= before  # another test's may end meanwhile


@pytest.mark.timeout(30)
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_consumer_that_fails_leaves_no_thread_and_closes_the_source(workers):
    before = threading.active_count()
    closed = []

    def source():
        try:
            yield from range(100)
        finally:
            closed.append(True)

    def consume():
        inner = map_ahead(lambda x: x, source(), workers=workers, ahead=4)
        with closing(map_ahead(lambda x: x, inner, workers=workers, ahead=4)) as results:
            for x in results:
                if x == 5:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert closed == [True]
    assert threading.active_count() <= before  # another test's may end meanwhile

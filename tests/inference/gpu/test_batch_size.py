import pytest

from epigept_batch.inference.gpu import batch_size
from epigept_batch.inference.gpu.batch_size import Trial, kept_trial, try_sizes


@pytest.fixture
def trial(monkeypatch):
    """Try sizes on a device that takes so many seconds a batch."""

    def trial(seconds, *, most=128, fits=128):
        def run(size):
            if size > fits:
                raise MemoryError

        monkeypatch.setattr(batch_size, "_seconds", lambda _, size: batch_size.TRIALS * seconds(size))
        return try_sizes(run, most=most, is_too_large=lambda error: isinstance(error, MemoryError))

    return trial


def test_the_smallest_of_the_fastest_sizes_is_taken(trial):
    found = trial(lambda size: 1 + size / 16)  # 16 / (1 + 1): half the limit of 16 a second; 32: two thirds
    assert found.batch_size == 128
    assert found.rates[16] == pytest.approx(8)
    assert trial(lambda size: max(size, 8) / 100).batch_size == 8
    assert trial(lambda size: size / 100).batch_size == 1


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
        return Trial(8, {4: 100.5, 8: 180.0})

    assert kept_trial("H100, model", make) == kept_trial("H100, model", make) == Trial(8, {4: 100.5, 8: 180.0})
    assert made == [1]
    kept_trial("A100, model", make)
    assert made == [1, 1]
    for file in (home / "batches").iterdir():
        file.write_text("{")
    assert kept_trial("H100, model", make).batch_size == 8
    assert made == [1, 1, 1]


def test_a_trial_says_what_it_found():
    assert str(Trial(8, {4: 100.4, 8: 1800.0})) == "batch size 8 (windows per second by batch size: 4: 100, 8: 1,800)"

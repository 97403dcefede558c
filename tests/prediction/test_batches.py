import pytest

from epigept_batch.prediction.batches import PATIENCE, in_batches


@pytest.mark.parametrize(
    ("windows", "size", "batches"),
    [
        ("", 2, []),
        ("xxxxx", 2, ["xx", "xx", "x"]),
        ("x.x.x.", 2, ["x.x", ".x."]),
        ("..xx", 1, ["..x", "x"]),
        ("...", 8, ["..."]),
    ],
)
def test_a_batch_has_so_many_that_count(windows, size, batches):
    assert ["".join(batch) for batch in in_batches(windows, size, counts=lambda w: w == "x")] == batches


def test_windows_of_n_do_not_hold_up_those_before_them():
    batches = list(in_batches("x" + "." * 1000 + "x", 2, counts=lambda w: w == "x"))
    assert len(batches[0]) == 2 + PATIENCE
    assert "".join(w for batch in batches for w in batch) == "x" + "." * 1000 + "x"


def test_the_source_is_closed_with_it():
    closed = []

    def source():
        try:
            yield from "xxxx"
        finally:
            closed.append(True)

    batches = in_batches(source(), 1, counts=lambda _: True)
    next(batches)
    batches.close()
    assert closed == [True]

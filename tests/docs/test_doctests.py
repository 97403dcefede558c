"""The examples in docstrings of the public API."""

import doctest

from epigept_batch.api import expression


def test_examples_in_docstrings_give_what_they_show():
    outcome = doctest.testmod(expression, optionflags=doctest.ELLIPSIS)
    assert outcome.failed == 0
    assert outcome.attempted > 0

"""The expression reference that conversion takes."""

import gzip

import numpy as np
import pytest

from epigept_batch.errors import InputError
from epigept_export.convert import read_expression_reference


@pytest.fixture
def write(tmp_path):
    def write(content, name="reference.tsv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_reference_may_be_gzip_whatever_its_name(write):
    text = b"factor,liver,lung\nCTCF,1,2.5\nAHR,0,4\n"
    for path in (write(text), write(gzip.compress(text), "reference.csv.gz"), write(gzip.compress(text), "packed.csv")):
        found = read_expression_reference(path, ("AHR", "CTCF"))
        assert found.cells == ("liver", "lung")
        np.testing.assert_array_equal(found.matrix, [[0, 4], [1, 2.5]])
    with pytest.raises(InputError, match="cut.gz: is a damaged or truncated gzip file"):
        read_expression_reference(write(gzip.compress(text)[:-9], "cut.gz"), ("AHR",))

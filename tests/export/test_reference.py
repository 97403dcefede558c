"""The expression reference that conversion takes."""

import gzip

import numpy as np
import pytest

from epigept_batch.errors import InputError
from epigept_export.convert import read_expression_reference


def test_a_reference_may_be_gzip_whatever_its_name(write):
    text = b"factor,liver,lung\nCTCF,1,2.5\nAHR,0,4\n"
    for path in (write(text), write(gzip.compress(text), "reference.csv.gz"), write(gzip.compress(text), "packed.csv")):
        found = read_expression_reference(path, ("AHR", "CTCF"))
        assert found.cells == ("liver", "lung")
        np.testing.assert_array_equal(found.matrix, [[0, 4], [1, 2.5]])
    with pytest.raises(InputError, match="cut.gz: damaged or truncated gzip file"):
        read_expression_reference(write(gzip.compress(text)[:-9], "cut.gz"), ("AHR",))


RSEM = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{RSEM}10904\t10904\t93\t0\t0\t0\t0\n", "the columns of one sample (effective_length, expected_count, TPM,"),
        ("gene_id\tTPM\nAHR\t1\n", "the columns of one sample (TPM); use TPM with the factors as rows and the"),
        ("AHR\nCTCF\n", "one column; use TPM with the factors as rows and the training cells as columns"),
    ],
)
def test_a_table_of_a_sample_is_said_to_be_none_of_factors_and_cells(write, text, why):
    path = write(text)
    with pytest.raises(InputError) as caught:
        read_expression_reference(path, ("AHR",))
    assert str(caught.value).startswith(f"{path}:1: not a table of factors × cells: it has {why}")


def test_a_row_that_does_not_fit_is_said_with_its_line(write):
    with pytest.raises(InputError, match="reference.tsv:3: a row must have a factor and 2 TPM values of at least 0"):
        read_expression_reference(write("\ta\tb\nAHR\t1\t2\nCTCF\t1\t-2\n", "reference.tsv"), ("AHR",))

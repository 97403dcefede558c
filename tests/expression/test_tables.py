"""Batches of rows: whatever their size, the same table, with every line numbered."""

import gzip

import polars as pl
import pytest

from epigept_batch.errors import InputError
from epigept_batch.expression import tables
from epigept_batch.expression.tables import HEAD_LINES, LINE, open_table
from expression import read_one

ROWS = [f"gene{n}\t{n / 8}\tnote {n}" for n in range(500)]


@pytest.fixture(params=[64, 1000, 1 << 24])
def batch_bytes(request, monkeypatch):
    monkeypatch.setattr(tables, "BATCH_BYTES", request.param)


@pytest.mark.usefixtures("batch_bytes")
@pytest.mark.parametrize("packing", [bytes, gzip.compress, lambda b: gzip.compress(b[:99]) + gzip.compress(b[99:])])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_batches_of_any_size_are_the_table(tmp_path, packing, end):
    rows = [*ROWS[:100], "", *ROWS[100:], "", ""]
    path = tmp_path / "table"
    path.write_bytes(packing(end.join(["a\tb\tc", *rows]).encode()))
    table = open_table(path)
    assert table.head == ("a\tb\tc", *ROWS[: HEAD_LINES - 1])
    whole = pl.concat(table.batches("\t", 3, skip=1))
    assert whole["0"].to_list() == [f"gene{n}" for n in range(500)]
    assert whole["2"].to_list() == [f"note {n}" for n in range(500)]
    assert whole[LINE].to_list() == [*range(2, 102), *range(103, 503)]
    some = pl.concat(table.batches("\t", 3, skip=1, wanted=(2, 0)))
    assert some.columns == [LINE, "0", "2"]
    assert some["2"].to_list() == whole["2"].to_list()


@pytest.mark.usefixtures("batch_bytes")
@pytest.mark.parametrize("bad", [3, 101, 402])
def test_a_bad_value_and_a_long_row_are_said_with_their_line(tmp_path, bad):
    lines = ["gene\tTPM\tnote", *ROWS[:100], "", *ROWS[100:]]
    lines[bad - 1] = "AHR\tmuch\tx"
    path = tmp_path / "table"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=f":{bad}: TPM 'much'"):
        read_one(path)
    lines[bad - 1] = "AHR\t1\tx\ty"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=f":{bad}: 4 columns, but the header has 3"):
        read_one(path)


def test_quotes_are_taken_off_where_the_table_is_quoted(tmp_path):
    path = tmp_path / "table"
    path.write_text('"gene","note","TPM"\n"AHR","a, b",1\n"CTCF","say ""c""",2\n')
    assert read_one(path, ("AHR", "CTCF")).tpm.by_factor.tolist() == [1, 2]
    path.write_text('gene\tnote\tTPM\nAHR\t5" end\t1\nCTCF\t"\t2\n')
    assert read_one(path, ("AHR", "CTCF")).tpm.by_factor.tolist() == [1, 2]


def test_other_encodings_of_descriptions_do_no_harm(tmp_path):
    path = tmp_path / "table"
    path.write_bytes("gene\tnote\tTPM\nAHR\tβ\t1\nCTCF\tµ\t2\n".encode().replace("µ".encode(), b"\xb5"))
    assert read_one(path, ("AHR", "CTCF")).tpm.by_factor.tolist() == [1, 2]


def test_blanks_around_values_and_comments_before_the_header(tmp_path):
    path = tmp_path / "table"
    path.write_text("# made by hand\n#\n\n gene , TPM \n AHR , 1.5 \nCTCF,2\n")
    assert read_one(path, ("AHR", "CTCF")).tpm.by_factor.tolist() == [1.5, 2]

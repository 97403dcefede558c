"""Which factors are screened, and what they are set to."""

import pytest

from epigept_batch.errors import InputError
from epigept_batch.screen.choice import choose_factors, parse_value

KNOWN = ("CTCF", "GATA1", "SPI1", "TP53")


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("all", KNOWN),
        ("TP53", ("TP53",)),
        ("TP53,CTCF", ("CTCF", "TP53")),
        (" TP53 , CTCF,,TP53", ("CTCF", "TP53")),
    ],
)
def test_names(text, chosen):
    assert choose_factors(text, KNOWN) == chosen


def test_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").write_text("# two\r\n SPI1 # one\n\nCTCF\n")
    assert choose_factors("list", KNOWN) == ("CTCF", "SPI1")
    (tmp_path / "a,b").write_text("TP53\n")
    assert choose_factors("a,b", KNOWN) == ("TP53",)
    (tmp_path / "GATA1").write_text("TP53\n")  # a factor comes before a file of its name
    assert choose_factors("GATA1", KNOWN) == ("GATA1",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("GATA", "--factors GATA: the model has no factor 'GATA'; did you mean GATA1"),
        ("gata1,CTCF", "--factors gata1: the model has no factor 'gata1'; did you mean GATA1"),
        (",", "--factors: names no factor"),
        ("", "--factors: names no factor"),
        ("x" * 5000, "the model has no factor"),
        ("a\0b", "the model has no factor"),
        ("empty", "no factor in the file"),
        ("comments", "no factor in the file"),
        ("wrong", "wrong:2: the model has no factor 'GATA'"),
        ("binary", "not a text file"),
        (".", "cannot be read"),
    ],
)
def test_what_names_no_factors(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    (tmp_path / "comments").write_text("# none\n\n")
    (tmp_path / "wrong").write_text("CTCF\nGATA\n")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(InputError) as found:
        choose_factors(text, KNOWN)
    assert message in str(found.value)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("-0", 0), ("2.5", 2.5), ("1e2", 100), ("absent", None)])
def test_values(text, value):
    assert parse_value(text) == value


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1_0", "x", "", "Absent", "1e999"])
def test_what_is_no_value(text):
    with pytest.raises(InputError, match="must be a TPM of at least 0, or 'absent'"):
        parse_value(text)

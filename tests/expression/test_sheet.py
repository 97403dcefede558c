"""A sheet of samples."""

import pytest

from epigept_batch.errors import InputError
from epigept_batch.expression.request import SampleRequest
from epigept_batch.expression.samples import read_samples
from epigept_batch.expression.sheet import read_sheet
from expression import FACTORS


@pytest.fixture
def folder(tmp_path):
    """A folder with a table, a matrix, and what writes a sheet into a folder below."""
    (tmp_path / "sub").mkdir()
    table(tmp_path / "a.tsv", 1)
    table(tmp_path / "sub/b.tsv", 2)
    rows = "".join(f"{name}\t{n}.5\t{n + 10}\t7\n" for n, name in enumerate(FACTORS))
    (tmp_path / "m.tsv").write_text(f"gene\tliver\tlung\tbrain\n{rows}")
    return tmp_path


def table(path, value):
    path.write_text("gene\tTPM\n" + "".join(f"{name}\t{value}\n" for name in FACTORS))


@pytest.fixture
def sheet(folder):
    def write(text, name="sub/sheet.tsv"):
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def read(path, tables=(), **options):
    samples = read_samples(SampleRequest(tables, sheet=path, **options), FACTORS, None)
    return {sample.name: sample for sample in samples}


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("start", ["", "\ufeff", "# of the lab\n\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_sheet_is_read_relative_to_its_folder_with_its_further_columns(sheet, separator, start, end):
    text = f"{start}file,Sample,tissue,note\n../a.tsv,one,liver,first\n\nb.tsv, two ,lung,\n"
    path = sheet(text.replace(",", separator).replace("\n", end))
    samples = read(path)
    assert list(samples) == ["one", "two"]
    assert [sample.tpm.by_factor[0] for sample in samples.values()] == [1, 2]
    assert samples["one"].account()["sheet"] == {
        "path": str(path.resolve()),
        "columns": {"tissue": "liver", "note": "first"},
    }
    assert samples["two"].account()["sheet"]["columns"] == {"tissue": "lung", "note": ""}
    assert [row.line for row in read_sheet(path)] == [2 + start.count("\n"), 4 + start.count("\n")]


def test_quotes_and_absolute_files(folder, sheet):
    path = sheet(f'sample,file,note\n"one","{folder / "a.tsv"}","x, ""y"""\n')
    assert read(path)["one"].account()["sheet"]["columns"] == {"note": 'x, "y"'}


def test_samples_of_a_matrix_go_by_column_or_by_their_name(sheet):
    samples = read(sheet("sample\tfile\tcolumn\nx\t../m.tsv\tlung\nliver\t../m.tsv\t\ny\t../a.tsv\n"))
    assert {name: sample.tpm.by_factor[1] for name, sample in samples.items()} == {"x": 11, "liver": 1.5, "y": 1}
    assert [sample.sources[0].column for sample in samples.values()] == ["lung", "liver", None]
    assert samples["x"].account()["sheet"]["columns"] == {}


def test_a_sheet_goes_with_tables_and_with_a_choice(folder, sheet):
    path = sheet("sample\tfile\none\t../a.tsv\ntwo\tb.tsv\n")
    assert list(read(path, ((None, folder / "m.tsv"),))) == ["liver", "lung", "brain", "one", "two"]
    assert list(read(path, ((None, folder / "m.tsv"),), samples=("two", "lung"))) == ["lung", "two"]
    assert read(path, ((None, folder / "a.tsv"),))["a"].account()["sheet"] is None
    with pytest.raises(InputError, match="2 samples are named 'one'"):
        read(path, (("one", folder / "a.tsv"),))


def test_merged_samples_keep_what_the_sheet_says_of_each(sheet):
    merged = read(sheet("sample\tfile\tbatch\none\t../a.tsv\t1\ntwo\tb.tsv\t2\n"), merge="m")["m"]
    assert merged.tpm.by_factor.tolist() == [1.5] * 5
    assert merged.account()["sheet"]["columns"] == [{"batch": "1"}, {"batch": "2"}]


HEAD = "sample\tfile\tcolumn\tx\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ": no header; the first line must name the columns: sample, file"),
        ("\n\n# x\n", ": no header"),
        ("name\tfile\na\t../a.tsv\n", ":1: no column sample (columns: name, file); the header of a sample sheet"),
        ("# x\nsample,fastq_1\n", ":2: no column file (columns: sample, fastq_1)"),
        ("a\t../a.tsv\n", ":1: no column sample and no column file (columns: a, ../a.tsv)"),
        ("sample\tfile\tx\tx\n", ":1: 2 columns named 'x'; give each a different name"),
        ("Sample\tsample\tfile\n", ":1: 2 columns named 'sample'"),
        (HEAD, ": a header but no samples"),
        (HEAD + "a\t../a.tsv\n\t../a.tsv\n", ":3: no value in column sample"),
        (HEAD + "a\t\t\tx\n", ":2: no value in column file"),
        (HEAD + "a\tabsent.tsv\n", "absent.tsv does not exist; files are relative to the sheet's folder"),
        (HEAD + "a\t../a.tsv\n\na\tb.tsv\n", ":4: sample 'a' is already in line 2"),
        (HEAD + "a/b\t../a.tsv\n", ":2: sample 'a/b' cannot be used in a file name; choose another name"),
        (HEAD + ".a\t../a.tsv\n", ":2: sample '.a' cannot be used in a file name"),
        (HEAD + "a\t../a.tsv\t\tx\ty\n", ":2: 5 columns, but the header has 4"),
        (HEAD + "a\t../m.tsv\n", "m.tsv has no sample 'a'; it has liver, lung, brain; name it in a column `column`"),
        (HEAD + "a\t../m.tsv\tlunk\n", "m.tsv has no sample 'lunk'; did you mean 'lung'?"),
        (
            HEAD + "a\t../m.tsv\tlung\nlung\t../m.tsv\n",
            ":3: 'lung' has the same values as 'a' in line 2; use another file, or another `column` of a file",
        ),
        (HEAD + "a\t../a.tsv\nb\t../a.tsv\n", ":3: 'b' has the same values as 'a' in line 2"),
        (b"\x1f\x8b12345", ": not a sample sheet; provide a text table"),
        (b"PK\x03\x0412345", ": not a sample sheet; provide a text table"),
        (b"sample\tfile\0", ": not a sample sheet"),
    ],
)
def test_what_is_wrong_with_a_sheet_is_said_with_its_line(sheet, text, said):
    path = sheet(text)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sheet_that_is_not_there(folder):
    with pytest.raises(InputError, match="sample sheet cannot be read: No such file"):
        read(folder / "absent.tsv")

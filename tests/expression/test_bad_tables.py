"""Tables that cannot be used, and what is said of each: one line."""

import gzip

import numpy as np
import pytest

from epigept_batch.errors import InputError
from expression import PUBLISHED, read_all
from quantifications import generate_genes

GENES = generate_genes()
IDS, TPM = GENES.ids, GENES.tpm


def table(values, name="TPM", ids=IDS, separator="\t"):
    rows = (f"{i}{separator}{value}\n" for i, value in zip(ids, values, strict=False))
    return f"gene_id{separator}{name}\n" + "".join(rows)


FULL = table(TPM)


def numbered(pattern):
    return [pattern.format(n) for n in range(len(IDS))]


def with_value(text):
    """The table with another value in its tenth line."""
    lines = FULL.splitlines(keepends=True)
    lines[9] = lines[9].split("\t")[0] + f"\t{text}\n"
    return "".join(lines)


NUMBER = "is not a number from 0 up"
HUMAN = "the network knows human genes only"
RSEM = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count"
RSEM_ROWS = "10904\t10904\t93\t0\t0\t0\t0\nENSG00000106546.1\tENST00000242057.9\t93\t9\t7\t5\t1\n"
NO_TPM = f": is a table of RSEM without a column TPM (columns: {RSEM.replace(chr(9), ', ')}"
FEATURE_COUNTS = "Geneid\tChr\tStart\tEnd\tStrand\tLength"
TABLES = {
    "empty": ("", ": is empty"),
    "empty, packed": (gzip.compress(b""), ": is empty"),
    "blank lines": ("\n\n\n", ": is empty"),
    "comments": ("# one\n# two\n", ": has no header line"),
    "header": ("gene_id\tTPM\n", ": has a header but no rows"),
    "header and blank line": ("gene_id\tTPM\n\n", ": has a header but no rows"),
    "two TPM": (table([f"{v}\t{v}" for v in TPM], "TPM\ttpm"), ": has several columns TPM; give a table with one"),
    "two FPKM": ("gene_id\tFPKM\trpkm\nAHR\t1\t2\n", ": has several columns of FPKM"),
    "no ids": (
        table(TPM, ids=numbered("x{}")),
        ": has no column with human gene ids; give a table of genes, by Ensembl",
    ),
    "numbers as ids": (
        table(TPM, ids=numbered("{}")),
        ": has numbers as ids (0, …) that are not those of human genes at NCBI; give Ensembl",
    ),
    "bars": (FULL.replace("\t", "|"), ": has one column, 'gene_id|TPM'; columns seem to be separated by bars: give"),
    "blanks": (FULL.replace("\t", " "), ": has one column, 'gene_id TPM'; columns seem to be separated by blanks"),
    "one column": ("AHR\nCTCF\n", ": has one column, 'AHR'; give a table of genes with a column TPM"),
    "no header": (
        FULL.split("\n", 1)[1],
        f":1: begins with values where the names of columns should be ('{IDS[0]}'); put a header line first",
    ),
    "lines of old Macs": (FULL.replace("\n", "\r"), ": has lines that end in CR alone; save it with line ends of Unix"),
    "UTF-16": (FULL.encode("utf-16"), ": is UTF-16 text; save it as UTF-8"),
    "NaN": (with_value("NaN"), f":10: TPM 'NaN' {NUMBER}; leave out genes that have none"),
    "NA": (with_value("NA"), f":10: TPM 'NA' {NUMBER}; leave out genes that have none"),
    "no value": (with_value(""), f":10: TPM '' {NUMBER}; leave out genes that have none"),
    "inf": (with_value("inf"), f":10: TPM 'inf' {NUMBER}"),
    "negative": (with_value("-1.5"), f":10: TPM '-1.5' {NUMBER}; logarithms and z-scores are no TPM"),
    "text in numbers": (with_value("high"), f":10: TPM 'high' {NUMBER}"),
    "decimal comma": (with_value("1,5"), f":10: TPM '1,5' {NUMBER}; write decimals with a point"),
    "short row": (with_value("").replace("\t\n", "\n", 1), ":10: has 1 column where the header has 2"),
    "long row": (with_value("1\t2"), ":10: has 3 columns where the header has 2"),
    "log2": (table(np.log2(TPM + 1)), ": looks like log2(TPM + 1): the largest value is 11.9; give TPM themselves"),
    "ln": (table(np.log(TPM + 1)), ": looks like ln(TPM + 1): the largest value is 8.2"),
    "log10": (table(np.log10(TPM + 1).round(4)), ": looks like log10(TPM + 1): the largest value is 3.58"),
    "log2 of part": (table(np.log2(TPM * 0.8 + 1)), ": looks like logarithms: the largest value is 11.58"),
    "counts": (
        table((TPM * 31).round().astype(int)),
        ": looks like counts: whole numbers, the sum is 31,000,000 and that of TPM 1,000,000; counts depend on the",
    ),
    "estimated counts": (table(TPM * 31.5), ": looks like counts: the sum is 31,500,000 and that of TPM 1,000,000"),
    "counts by name": (table(TPM, "expected_count"), ": has counts (expected_count) and no column TPM; give TPM"),
    "logTPM by name": (
        table(TPM, "logTPM"),
        ": has no column TPM, but 'logTPM': logarithms, by its name; give TPM themselves, in a column TPM",
    ),
    "log2(TPM + 1) by name": (table(TPM, "log2(TPM+1)"), ": has no column TPM, but 'log2(TPM+1)': logarithms, by its"),
    "raw counts by name": (table(TPM, "Raw Counts"), ": has counts (Raw Counts) and no column TPM; give TPM, for"),
    "CPM by name": (table(TPM, "CPM"), ": has counts (CPM) and no column TPM; give TPM, for"),
    "FPKM by another name": (
        table(TPM, "FPKM_value"),
        ": has no column TPM, but 'FPKM_value'; call a column of FPKM just FPKM to have it scaled to TPM, or give TPM",
    ),
    "TPM misspelt": (table(TPM, "tmp"), ": has no column TPM, but 'tmp': did you mean TPM? Then call it that"),
    "RSEM, TPM misspelt": (
        f"{RSEM}\tTMP\tIsoPct\n{RSEM_ROWS}",
        f"{NO_TPM}, TMP, IsoPct); did you mean 'TMP'? Then call it TPM",
    ),
    "RSEM, TPM misspelt beside FPKM": (
        f"{RSEM}\tTMP\tFPKM\n{RSEM_ROWS}",
        f"{NO_TPM}, TMP, FPKM); did you mean 'TMP'? Then call it TPM",
    ),
    "RSEM without TPM": (f"{RSEM}\tx\ty\n{RSEM_ROWS}", f"{NO_TPM}, x, y); give a table with one"),
    "mouse": (table(TPM, ids=numbered("ENSMUSG{:011d}.2")), f": has mouse genes (ENSMUSG…); {HUMAN}"),
    "rat": (table(TPM, ids=numbered("ENSRNOG{:011d}")), f": has rat genes (ENSRNOG…); {HUMAN}"),
    "hamster": (table(TPM, ids=numbered("ENSCGRG{:011d}")), f": has another species genes (ENSCGRG…); {HUMAN}"),
    "mouse transcripts": (table(TPM, ids=numbered("ENSMUST{:011d}.2")), f": has mouse genes (ENSMUSG…); {HUMAN}"),
    "fly": (table(TPM, ids=numbered("FBgn{:07d}")), f": has genes of fly; {HUMAN}"),
    "mouse symbols": (table(TPM, ids=[s.capitalize() for s in GENES.symbols]), ": has symbols as of mouse or rat ("),
    "transcripts": (
        table(TPM, ids=numbered("ENST{:011d}.1")),
        ": is a table of transcripts (ENST00000000000.1, …); give --tx2gene, a GTF, GFF3 or table",
    ),
    "RefSeq transcripts": (table(TPM, ids=numbered("NM_{:06d}")), ": is a table of transcripts (NM_000000, …)"),
    "two samples of one name": (table([f"{v}\t{v}" for v in TPM], "a\ta"), ": has two samples of the name 'a'"),
    "name outside the folder": (
        table([f"{v}\t{v}" for v in TPM], "../a\tb"),
        ": has a sample '../a', which cannot be a file's name; give --tpm NAME=FILE and --sample '../a'",
    ),
    "binary": (bytes(range(256)) * 99, ": is not a table of text"),
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0", ": is not a table of text"),
    "Excel": (b"PK\x03\x04aaaa", ": is an Excel file or zip archive; save the table as tab-separated text"),
    "bzip2": (b"BZh91AY", ": is packed with bzip2; unpack it, or pack it with gzip"),
    "HDF5": (b"\x89HDF\r\n\x1a\nxxxx", ": is a damaged HDF5 file"),
    "truncated gzip": (gzip.compress(FULL.encode())[:5000], ": is a damaged or truncated gzip file"),
    "damaged gzip": (gzip.compress(FULL.encode())[:-6] + b"123456", ": is a damaged or truncated gzip file"),
    "nothing expressed": (
        table(np.zeros(len(TPM))),
        ": has TPM 0 for every factor; give a table of a sequenced sample",
    ),
    "half of the genes": (
        table(TPM, ids=IDS[:8500]),
        ": only 359 of 711 factors are found (missing: AHR, AIRE, ARHGEF12, ARID5A, ARID5B, …); at least 95% are",
    ),
    "names only": ("gene_id\tname\nAHR\tx\n", ": has no column TPM and none of numbers (columns: gene_id, name)"),
    "GCT without dimensions": ("#1.2\nName\tDescription\ta\nAHR\tx\t1\n", ":2: has no line of dimensions as GCT 1.2"),
    "GCT of other dimensions": (
        "#1.2\n5\t3\nName\tDescription\ta\nAHR\tx\t1\n",
        ":3: has 3 columns where its dimensions",
    ),
    "GCT cut short": ("#1.3\n5\t3\t1\t1\n", ": ends before its header line"),
    "featureCounts, length 0": (f"{FEATURE_COUNTS}\ta.bam\nAHR\tc\t1\t2\t+\t0\t7\n", ":2: length 0; give that of the"),
    "featureCounts, no counts": (f"{FEATURE_COUNTS}\nAHR\tc\t1\t2\t+\t5\n", ": has no column of counts after Length"),
    "featureCounts, bad count": (f"{FEATURE_COUNTS}\ta.bam\nAHR\tc\t1\t2\t+\t5\t-1\n", f":2: count '-1' {NUMBER}"),
}


@pytest.mark.parametrize("name", TABLES)
def test_what_cannot_be_used_is_said_in_one_line(name, tmp_path):
    content, message = TABLES[name]
    path = tmp_path / "sample.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_all(path, factors=PUBLISHED)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_what_is_no_file_is_said(tmp_path):
    import os

    (tmp_path / "folder.tsv").mkdir()
    os.mkfifo(tmp_path / "pipe.tsv")
    for name, message in (
        ("absent.tsv", "TPM table cannot be read: No such file or directory"),
        ("folder.tsv", "TPM table cannot be read: Is a directory"),
        ("pipe.tsv", "is a pipe or device, which cannot be read twice; give a file"),
    ):
        with pytest.raises(InputError, match=f"{name}: {message}"):
            read_all(tmp_path / name)


def test_a_bad_value_of_a_matrix_names_its_sample(tmp_path):
    path = tmp_path / "matrix.tsv"
    path.write_text("gene\tliver\tlung\nAHR\t1\t2\nCTCF\t3\t4\nT\t5\tx\n")
    with pytest.raises(InputError, match=r"matrix.tsv:4: TPM 'x' of lung is not a number from 0 up"):
        read_all(path)


def test_a_bad_sample_of_a_matrix_is_named(tmp_path):
    path = tmp_path / "matrix.tsv"
    path.write_text(table([f"{v}\t{round(v * 31)}" for v in TPM], "a\tb"))
    with pytest.raises(InputError, match=r"matrix.tsv: has columns of whole numbers beside others .* \(b\); pick"):
        read_all(path, factors=PUBLISHED)
    with pytest.raises(InputError, match=r"matrix.tsv: sample 'b' looks like counts: whole numbers"):
        read_all(path, factors=PUBLISHED, samples=("a", "b"))
    assert list(read_all(path, factors=PUBLISHED, samples=("a",))) == ["a"]

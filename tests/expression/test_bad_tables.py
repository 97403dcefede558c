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


NUMBER = "is not a number of 0 or more"
HUMAN = "the network reads human genes only"
RSEM = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count"
RSEM_ROWS = "10904\t10904\t93\t0\t0\t0\t0\nENSG00000106546.1\tENST00000242057.9\t93\t9\t7\t5\t1\n"
NO_TPM = f": no TPM column (table format: RSEM, columns: {RSEM.replace(chr(9), ', ')}"
FEATURE_COUNTS = "Geneid\tChr\tStart\tEnd\tStrand\tLength"
TABLES = {
    "empty": ("", ": is empty"),
    "empty, packed": (gzip.compress(b""), ": is empty"),
    "blank lines": ("\n\n\n", ": is empty"),
    "comments": ("# one\n# two\n", ": no header line; the first line must name the columns"),
    "header": ("gene_id\tTPM\n", ": a header but no rows"),
    "header and blank line": ("gene_id\tTPM\n\n", ": a header but no rows"),
    "two TPM": (table([f"{v}\t{v}" for v in TPM], "TPM\ttpm"), ": several TPM columns; provide a table with one"),
    "two FPKM": ("gene_id\tFPKM\trpkm\nAHR\t1\t2\n", ": several FPKM columns"),
    "no ids": (
        table(TPM, ids=numbered("x{}")),
        ": no column with human gene ids; provide a table with Ensembl gene ids",
    ),
    "numbers as ids": (
        table(TPM, ids=numbered("{}")),
        ": numeric ids (0, …) that are not NCBI ids of human genes; use Ensembl",
    ),
    "bars": (
        FULL.replace("\t", "|"),
        ": only one column, 'gene_id|TPM'; columns seem to be separated by vertical bars: use",
    ),
    "blanks": (FULL.replace("\t", " "), ": only one column, 'gene_id TPM'; columns seem to be separated by spaces"),
    "one column": ("AHR\nCTCF\n", ": only one column, 'AHR'; provide a table of genes with a TPM column"),
    "no header": (
        FULL.split("\n", 1)[1],
        f":1: values instead of column names ('{IDS[0]}'); add a header line",
    ),
    "lines of old Macs": (
        FULL.replace("\n", "\r"),
        ": lines end in carriage returns (CR) only; save the file with Unix",
    ),
    "UTF-16": (FULL.encode("utf-16"), ": UTF-16 text; save it as UTF-8"),
    "NaN": (with_value("NaN"), f":10: TPM 'NaN' {NUMBER}; remove genes without a value"),
    "NA": (with_value("NA"), f":10: TPM 'NA' {NUMBER}; remove genes without a value"),
    "no value": (with_value(""), f":10: TPM '' {NUMBER}; remove genes without a value"),
    "inf": (with_value("inf"), f":10: TPM 'inf' {NUMBER}"),
    "negative": (with_value("-1.5"), f":10: TPM '-1.5' {NUMBER}; log-transformed values and z-scores are not TPM"),
    "text in numbers": (with_value("high"), f":10: TPM 'high' {NUMBER}"),
    "decimal comma": (with_value("1,5"), f":10: TPM '1,5' {NUMBER}; write decimals with a point"),
    "short row": (with_value("").replace("\t\n", "\n", 1), ":10: 1 column, but the header has 2"),
    "long row": (with_value("1\t2"), ":10: 3 columns, but the header has 2"),
    "log2": (
        table(np.log2(TPM + 1)),
        ": looks like log2(TPM + 1): the largest value is 11.9; provide untransformed TPM",
    ),
    "ln": (table(np.log(TPM + 1)), ": looks like ln(TPM + 1): the largest value is 8.2"),
    "log10": (table(np.log10(TPM + 1).round(4)), ": looks like log10(TPM + 1): the largest value is 3.58"),
    "log2 of part": (table(np.log2(TPM * 0.8 + 1)), ": looks like logarithms: the largest value is 11.58"),
    "counts": (
        table((TPM * 31).round().astype(int)),
        ": looks like counts: whole numbers, the sum is 31,000,000, not 1,000,000 as for TPM; counts depend on gene",
    ),
    "estimated counts": (table(TPM * 31.5), ": looks like counts: the sum is 31,500,000, not 1,000,000 as for TPM"),
    "counts by name": (table(TPM, "expected_count"), ": counts (expected_count) but no TPM column; provide TPM"),
    "logTPM by name": (
        table(TPM, "logTPM"),
        ": no TPM column, and 'logTPM' looks log-transformed; provide untransformed TPM in a column named TPM",
    ),
    "log2(TPM + 1) by name": (table(TPM, "log2(TPM+1)"), ": no TPM column, and 'log2(TPM+1)' looks log-trans"),
    "raw counts by name": (table(TPM, "Raw Counts"), ": counts (Raw Counts) but no TPM column; provide TPM, because"),
    "CPM by name": (table(TPM, "CPM"), ": counts (CPM) but no TPM column; provide TPM, because"),
    "FPKM by another name": (
        table(TPM, "FPKM_value"),
        ": no TPM column, but 'FPKM_value'; rename an FPKM column to FPKM to have it scaled to TPM, or provide TPM",
    ),
    "TPM misspelt": (table(TPM, "tmp"), ": no TPM column, but 'tmp'; if it holds TPM, rename it to TPM"),
    "RSEM, TPM misspelt": (
        f"{RSEM}\tTMP\tIsoPct\n{RSEM_ROWS}",
        f"{NO_TPM}, TMP, IsoPct); if 'TMP' holds TPM, rename it to TPM",
    ),
    "RSEM, TPM misspelt beside FPKM": (
        f"{RSEM}\tTMP\tFPKM\n{RSEM_ROWS}",
        f"{NO_TPM}, TMP, FPKM); if 'TMP' holds TPM, rename it to TPM",
    ),
    "RSEM without TPM": (f"{RSEM}\tx\ty\n{RSEM_ROWS}", f"{NO_TPM}, x, y); provide a table with a TPM column"),
    "mouse": (table(TPM, ids=numbered("ENSMUSG{:011d}.2")), f": mouse genes (ENSMUSG…); {HUMAN}"),
    "rat": (table(TPM, ids=numbered("ENSRNOG{:011d}")), f": rat genes (ENSRNOG…); {HUMAN}"),
    "hamster": (table(TPM, ids=numbered("ENSCGRG{:011d}")), f": non-human genes (ENSCGRG…); {HUMAN}"),
    "mouse transcripts": (table(TPM, ids=numbered("ENSMUST{:011d}.2")), f": mouse genes (ENSMUSG…); {HUMAN}"),
    "fly": (table(TPM, ids=numbered("FBgn{:07d}")), f": fly genes; {HUMAN}"),
    "mouse symbols": (
        table(TPM, ids=[s.capitalize() for s in GENES.symbols]),
        ": gene symbols look like mouse or rat (",
    ),
    "transcripts": (
        table(TPM, ids=numbered("ENST{:011d}.1")),
        ": a table of transcripts (ENST00000000000.1, …); provide a GTF, GFF3 or table of transcripts and genes with",
    ),
    "RefSeq transcripts": (table(TPM, ids=numbered("NM_{:06d}")), ": a table of transcripts (NM_000000, …)"),
    "two samples of one name": (table([f"{v}\t{v}" for v in TPM], "a\ta"), ": two samples named 'a'; give"),
    "name outside the folder": (
        table([f"{v}\t{v}" for v in TPM], "../a\tb"),
        ": sample '../a' cannot be used in a file name; rename it with --tpm NAME=FILE and --sample '../a'",
    ),
    "binary": (bytes(range(256)) * 99, ": not a text table"),
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0", ": not a text table"),
    "Excel": (b"PK\x03\x04aaaa", ": an Excel file or a zip archive; save the table as tab-separated text"),
    "bzip2": (b"BZh91AY", ": compressed with bzip2; decompress it, or compress it with gzip"),
    "HDF5": (b"\x89HDF\r\n\x1a\nxxxx", ": a damaged HDF5 file"),
    "truncated gzip": (gzip.compress(FULL.encode())[:5000], ": a damaged or truncated gzip file"),
    "damaged gzip": (gzip.compress(FULL.encode())[:-6] + b"123456", ": a damaged or truncated gzip file"),
    "nothing expressed": (
        table(np.zeros(len(TPM))),
        ": has TPM 0 for every factor; provide a table of a sequenced sample",
    ),
    "half of the genes": (
        table(TPM, ids=IDS[:8500]),
        ": only 359 of 711 factors found (missing: AHR, AIRE, ARHGEF12, ARID5A, ARID5B, …), at least 95% required;",
    ),
    "names only": (
        "gene_id\tname\nAHR\tx\n",
        ": no TPM column and no numeric column of a sample (columns: gene_id, name)",
    ),
    "GCT without dimensions": (
        "#1.2\nName\tDescription\ta\nAHR\tx\t1\n",
        ":2: no valid dimensions line, which GCT 1.2",
    ),
    "GCT of other dimensions": (
        "#1.2\n5\t3\nName\tDescription\ta\nAHR\tx\t1\n",
        ":3: 3 columns, but the dimensions line",
    ),
    "GCT cut short": ("#1.3\n5\t3\t1\t1\n", ": ends before its header line"),
    "featureCounts, length 0": (f"{FEATURE_COUNTS}\ta.bam\nAHR\tc\t1\t2\t+\t0\t7\n", ":2: length 0; provide the total"),
    "featureCounts, no counts": (f"{FEATURE_COUNTS}\nAHR\tc\t1\t2\t+\t5\n", ": no count column after Length"),
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
        ("pipe.tsv", "a pipe or device, which cannot be read twice; provide a regular file"),
    ):
        with pytest.raises(InputError, match=f"{name}: {message}"):
            read_all(tmp_path / name)


def test_a_bad_value_of_a_matrix_names_its_sample(tmp_path):
    path = tmp_path / "matrix.tsv"
    path.write_text("gene\tliver\tlung\nAHR\t1\t2\nCTCF\t3\t4\nT\t5\tx\n")
    with pytest.raises(InputError, match=r"matrix.tsv:4: TPM 'x' of lung is not a number of 0 or more"):
        read_all(path)


def test_a_bad_sample_of_a_matrix_is_named(tmp_path):
    path = tmp_path / "matrix.tsv"
    path.write_text(table([f"{v}\t{round(v * 31)}" for v in TPM], "a\tb"))
    with pytest.raises(
        InputError, match=r"matrix.tsv: unclear whether columns of whole numbers, next to .* \(b\); pick"
    ):
        read_all(path, factors=PUBLISHED)
    with pytest.raises(InputError, match=r"matrix.tsv: sample 'b' looks like counts: whole numbers"):
        read_all(path, factors=PUBLISHED, samples=("a", "b"))
    assert list(read_all(path, factors=PUBLISHED, samples=("a",))) == ["a"]

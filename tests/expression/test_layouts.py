"""Layouts that real programs write: each is read right, or refused in one line."""

import gzip

import pytest

from epigept_batch.errors import InputError
from expression import read_all, read_one
from quantifications import generate_genes, published_ids

GENES = ("AHR", "CTCF", "EGR1", "E2F5")
VALUES = {"A": (7.23, 3.84, 0.0, 12.5), "B": (3.29, 84.0, 1.07, 0.25)}
IDS = {symbol: ensembl for ensembl, symbol in published_ids()}


def lines(*columns, header, separator="\t"):
    """A table of the four genes, and more of no factor, with these columns."""
    rows = zip(GENES, *columns, strict=True)
    return [separator.join(header), *(separator.join(map(str, row)) for row in rows)]


def padded(names=("A", "B"), separator="\t", **more):
    """A table of 40 genes, each other column with a value a row from a function of its number."""
    rows = [separator.join(["gene", *names, *more])]
    for number in range(40):
        gene = GENES[number] if number < len(GENES) else f"GENE{number}"
        values = [VALUES[name][number] if number < len(GENES) else number / 8 + 0.3 for name in names]
        rows.append(separator.join([gene, *map(str, values), *(str(value(number)) for value in more.values())]))
    return "\n".join(rows) + "\n"


A, B = VALUES["A"], VALUES["B"]
BOTH = lines(A, B, header=["gene", "A", "B"])
READ = {
    "rows end in a tab": "\n".join([BOTH[0], *(row + "\t" for row in BOTH[1:])]),
    "rows end in two commas": "\n".join([BOTH[0], *(row + "\t\t" for row in BOTH[1:])]).replace("\t", ","),
    "the header ends in a tab": "\n".join([BOTH[0] + "\t", *BOTH[1:]]),
    "all end in semicolons": "\n".join(row + "\t" for row in BOTH).replace("\t", ";"),
    "some rows end in a tab": "\n".join([*BOTH[:2], BOTH[2] + "\t", *BOTH[3:]]),
    "row names of R": "\n".join(["A\tB", *BOTH[1:]]),
    "row names of R in CSV": "\n".join(["A\tB", *BOTH[1:]]).replace("\t", ","),
    "row names of R, rows end in a tab": "\n".join(["A\tB", *(row + "\t" for row in BOTH[1:])]),
    "row names of R, all end in a tab": "\n".join(["A\tB\t", *(row + "\t" for row in BOTH[1:])]),
    "numbered rows of R": "\n".join([BOTH[0], *(f"{n}\t{row}" for n, row in enumerate(BOTH[1:], 1))]),
    "row names of R beside symbols": "\n".join(
        ["gene_name\tA\tB", *(f"{IDS[r.split(chr(9))[0]]}\t{r}" for r in BOTH[1:])]
    ),
    "write.csv2": '"";"A";"B"\n'
    + "\n".join(f'"{g}";{a};{b}' for g, a, b in zip(GENES, A, B, strict=False)).replace(".", ","),
    "hash": "#" + "\n".join(BOTH),
    "hash and blank": "# " + "\n".join(BOTH),
    "BOM, hash": "\ufeff#" + "\n".join(BOTH),
    "comment, then hash": "# IsoQuant 3.3\n#" + "\n".join(BOTH),
    "comment of as many fields, then header": "# Program\tv1\tx\n" + "\n".join(BOTH),
    "BOM in gzip": gzip.compress(("\ufeff" + "\n".join(BOTH)).encode()),
    "a line for spreadsheets": "sep=;\n" + "\n".join(BOTH).replace("\t", ";"),
    "melted": "gene,variable,value\n" + "".join(f"{g},{s},{VALUES[s][n]}\n" for s in "AB" for n, g in enumerate(GENES)),
    "BOM, comment, then header": "\ufeff# made by hand\n" + "\n".join(BOTH),
    "a tab within quotes": "gene\tnote\tA\tB\n"
    + "\n".join(f'{g}\t"{"x" if n else "x" + chr(9)}"\t{A[n]}\t{B[n]}' for n, g in enumerate(GENES)),
    "two BOMs": "\ufeff\ufeff" + "\n".join(BOTH),
    "blank lines, also of separators": "\n\t\t\n" + "\n".join([*BOTH[:3], "\t\t", "", *BOTH[3:], "\t\t"]),
    "comments between and behind": "\n".join([*BOTH[:3], "# half\tof it", *BOTH[3:], "# end"]),
    "quartiles of Expression Atlas": "\n".join(
        lines(
            [f"0,1,{a},{a + 1},99" if a > 1 else f"{a}" for a in A],
            [f"0,0,{b},100,101" for b in B],
            header=["Gene ID", "A", "B"],
        )
    ),
    "blanks, signs, exponents": "\n".join(
        lines([f" +{a} " for a in A], [f"{b * 1000:.0f}E-03" for b in B], header=["gene", "A", "B"])
    ),
    "lengths, positions, GC": padded(
        length=lambda n: 900 + n, **{"Gene start (bp)": lambda n: n * 1000, "Gene % GC content": lambda n: 40 + n / 9}
    ),
    "NCBI's ids and chromosomes": padded(
        Entrez_Gene_Id=lambda n: 5000 + 3 * n, chr=lambda n: n % 22 + 1, strand=lambda n: n % 1 + 1
    ),
    "lengths of another name": padded(bp2=lambda n: 17 * n + 300),
    "sequencing service": padded()
    .replace("\tA\tB", "\tA_tpm\tB_tpm")
    .replace("\n", "\t9\t8.5\n")
    .replace("tpm\t9\t8.5", "tpm\tA_count\tB_fpkm"),
    "gene sets as 7_1": padded(set=lambda n: f"{n}_1"),
    "tidy table": "gene\tsample\tvalue\n"
    + "".join(f"{g}\t{s}\t{VALUES[s][n]}\n" for n, g in enumerate(GENES) for s in "AB"),
    "tidy table by sample, which stands first": "sample,gene,TPM\n"
    + "".join(f"{s},{g},{VALUES[s][n]}\n" for s in "AB" for n, g in enumerate(GENES)),
    "tidy table, another word": "gene\torigin\tTPM\n"
    + "".join(f"{g}\t{s}\t{VALUES[s][n]}\n" for n, g in enumerate(GENES) for s in "AB"),
    "cells of the Human Protein Atlas": "Gene\tGene name\tCell line\tTPM\tpTPM\tnTPM\n"
    + "".join(f"{IDS[g]}\t{g}\t{s}\t{VALUES[s][n]}\t1.5\t2.5\n" for n, g in enumerate(GENES) for s in "AB"),
    "consensus of the Human Protein Atlas": '"Gene","Gene name","Tissue","nTPM"\n'
    + "".join(f'"{IDS[g]}","{g}","{s}","{VALUES[s][n]}"\n' for n, g in enumerate(GENES) for s in "AB"),
    "Ensembl, samples 1001 and 1002": "\n".join(BOTH).replace("gene\tA\tB", "Ensembl\t1001\t1002"),
    "excel's empty columns": "\n".join(row + ",,," for row in "\n".join(BOTH).replace("\t", ",").split("\n")),
    "stray quotes": "gene\tnote\tA\tB\n"
    + "\n".join(
        f"{g}\t{note}\t{a}\t{b}"
        for g, note, a, b in zip(GENES, ['"open', '5" end', 'end"', '"a ""b"" c"'], A, B, strict=False)
    ),
    "separators within quotes": "gene,note,A,B\n"
    + "\n".join(
        f"{g},{note},{a},{b}"
        for g, note, a, b in zip(GENES, ['"x, y"', '"say ""a, b"""', "none", '"say \\"a, b\\""'], A, B, strict=False)
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_programs_write_is_read_right(name, tmp_path):
    content, path = READ[name], tmp_path / "t.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_all(path, factors=GENES)
    names = ["1001", "1002"] if "1001" in name else ["A", "B"]
    assert {sample: one.tpm.by_factor.tolist() for sample, one in found.items()} == dict(
        zip(names, [list(A), list(B)], strict=False)
    )


HEADED = "gene\tA\tB\n"
REFUSED = {
    "unquoted decimal commas": (
        "gene,A\nAHR,3,84\nCTCF,2,1\n",
        ":2: 3 columns, but the header has 2 and its first name",
    ),
    "unquoted decimal commas, another name": (
        "G,A\nAHR,3,84\nCTCF,2,1\n",
        ":2: 3 columns, but the header has 2, and there is no",
    ),
    "a last column without a name": (
        "gene\tA\nAHR\t3.84\t1.5\nCTCF\t2\t1\n",
        ":2: 3 columns, but the header has 2 and its",
    ),
    "a last column without a name, and a header that ends in a tab": (
        "G\tA\t\nAHR\t3.84\t1.5\nCTCF\t2\t1\n",
        ":1: column 3 has values but no name; name every column",
    ),
    "an empty last field, and a first name that may be a sample's": (
        "A\tB\nAHR\t3.84\t\nCTCF\t2\t\n",
        ":1: rows end in an empty field, and the header's first name, 'A', may be a sample's; name",
    ),
    "a value behind": (
        HEADED + "AHR\t1.5\t2.5\n" * 70 + "CTCF\t1\t2\t3\n",
        ":72: 4 columns, but the header has 3",
    ),
    "a value behind rows that all end so": (
        HEADED + "AHR\t1.5\t2.5\t\n" * 70 + "CTCF\t1\t2\t3\nEGR1\t1\t2\t\n",
        ":72: a value after the last column, where the rows before end in a separator",
    ),
    "rows of other lengths that even out": (
        HEADED + "AHR\t1.5\t2.5\n" * 70 + "CTCF\t1\t2\t3\nEGR1\t1\n",
        ":72: 4 columns, but the header has 3",
    ),
    "a hash before a row": (
        "#AHR\t1.5\t2\nCTCF\t1\t2\n",
        ":2: values instead of column names",
    ),
    "a gene called ID3 as the first row": ("ID3\t1.5\t2\nCTCF\t1\t2\n", ":1: values instead of"),
    "NA in the first row": ("AHR\tNA\t2\nCTCF\t1\t2\n", ":1: values instead of column names"),
    "open quote in CSV": ('gene,note,A\nAHR,"open,1.5\nCTCF,x,2\n', ":2: unclosed quote"),
    "open quote in CSV, later": (
        "gene,note,A\n" + "AHR,x,1.5\n" * 70 + 'CTCF,"open,2\n',
        ":72: unclosed quote; close or remove it",
    ),
    "a separator in quotes in place of a field": (
        "gene,note,A\n" + "".join(f"G{n},x,1.5\n" for n in range(70)) + 'CTCF,"5,6"\n',
        ":72: 2 columns, but the header has 3",
    ),
    "NA first": (
        HEADED + "AHR\t1.5\tNA\nCTCF\t1\tNA\nEGR1\t1\t2\n",
        ":2: TPM 'NA' of B is not a number of 0 or more; remove",
    ),
    "NA in the first hundred": (
        HEADED + "AHR\t1.5\t\n" * 100 + "CTCF\t1\t2\n",
        ":2: TPM '' of B is not a number of 0 or more",
    ),
    "thousands": (
        'gene,A\nAHR,"4,490"\nCTCF,"1,234"\n',
        ":2: TPM '4,490' is not a number of 0 or more; write decimals with a",
    ),
    "thousands beside points": (
        'gene,A\nAHR,"4,490"\nCTCF,1.5\n',
        ":2: TPM '4,490' is not a number of 0 or more; write",
    ),
    "thousands and points": (
        'gene,A\nAHR,"4,490.25"\nCTCF,1.5\n',
        ":2: TPM '4,490.25' is not a number of 0 or more; omit",
    ),
    "points for thousands": (
        "gene;A\nAHR;1.234,56\nCTCF;3,84\n",
        ":2: TPM '1.234,56' is not a number of 0 or more; omit",
    ),
    "points for thousands alone": (
        "gene;A\n" + "".join(f"GENE{n};{n + 1}.500\n" for n in range(8)) + "AHR;84\n",
        ":2: TPM '1.500' is not a number of 0 or more; omit thousands separators",
    ),
    "an underscore": ("gene\tA\nAHR\t1.5\nCTCF\t7_1\nEGR1\t2\n", ":3: TPM '7_1' is not a number of 0 or more"),
    "hexadecimal": ("gene\tA\nAHR\t1.5\nCTCF\t0x1F\nEGR1\t2\n", ":3: TPM '0x1F' is not a number of 0 or more"),
    "four numbers in a cell": (
        "gene\tA\nAHR\t1,2,3,4,5\nCTCF\t1,2,3,4\n",
        ":3: TPM '1,2,3,4' is not a number of 0 or more",
    ),
    "five numbers that do not ascend": (
        "gene\tA\nAHR\t1,2,3,4,5\nCTCF\t1,2,9,4,5\n",
        ":3: TPM '1,2,9,4,5' is not a number",
    ),
    "whole numbers of what": (
        padded(score=lambda n: n % 7),
        (
            ": unclear whether columns of whole numbers, next to columns with decimals, are samples (score); pick the "
            "samples, for example with --sample A --sample B"
        ),
    ),
    "GC content of another name": (
        padded(share=lambda n: 0.3 + n / 100),
        ": unclear whether columns with all values between 0.25 and 0.75, like GC content, are samples (share); pick",
    ),
    "some with a unit": (
        padded().replace("\tA\tB", "\tA_tpm\tB"),
        (
            ": unclear whether columns without a unit, next to TPM columns, are samples (B); pick the samples, for "
            "example with --sample A_tpm"
        ),
    ),
    "counts alone": (
        padded().replace("\tA\tB", "\tA_count\tB_count"),
        ": counts (A_count, B_count) but no TPM column",
    ),
    "long, by two columns": (
        "gene\ttissue\tcell type\tTPM\n" + "".join(f"{g}\t{t}\t{c}\t1.5\n" for g in GENES for t in "xy" for c in "pq"),
        ": several rows for one gene, and 'tissue' and 'cell type' do not tell them apart; add one column",
    ),
    "long, a row without a sample": (
        "gene\tsample\tTPM\nAHR\tA\t1\nAHR\tB\t2\nCTCF\t\t3\nCTCF\tB\t3\n",
        ":4: no value in 'sample', the column that names the sample; fill it in",
    ),
    "long, by a column that the first rows do not show": (
        "gene\tbatch\tTPM\n"
        + "".join(f"{g}\t{b}\t1.5\n" for b in "pq" for g in [*GENES, *(f"G{n}" for n in range(70))]),
        ":76: 2 rows for AHR that differ in 'batch'; rename that column to sample if it names each row's sample",
    ),
    "a transcript twice": (
        "transcript_id\tgene_id\tTPM\nENST00000000001\tAHR\t1\nENST00000000002\tCTCF\t1\nENST00000000001\tAHR\t5\n",
        ":4: transcript ENST00000000001 is listed 2 times (first in line 2); write one row per transcript",
    ),
    "a transcript twice, by run": (
        (
            "transcript_id\tgene_id\tlane\tTPM\nENST00000000001\tAHR\tx\t1\nENST00000000002\tCTCF\tx\t1\n"
            "ENST00000000001\tAHR\ty\t5\n"
        ),
        ":4: 2 rows for ENST00000000001 that differ in 'lane'; rename that column to sample if it names",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_be_read_wrong_is_refused(name, tmp_path):
    content, message = REFUSED[name]
    path = tmp_path / "t.tsv"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_all(path, factors=GENES, max_missing=0.9)
    assert str(caught.value).startswith(f"{path}{message}")


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("whole numbers of what", ("A", "B")),
        ("GC content of another name", ("A", "B")),
        ("NA first", ("A",)),
        ("some with a unit", ("A_tpm", "B")),
    ],
)
def test_sample_rescues_what_is_refused(name, samples, tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text(REFUSED[name][0])
    assert tuple(read_all(path, factors=GENES, samples=samples, max_missing=0.9)) == samples


def test_rows_of_other_lengths_that_even_out_are_refused_where_few_columns_are_read(tmp_path):
    path = tmp_path / "t.tsv"
    rows = "".join(f"G{n}\t1.5\t2.5\t3.5\n" for n in range(70))
    path.write_text(f"gene\tA\tB\tC\n{rows}CTCF\t1\t2\t3\t4\nEGR1\t1\t2\n")
    with pytest.raises(InputError, match=":72: 5 columns, but the header has 4"):
        read_all(path, factors=GENES, samples=("A",))


def test_sample_picks_a_column_that_would_be_none(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text(READ["sequencing service"])
    assert read_all(path, factors=GENES, samples=("A_tpm",))["A_tpm"].tpm.by_factor.tolist() == list(A)
    (note,) = read_all(path, factors=GENES, samples=("A",))["A"].notes
    assert note == "columns not treated as samples: A_count, B_fpkm"


def test_a_column_that_could_tell_samples_apart_and_does_not_is_no_key(tmp_path):
    path = tmp_path / "t.tsv"
    rows = [
        f"{gene}\t{number % 3}x\t{number}.5\n" for number, gene in enumerate([*GENES, *(f"G{n}" for n in range(30))])
    ]
    path.write_text("gene\tcluster\tTPM\n" + "".join([*rows, "G3\t2x\t9.5\n"]))
    assert read_one(path, GENES).tpm.by_factor.tolist() == [0.5, 1.5, 2.5, 3.5]


def test_a_column_without_a_value_and_one_that_begins_late_are_said(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("gene\tA\tB\n" + "AHR\t1.5\tNA\n" + "".join(f"G{n}\t1.5\tNA\n" for n in range(99)))
    (sample,) = read_all(path, factors=("AHR",)).values()
    assert sample.notes == ("columns without any value: B",)
    path.write_text(path.read_text() + "G99\t1.5\t2.5\n")
    with pytest.raises(InputError, match=":2: TPM 'NA' of B is not a number"):
        read_all(path, factors=("AHR",))


def test_a_column_in_which_some_cells_are_numbers_is_said(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("gene\tA\tB\nAHR\t1.5\t<0.1\nCTCF\t2.5\t<0.1\nEGR1\t1.5\t3\n")
    (sample,) = read_all(path, factors=("AHR",)).values()
    assert sample.notes == ("columns not treated as samples: B",)


def test_columns_of_text_that_begin_empty_are_no_samples(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text(
        "gene\tnote\tA\n" + "AHR\t\t1.5\n" + "".join(f"G{n}\t\t1.5\n" for n in range(99)) + "G99\twords\t2.5\n"
    )
    (sample,) = read_all(path, factors=("AHR",)).values()
    assert (sample.tpm.by_factor.tolist(), sample.notes) == ([1.5], ())


def test_how_decimals_are_written_may_show_late(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("gene;A\n" + "".join(f"G{n};0\n" for n in range(99)) + "AHR;3,84\nCTCF;1,234\n")
    (sample,) = read_all(path, factors=("AHR", "CTCF")).values()
    assert sample.tpm.by_factor.tolist() == [3.84, 1.234]
    assert sample.notes == ("commas are read as decimal points",)


def test_cuffdiff(tmp_path):
    path = tmp_path / "genes.fpkm_tracking"
    header = "tracking_id\tclass_code\tgene_short_name\tlocus\tlength\tcoverage\t"
    header += "q1_FPKM\tq1_conf_lo\tq1_conf_hi\tq1_status\t"
    header += "q2_FPKM\tq2_conf_lo\tq2_conf_hi\tq2_status\n"
    rows = (
        f"X{n}\t-\t{g}\tchr1:1-9\t-\t-\t{a}\t{a}\t9.5\tOK\t{b}\t0\t99\tOK\n"
        for n, (g, a, b) in enumerate(zip(GENES, A, B, strict=True))
    )
    path.write_text(header + "".join(rows))
    found = read_all(path, factors=GENES)
    assert list(found) == ["q1", "q2"]
    for one, values in zip(found.values(), (A, B), strict=True):
        assert one.tpm.by_factor.tolist() == pytest.approx([value / sum(values) * 1e6 for value in values])
        assert one.sources[0].verdict.kind == "FPKM"


def test_isofox(tmp_path):
    path = tmp_path / "x.isf.gene_data.csv"
    path.write_text(
        "GeneId,GeneName,Chromosome,GeneLength,TranscriptCount,GeneSetId,SplicedFragments,AdjTPM,RawTPM,FitResiduals\n"
        + "".join(f"{IDS[g]},{g},7,{999 + n},5,7_1,40,{A[n]},{B[n]},1.0\n" for n, g in enumerate(GENES))
    )
    (sample,) = read_all(path, factors=GENES).values()
    assert sample.tpm.by_factor.tolist() == list(A)
    assert sample.sources[0].quantified.format == "isofox"


ALL = generate_genes(2_000)


def rows_of_samples(name, change):
    """Samples as rows, as DepMap has them, of a whole annotation."""
    header = ",".join(["", "IsDefault", *(name.format(symbol=s, number=n) for n, s in enumerate(ALL.symbols))])
    rows = [",".join([f"ACH-{k}", "Yes", *(f"{change(v * (1 + k) / 1.5):.6g}" for v in ALL.tpm)]) for k in (0, 1)]
    return "\n".join([header, *rows]) + "\n"


@pytest.mark.parametrize("name", ["{symbol} ({number})", "{symbol}", "{symbol}|{number}"])
def test_samples_as_rows_are_turned(name, tmp_path):
    path = tmp_path / "depmap.csv"
    path.write_text(rows_of_samples(name, lambda value: value))
    found = read_all(path, factors=GENES)
    of_symbol = dict(zip(ALL.symbols, ALL.tpm, strict=True))
    for k, sample in enumerate(("ACH-0", "ACH-1")):
        assert found[sample].tpm.by_factor.tolist() == pytest.approx(
            [of_symbol[g] * (1 + k) / 1.5 for g in GENES], rel=1e-5
        )
    assert list(read_all(path, factors=GENES, samples=("ACH-1",))) == ["ACH-1"]


def test_samples_as_rows_are_named_by_words_before_numbers(tmp_path):
    path = tmp_path / "depmap.csv"
    rows = rows_of_samples("{symbol} ({number})", lambda value: value).splitlines()
    model = [rows[0].replace(",IsDefault", ",ModelID"), *(f"{n},M{n}{row[9:]}" for n, row in enumerate(rows[1:]))]
    path.write_text("\n".join(model))
    assert list(read_all(path, factors=GENES)) == ["M0", "M1"]


def test_logarithms_of_samples_as_rows_are_refused_whatever_genes_there_are(tmp_path):
    import math

    path = tmp_path / "depmap.csv"
    text = rows_of_samples("{symbol} ({number})", lambda value: math.log2(value + 1))
    path.write_text("\n".join(",".join(row.split(",")[:300] + row.split(",")[-1500:]) for row in text.splitlines()))
    with pytest.raises(
        InputError, match="sample 'ACH-0' looks like logarithms: the largest value is .*; provide untransformed TPM"
    ):
        read_all(path, factors=GENES, max_missing=0.9)


def test_samples_that_are_named_for_genes_are_columns(tmp_path):
    path = tmp_path / "knock_outs.tsv"
    factors = [symbol for _, symbol in published_ids()[:60]]
    rows = [f"GENE{n}\t" + "\t".join(["1.5"] * 60) for n in range(80)] + [
        f"{f}\t" + "\t".join(["2.5"] * 60) for f in factors
    ]
    path.write_text("\t".join(["gene", *factors]) + "\n" + "\n".join(rows))
    found = read_all(path, factors=("AHR", "AIRE"))
    assert list(found) == factors
    assert found["AHR"].tpm.by_factor.tolist() == [2.5, 2.5]

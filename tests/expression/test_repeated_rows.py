"""What several rows of one gene mean."""

import numpy as np
import pytest

from epigept_batch.errors import InputError
from expression import PUBLISHED, read_one

FACTORS = ("AHR", "CTCF", "SHOX", "SRY")
OTHERS = ("E2F1", "SP1", "MAX")
STRINGTIE = "Gene ID\tGene Name\tReference\tStrand\tStart\tEnd\tCoverage\tFPKM\tTPM"


@pytest.fixture
def stringtie(tmp_path):
    """StringTie's gene abundances of (id, name, chromosome, TPM)."""

    def write(*rows, header=STRINGTIE):
        path = tmp_path / "genes.tab"
        lines = [f"{i}\t{name}\t{chromosome}\t+\t1\t900\t1.5\t2.5\t{tpm}" for i, name, chromosome, tpm in rows]
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return write


def of(path, factors=FACTORS, **options):
    sample = read_one(path, factors, **options)
    return dict(zip(sample.tpm.factors, sample.tpm.by_factor.tolist(), strict=True)), sample.notes


REST = [("ENSG00000185960", "SHOX", "chrX", 5), ("ENSG00000184895", "SRY", "chrY", 6)]


@pytest.mark.parametrize(
    "header",
    [
        STRINGTIE,
        STRINGTIE.replace(" ", "."),
        STRINGTIE.lower().replace(" ", "_"),
        STRINGTIE.replace("Reference", "chr"),
    ],
)
def test_loci_of_a_gene_are_summed(stringtie, header):
    path = stringtie(
        ("ENSG00000106546", "AHR", "chr7", 3.25),
        ("ENSG00000102974", "CTCF", "chr16", 4),
        ("ENSG00000106546", "AHR", "chr7", 1.25),
        ("ENSG00000102974.3", "CTCF", "chr16", 0),
        *REST,
        header=header,
    )
    assert of(path) == ({"AHR": 4.5, "CTCF": 4, "SHOX": 5, "SRY": 6}, ())
    assert read_one(path, FACTORS).sources[0].quantified.format == "StringTie"


def test_loci_that_only_the_gene_s_name_joins_are_summed(stringtie):
    rows = [("MSTRG.1", "AHR", "chr7", 3), ("MSTRG.7", "AHR", "chr7", 1), ("MSTRG.9", "CTCF", "chr16", 4)]
    path = stringtie(*rows, ("STRG.2", "-", "chr1", 9), ("MSTRG.3", "SHOX", "chrX", 5), ("MSTRG.4", "SRY", "chrY", 6))
    assert of(path) == ({"AHR": 4, "CTCF": 4, "SHOX": 5, "SRY": 6}, ())


def test_genes_of_one_name_and_two_ensembl_ids_are_no_loci(stringtie):
    path = stringtie(
        ("ENSG00000106546", "AHR", "chr7", 3),
        ("ENSG09999999998", "CTCF", "chr16", 4),
        ("ENSG09999999999", "CTCF", "chr1", 1),
        ("MSTRG.3", "SHOX", "chrX", 5),
        ("MSTRG.4", "SRY", "chrY", 6),
        *((f"MSTRG.{n}", name, "chr2", 1) for n, name in enumerate(OTHERS, 5)),
    )
    values, notes = of(path, (*FACTORS, *OTHERS))
    assert values["CTCF"] == 2.5
    assert notes == ("several rows of one gene were averaged for 1 factor: CTCF (2 rows)",)


@pytest.mark.parametrize(("x", "y"), [("chrX", "chrY"), ("X", "Y"), ("NC_000023.11", "NC_000024.10")])
@pytest.mark.parametrize("name", ["SHOX", "gene-SHOX"])
def test_loci_on_x_and_y_are_averaged_after_their_parts_are_summed(stringtie, x, y, name):
    path = stringtie(
        ("AHR", "AHR", "chr7", 3),
        ("CTCF", "CTCF", "chr16", 4),
        (name, "SHOX", x, 6),
        (name, "SHOX", x, 2),
        (name, "SHOX", y, 5),
        ("SRY", "SRY", y, 1),
        ("SRY", "SRY", y, 6),
    )
    assert of(path) == ({"AHR": 3, "CTCF": 4, "SHOX": 6.5, "SRY": 7}, ())


def test_copies_of_gencode_are_averaged_in_stringtie_too(stringtie):
    rows = [("ENSG00000106546.2", "AHR", "chr7", 3), ("ENSG00000102974.1", "CTCF", "chr16", 4), REST[1]]
    path = stringtie(*rows, ("ENSG00000185960.9", "SHOX", "chrX", 8), ("ENSG00000185960.9_PAR_Y", "SHOX", "chrY", 1))
    assert of(path)[0]["SHOX"] == 4.5


def test_further_places_of_ncbi_are_copies_too(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("id\tTPM\ngene-SHOX\t6\ngene-SHOX-2\t1\ngene-NKX2-1\t4\ngene-SRY\t2\n")
    assert of(path, ("NKX2-1", "SHOX", "SRY")) == ({"NKX2-1": 4, "SHOX": 3.5, "SRY": 2}, ())
    once = "".join(f"gene-{factor}\t1\n" for factor in (*FACTORS, *OTHERS))
    path.write_text(f"id\tTPM\ngene-NKX2-1\t4\ngene-NKX2-1\t5\n{once}")
    said = ("several rows of one gene were averaged for 1 factor: NKX2-1 (2 rows)",)
    assert of(path, ("NKX2-1", *FACTORS, *OTHERS))[1] == said


def test_other_rows_of_one_gene_are_averaged_and_counted(tmp_path):
    path = tmp_path / "table.tsv"
    rows = [f"{name}\t{place}.5" for place, name in enumerate(PUBLISHED)]
    rows += ["AHR\t9", "AHR\t9", "CTCF\t0"]
    path.write_text("gene\tTPM\n" + "\n".join(rows) + "\n")
    sample = read_one(path, PUBLISHED)
    assert sample.notes == ("several rows of one gene were averaged for 2 factors: AHR (3 rows), CTCF (2 rows)",)
    place = PUBLISHED.index("CTCF")
    np.testing.assert_allclose(sample.tpm.by_factor[place], (place + 0.5) / 2)
    assert sample.tpm.several == {"AHR": 3, "CTCF": 2}
    assert sample.account()["factors"]["repeated"] == {"AHR": 3, "CTCF": 2}


def test_a_table_in_which_most_genes_have_several_rows_is_refused(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("gene\tTPM\n" + "".join(f"{name}\t1\n{name}\t2\n" for name in PUBLISHED))
    with pytest.raises(InputError, match="several rows for 711 of 711 factors"):
        read_one(path, PUBLISHED)


@pytest.mark.parametrize(("name", "expected"), [("some", 4.49), ("split", 4.49)])
def test_the_shared_cases(shared, name, expected):
    sample = read_one(shared.parent / f"cases/02_stringtie_duplicate_rows/{name}.tab", PUBLISHED)
    truth = [line.split("\t") for line in (shared.parent / "cases/truth.tsv").read_text().splitlines()[1:]]
    np.testing.assert_allclose(sample.tpm.by_factor, [float(row[2]) for row in truth], rtol=2e-3)
    assert sample.tpm.by_factor[PUBLISHED.index("AFP")] == pytest.approx(expected)
    assert sample.notes == ()

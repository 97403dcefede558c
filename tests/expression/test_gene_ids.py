"""What an id names, and where a factor's TPM come from."""

from collections import Counter

import numpy as np
import polars as pl
import pytest

from epigept_batch.errors import InputError
from epigept_batch.expression.gene_ids import (
    candidate_ids,
    candidate_numbers,
    gene_keys,
    gene_numbers,
    why_not_found,
)
from expression import FACTORS, PUBLISHED, read_one, read_tpm


@pytest.mark.parametrize(
    ("name", "ensembl", "symbol"),
    [
        ("ENSG00000102974", "ENSG00000102974", ""),
        ("ENSG00000102974.14", "ENSG00000102974", ""),
        (" ENSG00000102974.14\t", "ENSG00000102974", ""),
        ("ENSG00000214717.11_PAR_Y", "ENSG00000214717", ""),
        ("ENSGR0000214717.5", None, "ENSGR0000214717.5"),
        ("CTCF", None, "CTCF"),
        ("NKX2-1", None, "NKX2-1"),
        ("ENSG00000102974.14|CTCF", "ENSG00000102974", "CTCF"),
        ("CTCF_ENSG00000102974", "ENSG00000102974", "CTCF"),
        ("CTCF_ENSG00000102974.14", "ENSG00000102974", "CTCF"),
        ("CTCF|ENSG00000102974.14_PAR_Y", "ENSG00000102974", "CTCF"),
        ("ENSG00000102974 (CTCF)", "ENSG00000102974", "CTCF"),
        ("ENSG00000102974:CTCF", "ENSG00000102974", "CTCF"),
        ("CTCF (10664)", None, "CTCF"),
        ("CTCF(10664)", None, "CTCF"),
        ("CTCF [10664]", None, "CTCF"),
        ("CTCF (91283)", None, "CTCF"),
        ("CTCF|10664", None, "CTCF"),
        ("10664|CTCF", None, "CTCF"),
        ("CTCF_10664", None, "CTCF"),
        ("10664_CTCF", None, "CTCF"),
        ("CTCF-10664", None, "CTCF"),
        ("CTCF..10664.", None, "CTCF"),
        ("BMAL1_406", None, "BMAL1"),
        ("ARNTL_406", None, "ARNTL"),
        ("CTCF_10665", None, "CTCF_10665"),
        ("CTCF_2", None, "CTCF_2"),
        ("CTCF.1", None, "CTCF.1"),
        ("10664_BMAL1", None, "10664_BMAL1"),
        ("NKX2-1_7080", None, "NKX2-1"),
        ("7080_NKX2-1", None, "NKX2-1"),
        ("NKX2-1 (7080)", None, "NKX2-1"),
        ("gene-CTCF", None, "CTCF"),
        ("gene-NKX2-1", None, "NKX2-1"),
        ("gene-NKX2-1-2", None, "NKX2-1"),
        ("gene-SHOX-2", None, "SHOX"),
        ("SHOX-2", None, "SHOX-2"),
        ("gene:CTCF", None, "CTCF"),
        ("gene:ENSG00000102974", "ENSG00000102974", None),
        ("MSTRG.12|CTCF", None, "CTCF"),
        ("gene-CTCF|CTCF", None, "CTCF"),
        ("ENSG00000102974.14|CTCF|10664", "ENSG00000102974", "CTCF"),
        ("10664", None, "10664"),
        ("ENSMUSG00000102974", None, "ENSMUSG00000102974"),
        ("ENSG000001029741", None, None),
        ("xENSG00000102974", None, None),
        (None, None, None),
    ],
)
def test_keys(name, ensembl, symbol):
    keys = gene_keys(pl.Series([name], dtype=pl.String)).row(0, named=True)
    assert keys["ensembl"] == ensembl
    if symbol is not None or name is None:
        assert keys["symbol"] == symbol


def test_the_packaged_table_is_that_of_the_published_network(shared):
    assert tuple((shared / "motifs/tf_list_711.txt").read_text().split()) == PUBLISHED
    assert tuple(sorted(PUBLISHED)) == PUBLISHED
    rows = [line.split("\t") for line in (shared / "expression/tf711_ensembl.tsv").read_text().splitlines()[1:]]
    for (_, current, ensembl, _, _, grch37, grch38), tiers in zip(rows, candidate_ids(PUBLISHED), strict=True):
        assert tiers[0] == (ensembl,)
        assert tiers[2][0] == current
        assert set(tiers[3]) == set(f"{grch37};{grch38}".split(";")) - {ensembl, ""}


def test_no_name_stands_for_two_factors():
    names = Counter(
        name for tiers in candidate_ids(PUBLISHED) for name in {name for tier in tiers for name in tier if name}
    )
    assert len(PUBLISHED) == 711
    assert [name for name, times in names.items() if times > 1] == []
    assert len(names) > 2900  # 711 Ensembl ids, 711 names, and the aliases


@pytest.mark.parametrize(
    "rows",
    [
        (
            "ENSG00000106546.14\tx\t1\nENSG00000133794\tx\t2\nENSG00000164458.11\ty\t3\nENSG00000263001.6\tz\t4\n"
            "ENSG00000102974\tz\t5\n"
        ),
        "AHR\tx\t1\nARNTL\tx\t2\nT\ty\t3\nGTF2I\tz\t4\nCTCF\tz\t5\n",
        "AHR\tx\t1\nBMAL1\tx\t2\nTBXT\ty\t3\nGTF2I\tz\t4\nCTCF\tz\t5\n",
        "ENSG00000106546\tx\t1\nBMAL1\tx\t2\nT\ty\t3\nENSG00000077809\tz\t4\nCTCF\tz\t5\n",
        "bHLHe76\tx\t1\nPASD3\tx\t2\nT\ty\t3\nTFII-I\tz\t4\nCFAP108\tz\t5\n",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_ids_with_and_without_version_symbols_old_and_new(write, rows, end):
    path = write(("gene_id\tname\tTPM\nspike\t\t9\n10904\tt\t0\n" + rows).replace("\n", end))
    values = read_tpm(path)
    np.testing.assert_array_equal(values.by_factor, [1, 2, 3, 4, 5])
    assert values.factors == FACTORS
    own = {"ARNTL", "T", "GTF2I", "CTCF", "AHR"}
    later = [f for f, name in zip(FACTORS, values.found_as, strict=True) if name not in own and "ENSG00000" not in name]
    assert values.renamed == tuple(later) + (("GTF2I",) if "ENSG00000077809" in values.found_as else ())


def test_rows_of_one_gene_are_averaged_and_its_first_id_wins(write):
    path = write(
        "gene_id\tTPM\nENSG00000106546.1\t2\nENSG00000106546.1_PAR_Y\t4\nENSG00000077809\t50\nENSG00000263001\t7\n"
        "ENSG00000133794.3\t1\nENSG00000164458\t1\nENSG00000102974\t1\n"
    )
    np.testing.assert_array_equal(read_tpm(path).by_factor, [3, 1, 1, 7, 1])


def test_the_column_of_ids_is_the_one_in_which_most_factors_are_found(write):
    rows = [
        ("ENSG00000106546", "RP1"),
        ("ENSG00000133794", "ARNTL"),
        ("ENSG00000164458", "T"),
        ("ENSG00000102974", "CTCF"),
    ]
    text = "".join(f"{symbol}\t{number}\t{ensembl}\n" for number, (ensembl, symbol) in enumerate(rows))
    path = write("symbol\tTPM\tgene_id\n" + text + "CTCF\t7\t\n" * 5)
    factors = ("AHR", "ARNTL", "T", "CTCF")
    assert read_tpm(path, factors).by_factor.tolist() == [0, 1, 2, 3]


def test_rows_without_an_id_are_nobodys(write):
    path = write("gene_id\tTPM\n\t50\n" + "".join(f"{name}\t1\n" for name in FACTORS[1:]))
    with pytest.raises(InputError, match=r"only 4 of 5 factors found \(missing: AHR\)"):
        read_tpm(path)


def test_a_factor_of_a_users_own_model_is_found_by_its_name(write):
    path = write("gene\tTPM\nmine\t4\n")
    assert read_tpm(path, ["mine"]).by_factor == [4]


@pytest.mark.parametrize("factor", ["T", "TBXT", "BMAL1", "ARNTL", "PASD3"])
@pytest.mark.parametrize("row", ["T", "TBXT", "BMAL1", "ARNTL", "PASD3", "ENSG00000164458", "ENSG00000133794.3"])
def test_a_model_may_name_its_factors_by_any_symbol(write, factor, row):
    brachyury = {"T", "TBXT", "ENSG00000164458"}
    path = write(f"gene\tTPM\n{row}\t4\n")
    if (factor in brachyury) == (row in brachyury):
        assert read_tpm(path, [factor]).by_factor == [4]
        assert read_tpm(path, [factor]).renamed == (() if row == factor or "ENSG" in row else (factor,))
    else:
        with pytest.raises(InputError, match="no column with human gene ids"):
            read_tpm(path, [factor])


def test_up_to_five_percent_may_be_missing_and_count_as_0(write):
    names = [f"G{n}" for n in range(100)]
    path = write("gene\tTPM\n" + "".join(f"{name}\t1\n" for name in names[5:]))
    values = read_tpm(path, names)
    assert values.missing == tuple(names[:5])
    assert values.by_factor.sum() == 95
    path = write("gene\tTPM\n" + "".join(f"{name}\t1\n" for name in names[6:]))
    with pytest.raises(InputError, match=r"only 94 of 100 factors found \(missing: G0, G1, G2, G3, G4, …\)"):
        read_tpm(path, names)
    assert read_one(path, names, max_missing=0.06).tpm.missing == tuple(names[:6])
    with pytest.raises(InputError, match="at least 99% required"):
        read_tpm(path, names, max_missing=0.01)


def test_a_table_without_any_factor_is_refused_whatever_may_be_missing(write):
    with pytest.raises(InputError, match=": no column with human gene ids"):
        read_tpm(write("gene\tTPM\nx\t1\ny\t2\n"), max_missing=1)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("10664", "10664"),
        (" 10664 ", "10664"),
        ("10664.0", "10664"),
        ("GeneID:10664", "10664"),
        ("NCBI:10664", "10664"),
        ("hsa:10664", "10664"),
        ("entrez_10664", "10664"),
        ("CTCF", None),
        ("CTCF (10664)", None),
        ("10664.5", None),
        ("chr10664", None),
        ("", None),
        (None, None),
    ],
)
def test_numbers_at_ncbi(name, number):
    assert gene_numbers(pl.Series([name], dtype=pl.String))[0] == number


def numbers():
    """Each published factor's number at NCBI."""
    return [tiers[0][0] for tiers in candidate_numbers(PUBLISHED)]


def test_every_published_factor_has_a_number_at_ncbi_of_its_own():
    found = dict(zip(PUBLISHED, numbers(), strict=True))
    assert len(set(found.values())) == 711
    assert all(number.isdecimal() for number in found.values())
    known = {"AFP": "174", "AR": "367", "CTCF": "10664", "TP53": "7157", "MYC": "4609", "T": "6862", "ARNTL": "406"}
    assert {factor: found[factor] for factor in known if factor in found} == {
        factor: number for factor, number in known.items() if factor in found
    }
    assert {"AFP", "CTCF", "TP53", "T", "ARNTL"} <= found.keys()


@pytest.mark.parametrize("form", ["{}", "{}.0", "GeneID:{}"])
def test_a_table_by_numbers_at_ncbi_is_read(write, form):
    rows = [f"{form.format(number)}\t{place}.5\n" for place, number in enumerate(numbers())]
    values = read_tpm(write("GeneID\tTPM\n" + form.format("100287102") + "\t9\n" + "".join(rows)), PUBLISHED)
    np.testing.assert_array_equal(values.by_factor, np.arange(711) + 0.5)
    assert values.found_as == tuple(numbers())
    assert (values.renamed, values.missing, values.several) == ((), (), {})


def test_numbers_of_rows_are_no_numbers_at_ncbi(write):
    """An index of pandas beside symbols of which few are ours: its numbers would find hundreds of factors."""
    index = write("\tsymbol\tTPM\n" + "".join(f"{n}\tx{n}\t{n}.5\n" for n in range(20_000)))
    with pytest.raises(InputError, match="numeric ids"):
        read_tpm(index, PUBLISHED, max_missing=0.5)


def test_names_go_before_numbers(write):
    """Lengths, counts, a filtered index: numbers beside names may be anything."""
    names = [
        f"{n}\t{name}\t{place}.5\n" for place, (n, name) in enumerate(zip(numbers()[::-1], PUBLISHED, strict=True))
    ]
    others = "".join(f"{number}\tx{number}\t9\n" for number in numbers()[:300])  # by which numbers find more than names
    values = read_tpm(write("id\tgene\tTPM\n" + "".join(names[:400]) + others), PUBLISHED, max_missing=0.5)
    np.testing.assert_array_equal(values.by_factor[:400], np.arange(400) + 0.5)
    assert values.missing == PUBLISHED[400:]


def test_a_number_among_names_is_nobodys(write):
    """As those of tRNA in ENCODE's tables."""
    rows = "".join(f"{name}\t1\n" for name in FACTORS[:4])
    with pytest.raises(InputError, match=r"only 4 of 5 factors found \(missing: CTCF\)"):
        read_tpm(write(f"gene_id\tTPM\n{rows}10664\t50\n"))
    few = "".join(f"{tiers[0][0]}\t1\n" for tiers in candidate_numbers(FACTORS))
    with pytest.raises(InputError, match="no column with human gene ids"):
        read_tpm(write("gene_id\tTPM\n" + "".join(f"x{n}\t1\n" for n in range(20)) + few))


def test_a_table_of_some_of_the_numbers_is_said_to_lack_the_others(write):
    rows = "".join(f"{number}\t1\n" for number in numbers()[:600])
    with pytest.raises(InputError, match="only 600 of 711 factors found"):
        read_tpm(write("GeneID\tTPM\n" + rows), PUBLISHED)


@pytest.mark.parametrize("form", ["{symbol} ({number})", "{symbol}|{number}", "{symbol}_{number}", "{number}_{symbol}"])
def test_symbols_with_their_numbers_are_read(write, form):
    rows = zip(PUBLISHED, numbers(), strict=True)
    text = "".join(f"{form.format(symbol=s, number=n)}\t{place}.5\n" for place, (s, n) in enumerate(rows))
    values = read_tpm(write("gene\tTPM\n" + text), PUBLISHED)
    np.testing.assert_array_equal(values.by_factor, np.arange(711) + 0.5)
    assert values.renamed == ()


def test_human_ids_are_not_taken_for_another_species():
    ids = pl.DataFrame({"0": [f"ENSG{n:011d}.1" for n in range(9)], "1": ["A1BG", "CTCF", "TP53"] * 3})
    assert why_not_found(ids, PUBLISHED) is None

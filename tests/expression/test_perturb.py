"""Changed factors, against a naive normalisation of each, one value at a time."""

import json
import math

import numpy as np
import pytest

from epigept_batch.errors import InputError
from epigept_batch.expression.copies import network_inputs
from epigept_batch.expression.factor_tpm import FactorTPM
from epigept_batch.expression.perturb import check_factors, parse_perturbation, parse_perturbations, perturb

FACTORS = tuple(f"F{number:02d}" for number in range(12))


def table(values, missing=()):
    found = tuple(None if factor in missing else factor for factor in FACTORS)
    return FactorTPM(FACTORS, np.array(values, dtype=np.float64), found, ())


def naive(values, distribution, settings):
    """The network's input, worked out for each factor: settings are (factor number, TPM after, or None if absent)."""

    def at(number, tpm):
        if distribution is None:
            return math.log(1 + tpm)
        lower = sum(other < tpm for place, other in enumerate(values) if place != number)
        return math.log(1 + sorted(distribution)[lower])

    expected = [at(number, tpm) for number, tpm in enumerate(values)]
    for number, tpm in settings:
        expected[number] = 0.0 if tpm is None else at(number, tpm)
    return expected


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_only_the_changed_factors_move_each_to_its_rank_among_the_unchanged(seed, normalised):
    rng = np.random.default_rng(seed)
    values = (rng.choice([0, 0, 1, 1, 2.5, 7], 12) if seed % 2 else rng.gamma(0.3, 30, 12).round(1)).tolist()
    distribution = None if normalised else np.sort(rng.gamma(0.3, 30, 12))
    first, second, third = rng.permutation(12)[:3].tolist()
    # To a tie with another factor's TPM, to nothing, and above all others.
    settings = [(first, values[second]), (second, None), (third, 3 * values[third] if seed % 3 else 1e6)]
    written = f"F{first:02d}={values[second]!r}, F{second:02d}=absent ,F{third:02d}{'*3' if seed % 3 else '=1e6'}"
    tpm = table(values)
    found, changes = perturb(tpm, distribution, parse_perturbation(written))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, naive(values, distribution, settings), rtol=1e-6)
    np.testing.assert_array_equal(tpm.by_factor, values)
    plain = naive(values, distribution, [])
    for change, (number, after) in zip(changes, settings, strict=True):
        assert change.factor == FACTORS[number]
        assert change.tpm == (values[number], after if after is None else pytest.approx(after))
        assert change.network_input == (pytest.approx(plain[number], rel=1e-6), float(found[number]))
        ranks = [None if v is None else sum(o < v for p, o in enumerate(values) if p != number) for v in change.tpm]
        assert change.rank == (None if normalised else tuple(ranks))
        assert change.does_nothing == (float(np.float32(plain[number])) == float(found[number]))


def test_what_others_read_is_not_the_normalisation_of_the_changed_table():
    values, distribution = list(range(12)), np.arange(12.0) * 10
    found, _ = perturb(table(values), distribution, parse_perturbation("F10=0.5"))
    expected = np.arange(12.0) * 10
    expected[10] = 10  # one other factor is lower; F01 to F09 keep their ranks
    np.testing.assert_allclose(found, np.log1p(expected), rtol=1e-6)


def test_factors_of_a_combined_change_do_not_see_each_other():
    values, distribution = [0, 5, 6, *[50] * 9], np.arange(12.0)
    found, changes = perturb(table(values), distribution, parse_perturbation("F01=100,F02=5.5"))
    assert [change.rank for change in changes] == [(1, 11), (2, 2)]
    assert found[2] == np.log1p(np.float32(2))


@pytest.mark.parametrize(
    ("written", "normalised", "said"),
    [
        ("F03=0", False, "F03 TPM 3 to 0, rank 3 to 0, network input 1.386 to 0"),
        ("F03*2.5", False, "F03 TPM 3 to 7.5, rank 3 to 7, network input 1.386 to 2.079"),
        ("F03=3.5", False, "because it passes no other factor's TPM: this setting does nothing"),
        ("F03=3.5", False, "F03 TPM 3 to 3.5, rank 3 to 3, network input stays 1.386, because"),
        ("F10=99", False, "F10 TPM 10 to 99, rank 10 to 11, network input stays 2.398, because the reference has the"),
        ("F03=absent", False, "F03 TPM 3 at rank 3 to absent, network input 1.386 to 0"),
        ("F00=absent", False, "F00 TPM 0 at rank 0 to absent, network input stays 0: this setting does nothing"),
        ("F03=7", True, "F03 normalised TPM 3 to 7, network input 1.386 to 2.079"),
        ("F03=3", True, "F03 normalised TPM 3 to 3, network input stays 1.386: this setting does nothing"),
        ("F03=absent", True, "F03 normalised TPM 3 to absent, network input 1.386 to 0"),
    ],
)
def test_a_change_is_said_with_its_ranks_and_whether_it_does_nothing(written, normalised, said):
    distribution = None if normalised else np.minimum(np.arange(12.0), 10)
    _, (change,) = perturb(table(range(12)), distribution, parse_perturbation(written))
    assert str(change).startswith(said) or str(change).endswith(said)
    account = json.loads(json.dumps(change.account()))
    assert account["does_nothing"] == ("does nothing" in said or "stays" in said)
    assert (account["factor"], account["setting"], account["tpm"][0]) == (written[:3], written, int(written[1:3]))


@pytest.mark.parametrize(
    ("written", "shown", "name"),
    [
        ("GATA1=0", "GATA1=0", "liver+GATA1-0"),
        ("GATA1=-0", "GATA1=0", "liver+GATA1-0"),
        (" GATA1 = 0.0 ", "GATA1=0", "liver+GATA1-0"),
        ("TP53*2", "TP53*2", "liver+TP53x2"),
        ("TP53*.5", "TP53*0.5", "liver+TP53x0.5"),
        ("SPI1=absent", "SPI1=absent", "liver+SPI1-absent"),
        ("NKX2-1=1e3,A=0", "NKX2-1=1000,A=0", "liver+NKX2-1-1000+A-0"),
        ("A=0.30000000000000004", "A=0.30000000000000004", "liver+A-0.30000000000000004"),
        ("A=0.3", "A=0.3", "liver+A-0.3"),
    ],
)
def test_settings_are_read_and_named(written, shown, name):
    found = parse_perturbation(written)
    assert (str(found), found.of("liver")) == (shown, name)
    assert parse_perturbation(str(found)) == found


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "--set : cannot read ''; use 'GATA1=0' for a TPM"),
        ("GATA1", "--set GATA1: cannot read 'GATA1'; use"),
        ("A=0,", "--set A=0,: cannot read ''"),
        ("=0", "cannot read '=0'"),
        ("A=", "cannot read 'A='"),
        ("A=0 B=0", "cannot read 'A=0 B=0'"),
        ("A=-1", "'-1' is not a number of at least 0"),
        ("A=nan", "'nan' is not a number"),
        ("A*inf", "'inf' is not a number"),
        ("A=1e999", "'1e999' is not a number"),
        ("A=1_0", "'1_0' is not a number"),
        ("A=high", "'high' is not a number"),
        ("A*absent", "'absent' is not a number"),
        ("A==0", "'=0' is not a number"),
        ("A=0,B=1,A*2", "--set A=0,B=1,A*2: sets A twice; use one value per factor"),
    ],
)
def test_what_cannot_be_read_is_refused(written, said):
    with pytest.raises(InputError, match=f".*{said.translate({ord('*'): '.', ord('('): '.'})}"):
        parse_perturbation(written)


@pytest.mark.parametrize("twice", [("A=0", "B=0", "A=0.0"), ("A=0,B=1", "B=1,A=0")])
def test_the_same_perturbation_twice_is_refused(twice):
    with pytest.raises(InputError, match=f"--set {parse_perturbation(twice[-1])}: given twice; remove one"):
        parse_perturbations(twice)
    assert len(parse_perturbations(("A=0", "A=1", "A=0,B=0"))) == 3


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("gata1=0", "--set gata1=0: the model has no factor 'gata1'; did you mean GATA1[?]$"),
        ("GATA7=0", "--set GATA7=0: the model has no factor 'GATA7'; did you mean GATA2 or GATA1[?]$"),
        ("Nfe1=0", "the model has no factor 'Nfe1'; did you mean GATA1[?]$"),
        ("ENSG00000102145=0", "the model has no factor 'ENSG00000102145'; did you mean GATA1[?]$"),
        ("GATA1=0,Zzz=1", "--set GATA1=0,Zzz=1: the model has no factor 'Zzz'; `epigept-batch info --json` lists them"),
    ],
)
def test_a_factor_that_the_network_lacks_is_named(written, said):
    with pytest.raises(InputError, match=said):
        check_factors(parse_perturbations([written]), ("CTCF", "GATA1", "GATA2"))
    check_factors(parse_perturbations(["CTCF=0,GATA2*2"]), ("CTCF", "GATA1", "GATA2"))


def test_a_missing_factor_can_be_set_but_not_multiplied():
    values = [0, *range(1, 12)]
    tpm = table(values, missing=("F00",))
    found, _ = perturb(tpm, np.arange(12.0), parse_perturbation("F00=7.5"))
    assert found[0] == np.log1p(np.float32(7))
    with pytest.raises(
        InputError, match=r"--set F00\*2: the table lacks F00, so there is nothing to multiply; set a TPM"
    ):
        perturb(tpm, np.arange(12.0), parse_perturbation("F00*2"))
    _, (change,) = perturb(table(values), np.arange(12.0), parse_perturbation("F00*2"))
    assert change.does_nothing


def test_an_infinite_multiple_is_refused():
    with pytest.raises(InputError, match="F11 would have an infinite TPM; use a smaller multiple"):
        perturb(table([*range(11), 1e300]), np.arange(12.0), parse_perturbation("F11*1e300"))


def test_every_sample_is_followed_by_its_copies():
    samples = [("a", table(range(12))), ("b", table(range(12, 0, -1)))]
    first, second = network_inputs(samples, np.arange(12.0), parse_perturbations(["F01=0", "F02*9"]))
    assert [one.name for one in (*first, *second)] == ["a", "a+F01-0", "a+F02x9", "b", "b+F01-0", "b+F02x9"]
    np.testing.assert_allclose(first[0].values, np.log1p(np.arange(12)), rtol=1e-6)
    assert first[0].perturbed is None
    assert second[1].perturbed.account()["of"] == "b"
    assert second[1].perturbed.account()["changes"][0]["tpm"] == (11, 0)
    np.testing.assert_array_equal(np.flatnonzero(second[2].values != second[0].values), [2])


@pytest.mark.parametrize(
    ("samples", "written", "said"),
    [
        (
            ("a", "a+F01-0"),
            ["F01=0"],
            r"F01=0: another sample is already named 'a\+F01-0'; rename the sample with --tpm",
        ),
        (("a", "a+F01-0"), ["F02=0", "F01=0,F02=0"], r"F02=0: another sample is already named 'a\+F01-0\+F02-0'"),
        (
            ("é" * 73,),
            ["F01=0"],
            "has 152 bytes, but 150 are allowed; rename the sample with --tpm NAME=FILE, or change",
        ),
    ],
)
def test_names_of_copies_are_checked(samples, written, said):
    with pytest.raises(InputError, match=said):
        network_inputs([(name, table(range(12))) for name in samples], np.arange(12.0), parse_perturbations(written))


def test_a_name_may_have_150_bytes():
    settings = parse_perturbations(["F01=0"])
    ((_, copy),) = network_inputs([("x" * 144, table(range(12)))], None, settings)
    assert len(copy.name) == 150

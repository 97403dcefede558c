"""Damaged records: one line that names the place, and never a traceback or a wrong page."""

import copy
import json
import math

import pytest

from epigept_batch.browser.hub_pages import hub_pages
from epigept_batch.browser.page_data import make_page
from epigept_batch.errors import InputError
from epigept_batch.report.survey import survey_folder
from epigept_batch.results.folder import read_run_folder
from epigept_batch.results.record_form import check_record
from run_folders import write_run

MORE = {
    "finished": "2026-01-02T03:04:05+00:00",
    "sha256": {"model": "ab", "expression": ["cd", "ef"]},
    "architecture": "hg38",
    "checkpoint_sha256": None,
    "windows": 3,
    "seconds": {"inputs": 0.5, "total": 2},
    "genome": {
        "state": "warning",
        "assembly": None,
        "contigs_that_fit": {"hg38": 1},
        "remarks": [{"about": "contigs", "state": "warning", "said": "few contigs", "advice": "look"}],
    },
    "factors": {"found": 3, "by_alias": 1, "renamed": {"A": "B"}, "missing": ["C"], "repeated": {"D": 2}},
    "expression": {
        "tables": [{"rows": 3, "format": "matrix", "level": "genes", "verdict": "TPM"}],
        "nearest_cell": {"cell": "c", "r": math.nan, "median_r": 0.5},
        "notes": ["rounded"],
        "sheet": {"path": "/s"},
    },
    "perturbation": {"of": "b", "set": "F03=0", "changes": [{"factor": "F03", "does_nothing": True}]},
    "personal_genome": {
        "haplotype": 1,
        "applied": {"SNV": 1},
        "skipped": {"overlap": {"x": 1}},
        "unphased": {"sites": 0, "treated_as": None},
    },
}
DAMAGE = (None, 3, -1, 1.5, "x", [], {}, [1], {"a": 1}, True, [None], {"a": None}, 10**400, math.inf, "x:5-3")


@pytest.fixture
def folder(tmp_path):
    """Two samples, one with every key of a record that is read."""
    made = write_run(tmp_path / "tracks", marks=("DNase",))
    path = made / "a.run.json"
    record = json.loads(path.read_text())
    record["inputs"] |= {"selection of bins": {"one": [[0, 157]]}, "overlap": 0, "model": "ab"}
    path.write_text(json.dumps({**record, **MORE}))
    return made


def places(value, place=()):
    """Every place in a document, as the keys that lead there."""
    if place:
        yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from places(one, (*place, key))


def damaged(record, place, value):
    found = copy.deepcopy(record)
    at = found
    for key in place[:-1]:
        at = at[key]
    if value is KeyError:
        del at[place[-1]]
    else:
        at[place[-1]] = value
    return found


def test_no_damage_of_one_value_gives_another_error(folder):
    path = folder / "a.run.json"
    record = json.loads(path.read_text())
    refused = 0
    for place in places(record):
        for value in (*DAMAGE, KeyError):
            path.write_text(json.dumps(damaged(record, place, value)))
            try:
                read = read_run_folder(folder)
                json.dumps(make_page(read).data, allow_nan=False)
                hub_pages(read, "hub")
            except InputError:
                refused += 1
    assert refused > 300


@pytest.mark.parametrize(
    ("place", "value", "where", "wanted"),
    [
        (("statistics",), 3, "'statistics'", "an object"),
        (("statistics", "DNase", "quantiles", "0.999"), KeyError, "'statistics.DNase.quantiles.0.999'", "there"),
        (("statistics", "DNase", "mean"), math.nan, "'statistics.DNase.mean'", "a number"),
        (("statistics", "DNase", "mean"), True, "'statistics.DNase.mean'", "a number"),
        (("statistics", "DNase", "bins"), -1, "'statistics.DNase.bins'", "a whole number of at least 0"),
        (("files", "a.DNase.bw"), 10**400, "'files.a.DNase.bw'", "a whole number of at least 0"),
        (("files", "a.DNase.bw"), True, "'files.a.DNase.bw'", "a whole number of at least 0"),
        (("regions",), "one:1-20000", "'regions'", "a list"),
        (("regions", 1), "two", "'regions[1]'", "a region such as chr2:1-1000"),
        (("regions", 1), "two:700-1", "'regions[1]'", "a region such as chr2:1-1000"),
        (("regions", 1), "two:0-7", "'regions[1]'", "a region such as chr2:1-1000"),
        (("inputs", "selection of bins", "one", 0), [5, 5], "'inputs.selection of bins.one[0]'", "an interval"),
        (("inputs", "selection of bins", "one", 0), [5], "'inputs.selection of bins.one[0]'", "a pair of numbers"),
        (("inputs",), KeyError, "'inputs'", "there"),
        (("space",), "log2", "'space'", "log1p or linear"),
        (("perturbation", "changes", 0, "does_nothing"), 1, "'perturbation.changes[0].does_nothing'", "true or false"),
        (("factors", "missing"), None, "'factors.missing'", "a list"),
        (("sha256", "expression", 1), 3, "'sha256.expression[1]'", "a text"),
    ],
)
def test_what_is_wrong_and_where(folder, place, value, where, wanted):
    path = folder / "a.run.json"
    path.write_text(json.dumps(damaged(json.loads(path.read_text()), place, value)))
    with pytest.raises(InputError) as raised:
        read_run_folder(folder)
    assert str(raised.value) == (
        f"{path}: {where} is not {wanted}, so the file is damaged or was edited; restore it, or rerun the command with "
        "--force"
    )


def test_a_whole_record_and_what_is_not_read(folder):
    record = json.loads((folder / "a.run.json").read_text())
    check_record({**record, "of_a_later_version": [None]}, "a", folder)
    read_run_folder(folder)


@pytest.mark.parametrize("name", ["b.DNase.bw", "../a.DNase.bw", "a./../../x.bw"])
def test_only_outputs_of_the_sample(folder, name):
    path = folder / "a.run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "files": {name: 3}}))
    with pytest.raises(InputError, match=f"a.run.json: lists '{name}', not an output of a; rerun"):
        read_run_folder(folder)


def test_a_renamed_record(folder):
    (folder / "a.run.json").rename(folder / "c.run.json")
    with pytest.raises(InputError, match=r"c\.run\.json: is the record of sample 'a', so the file was renamed"):
        read_run_folder(folder)


@pytest.mark.parametrize("text", ["", "{", '{"sample": "a"', "[" * 100_000, "\xff"])
def test_a_truncated_record_hides_no_sample(folder, text):
    path = folder / "a.run.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="not JSON, or truncated; restore it"):
        read_run_folder(folder)
    (folder / "a.DNase.bw").unlink()
    assert [sample.name for sample in read_run_folder(folder).samples] == ["b"]


def test_a_report_needs_the_predicted_bins(folder):
    (folder / "a.run.json").unlink()
    with pytest.raises(InputError, match=r"run\.json names no predicted bins; rerun the prediction"):
        survey_folder(read_run_folder(folder), None, bin_bp=128)

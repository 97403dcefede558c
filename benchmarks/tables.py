"""Count how many forms of a matrix are read right, refused or wrong; do the same for a folder of cases.

    python benchmarks/tables.py --forms 5000
    python benchmarks/tables.py --forms all --jobs 8
    python benchmarks/tables.py --cases ../shared/cases

Prints Markdown. Exits with 1 if one is wrong. The installed command reads the cases, so `--command` can name that of
another version.
"""

from __future__ import annotations

import argparse
import collections
import csv
import json
import multiprocessing
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from table_forms import Form, every_form, judge, number_of_forms, some_forms  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 160
COMMAND = Path(sys.executable).parent / "epigept-batch"
TRUTH = {
    **dict.fromkeys(("A", "q1", "q1_FPKM", "s1", "liver", "E000", "B1", "GSM1", "ACH-1"), "A"),
    **dict.fromkeys(("B", "q2", "q2_FPKM", "s2", "retina", "E003", "B2", "GSM2", "ACH-2"), "B"),
    **dict.fromkeys(("C", "spleen", "E004"), "C"),
}
"""The column of the truth for each sample of a case. The sample of a file with one sample is A."""
SEVERAL = {
    "roadmap_like.tsv": 3,
    "hpa.tsv": 3,
    **dict.fromkeys(
        (
            "kallisto_table.csv",
            "two_id_columns.tsv",
            "matrix.tsv",
            "cuffdiff.genes.fpkm_tracking",
            "dice.csv",
            "depmap.csv",
            "geo_ncbi.tsv",
            "symbol_entrez.csv",
        ),
        2,
    ),
}
"""The number of samples of cases with more than one."""
CASES = ("01*", "02*", "03*", "04*", "05*", "06*", "07*", "08*", "09*", "10*", "11*")
EQUAL, USER = 1e-6, 2


def main() -> int:
    """Print the requested tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--forms", default="0", help="number of forms to try, or all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="number of processes")
    parser.add_argument("--cases", type=Path, help="folder of cases, with truth.tsv")
    parser.add_argument("--command", type=Path, default=COMMAND, help="epigept-batch that reads the cases")
    options = parser.parse_args()
    wrong = cases(options.cases.resolve(), options.command.resolve()) if options.cases else 0
    if options.forms != "0":
        wrong += forms(options.forms, options.seed, jobs=options.jobs)
    return 1 if wrong else 0


def forms(number: str, seed: int, *, jobs: int) -> int:
    """Try forms, and print the results: right, refused with the reason, and wrong with the form."""
    tried = enumerate(every_form() if number == "all" else some_forms(int(number), seed))
    counts: collections.Counter[str] = collections.Counter()
    reasons: collections.Counter[str] = collections.Counter()
    examples: dict[str, Form] = {}
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:  # polars cannot be forked
        judged = map(_judged, tried) if jobs == 1 else pool.map(_judged, tried, chunksize=100)
        for form, verdict, said in judged:
            counts[verdict] += 1
            if verdict != "right":
                reason = f"{verdict}: {_without_particulars(said)}"
                reasons[reason] += 1
                examples.setdefault(reason, form)
            if verdict == "wrong":
                print(f"WRONG: {form}: {said}", file=sys.stderr, flush=True)
    total = sum(counts.values())
    print(
        f"{total:,} of {number_of_forms():,} forms: " + ", ".join(f"{n:,} {name}" for name, n in counts.items()) + "\n"
    )
    print("| result | forms | for example |\n|---|---|---|")
    for reason, times in reasons.most_common():
        print(f"| {reason} | {times:,} | {str(examples[reason]).replace(' | ', ', ')} |")
    return counts["wrong"]


def _judged(numbered: tuple[int, Form]) -> tuple[Form, str, str]:
    number, form = numbered
    with tempfile.TemporaryDirectory() as folder:
        return (form, *judge(form, number, Path(folder) / "t.tsv"))


def _without_particulars(said: str) -> str:
    said = re.sub(r"^\s*\d+:\s*", "", said)
    return re.sub(r"'[^']*'", "…", re.sub(r"\d+", "N", said))[:SHOWN]


def cases(folder: Path, command: Path) -> int:
    """Read every case, and print how the result compares with the truth."""
    with (folder / "truth.tsv").open() as stream:
        truth = {row["symbol"]: row for row in csv.DictReader(stream, delimiter="\t")}
    wrong = 0
    print("| case | file | message | result |\n|---|---|---|---|")
    for path in sorted(file for pattern in CASES for file in folder.glob(f"{pattern}/*")):
        if path.name == "tx2gene.tsv":
            continue
        verdict, said = _case(path, command, truth)
        wrong += verdict == "wrong"
        print(f"| {path.parent.name} | {path.name} | {said.replace('|', ' ')} | {verdict} |", flush=True)
    print()
    return wrong


def _case(path: Path, command: Path, truth: dict[str, Any]) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as name:
        done = _expression(command, path, name)
        if done.returncode:
            said = done.stderr.strip().replace(f"{path}:", "").removeprefix("epigept-batch: ")
            return "refused" if done.returncode == USER and "\n" not in said else "wrong", said[: 2 * SHOWN]
        accounts = json.loads(done.stdout)
        wanted = SEVERAL.get(path.name, 1)
        faults = [f"{len(accounts)} samples for {wanted}"] * (len(accounts) != wanted)
        faults += [fault for account in accounts for fault in _faults(command, path, name, account, truth)]
    samples = ", ".join(account["sample"] for account in accounts)
    return ("wrong", f"{samples}; " + "; ".join(faults)) if faults else ("right", samples)


def _expression(command: Path, path: Path, folder: str, *more: str) -> subprocess.CompletedProcess[str]:
    options = ["--tx2gene", str(path.parent / "tx2gene.tsv")] if (path.parent / "tx2gene.tsv").exists() else []
    words = [str(command), "expression", "--tpm", str(path), *options, "--json", *more]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)


def _faults(command: Path, path: Path, folder: str, account: dict[str, Any], truth: dict[str, Any]) -> Iterator[str]:
    """Return the faults of one sample: its name, or a factor's share of the sum, which is the same for FPKM and TPM."""
    name = account["sample"]
    column = TRUTH.get(name, "A" if account["tables"][0]["column"] is None else None)
    if column is None:
        yield f"a sample {name}"
        return
    more = ["--sample", name] if account["tables"][0]["column"] is not None else []
    found = _values(command, path, folder, more)
    if found is None:
        yield f"{name} cannot be written"
        return
    scale = 1.0
    if "FPKM" in account["tables"][0]["verdict"] and "TPM" not in account["tables"][0]["verdict"]:
        scale = 1e6 / sum(float(row[column]) for row in truth.values())
    unlike = [
        f"{symbol} {found[symbol]:g} for {float(row[column]) * scale:g}"
        for symbol, row in truth.items()
        if symbol in found
        and abs(found[symbol] - float(row[column]) * scale) > EQUAL * max(1, float(row[column]) * scale)
    ]
    if unlike:
        yield f"{name}: {len(unlike)} of {len(truth)} values, {unlike[0]}"


def _values(command: Path, path: Path, folder: str, more: list[str]) -> dict[str, float] | None:
    """Return a sample's TPM by symbol as the command writes them, with the symbols of the truth."""
    done = _expression(command, path, folder, *more, "--normalised", "--write", "vector.tsv")
    if done.returncode:
        return None
    factors: dict[str, float] = {}
    with Path(folder, "vector.tsv").open() as stream:
        for row in csv.DictReader((line for line in stream if not line.startswith("#")), delimiter="\t"):
            factors[row["factor"]] = float(row["TPM"])
    today = {"ARNTL": "BMAL1", "ARNTL2": "BMAL2", "T": "TBXT"}
    return {today.get(name, name): value for name, value in factors.items()}


if __name__ == "__main__":
    sys.exit(main())

"""Blocks of commands in README and docs, as a bash script that runs them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LANGUAGES = ("sh", "python")
SLOW, CI = "slow", "ci"
ENGINES = ("slurm", "snakemake")
"""Words behind the language: a block that takes hours, one that `.ci/run` runs, and those that need an engine."""
BLOCK = re.compile(r"^```(\w+)?((?: \w+)*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FAILING = """
set -Eeuo pipefail
trap 'echo "$PAGE:$LINE: a command of this block fails" >&2' ERR
"""
# What the pages' commands find in place of an installer and of Slurm; a server ends when it is ready.
STAND_INS = """
pip() { :; }
epigept-batch() {
  if [ "$1" != view ]; then command epigept-batch "$@"; return; fi
  rm -f view.url
  command epigept-batch "$@" --no-open > view.url &
  until [ -s view.url ] || ! kill -0 $!; do sleep 0.1; done
  kill $! && wait $!
}
sbatch() {
  for task in $(seq "${1##*-}"); do SLURM_ARRAY_TASK_ID=$task bash "$2"; done
}
"""


@dataclass(frozen=True)
class Block:
    """A block of code of a page: its language, the words behind that, its text, and its line."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int


def pages():
    """Every page that a user reads, README first."""
    built = ROOT / "docs/_build"
    found = sorted(page for page in (ROOT / "docs").rglob("*.md") if built not in page.parents)
    return [ROOT / "README.md", *found]


def blocks(page):
    text = page.read_text()
    return [
        Block(found[1] or "", tuple(found[2].split()), found[3], text.count("\n", 0, found.start()) + 1)
        for found in BLOCK.finditer(text)
    ]


def script(page, *, slow):
    """A bash script of the page's commands; with the slow ones, or without. Empty where there is none."""
    left_out = {CI, *ENGINES} if slow else {CI, SLOW, *ENGINES}
    chosen = [block for block in blocks(page) if block.language in LANGUAGES and not left_out & set(block.words)]
    return _script(page, chosen, FAILING + STAND_INS) if chosen else ""


def engine_script(page, engine):
    """A bash script of the commands of a page that are for an engine, which runs them."""
    return _script(page, [block for block in blocks(page) if engine in block.words], FAILING)


def _script(page, chosen, preamble):
    return preamble + f"PAGE={page.name}\n" + "".join(_commands(block) for block in chosen)


def _commands(block):
    if block.language == "sh":
        return f"LINE={block.line}\n{block.text}"
    return f"LINE={block.line}\npython - <<'END OF PYTHON'\n{block.text}END OF PYTHON\n"

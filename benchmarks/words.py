"""Lengths of the sentences that a person reads: README, docs, help texts, messages.

A sentence ends at a full stop, question mark or exclamation mark, or with its paragraph, list item or option. Spaces
separate words, also in inline code. Code blocks, tables, headings and link targets do not count.

    python benchmarks/words.py [--longest 3]
"""

from __future__ import annotations

import ast
import inspect
import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("epigept_batch", "export/epigept_export")
ERRORS = ("EpiGePTError", "InputError", "ModelError", "DeviceError", "OutputError", "UsageError", "BadParameter")
FENCE = re.compile(r"^ *(```|~~~|:::)")
ITEM = re.compile(r"^ *(?:[-*+]|\d+\.) +")
NO_PROSE = re.compile(r"^ *(?:\||#|\(.*\)=$|<|\$|\[[^]]+\]:)")
LINK = re.compile(r"!?\[([^]]*)\]\([^)]*\)")
CODE = re.compile(r"`[^`]*`")
NO_BREAK = "\u00a0"
ABBREVIATIONS = re.compile(r"\b(e\.g|i\.e|vs|et al|approx)\.")
END = re.compile(r"(?<=[.!?])[)\"'*]* +(?=[A-Z`*\"'(\[\d])")
LONG = 25

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True)
class Figures:
    """Of the sentences of one source."""

    sentences: int
    median: float
    longest: int
    long: int
    """Sentences of more than `LONG` words."""


def sentences_of_markdown(text: str) -> list[str]:
    """The sentences of a page, without code blocks, tables and headings."""
    return [sentence for paragraph in _paragraphs(text) for sentence in sentences(paragraph)]


def sentences(paragraph: str) -> list[str]:
    """The sentences of one paragraph."""
    plain = ABBREVIATIONS.sub(r"\1", LINK.sub(r"\1", " ".join(paragraph.split())))
    plain = CODE.sub(lambda found: found[0].replace(" ", NO_BREAK), plain)
    return [part for part in END.split(plain) if any(letter.isalpha() for letter in part)]


def _paragraphs(text: str) -> Iterator[str]:
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        if FENCE.match(line):
            fenced = not fenced
        starts = ITEM.match(line)
        breaks = fenced or not line.strip() or FENCE.match(line) or NO_PROSE.match(line)
        if (breaks or starts) and lines:
            yield " ".join(lines)
            lines = []
        if not breaks:
            lines.append(ITEM.sub("", line))
    if lines:
        yield " ".join(lines)


def sentences_of_help(command: click.Command) -> list[str]:
    """The sentences of a command's own help and of its options and subcommands, without defaults and examples."""
    texts = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    found = [one for text in texts if not text.startswith("\b") for one in sentences(text)]
    for option in command.params:
        if isinstance(option, click.Option) and option.help:
            found += sentences(re.sub(r" *\[default:.*?\]", "", option.help))
    if isinstance(command, click.Group):
        for child in command.commands.values():
            found += sentences_of_help(child)
    return found


def sentences_of_messages(packages: Iterable[Path]) -> list[str]:
    """The clauses of raised errors, split at semicolons, with `X` for each f-string field."""
    found = []
    for package in packages:
        for path in sorted(package.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    name = getattr(node.exc.func, "id", getattr(node.exc.func, "attr", ""))
                    texts = [_text(argument) for argument in node.exc.args]
                    found += [part for text in texts if name in ERRORS and " " in text for part in text.split("; ")]
    return found


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "X" for part in node.values)
    return ""


def figures(found: Iterable[str]) -> Figures:
    """How long sentences are."""
    lengths = [len(sentence.split()) for sentence in found]
    return Figures(len(lengths), statistics.median(lengths), max(lengths), sum(length > LONG for length in lengths))


def sources() -> dict[str, list[str]]:
    """The sentences of this checkout, by where they stand."""
    sys.path[:0] = [str(ROOT), str(ROOT / "export")]
    from epigept_batch.cli.main import cli
    from epigept_export.cli import cli as export_cli

    pages = sorted(page for page in ROOT.glob("docs/**/*.md") if "_build" not in page.parts)
    return {
        "README.md": sentences_of_markdown((ROOT / "README.md").read_text()),
        "docs/": [sentence for page in pages for sentence in sentences_of_markdown(page.read_text())],
        "CHANGELOG.md": sentences_of_markdown((ROOT / "CHANGELOG.md").read_text()),
        "help texts": [*sentences_of_help(cli), *sentences_of_help(export_cli)],
        "messages": sentences_of_messages(ROOT / package for package in PACKAGES),
    }


@click.command()
@click.option("--longest", default=0, help="Print so many of the longest sentences of each source.")
def main(*, longest: int) -> None:
    """Print the figures of each source."""
    click.echo(f"{'':14}{'sentences':>10}{'median':>8}{'longest':>9}{f'over {LONG}':>9}")
    for name, found in sources().items():
        of = figures(found)
        click.echo(f"{name:14}{of.sentences:10,}{of.median:8.0f}{of.longest:9}{of.long:9}")
        for sentence in sorted(found, key=lambda text: -len(text.split()))[:longest]:
            click.echo(f"    {len(sentence.split()):3}  {sentence}")


if __name__ == "__main__":
    main()

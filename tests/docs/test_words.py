"""README stays short, and what people read is in plain sentences; `benchmarks/words.py` measures it."""

import re
import runpy

import pytest

from pages import ROOT, pages

WORDS = runpy.run_path(str(ROOT / "benchmarks/words.py"))
ODD = {
    r"(?<!here )\bis no (?!longer\b|more\b)\w": "is not a",
    r"\bcut short\b": "truncated",
    r"\bgoes? on where\b": "resumes",
    r"\ball the same\b": "anyway",
    r"\bmade to do\b": "malicious",
    r"\bby whatever\b": "however",
    r"\btaken for\b": "treated as",
    r"\bmend(s|ed)?\b": "fix",
    r"\ba (bin|window|call|sample|line|track) (has|takes) a\b": "per",
}
"""Turns of phrase that have to be read twice, and what to write instead."""


@pytest.fixture(scope="module")
def sources():
    return WORDS["sources"]()


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize(
    ("source", "median", "longest"),
    [("README.md", 16, 45), ("docs/", 16, 45), ("help texts", 16, 35), ("messages", 16, 30), ("CHANGELOG.md", 16, 45)],
)
def test_sentences_are_short(sources, source, median, longest):
    of = WORDS["figures"](sources[source])
    assert of.median <= median
    assert of.longest <= longest
    assert of.sentences > 30


def test_sentences_are_plain(sources):
    found = [
        f"{source}: {sentence!r}: {instead}"
        for source, sentences in sources.items()
        for sentence in sentences
        for odd, instead in ODD.items()
        if re.search(odd, sentence)
    ]
    assert found == []


def test_sentences_are_told_apart():
    page = """# A heading. Not this.

One sentence here, with `code that has. A stop`. A second one
goes on here! Is this
- a question? Yes.
  It goes on.

| a table. | No. |

```sh
code. No.
```

See [a link](https://a.b/c. d) of 1.5 kb, e.g. this.
"""
    assert WORDS["sentences_of_markdown"](page) == [
        "One sentence here, with `code\u00a0that\u00a0has.\u00a0A\u00a0stop`.",
        "A second one goes on here!",
        "Is this",
        "a question?",
        "Yes.",
        "It goes on.",
        "See a link of 1.5 kb, e.g this.",
    ]


def test_links_between_pages_lead_somewhere():
    for page in pages():
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if not re.match(r"\w+:", target):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
                # The site has the pages in docs/ only, and its build fails on a link to anything else.
                inside = (page.parent / target).resolve().is_relative_to(ROOT / "docs")
                assert inside or page == ROOT / "README.md", f"{page.name}: {target}"


def test_help_texts_are_text_of_the_site_too():
    """Sphinx reads words between bars as a substitution, which does not exist."""
    from epigept_batch.cli.main import cli
    from epigept_export.cli import cli as export_cli

    for group in (cli, export_cli):
        for command in group.commands.values():
            texts = [command.help or "", *(getattr(option, "help", None) or "" for option in command.params)]
            assert not [text for text in texts if re.search(r"\|\w[^|]*\|", text)]


def test_the_reference_lists_every_command_in_the_order_of_the_help():
    from epigept_batch.cli.main import cli
    from epigept_export.cli import cli as export_cli

    page = (ROOT / "docs/reference/commands.md").read_text()
    assert re.findall(r":commands: (.*)", page) == [",".join(cli.commands), ",".join(export_cli.commands)]


def test_the_reference_has_every_public_name():
    import epigept_batch

    page = (ROOT / "docs/reference/python.md").read_text()
    assert set(re.findall(r"auto\w+:: (\w+)", page)) == set(epigept_batch.PUBLIC) - {"__version__"}

"""Settings of Sphinx: `sphinx-build -W -b html docs docs/_build`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import epigept_batch

if TYPE_CHECKING:
    import click
    from sphinx.application import Sphinx

project = "epigept-batch"
author = "the epigept-batch authors"
copyright = f"2026, {author}"  # noqa: A001 - as Sphinx has it
release = epigept_batch.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"epigept-batch {release}"
default_role = "code"  # of docstrings, which write `names` as Markdown does
smartquotes = False  # they turn -- into a dash

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# Words behind the language of a code block, such as "slow", are for the tests that run the blocks.
suppress_warnings = ["misc.highlighting_failure"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False


def literal_examples(_app: Sphinx, _context: click.Context, lines: list[str]) -> None:
    """Show the example of a command's help as code; sphinx-click passes it on as a line block."""
    if "| Example:" in lines:
        start = lines.index("| Example:")
        lines[start:] = ["Example::", "", *(line.removeprefix("|") for line in lines[start + 1 :])]


def setup(app: Sphinx) -> None:
    """Connect to the extensions."""
    app.connect("sphinx-click-process-description", literal_examples)

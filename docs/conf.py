"""Settings of Sphinx: `sphinx-build -W -b html docs docs/_build`."""

import epigept_batch

project = "epigept-batch"
author = "the epigept-batch authors"
copyright = f"2026, {author}"  # noqa: A001 - as Sphinx has it
release = epigept_batch.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"epigept-batch {release}"
nitpicky = False

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# Words behind the language of a code block, such as "slow", are for the tests that run the blocks.
suppress_warnings = ["misc.highlighting_failure"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False

"""The HTML page of a report, made with Jinja2: every text is escaped, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

import epigept_batch
from epigept_batch.errors import DeviceError
from epigept_batch.report.theme import css_variables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from epigept_batch.report.parts import Section

GENERATOR = "epigept-batch report"
HEAD_BYTES = 1024
"""The generator stands within the first bytes of a page."""
DIGEST_LENGTHS = "32|64"


def check_library() -> None:
    """Check that Jinja2 can be imported.

    Raises:
        DeviceError: It cannot.
    """
    try:
        import jinja2
    except ImportError as error:
        raise DeviceError("a report requires Jinja2; install epigept-batch with its [report] extra") from error
    del jinja2


def is_ours(path: Path) -> bool:
    """Whether a file is a report of this program."""
    try:
        with path.open("rb") as stream:
            return f'content="{GENERATOR}'.encode() in stream.read(HEAD_BYTES)
    except OSError:
        return False


def make_page(title: str, subtitle: str, sections: Sequence[Section], *, tracks: Sequence[str], footer: str) -> str:
    """Return the page.

    Args:
        title: Its title and heading.
        subtitle: A sentence below it.
        sections: Its sections, in order.
        tracks: Names of the tracks, whose colours the plots use.
        footer: A sentence at its end.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = files("epigept_batch.report") / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.tests["digest"] = lambda cell: bool(re.fullmatch(r"(?:[0-9a-f]{32}){1,2}", cell))
    template = environment.from_string((folder / "report.html").read_text(encoding="utf-8"))
    return template.render(
        generator=f"{GENERATOR} {epigept_batch.__version__}",
        title=title,
        subtitle=subtitle,
        sections=sections,
        light=css_variables(tracks, dark=False),
        dark=css_variables(tracks, dark=True),
        style=Markup((folder / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        footer=footer,
    )

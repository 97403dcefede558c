"""How figures for publication look, and how they are saved: fonts, line widths, formats without dates."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from epigept_batch.errors import DeviceError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

FORMATS = ("pdf", "svg", "png")
MM = 1 / 25.4
"""A millimetre in inches."""
DPI = 300
"""Resolution of PNG, and of contact maps within PDF and SVG."""
FONT = "DejaVu Sans"
"""A font that matplotlib contains, so that the same figure is made on every machine."""
BODY_PT, SMALL_PT = 7.0, 6.0
LINE_PT = 0.5
SETTINGS = {
    "axes.axisbelow": True,
    "axes.labelpad": 2.0,
    "axes.labelsize": BODY_PT,
    "axes.linewidth": LINE_PT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": BODY_PT,
    "hatch.linewidth": 0.3,
    "pdf.fonttype": 42,  # TrueType, which editors of vector graphics can change and journals accept
    "svg.fonttype": "none",  # text remains text
    "svg.hashsalt": "epigept-batch",  # instead of random names, so that the same figure has the same bytes
    "text.parse_math": False,  # a sample's name may contain a dollar sign
    "xtick.direction": "out",
    "xtick.labelsize": BODY_PT,
    "xtick.major.pad": 2.0,
    "xtick.major.size": 2.0,
    "xtick.major.width": LINE_PT,
    "ytick.labelsize": SMALL_PT,
    "ytick.major.pad": 1.5,
    "ytick.major.size": 1.5,
    "ytick.major.width": LINE_PT,
}


@contextmanager
def publication_style(font: str = FONT) -> Iterator[None]:
    """Apply the style to figures that are drawn and saved meanwhile, whatever the user's matplotlib settings are.

    Args:
        font: Name of a font family.

    Raises:
        DeviceError: matplotlib is not installed.
        InputError: The font is not installed.
    """
    try:
        from matplotlib import font_manager, style
    except ImportError as error:
        raise DeviceError("figures require matplotlib; install epigept-batch with its [figures] extra") from error
    try:
        font_manager.findfont(font_manager.FontProperties(family=[font]), fallback_to_default=False)
    except ValueError as error:
        raise InputError(f"--font {font}: not installed; install it, or leave this option out") from error
    with style.context(["default", {**SETTINGS, "font.family": [font]}]):
        yield


def lacking(text: str, font: str = FONT) -> str:
    """Return the characters of a text that a font cannot draw, each once, in order.

    Args:
        text: The text.
        font: Name of an installed font family.
    """
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties(family=[font]))
    known = font_manager.get_font(path).get_charmap()
    return "".join(letter for letter in dict.fromkeys(text) if ord(letter) not in known)


def save_pages(
    pages: Iterable[Callable[[], Figure]],
    paths: Sequence[Path],
    kind: str,
    *,
    title: str,
    drawn: Callable[[], None] | None = None,
) -> None:
    """Draw figures one after the other and save them, without dates, so that the same figure has the same bytes.

    Args:
        pages: Functions that draw a page each.
        paths: Files to write: one for a PDF of all pages, else one per page.
        kind: `pdf`, `svg` or `png`.
        title: Title of a PDF or SVG.
        drawn: Called after each page.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # `lacking` tells of it in words
        _save_pages(pages, paths, kind, title=title, drawn=drawn)


def _save_pages(
    pages: Iterable[Callable[[], Figure]],
    paths: Sequence[Path],
    kind: str,
    *,
    title: str,
    drawn: Callable[[], None] | None,
) -> None:
    if kind == "pdf":
        from matplotlib.backends.backend_pdf import PdfPages

        with PdfPages(paths[0], metadata={"CreationDate": None, "Title": title}) as book:
            for draw in pages:
                book.savefig(draw(), dpi=DPI)
                if drawn is not None:
                    drawn()
        return
    metadata = {"Date": None, "Title": title} if kind == "svg" else {}
    for draw, path in zip(pages, paths, strict=True):
        draw().savefig(path, format=kind, dpi=DPI, metadata=metadata)
        if drawn is not None:
            drawn()

"""Find igv.js, which the wheel of igv-notebook carries.

The package is not imported, because that would load IPython.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from epigept_batch.errors import DeviceError

PACKAGE = "igv-notebook"
SCRIPT, VERSION = "igv_notebook/js/igv.iife.js", "igv_notebook/VERSION_IGV"
INSTALL = "install epigept-batch with its [view] extra"


@dataclass(frozen=True)
class IgvJs:
    """The installed igv.js.

    Attributes:
        path: The script, which defines `window.igv`.
        version: Its version, such as `3.1.4`.
    """

    path: Path
    version: str


def find_igv_js() -> IgvJs:
    """Return the installed igv.js.

    Raises:
        DeviceError: igv-notebook is not installed, or does not contain the script.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError as error:
        raise DeviceError(f"view requires {PACKAGE}, which carries igv.js; {INSTALL}") from error
    script, version = (Path(str(package.locate_file(name))) for name in (SCRIPT, VERSION))
    if not script.is_file():
        raise DeviceError(f"{PACKAGE} {package.version} does not contain {SCRIPT}; {INSTALL}")
    return IgvJs(script, version.read_text().strip() if version.is_file() else "unknown")

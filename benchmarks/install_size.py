"""What the extras download: the sizes of the wheels that pip chooses, without installing anything.

python benchmarks/install_size.py [EXTRAS ...]
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import requests

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("cpu", "openvino", "gpu", "cpu,export", "cpu,train", "cpu,h5ad", "cpu,figures", "test")
SHOWN = 3


def wheels(extras: str) -> dict[str, int]:
    """Bytes of each wheel of an installation, by its name."""
    command = ("pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", f".[{extras}]")
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=True)
    urls = [item["download_info"]["url"] for item in json.loads(done.stdout)["install"]]
    return {Path(unquote(urlparse(url).path)).name: _size(url) for url in urls if url != ROOT.as_uri()}


def _size(url: str) -> int:
    parts = urlparse(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).stat().st_size
    return int(requests.head(url, allow_redirects=True, timeout=60).headers["Content-Length"])


def main() -> None:
    """Print a line per extra: MB in all, and the largest wheels."""
    for extras in sys.argv[1:] or EXTRAS:
        sizes = wheels(extras)
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:SHOWN]
        shown = ", ".join(f"{name.split('-')[0]} {name.split('-')[1]} {size / 1e6:.0f}" for name, size in largest)
        print(f"[{extras}]: {len(sizes)} wheels, {sum(sizes.values()) / 1e6:,.0f} MB; largest: {shown}")


if __name__ == "__main__":
    main()

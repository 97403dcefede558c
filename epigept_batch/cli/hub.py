"""`epigept-batch hub`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epigept_batch.cli.options import out_option
from epigept_batch.cli.progress import ProgressBar, quiet_option


@click.command(short_help="Describe a run as a UCSC track hub and an IGV session.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--url", required=True, metavar="URL", help="Address at which the folder with hub.txt will be.")
@click.option("--email", required=True, metavar="ADDRESS", help="Address for questions, which UCSC requires.")
@out_option("Folder for the hub, with links to the tracks or copies of them.  [default: DIR itself]")
@click.option(
    "--sample", "samples", multiple=True, metavar="NAME", help="Sample to include; repeatable.  [default: all]"
)
@click.option("--genome-name", metavar="NAME", help="UCSC's name of the assembly.  [default: as recognised]")
@click.option("--label", default="EpiGePT", show_default=True, help="Name of the hub.")
@click.option("--force", is_flag=True, help="Replace a hub.txt of another program.")
@quiet_option
def hub(**options: Any) -> None:  # noqa: ANN401 - of the request's own names and types
    """Describe a run as a UCSC track hub, and as a session of IGV desktop.

    Writes hub.txt, its description pages, and epigept_igv.xml. All of them name the tracks by relative path. Prints the
    link that opens the hub once the folder is at the address.

    \b
    Example:
      epigept-batch hub tracks --url https://example.org/tracks --email me@example.org
    """
    from epigept_batch.commands.hub import HubRequest, run_hub

    with ProgressBar("file") as progress:
        links = run_hub(HubRequest(**options), progress)
        progress.say(f"hub in {links.hub}, session of IGV in {links.session}; upload the folder, then open this link:")
    click.echo(links.browser)
    for link in links.contacts:
        click.echo(link)

"""The genome of the page: the user's FASTA with its index, or contigs without sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.assemblies import names_of
from epigept_batch.browser.block_index import with_end
from epigept_batch.errors import InputError
from epigept_batch.sequence.genome import Genome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from epigept_batch.browser.allowed import AllowedFiles
    from epigept_batch.results.folder import RunFolder
    from epigept_batch.tiling import Contig

SIZES, ALIASES, BLOCKS = "contigs.tsv", "names.tsv", "blocks.gzi"
"""URLs of the contigs' lengths, of their names in other files, and of the index of a packed FASTA's blocks."""
NAMES_SHOWN = 3


@dataclass(frozen=True)
class Reference:
    """What igv.js needs to know of the genome.

    Attributes:
        contigs: The contigs in the FASTA's order.
        config: The reference of igv.js.
        note: What the user should know; empty if the sequence is shown.
        blocks: The index of a bgzip FASTA's blocks; None if it is not packed.
    """

    contigs: tuple[Contig, ...]
    config: dict[str, Any]
    note: str
    blocks: bytes | None = None

    def small_files(self) -> dict[str, bytes]:
        """Return what is at `SIZES`, at `ALIASES` and, for a packed FASTA, at `BLOCKS`."""
        sizes = "".join(f"{contig.name}\t{contig.length}\n" for contig in self.contigs)
        aliases = "".join("\t".join(names_of(contig)) + "\n" for contig in self.contigs)
        made = {SIZES: sizes.encode(), ALIASES: aliases.encode()}
        return made if self.blocks is None else made | {BLOCKS: self.blocks}


def make_reference(folder: RunFolder, fasta: Path | None, allowed: AllowedFiles) -> Reference:
    """Return the genome of a run.

    Args:
        folder: The run.
        fasta: The FASTA that the user names; None for the one that the run read, if it is still there and fits.
        allowed: The FASTA and its indexes are added.

    Raises:
        InputError: The FASTA that the user names cannot be used, or is not the run's genome. Or there is none, and the
            folder has only contact maps, which do not tell the contigs.
    """
    name = folder.assembly or "genome"
    try:
        return _from_fasta(folder, fasta or _recorded(folder), name, allowed)
    except InputError as error:
        if fasta is not None:
            raise
        if not folder.contigs:
            raise InputError(f"the run's FASTA cannot be used ({error}); pass it with --fasta", folder.path) from error
        note = f"No sequence is shown: {error}. Pass the genome with --fasta."
        return Reference(folder.contigs, _config(name) | {"format": "chromsizes", "fastaURL": SIZES}, note)


def _recorded(folder: RunFolder) -> Path:
    if folder.fasta is None:
        raise InputError("the run does not say which FASTA it read")
    return folder.fasta


def _from_fasta(folder: RunFolder, path: Path, name: str, allowed: AllowedFiles) -> Reference:
    with Genome(path) as genome:
        _check_contigs(folder, genome.contigs, path)
        _check_sequence(folder, genome)
        files = genome.files
    urls = {"fastaURL": allowed.add(files[0], "fa.gz" if files[2:] else "fa"), "indexURL": allowed.add(files[1], "fai")}
    blocks = with_end(files[2], files[0]) if files[2:] else None
    if blocks is not None:
        urls["compressedIndexURL"] = BLOCKS
    return Reference(genome.contigs, _config(name) | urls, "", blocks)


def _config(name: str) -> dict[str, Any]:
    return {"id": name, "name": name, "aliasURL": ALIASES, "tracks": []}


def _check_contigs(folder: RunFolder, contigs: Sequence[Contig], path: Path) -> None:
    """Check that a FASTA has the contigs of the tracks, with their lengths.

    Raises:
        InputError: It does not.
    """
    has = {contig.name: contig.length for contig in contigs}
    for contig in folder.contigs:
        if contig.name not in has:
            raise InputError(f"does not contain {contig.name}, so it is not the run's genome", path)
        if has[contig.name] != contig.length:
            raise InputError(
                f"not the run's genome: {contig.name} has {has[contig.name]:,} bp instead of {contig.length:,}", path
            )


def _check_sequence(folder: RunFolder, genome: Genome) -> None:
    """Check the checksum of the first predicted contig; that of a run's own FASTA is already known.

    Raises:
        InputError: The sequence is another.
    """
    recorded = (sample.any_record.get("inputs", {}).get("genome") or {} for sample in folder.samples)
    checksums: dict[str, str] = next(filter(None, recorded), {})
    for contig in genome.contigs:
        if contig.name in checksums:
            if genome.md5(contig) != checksums[contig.name]:
                raise InputError(f"the sequence of {contig.name} differs from the run's genome", genome.path)
            return

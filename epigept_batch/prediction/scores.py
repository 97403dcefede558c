"""Provide the motif scores of a prediction: from a matching store, or by scanning during the prediction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.inference.ports import MOTIF_SCORES
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.motifs.store import BLOCK_BINS, ScoreKey, ScoreStore
from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from epigept_batch.inference.ports import Ports
    from epigept_batch.prediction.windows import Scores
    from epigept_batch.sequence.genome import Genome
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig, Tile


@contextmanager
def scores_for(
    spec: Spec, ports: Ports, store: ScoreStore | None, *, threads: int, say: Callable[[str], None]
) -> Iterator[Scores | None]:
    """Provide the source of a network's motif scores: a store, or a scanner; None if it takes no scores.

    A scanner's threads end with the block.

    Args:
        spec: The spec of the model file.
        ports: Inputs and outputs of its network.
        store: The store of scores, if there is one.
        threads: Number of threads of the scan.
        say: Called with a sentence for the user.
    """
    if not ports.takes(MOTIF_SCORES):
        yield None
    elif store is not None:
        yield store
    else:
        with make_scanner(spec, threads=threads, say=say) as scanner:
            yield scanner


def make_scanner(spec: Spec, *, threads: int, say: Callable[[str], None]) -> MotifScanner:
    """Make a compiled scanner for a model's motifs.

    Args:
        spec: The spec of the model file.
        threads: Number of threads.
        say: Called with a sentence for the user.
    """
    scanner = MotifScanner(spec.motif_set, spec.factors, bin_bp=spec.geometry.bin_bp, threads=threads)
    scanner.compile(say)
    return scanner


def open_store(path: Path, spec: Spec, genome: Genome, tiles: Iterable[Tile], *, model: Path) -> ScoreStore:
    """Open a store and check that it has the scores of all tiles for this model and sequence.

    Args:
        path: The path of the store.
        spec: The spec of the model file.
        genome: The sequence.
        tiles: The tiles whose scores will be read; a window may begin before its contig.
        model: The model file, for the suggested command that completes the store.

    Raises:
        InputError: It is not a store, belongs to another model or sequence, or is incomplete.
    """
    store = ScoreStore.open(path)
    if difference := ScoreKey.of(spec).difference(store.key):
        raise InputError(f"store has scores {difference}; make a store for this model with epigept-batch scan", path)
    needed: dict[Contig, set[int]] = {}
    for tile in tiles:
        first = tile.start // spec.geometry.bin_bp
        last = min(first + spec.geometry.bins, spec.geometry.bins_of(tile.contig.length))
        first = max(first, 0)
        needed.setdefault(tile.contig, set()).update(range(first // BLOCK_BINS, ceil_div(last, BLOCK_BINS)))
    lacking = []
    for contig, blocks in needed.items():
        if difference := store.difference(contig, genome.md5(contig)):
            raise InputError(f"{difference} as in {genome.path}; use the store of this genome", path)
        if missing := len(store.missing(contig, blocks)):
            lacking.append((contig.name, f"{missing:,} of {len(blocks):,} windows of {contig.name}"))
    if lacking and store.contig_names and not any(map(store.has, needed)):
        raise InputError(
            f"store has scores of {store.contig_names[0]}, but none of {lacking[0][0]} or any other selected contig; "
            "use the store of this genome",
            path,
        )
    if lacking:
        names = " ".join(f"--chromosome {name}" for name, _ in lacking)
        raise InputError(
            f"store lacks {', '.join(words for _, words in lacking)}; complete it with: epigept-batch scan --fasta "
            f"{genome.path} --model {model} --out {path} {names}",
            path,
        )
    return store

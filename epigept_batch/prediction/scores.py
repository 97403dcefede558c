"""Where the motif scores of a prediction come from: a store that fits it, or a scan on the way."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.inference.ports import MOTIF_SCORES
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.motifs.store import BLOCK_BINS, ScoreKey, ScoreStore
from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
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
    """What gives a network its motif scores: a store, or a scan on the way; None where it takes none.

    A scan's threads end with the block.

    Args:
        spec: Of the model file.
        ports: Of its network.
        store: Kept scores, if there are any.
        threads: How many the scan may use.
        say: Takes a sentence for the user.
    """
    if not ports.takes(MOTIF_SCORES):
        yield None
    elif store is not None:
        yield store
    else:
        with make_scanner(spec, threads=threads, say=say) as scanner:
            yield scanner


def make_scanner(spec: Spec, *, threads: int, say: Callable[[str], None]) -> MotifScanner:
    """The scan of a model's motifs, compiled.

    Args:
        spec: Of the model file.
        threads: How many it may use.
        say: Takes a sentence for the user.
    """
    scanner = MotifScanner(spec.motif_set, spec.factors, bin_bp=spec.geometry.bin_bp, threads=threads)
    scanner.compile(say)
    return scanner


def open_store(path: Path, spec: Spec, genome: Genome, tiles: Sequence[Tile], *, model: Path) -> ScoreStore:
    """A store that has what the tiles need, for this model and this sequence.

    Args:
        path: Of the store.
        spec: Of the model file.
        genome: The sequence.
        tiles: Whose scores will be read.
        model: The model file, for the command that would complete the store.

    Raises:
        InputError: It is none, is of another model or sequence, or lacks some.
    """
    store = ScoreStore.open(path)
    if difference := ScoreKey.of(spec).difference(store.key):
        raise InputError(f"has scores {difference}; make a store for this model by epigept-batch scan", path)
    needed: dict[Contig, set[int]] = {}
    for tile in tiles:
        first = tile.start // spec.geometry.bin_bp
        last = min(first + spec.geometry.bins, spec.geometry.bins_of(tile.contig.length))
        needed.setdefault(tile.contig, set()).update(range(first // BLOCK_BINS, ceil_div(last, BLOCK_BINS)))
    lacking = []
    for contig, blocks in needed.items():
        if difference := store.difference(contig, genome.md5(contig)):
            raise InputError(f"{difference} as in {genome.path}; give the store of this genome", path)
        if missing := len(store.missing(contig, blocks)):
            lacking.append((contig.name, f"{missing:,} of {len(blocks):,} windows of {contig.name}"))
    if lacking and store.contig_names and not any(map(store.has, needed)):
        raise InputError(
            f"has scores of {store.contig_names[0]}, and none of {lacking[0][0]} or any other contig that is selected; "
            "give the store of this genome",
            path,
        )
    if lacking:
        names = " ".join(f"--chromosome {name}" for name, _ in lacking)
        raise InputError(
            f"lacks {', '.join(words for _, words in lacking)}; complete it by: epigept-batch scan --fasta "
            f"{genome.path} --model {model} --out {path} {names}",
            path,
        )
    return store

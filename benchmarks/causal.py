"""Change bases that cause a peak in the simulation, and rank these variants among random ones.

`benchmarks/variants.py --only causal` runs this. A causal base lies in a site of an expressed OPEN factor or of CTCF on
a held-out contig, below a peak of a held-out cell. The truth is the grammar's: its signal of the edited sequence minus
its signal, as ln(1 + signal), over the three bins that the command averages over.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from epigept_batch.commands.demo import CONTIG, CONTIG_BP, SAMPLES, SEED
from epigept_batch.demo.package_data import packaged_baseline, packaged_model
from epigept_batch.expression.vector import network_expression
from epigept_batch.inference.model_file import read_spec
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import BIN_BP, CTCF, FACTORS, OPEN, TRACKS, WIDTH, Grammar
from epigept_batch.simulation.sequence import make_contig
from epigept_batch.simulation.write import as_fasta, write_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COMMAND = Path(sys.executable).parent / "epigept-batch"
RANDOM = 1000
"""Random variants that a causal one is ranked among."""
EACH = 10
"""Causal variants per cell, kind of factor and state of the site."""
KINDS = {"OPEN": (OPEN, "DNase"), "CTCF": ((CTCF,), "CTCF")}
"""Factors, and the track whose peak they cause."""
STATES = {"weakened": 0, "destroyed": 1}
"""Mismatches that a site has before it is changed; with two, it is no hit."""
PEAK = 0.95
"""Quantile of a track's bins from which on one is a peak."""
LEAST_EFFECT = 0.1
EXPRESSED = 8.0
REACH = 90
"""Bins on each side of a base whose motif hits and islands its three bins depend on."""


class Snv(NamedTuple):
    """A position of the contig, and the token that replaces its own."""

    position: int
    token: int


class Causal(NamedTuple):
    """A variant of which the peak in a cell depends on."""

    snv: Snv
    cell: str
    kind: str
    state: str


class Effects:
    """Effects of variants that can be known without the network.

    Args:
        grammar: The rules that make the signal.
        tokens: The contig, uint8, (bp,).
    """

    def __init__(self, grammar: Grammar, tokens: NDArray[np.uint8], scanner: MotifScanner, lowest: Array) -> None:
        self._grammar, self._tokens, self._scanner = grammar, tokens, scanner
        self._linear = packaged_baseline()
        self._tpm = {cell: make_expression(SEED, cell) for cell in SAMPLES}
        self._expression = {cell: network_expression(tpm, lowest) for cell, tpm in self._tpm.items()}

    def of(self, snv: Snv) -> dict[str, dict[str, Array]]:
        """Return effects by method and cell, each float64, (tracks,)."""
        bin_ = snv.position // BIN_BP
        first, last = max(bin_ - REACH, 0), min(bin_ + REACH + 1, len(self._tokens) // BIN_BP)
        before = self._tokens[first * BIN_BP : last * BIN_BP]
        after = before.copy()
        after[snv.position - first * BIN_BP] = snv.token
        scores = [self._scanner.scan(tokens, offset=0, bins=last - first) for tokens in (before, after)]
        near = slice(max(bin_ - 1 - first, 0), bin_ + 2 - first)
        found: dict[str, dict[str, Array]] = {"truth": {}, "linear": {}, "motif": {}}
        for cell, tpm in self._tpm.items():
            expression = self._expression[cell]
            signals = [np.log1p(self._grammar.truth(*pair, tpm)) for pair in zip((before, after), scores, strict=True)]
            linear = [self._linear.predict(of, expression) for of in scores]
            inputs = [of * expression[:, None] for of in scores]
            for name, (old, new) in (("truth", signals), ("linear", linear)):
                found[name][cell] = (new[near].astype(np.float64) - old[near]).mean(axis=0)
            largest = np.abs(inputs[1] - inputs[0])[:, near].mean(axis=1).max()
            found["motif"][cell] = np.full(len(TRACKS), largest, dtype=np.float64)
        return found


def causal(work: Path) -> None:
    """Print the ranks of causal variants by method."""
    with packaged_model() as model:
        reference = read_spec(model).reference
        if reference is None:
            raise SystemExit("the model has no reference")
        grammar = Grammar(SEED)
        tokens = make_contig(SEED, CONTIG, CONTIG_BP, grammar.motif_set)
        rng = np.random.default_rng(3)
        with MotifScanner(grammar.motif_set, FACTORS, bin_bp=BIN_BP) as scanner:
            effects = Effects(grammar, tokens, scanner, reference.distribution)
            random = [random_snv(rng, tokens) for _ in range(RANDOM)]
            known = {snv: effects.of(snv) for snv in random}
            chosen = list(causal_variants(rng, grammar, tokens, effects, known))
        predicted = of_network(work, model, tokens, sorted({*random, *(one.snv for one in chosen)}))
    for snv, by_cell in predicted.items():
        known[snv]["network"] = by_cell
    changed = [max(abs(known[snv]["truth"][cell]).max() for cell in SAMPLES) >= LEAST_EFFECT for snv in random]
    print(f"\n{np.mean(changed):.1%} of the random variants have a true effect of {LEAST_EFFECT} or more in a track\n")
    print_ranks(chosen, random, known)
    print_agreement(chosen, random, known)


def random_snv(rng: np.random.Generator, tokens: NDArray[np.uint8]) -> Snv:
    """Draw an SNV of the contig."""
    position = int(rng.integers(0, len(tokens)))
    return Snv(position, other(rng, tokens[position]))


def other(rng: np.random.Generator, token: int) -> int:
    """Draw another base."""
    return int(token + rng.integers(1, 4)) % 4


def causal_variants(
    rng: np.random.Generator,
    grammar: Grammar,
    tokens: NDArray[np.uint8],
    effects: Effects,
    known: dict[Snv, dict[str, dict[str, Array]]],
) -> Iterator[Causal]:
    """Yield variants of bases in sites below peaks, whose true effect on the peak's track is large enough."""
    scores = grammar.motif_scores(tokens)
    for cell in SAMPLES:
        tpm = make_expression(SEED, cell)
        signal = grammar.truth(tokens, scores, tpm)
        for kind, (factors, track) in KINDS.items():
            of_track = signal[:, TRACKS.index(track)]
            peaks = of_track >= np.quantile(of_track, PEAK)
            expressed = [factor for factor in factors if tpm[FACTORS.index(factor)] >= EXPRESSED]
            for state, mismatches in STATES.items():
                sites = [site for factor in expressed for site in sites_of(grammar, tokens, factor, mismatches)]
                left = EACH
                for number in rng.permutation(len(sites)):
                    start, matching = sites[number]
                    position = start + int(rng.choice(np.flatnonzero(matching)))
                    snv = Snv(position, other(rng, tokens[position]))
                    if not peaks[position // BIN_BP]:
                        continue
                    found = effects.of(snv)
                    if abs(found["truth"][cell][TRACKS.index(track)]) >= LEAST_EFFECT:
                        known[snv] = found
                        yield Causal(snv, cell, kind, state)
                        left -= 1
                        if not left:
                            break


def sites_of(
    grammar: Grammar, tokens: NDArray[np.uint8], factor: str, mismatches: int
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield where the sites with so many mismatches begin, and which of their bases match the consensus.

    All bases of the consensus are equally informative.
    """
    forward = grammar.consensus(factor)
    for site in (forward, 3 - forward[::-1]):
        matching = np.lib.stride_tricks.sliding_window_view(tokens, WIDTH) == site
        for start in np.flatnonzero(matching.sum(axis=1) == WIDTH - mismatches):
            yield int(start), matching[start]


def of_network(work: Path, model: Path, tokens: NDArray[np.uint8], snvs: list[Snv]) -> dict[Snv, dict[str, Array]]:
    """Score variants with the installed command; return differences by variant and cell, (tracks,)."""
    (work / "sim.fa").write_bytes(as_fasta(CONTIG, tokens))
    words: list[str | Path] = []
    for cell in SAMPLES:
        write_table(work / f"{cell}.tsv", SEED, cell, make_expression(SEED, cell))
        words += ["--tpm", work / f"{cell}.tsv"]
    rows = (f"{CONTIG}\t{one.position + 1}\t{'ACGT'[tokens[one.position]]}\t{'ACGT'[one.token]}\n" for one in snvs)
    (work / "snvs.tsv").write_text("chrom\tpos\tref\talt\n" + "".join(rows))
    out = work / "causal.tsv"
    line = [COMMAND, "variants", work / "snvs.tsv", *words, "--fasta", work / "sim.fa", "--model", model]
    subprocess.run([*line, "--device", "cpu", "--force", "--fresh", "--out", out], check=True, capture_output=True)
    with out.open() as file:
        scored = list(csv.DictReader(file, delimiter="\t"))
    found: dict[Snv, dict[str, Array]] = {}
    for row in scored:
        snv = Snv(int(row["pos"]) - 1, "ACGT".index(row["alt"]))
        by_cell = found.setdefault(snv, {cell: np.full(len(TRACKS), np.nan) for cell in SAMPLES})
        by_cell[row["sample"]][TRACKS.index(row["track"])] = float(row["difference"])
    return found


def print_ranks(
    chosen: list[Causal], random: list[Snv], known: Mapping[Snv, Mapping[str, Mapping[str, Array]]]
) -> None:
    """Print median rank and share in the top 1 %, by kind and method; and how well effects agree."""
    methods = ("network", "linear", "motif", "truth")
    titles = ("network", "linear model", "motif score × expression", "truth", "mean (chance)")
    for title, pick in (
        ("|difference| in the track of the peak", lambda values, track: abs(values[track])),
        ("largest |difference| of any track", lambda values, _: abs(values).max()),
    ):
        print(f"Rank by {title}, among {RANDOM:,} random variants: median, and share in the top 1 %\n")
        print(f"| sites | variants | {' | '.join(titles)} |\n{'|---' * (2 + len(titles))}|")
        ranks: dict[str, list[list[float]]] = {}
        for one in chosen:
            track = TRACKS.index(KINDS[one.kind][1])
            of_one = []
            for method in methods:
                mine = pick(known[one.snv][method][one.cell], track)
                theirs = np.array([pick(known[snv][method][one.cell], track) for snv in random])
                of_one.append(1 + (theirs > mine).sum() + (theirs == mine).sum() / 2)
            of_one.append(1 + RANDOM / 2)
            for name in (f"{one.kind}, {one.state}", "all"):
                ranks.setdefault(name, []).append(of_one)
        for name in (*(name for name in ranks if name != "all"), "all"):
            by_method = np.array(ranks[name]).T
            cells = [f"{np.median(of):g}, {np.mean(of <= RANDOM / 100):.0%}" for of in by_method]
            print(f"| {name} | {len(ranks[name])} | {' | '.join(cells)} |")
        print(flush=True)


def print_agreement(
    chosen: list[Causal], random: list[Snv], known: Mapping[Snv, Mapping[str, Mapping[str, Array]]]
) -> None:
    """Print how effects agree with the truth: of causal variants on their peak, and of random ones on all tracks."""
    print("| method | causal: r | same sign | mean size, of the truth's | random: r | false | missed |")
    print("|---|---|---|---|---|---|---|")
    for method in ("network", "linear"):
        on_peak = [
            [known[one.snv][name][one.cell][TRACKS.index(KINDS[one.kind][1])] for name in (method, "truth")]
            for one in chosen
        ]
        mine, true = np.array(on_peak).T
        same, size = (np.sign(mine) == np.sign(true)).mean(), np.abs(mine).mean() / np.abs(true).mean()
        of_random = [[known[snv][name][cell] for snv in random for cell in SAMPLES] for name in (method, "truth")]
        all_mine, all_true = np.array(of_random).reshape(2, -1)
        large, truly_large = np.abs(all_mine) >= LEAST_EFFECT, np.abs(all_true) >= LEAST_EFFECT
        print(
            f"| {method} | {np.corrcoef(mine, true)[0, 1]:.2f} | {same:.0%} | {size:.0%} | "
            f"{np.corrcoef(all_mine, all_true)[0, 1]:.2f} | {(large & ~truly_large).sum()} of {large.sum()} | "
            f"{(~large & truly_large).sum()} of {truly_large.sum()} |",
            flush=True,
        )

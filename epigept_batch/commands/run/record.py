"""The provenance of a sample's outputs."""

from __future__ import annotations

import platform
import resource
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import epigept_batch
from epigept_batch.inference.ports import MOTIF_SCORES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from epigept_batch.commands.run.plan import RunPlan, Sample
    from epigept_batch.inference.session import Session
    from epigept_batch.motifs.store import ScoreStore
    from epigept_batch.sequence.genome_verdict import Verdict
    from epigept_batch.spec import Spec
    from epigept_batch.timing import StageClock


def make_record(
    plan: RunPlan,
    sample: Sample,
    product: int,
    facts: Mapping[str, Any],
    sessions: Sequence[Session],
    clock: StageClock,
    digests: Mapping[Path, str],
) -> dict[str, Any]:
    """Return the provenance of a sample's files, JSON-compatible.

    Args:
        plan: Plan of the run.
        sample: The sample.
        product: Number of the product.
        facts: What the product adds.
        sessions: The sessions that computed the windows.
        clock: The time of each stage.
        digests: SHA-256 of each table, and of the variant file.
    """
    made_from = account_of_sample(plan, sample, product, digests)
    ran = account_of_sessions(sessions, threads=plan.request.threads)
    return {
        "sample": made_from.pop("sample"),
        "finished": ran.pop("finished"),
        "versions": ran.pop("versions"),
        **made_from,
        **ran,
        "scan": _scan(plan, sessions[0]),
        "windows": len(plan.tiles),
        **facts,
        "seconds": {stage: round(seconds, 3) for stage, seconds in clock.seconds().items()},
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def account_of_sample(plan: RunPlan, sample: Sample, product: int, digests: Mapping[Path, str]) -> dict[str, Any]:
    """Return what a sample's files are made from, JSON-compatible.

    Args:
        plan: Plan of the run.
        sample: The sample.
        product: Number of the product.
        digests: SHA-256 of each table, and of the variant file.
    """
    account, inputs = sample.source.account(), account_of_inputs(plan)
    return {
        "sample": sample.name,
        "paths": {
            **inputs.pop("paths"),
            "expression": _one_or_all([str(path.resolve()) for path in sample.source.paths]),
        },
        "sha256": {
            **inputs.pop("sha256"),
            "expression": _one_or_all([digests[path] for path in sample.source.paths]),
        },
        "inputs": sample.inputs[product],
        **inputs,
        "factors": account["factors"],
        "expression": {key: account[key] for key in ("tables", "nearest_cell", "notes", "sheet")},
        **({} if sample.perturbed is None else {"perturbation": sample.perturbed.account()}),
        **_personal(plan, sample, digests),
    }


class Planned(Protocol):
    """What a plan of any run has."""

    @property
    def spec(self) -> Spec:
        """The spec of the model file."""

    @property
    def model_sha256(self) -> str:
        """Digest of the model file."""

    @property
    def verdict(self) -> Verdict:
        """Whether the genome suits the network."""

    @property
    def store(self) -> ScoreStore | None:
        """Motif scores of the genome; None to scan during the run."""

    @property
    def request(self) -> Requested:
        """What a user asks for."""


class Requested(Protocol):
    """What any request for a run has."""

    @property
    def model(self) -> Path:
        """The model file."""

    @property
    def fasta(self) -> Path:
        """The genome."""

    @property
    def threads(self) -> int:
        """Number of CPU threads."""


def account_of_run(plan: Planned, sessions: Sequence[Session]) -> dict[str, Any]:
    """Return what the provenance of any output says about a run, JSON-compatible.

    Args:
        plan: Plan of the run.
        sessions: The sessions that computed the windows.
    """
    ran = account_of_sessions(sessions, threads=plan.request.threads)
    inputs = account_of_inputs(plan)
    first = {"finished": ran.pop("finished"), "versions": ran.pop("versions")}
    return {**first, **inputs, **ran, "scan": _scan(plan, sessions[0])}


def account_of_inputs(plan: Planned) -> dict[str, Any]:
    """Return the model, the genome and the motif scores of a run, JSON-compatible."""
    spec, request = plan.spec, plan.request
    return {
        "paths": {"model": str(request.model.resolve()), "fasta": str(request.fasta.resolve())},
        "sha256": {"model": plan.model_sha256},
        "genome": plan.verdict.account(),
        "architecture": spec.architecture,
        "checkpoint_sha256": spec.checkpoint_sha256,
        "precision": spec.precision,
        "scores": None if plan.store is None else str(plan.store.path.resolve()),
    }


def account_of_sessions(sessions: Sequence[Session], *, threads: int) -> dict[str, Any]:
    """Return when, by which programs and on which device windows were computed, JSON-compatible."""
    session = sessions[0]
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "epigept-batch": epigept_batch.__version__,
            "python": platform.python_version(),
            "runtime": session.runtime,
            "numpy": np.__version__,
        },
        "device": ", ".join(dict.fromkeys(session.device for session in sessions)),
        "provider": session.provider,
        "arithmetic": session.arithmetic,
        "batch_size": session.batch_size,
        "threads": threads,
    }


def _scan(plan: Planned, session: Session) -> str | None:
    """Return where motifs were searched: `gpu`, `cpu`, or None if their scores come from a store or are not needed."""
    if session.scans:
        return "gpu"
    return "cpu" if plan.store is None and session.ports.takes(MOTIF_SCORES) else None


def _personal(plan: RunPlan, sample: Sample, digests: Mapping[Path, str]) -> dict[str, Any]:
    """Return what a record says about the haplotype: counts, and no genotype."""
    if plan.personal is None or sample.haplotype is None:
        return {}
    account = plan.personal.account(sample.haplotype)
    return {"personal_genome": {**account, "sha256": digests[plan.personal.path]}}


def _one_or_all(values: Sequence[str]) -> str | Sequence[str]:
    """Return the value of a sample's table; for merged replicates, the list of all values."""
    return values[0] if len(values) == 1 else values

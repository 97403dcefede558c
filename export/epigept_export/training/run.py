"""The run of `epigept-export train`."""

from __future__ import annotations

import functools
import logging
import shutil
import time
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader

from epigept_batch.errors import InputError, OutputError
from epigept_batch.files import make_folder, replacing
from epigept_export.architectures import with_factors
from epigept_export.training.data import WindowDataset, collate, read_data
from epigept_export.training.module import EpiGePTModule
from epigept_export.training.split import split_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from epigept_export.architectures import Architecture
    from epigept_export.training.config import FitConfig, TrainingConfig
    from epigept_export.training.data import Example, TrainingData
    from epigept_export.training.split import Part

CHECKPOINT, REFERENCE = "model.ckpt", "expression_reference.tsv"
LAST = "last.ckpt"
LOG = "log"
SAY_EVERY_S = 60


@dataclass(frozen=True)
class TrainRequest:
    """What a user asks for.

    Attributes:
        config: The configuration of the training.
        out: Folder for checkpoints and log.
        resume: Resume from the last checkpoint there.
        threads: Number of CPU threads.
    """

    config: TrainingConfig
    out: Path
    resume: bool = False
    threads: int = 1


class SpokenProgress(Callback):
    """Reports the progress of a training: a line per epoch, and a line per minute within long epochs.

    Args:
        say: Reports a sentence to the user.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002 - as Lightning calls it
        outputs: Any,  # noqa: ANN401
        batch: Any,  # noqa: ANN401, ARG002
        batch_idx: int,
    ) -> None:
        """Report the loss if the last report is a minute ago."""
        if trainer.is_global_zero and time.monotonic() - self._said >= SAY_EVERY_S:
            self._said = time.monotonic()
            loss = float(outputs["loss"])
            self._say(
                f"epoch {trainer.current_epoch}, batch {batch_idx + 1} of {trainer.num_training_batches}: {loss:.4f}"
            )

    def on_train_epoch_end(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Report the figures of an epoch."""
        if not trainer.is_global_zero:
            return
        self._said = time.monotonic()
        figures = trainer.callback_metrics
        r = [f"{name.removeprefix('val_r_')} {float(value):.3f}" for name, value in figures.items() if "val_r_" in name]
        losses = [float(figures[name]) for name in ("train_loss_epoch", "val_loss")]
        similarity = figures.get("val_contact_similarity")
        uniform = figures.get("val_contact_similarity_uniform")
        known = similarity is not None and uniform is not None
        contacts = f", contacts {similarity:.3f} (uniform attention: {uniform:.3f})" if known else ""
        self._say(
            f"epoch {trainer.current_epoch}: loss {losses[0]:.4f}, held out {losses[1]:.4f}{contacts}, r {', '.join(r)}"
        )


def train(request: TrainRequest, *, say: Callable[[str], None]) -> Mapping[str, float]:
    """Train a network and write its best checkpoint to `OUT/model.ckpt`, its cells to `OUT/expression_reference.tsv`.

    `resume` continues from `OUT/last.ckpt`. `OUT/log` has the losses and each track's r on held-out cells and contigs,
    as CSV and for TensorBoard.

    Args:
        request: What to do.
        say: Reports a sentence to the user.

    Returns:
        The last figures and the best loss, by name; with several processes, empty in all but the first.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    config, fit = request.config, request.config.fit
    _check_out(request)
    data = read_data(config, request.out, threads=request.threads, say=say)
    training, validation = split_data(
        config, data.windows, data.cells, data.has_tracks, window_bp=data.geometry.window_bp
    )
    architecture = replace(
        with_factors(config.architecture, len(data.motif_set.factors)),
        training_windows=_training_windows(data, training.windows),
    )
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    lightning.seed_everything(fit.seed, workers=True, verbose=False)
    torch.set_num_threads(request.threads)
    torch.set_flush_denormal(True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")  # about Lightning itself, and about small data
        trainer, best = _trainer(request, say)
        begun = time.monotonic()
        progress = functools.partial(_progress, trainer, begun, fit.minutes)
        module = EpiGePTModule(architecture, fit, progress, config.contacts)
        say(_summary(architecture, training, validation, module))
        _fit(trainer, module, data, training, validation, request)
    if trainer.interrupted:
        raise KeyboardInterrupt
    if not trainer.is_global_zero:
        return {}
    shutil.copyfile(best.best_model_path, request.out / CHECKPOINT)
    _write_reference(request.out / REFERENCE, data)
    return _figures(trainer, best)


def _fit(
    trainer: lightning.Trainer,
    module: EpiGePTModule,
    data: TrainingData,
    training: Part,
    validation: Part,
    request: TrainRequest,
) -> None:
    """Train until a limit is reached or the validation loss stops improving."""
    fit = request.config.fit
    trainer.fit(
        module,
        loader(WindowDataset(data, *training), fit, cells=fit.cells, shuffle=True),
        loader(WindowDataset(data, *validation), fit, cells=None, shuffle=False),
        ckpt_path=request.out / LAST if request.resume else None,
        weights_only=False,
    )


def loader(dataset: WindowDataset, fit: FitConfig, *, cells: int | None, shuffle: bool) -> DataLoader[Example]:
    """Return batches of windows, read by as many processes as configured.

    They are spawned, not forked. Libraries that read the data run threads, and a fork of such a process can hang.

    Args:
        dataset: The windows.
        fit: The settings of the training.
        cells: How many cells a batch has; None for all.
        shuffle: Whether the order is random.
    """
    return DataLoader(
        dataset,
        batch_size=fit.windows,
        shuffle=shuffle,
        num_workers=fit.workers,
        multiprocessing_context="spawn" if fit.workers else None,
        persistent_workers=fit.workers > 0,
        collate_fn=functools.partial(collate, cells=cells),
    )


def _check_out(request: TrainRequest) -> None:
    """Check that the folder can be used: empty of an earlier training, or with a checkpoint to resume from."""
    last = request.out / LAST
    if request.resume and not last.exists():
        raise InputError("file not found, so there is nothing to resume; leave out --resume", last)
    if not request.resume and last.exists():
        raise OutputError("left by an earlier training; use --resume to continue it, or choose another --out", last)
    make_folder(request.out)


def _training_windows(data: TrainingData, numbers: Sequence[int]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Return the training windows as runs by contig."""
    runs: dict[str, list[tuple[int, int]]] = {}
    for contig, number in sorted((data.windows[n].contig.name, data.windows[n].number) for n in numbers):
        of_contig = runs.setdefault(contig, [])
        if of_contig and of_contig[-1][1] == number:
            of_contig[-1] = (of_contig[-1][0], number + 1)
        else:
            of_contig.append((number, number + 1))
    return {contig: tuple(of_contig) for contig, of_contig in runs.items()}


def _trainer(request: TrainRequest, say: Callable[[str], None]) -> tuple[lightning.Trainer, ModelCheckpoint]:
    fit = request.config.fit
    best = ModelCheckpoint(
        request.out / "best", monitor="val_loss", save_last=False, filename="{epoch}-{val_loss:.4f}", verbose=False
    )
    last = ModelCheckpoint(request.out, filename=LAST.removesuffix(".ckpt"), enable_version_counter=False)
    trainer = lightning.Trainer(
        accelerator=fit.accelerator,
        devices=fit.devices,
        precision=fit.precision,  # type: ignore[arg-type]
        max_epochs=fit.epochs,
        max_time={"seconds": round(fit.minutes * 60)} if fit.minutes else None,
        gradient_clip_val=fit.gradient_clip or None,
        callbacks=[best, last, EarlyStopping("val_loss", patience=fit.patience), SpokenProgress(say)],
        enable_progress_bar=False,
        logger=[
            CSVLogger(request.out, name=LOG, version="csv"),
            TensorBoardLogger(request.out, name=LOG, version="tb"),
        ],
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        enable_model_summary=False,
    )
    return trainer, best


def _progress(trainer: lightning.Trainer, begun: float, minutes: float) -> float:
    """Return the progress of the training, from 0 to 1, by epochs or by time, whichever is further."""
    by_epochs = trainer.current_epoch / (trainer.max_epochs or 1)
    return max(by_epochs, (time.monotonic() - begun) / (60 * minutes)) if minutes else by_epochs


def _summary(
    architecture: Architecture,
    training: Part,
    validation: Part,
    module: EpiGePTModule,
) -> str:
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return (
        f"{parameters:,} parameters: {architecture.layers} layers of {architecture.hidden}, {architecture.heads} "
        f"heads, {architecture.factors} factors; {len(training[0]):,} windows × {len(training[1])} cells to train "
        f"on, {len(validation[0]):,} × {len(validation[1])} held out"
    )


def _write_reference(path: Path, data: TrainingData) -> None:
    """Write TPM of the training cells; with it, `convert` makes a model that normalises samples to them."""
    rows = zip(data.motif_set.factors, data.reference.matrix.tolist(), strict=True)
    lines = ["\t".join(["", *data.reference.cells]), *("\t".join([f, *map(repr, row)]) for f, row in rows)]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def _figures(trainer: lightning.Trainer, best: ModelCheckpoint) -> Mapping[str, float]:
    """Return the last logged figures, with the best loss."""
    figures: dict[str, Any] = {name: float(value) for name, value in trainer.callback_metrics.items()}
    score = best.best_model_score
    return figures | ({"best_val_loss": float(score)} if score is not None else {})

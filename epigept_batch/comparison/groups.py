"""Groups of samples, and which are compared with which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.names import can_be_file_name

if TYPE_CHECKING:
    from collections.abc import Sequence

TRAINING_MEAN = "training-mean"
"""What the mean of the training cells is called in names of files."""


@dataclass(frozen=True)
class Group:
    """Samples of one kind.

    Attributes:
        name: Name.
        samples: Names of its samples.
    """

    name: str
    samples: tuple[str, ...]

    @property
    def has_replicates(self) -> bool:
        """Whether it has several samples."""
        return len(self.samples) > 1


@dataclass(frozen=True)
class Contrast:
    """A difference.

    Attributes:
        minuend: The group that is compared.
        subtrahend: The group that is subtracted; None for the mean of the training cells.
    """

    minuend: Group
    subtrahend: Group | None

    @property
    def name(self) -> str:
        """What it is called in names of files."""
        return f"{self.minuend.name}-minus-{self.other}"

    @property
    def other(self) -> str:
        """Name of what is subtracted."""
        return TRAINING_MEAN if self.subtrahend is None else self.subtrahend.name

    @property
    def why_no_test(self) -> str | None:
        """Why there is no variance between replicates to test with, in words; None if there is."""
        if self.subtrahend is None:
            return "the mean of the training cells has no replicates"
        if not self.minuend.has_replicates and not self.subtrahend.has_replicates:
            return "neither group has replicates"
        return None


def parse_groups(samples: Sequence[str], groups: Sequence[str]) -> list[Group]:
    """Return the groups that a user names: either `NAME=SAMPLE,SAMPLE` each, or single samples.

    Raises:
        InputError: Both or neither are given, a group has another form, or a sample is in two groups.
    """
    if samples and groups:
        raise InputError("name either samples or --group, not both")
    found: dict[str, list[str]] = {}
    for text in groups:
        name, sign, members = text.partition("=")
        every = [member.strip() for member in members.split(",")]
        if not sign or not all(every):
            raise InputError(f"--group {text}: not of the form NAME=SAMPLE,SAMPLE")
        if not can_be_file_name(name) or name == TRAINING_MEAN:
            raise InputError(f"--group {text}: '{name}' cannot be the name of a group, which is part of file names")
        if name in found:
            raise InputError(f"--group {text}: a group with this name exists; name all of its samples in one --group")
        found[name] = every
    found |= {name: [name] for name in samples}
    if len(found) < len(samples):
        raise InputError(f"{_twice(samples)}: named twice; name each sample once")
    every_sample = [sample for members in found.values() for sample in members]
    if len(set(every_sample)) < len(every_sample):
        raise InputError(f"--group: sample '{_twice(every_sample)}' is named twice; a sample can be in one group only")
    return [Group(name, tuple(members)) for name, members in found.items()]


def _twice(names: Sequence[str]) -> str:
    return next(name for number, name in enumerate(names) if name in names[:number])


def make_contrasts(groups: Sequence[Group], *, control: str | None, with_mean: bool) -> list[Contrast]:
    """Return the differences: each group minus the control, or minus the mean of the training cells.

    Args:
        groups: The groups.
        control: Name of the group that is subtracted; None for the last.
        with_mean: Whether the mean of the training cells is subtracted instead.

    Raises:
        InputError: There is only one group, no group with the control's name, or two differences with one name.
    """
    if with_mean:
        if control is not None:
            raise InputError(f"--control {control}: has no effect with --mean, which is subtracted; remove one of them")
        return [Contrast(group, None) for group in groups]
    if len(groups) < 2:  # noqa: PLR2004 - a difference has two sides
        raise InputError("name at least two samples or groups, or pass --mean to compare with the training cells")
    by_name = {group.name: group for group in groups}
    if control is not None and control not in by_name:
        raise InputError(f"--control {control}: not one of the groups, which are {', '.join(by_name)}")
    subtracted = groups[-1] if control is None else by_name[control]
    contrasts = [Contrast(group, subtracted) for group in groups if group is not subtracted]
    if len({contrast.name for contrast in contrasts}) < len(contrasts):
        raise InputError("two differences would have the same name; rename a group")
    return contrasts

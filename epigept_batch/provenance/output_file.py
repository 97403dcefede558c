"""The one output file of a command, its record, and the hidden files beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class OutputFile:
    """A file whose suffix names its format; see `run_record.OutputFiles`.

    Attributes:
        out: The file.
        what: What its content is called in messages, a plural.
    """

    FORMATS: ClassVar[Mapping[str, str]]
    """The format of each suffix, in lower case."""
    out: Path
    what: str

    @property
    def format(self) -> str:
        """One of the values of `FORMATS`.

        Raises:
            InputError: The name has no suffix of `FORMATS`.
        """
        name = self._folded(self.out.name)
        for suffix, kind in self.FORMATS.items():
            if name.endswith(suffix) and name != suffix:
                return kind
        raise InputError(f"--out {self.out}: unknown format; use a name that ends in {', '.join(self.FORMATS)}")

    @property
    def is_packed(self) -> bool:
        """Whether the file is compressed, with gzip, or with bgzip if it is VCF."""
        return self._folded(self.out.suffix) == ".gz"

    @staticmethod
    def _folded(name: str) -> str:
        """Return a name in the case in which suffixes are compared."""
        return name

    @property
    def folder(self) -> Path:
        """The output folder."""
        return self.out.parent

    @property
    def sample(self) -> str:
        """The name of the file, which stands for all samples."""
        return self.out.name

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The file."""
        return (self.out,)

    @property
    def record(self) -> Path:
        """NAME.run.json."""
        return self.folder / f"{self.out.name}.run.json"

    @property
    def journal(self) -> Path:
        """.NAME.journal; short runs write none."""
        return self.folder / f".{self.out.name}.journal"

    @property
    def changing(self) -> Path:
        """.NAME.changing."""
        return self.folder / f".{self.out.name}.changing"

    def could_be_outputs(self) -> list[Path]:
        """Return the file, if it is there."""
        return [self.out] if self.out.exists() else []

"""Notes on samples for the user, one sentence each; a sentence that holds for many samples is printed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NAMES_SHOWN = 3


class Note(str):
    """A sentence on one sample that other samples share with a different figure.

    Attributes:
        shared: The sentence with `{}` for the figure, the same for every sample.
        figure: This sample's figure.
        form: Format specification of the figure.
    """

    __slots__ = ("figure", "form", "shared")

    shared: str
    figure: float
    form: str

    def __new__(cls, shared: str, figure: float, *, form: str = ",.0f", one: str | None = None) -> Self:
        """Make the sentence.

        Args:
            shared: The sentence with `{}` for the figure.
            figure: The sample's figure.
            form: Format specification of the figure, as in format strings.
            one: The sentence for this sample alone, if it contains more than the figure.
        """
        note = super().__new__(cls, one or shared.format(format(figure, form)))
        note.shared, note.figure, note.form = shared, figure, form
        return note


def said_once(notes: Sequence[tuple[str, Iterable[str]]], *, total: int | None = None) -> Iterator[str]:
    """Yield each sentence once, with the samples it holds for, in order of first appearance.

    Args:
        notes: Each sample's name and sentences. If some are `Note` that differ only in their figure, the smallest and
            the largest figure are given.
        total: How many samples there are; None for the number in `notes`.
    """
    holds: dict[str, list[tuple[str, str]]] = {}
    for name, sentences in notes:
        for sentence in dict.fromkeys(sentences):
            holds.setdefault(sentence.shared if isinstance(sentence, Note) else sentence, []).append((name, sentence))
    for shared, held in holds.items():
        names = list(dict.fromkeys(name for name, _ in held))
        yield f"{samples_in_words(names, total or len(notes))}: {_for_all(shared, [sentence for _, sentence in held])}"


def _for_all(shared: str, sentences: Sequence[str]) -> str:
    """Combine the sentences of several samples into one."""
    figures = [sentence for sentence in sentences if isinstance(sentence, Note)]
    if len(set(sentences)) == 1 or not figures:
        return sentences[0]
    ordered = sorted(figures, key=lambda note: note.figure)
    least, most = (format(note.figure, note.form) for note in (ordered[0], ordered[-1]))
    return shared.format(least if least == most else f"{least} to {most}")


def samples_in_words(names: Sequence[str], total: int) -> str:
    """Name samples, or give their number if there are many."""
    if len(names) <= NAMES_SHOWN:
        return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]
    if len(names) == total:
        return f"all {total:,} samples"
    others = len(names) - NAMES_SHOWN
    return f"{', '.join(names[:NAMES_SHOWN])} and {others:,} other{'s' if others > 1 else ''}"

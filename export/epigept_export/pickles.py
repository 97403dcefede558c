"""Checks a pickle by reading its opcodes, before any of them is executed.

No opcode can run code if the unpickler knows no functions. But some allocate more memory than the file has bytes, and
objects nested a hundred thousand deep overflow the interpreter's stack when they are hashed, compared or freed.
"""

from __future__ import annotations

import pickle
import pickletools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 1 << 26
"""Maximum bytes of a pickle; that of a checkpoint with its optimizer's state has a few megabytes."""
DEEPEST = 1_000
FILLING = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})
HUNGRY = frozenset({"BYTEARRAY8", "NEXT_BUFFER", "READONLY_BUFFER"})
"""Opcodes that allocate a declared size, or require data outside the file; `torch.save` writes none of them."""


def check_pickle(content: bytes) -> None:
    """Check that a pickle requests no more memory than its content justifies.

    Raises:
        pickle.UnpicklingError: It requests more, or is not a pickle.
    """
    if len(content) > LARGEST:
        raise pickle.UnpicklingError(f"its pickle is larger than {LARGEST >> 20} MB")
    try:
        for name, argument, depth in _depths(content):
            if name in HUNGRY:
                raise pickle.UnpicklingError(f"its pickle has the opcode {name}")
            if name in {"PUT", "BINPUT", "LONG_BINPUT"} and isinstance(argument, int) and argument > len(content):
                raise pickle.UnpicklingError("its pickle numbers more objects than it has bytes")
            if depth > DEEPEST:
                raise pickle.UnpicklingError("its pickle is nested too deeply")
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise pickle.UnpicklingError(f"its pickle is damaged ({error})") from error


def _depths(content: bytes) -> Iterator[tuple[str, object, int]]:
    """Yield each opcode with its argument and the depth of nesting of the object then on top of the stack.

    An object that is filled after it was memoised counts as it was then. That is enough, because only tuples and frozen
    sets are hashed with their content, and those are complete when they are memoised.
    """
    stack: list[int] = []
    marks: list[int] = []
    memo: dict[object, int] = {}
    for opcode, argument, _ in pickletools.genops(content):
        name = opcode.name
        if name == "MARK":
            marks.append(len(stack))
        elif name in {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}:
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in {"GET", "BINGET", "LONG_BINGET"}:
            stack.append(memo.get(argument, 0))
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            _apply(opcode, stack, marks)
        yield name, argument, stack[-1] if stack else 0


def _apply(opcode: pickletools.OpcodeInfo, stack: list[int], marks: list[int]) -> None:
    """Pop what an opcode takes, and push its result, one deeper than the deepest object that it took."""
    before, after = opcode.stack_before, opcode.stack_after
    if pickletools.markobject in before:
        start = marks.pop() - before.index(pickletools.markobject)
    else:
        start = len(stack) - len(before)
    if start < 0:
        raise ValueError("it takes from an empty stack")
    taken = stack[start:]
    del stack[start:]
    if opcode.name in FILLING:  # the first is an existing container
        stack.append(max(taken[0], 1 + max(taken[1:], default=-1)))
    elif after:
        stack.extend([1 + max(taken, default=-1)] * len(after))

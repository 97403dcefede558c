"""What a pickle would do, found by reading its opcodes, before any is carried out.

No opcode can run code where an unpickler knows no functions, but some cost memory that the file does not have, and
what is nested a hundred thousand deep overflows the interpreter's stack when it is hashed, compared or freed.
"""

from __future__ import annotations

import pickle
import pickletools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 1 << 26
"""Bytes: that of a checkpoint with its optimizer's state has some megabytes."""
DEEPEST = 1_000
FILLING = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})
HUNGRY = frozenset({"BYTEARRAY8", "NEXT_BUFFER", "READONLY_BUFFER"})
"""Opcodes that allocate what they declare, or ask for what is not in the file; `torch.save` writes none of them."""


def check_pickle(content: bytes) -> None:
    """See that a pickle asks for no more than it holds.

    Raises:
        pickle.UnpicklingError: It does, or is none.
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
    """Each opcode with its argument and how deep the object on top of the stack is nested thereafter.

    What is filled after it was remembered counts as it was then. That is enough, for only tuples and frozen sets, which
    are whole when they are remembered, are hashed with what they hold.
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
    """Take what an opcode takes, and leave what it makes of that, one deeper than the deepest of it."""
    before, after = opcode.stack_before, opcode.stack_after
    if pickletools.markobject in before:
        start = marks.pop() - before.index(pickletools.markobject)
    else:
        start = len(stack) - len(before)
    if start < 0:
        raise ValueError("it takes from an empty stack")
    taken = stack[start:]
    del stack[start:]
    if opcode.name in FILLING:  # the first is a container that is there already
        stack.append(max(taken[0], 1 + max(taken[1:], default=-1)))
    elif after:
        stack.extend([1 + max(taken, default=-1)] * len(after))

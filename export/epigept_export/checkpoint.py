"""A checkpoint to its tensors, without running anything that is in it."""

from __future__ import annotations

import collections
import pickle
import zipfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from epigept_batch.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_REBUILDERS = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,  # noqa: SLF001 - what pickles name
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,  # noqa: SLF001
}
"""All that a pickle may call: what makes tensors of storages."""

_STORAGES = frozenset(
    f"{kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
)


class Inert:
    """What stands in for every other class and function: it can be made, called and filled, and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass

    def __setitem__(self, _: object, __: object) -> None:
        pass

    def append(self, _: object) -> None:
        """Take an item of a list subclass."""

    def extend(self, _: object) -> None:
        """Take items of a list subclass."""


class Unpickler(pickle.Unpickler):
    """An unpickler that knows the makers of tensors and nothing else."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as pickle has it
        """A maker of tensors by its name, or a class that does nothing."""
        if (module, name) in _REBUILDERS:
            return _REBUILDERS[module, name]
        if module == "torch" and name in _STORAGES:
            return getattr(torch, name)
        return type(name, (Inert,), {"__module__": module})


_PICKLE = SimpleNamespace(__name__="pickle", Unpickler=Unpickler)
"""What torch takes for the pickle module: a zip archive's pickle goes through its Unpickler alone."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint, mapped from the file where torch can.

    Args:
        path: What `torch.save` wrote: a pytorch-lightning checkpoint, or a bare state dict.

    Raises:
        ModelError: It is not that, or holds no weights.
    """
    document = _read(path)
    state = document.get("state_dict", document) if isinstance(document, dict) else document
    if not isinstance(state, dict) or not any(isinstance(value, Tensor) for value in state.values()):
        raise ModelError("holds no weights; give a pytorch-lightning checkpoint or a state dict", path)
    return {str(key): value for key, value in state.items() if isinstance(value, Tensor)}


def _read(path: Path) -> object:
    try:
        _check_archive(path)
        return torch.load(path, map_location="cpu", mmap=True, pickle_module=_PICKLE, weights_only=False)
    except OSError as error:
        raise ModelError(f"checkpoint cannot be read: {error.strerror or error}", path) from error
    except ModelError:
        raise
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"is a damaged checkpoint ({reason})", path) from error


def _check_archive(path: Path) -> None:
    """Let through only what torch reads by the unpickler: no TorchScript and no format from before torch 1.6."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            said = "is not a checkpoint" if stream.read(1) else "is empty"
        raise ModelError(f"{said}; give what torch.save wrote (torch 1.6 or later)", path)
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("constants.pkl") for name in archive.namelist()):
            raise ModelError("is a TorchScript archive; give a checkpoint", path)


def check_keys(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    """Compare names and shapes of a state dict with those of a network.

    Raises:
        ModelError: With the first that is missing or misshapen, and how many more.
    """
    missing = [key for key in wanted if key not in state]
    misshapen = [key for key in wanted if key in state and state[key].shape != wanted[key].shape]
    if missing:
        raise ModelError(f"lacks {_first_of(missing)}; is it a checkpoint of this architecture?", path)
    if misshapen:
        key = misshapen[0]
        shapes = f"{tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        raise ModelError(f"{_first_of(misshapen)} has shape {shapes}; is it a checkpoint of this architecture?", path)


def _first_of(keys: list[str]) -> str:
    return keys[0] + (f" and {len(keys) - 1} more" if len(keys) > 1 else "")

"""Reads the tensors of a checkpoint without running any code that it contains."""

from __future__ import annotations

import collections
import io
import pickle
import zipfile
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from epigept_batch.errors import ModelError, reason
from epigept_export.pickles import check_pickle

if TYPE_CHECKING:
    from pathlib import Path

_REBUILDERS = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,  # noqa: SLF001 - what pickles name
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,  # noqa: SLF001
}
"""All functions that a pickle may call: those that make tensors from storages."""

_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
"""Kinds of storages by their names in pickles, and the data types that they hold."""


WRAPPERS = ("module.", "model.", "_orig_mod.")
"""Prefixes that DataParallel, a LightningModule around a network, and torch.compile add to names."""


class Inert:
    """A stand-in for every other class and function: it can be made, called and filled, and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass

    def __setitem__(self, _: object, __: object) -> None:
        pass

    def append(self, _: object) -> None:
        """Ignore an item of a list subclass."""

    def extend(self, _: object) -> None:
        """Ignore items of a list subclass."""


class Unpickler(pickle.Unpickler):
    """An unpickler that knows only the functions that make tensors."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as pickle has it
        """Return a function that makes tensors by its name, or a class that does nothing."""
        if (module, name) in _REBUILDERS:
            return _REBUILDERS[module, name]
        if module == "torch" and name in _STORAGES:
            return getattr(torch, name)
        return type(name, (Inert,), {"__module__": module})


class StorageSizes(pickle.Unpickler):
    """Reads the number of bytes that each storage of a checkpoint must have, and makes no tensors.

    torch does not check the declared size of a storage that it maps from the file, so the storage may reach beyond it.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self.bytes: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as pickle has it
        """Return the data type of a kind of storage, or a class that does nothing."""
        return _STORAGES.get(name, Inert) if module == "torch" else Inert

    def persistent_load(self, saved: Any) -> Inert:  # noqa: ANN401 - as pickle has it
        """Record the size of a storage."""
        _, dtype, key, _, count = saved
        self.bytes[key] = count * dtype.itemsize
        return Inert()


_PICKLE = SimpleNamespace(__name__="pickle", Unpickler=Unpickler)
"""Stands in for the pickle module in `torch.load`, which reads the pickle of a zip archive only with its Unpickler."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the weights of a checkpoint, mapped from the file; prefixes of wrappers are removed from the names.

    Args:
        path: A file by `torch.save`, either a pytorch-lightning checkpoint or a bare state dict; or safetensors.

    Raises:
        ModelError: It is not such a file, or contains no weights.
    """
    document = _read(path)
    state = document.get("state_dict", document) if isinstance(document, dict) else document
    tensors = state.items() if isinstance(state, dict) else ()
    weights = {str(key): value for key, value in tensors if isinstance(value, Tensor)}
    if not weights:
        raise ModelError("contains no weights; use a pytorch-lightning checkpoint or a state dict", path)
    for key, tensor in weights.items():
        if tensor.is_sparse or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ModelError(f"{key} has shape {tuple(tensor.shape)}, but the file has too few values for it", path)
    return _unwrapped(weights)


def _unwrapped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefixes of wrappers that all names have."""
    for wrapper in WRAPPERS:
        if all(key.startswith(wrapper) for key in weights):
            return _unwrapped({key.removeprefix(wrapper): value for key, value in weights.items()})
    return weights


def _read(path: Path) -> object:
    try:
        if _is_safetensors(path):
            return load_file(path)
        _check_archive(path)
        return torch.load(path, map_location="cpu", mmap=True, pickle_module=_PICKLE, weights_only=False)
    except OSError as error:
        raise ModelError(f"checkpoint cannot be read: {reason(error)}", path) from error
    except ModelError:
        raise
    except Exception as error:  # a damaged file can raise any error
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"damaged checkpoint ({why})", path) from error


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins like safetensors: the length of a JSON header, then the header."""
    with path.open("rb") as stream:
        start = stream.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= path.stat().st_size


def _check_archive(path: Path) -> None:
    """Accept only files that torch reads with the unpickler: no TorchScript, and no format from before torch 1.6."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            said = "not a checkpoint, or truncated" if stream.read(1) else "empty file"
        raise ModelError(f"{said}; use a file that torch.save wrote (torch 1.6 or later), or safetensors", path)
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("constants.pkl") for name in archive.namelist()):
            raise ModelError("a TorchScript archive, not a checkpoint; use a file that torch.save wrote", path)
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ModelError("a compressed archive, which torch.save does not write; use the file that it wrote", path)
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise ModelError("damaged checkpoint (its parts overlap)", path)
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        content = archive.read(pickled)
        check_pickle(content)
        sizes = StorageSizes(io.BytesIO(content))
        sizes.load()
        folder = pickled.removesuffix(".pkl")
        short = [key for key, size in sizes.bytes.items() if archive.getinfo(f"{folder}/{key}").file_size != size]
        if short:
            raise ModelError(f"damaged checkpoint (storage {short[0]} has the wrong size)", path)

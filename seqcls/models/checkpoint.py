"""Weights in a file of another program: found in it, and freed of the names that were put in front of theirs.

Of a pickle nothing is loaded but tensors and plain containers (PyTorch's ``weights_only=True``): anything else could
run code, and is refused.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save
from safetensors.torch import load_file
from torch import Tensor

from seqcls.errors import ModelError, one_line
from seqcls.files import atomic_path, on_disk
from seqcls.files.named_files import open_regular
from seqcls.models.tensor_table import MAX_BYTES, read_table
from seqcls.text.wording import names_of

#: Under which names training programs keep the weights, the likeliest first; any other name comes after them.
_PLACES = ("state_dict", "model_state_dict", "model", "module", "net", "network")
#: So deep a checkpoint is searched: weights below `model` below `checkpoint` are at 2.
_LEVELS = 3
#: What every ResNet begins with, whatever stands in front of it.
_STEM, _BODY = "conv1.weight", ("bn1.weight", "layer1.0.conv1.weight")
_SAVE = "where it was made, `torch.save(model.state_dict(), 'weights.pth')` saves the weights alone"
_FOREIGN = re.compile(r"GLOBAL ([\w.]{1,80})")
_SHOWN = 3
#: How the files of torch.save begin.
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The weights under torchvision's names, and where they lay: ``place`` is empty at the top; ``others``: places in
    which there are weights too, which are left."""

    tensors: dict[str, Tensor]
    place: str
    others: tuple[str, ...] = ()


def read_checkpoint(path: Path) -> Checkpoint:
    """Weights of a .safetensors, or of a file that `torch.save` wrote. Raises ModelError.

    They may lie in a dictionary with other things, such as ``state_dict``, and have names such as ``module.model.`` in
    front of theirs. Whether they are those of a ResNet-18 is left to the caller.
    """
    path = on_disk(path)
    if not path.is_file():
        raise ModelError(f"no weights at {path}; name a .pth, .pt or .safetensors file")
    if path.suffix.lower() == ".safetensors":
        return Checkpoint(_without_prefix(read_safetensors(path), path), "")
    found = _searched(_unpickled(path))
    if found is None:
        raise ModelError(f"{path} is not a state dict of tensors, and holds none; save `model.state_dict()` alone")
    return Checkpoint(_without_prefix(found.tensors, path), found.place, found.others)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of the file. Raises ModelError."""
    try:
        read_table(path)
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} is not a whole safetensors file ({one_line(error)}); copy it again") from error


def write_weights(path: Path, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """A .safetensors of weights alone, atomically: training can start from it. Raises OutputError."""
    content = save({name: np.ascontiguousarray(value, np.float32) for name, value in tensors.items()})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _unpickled(path: Path) -> object:
    try:
        with open_regular(path) as stream, warnings.catch_warnings():
            if stream.seek(0, 2) > MAX_BYTES:
                raise ModelError(
                    f"{path} has more than the {MAX_BYTES >> 20} MB that a checkpoint of a ResNet-18 can have; {_SAVE}"
                )
            _require_whole(stream, path)
            stream.seek(0)
            warnings.simplefilter("ignore")  # of the way in which older versions of PyTorch wrote
            return torch.load(stream, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {one_line(error)}; copy it again") from error
    except Exception as error:  # a damaged pickle raises whatever its last opcode stumbles over
        foreign = _FOREIGN.search(str(error))
        if foreign is None:
            why = "is no whole PyTorch checkpoint of tensors, or is damaged: it cannot be imported safely"
        else:
            why = f"holds more than plain tensors ({foreign[1]}), which could run code: it cannot be imported safely"
        raise ModelError(f"{path} {why}; {_SAVE}") from error


def _require_whole(stream: BinaryIO, path: Path) -> None:
    """Raise ModelError where a part of a zip file, which `torch.save` writes, is not what its checksum says: PyTorch
    does not look, and would load other weights."""
    stream.seek(0)
    if stream.read(len(_ZIP)) != _ZIP:
        return  # older versions of PyTorch wrote no zip file, and no checksum
    with zipfile.ZipFile(stream) as archive:
        if (size := sum(part.file_size for part in archive.infolist())) > MAX_BYTES:
            raise ModelError(
                f"{path} unpacks to {size >> 20} MB, more than a checkpoint of a ResNet-18 can have; {_SAVE}"
            )
        if part := archive.testzip():
            raise ModelError(
                f"{path} is damaged: its {part[:60]} is not what its checksum says; copy it again, or save it anew"
            )


def _searched(content: object) -> Checkpoint | None:
    """The weights of a ResNet nearest to the top, else the first tensors with names; None where there are none."""
    level: list[tuple[str, object]] = [("", content)]
    other: Checkpoint | None = None
    for _ in range(_LEVELS + 1):
        dictionaries = [(place, one) for place, one in level if isinstance(one, Mapping)]
        held = [(place, _tensors(one)) for place, one in dictionaries]
        nets = [(place, own) for place, own in held if any(_is_stem(name, own) for name in own)]
        if nets:
            (place, own), *left = nets
            return Checkpoint(own, place, tuple(place for place, _ in left))
        if other is None and (some := [(place, own) for place, own in held if own]):
            other = Checkpoint(some[0][1], some[0][0])
        level = [
            (f"{place}.{name}" if place else str(name), value)
            for place, one in dictionaries
            for name, value in sorted(one.items(), key=lambda item: _rank(item[0]))
        ]
    return other


def _rank(name: object) -> tuple[int, str]:
    return (_PLACES.index(name) if name in _PLACES else len(_PLACES), str(name))


def _tensors(content: Mapping[object, object]) -> dict[str, Tensor]:
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _is_stem(name: str, tensors: Mapping[str, Tensor]) -> bool:
    prefix = name.removesuffix(_STEM)
    return name.endswith(_STEM) and prefix[-1:] in ("", ".") and all(prefix + part in tensors for part in _BODY)


def _without_prefix(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Without what stands in front of each name of the ResNet; what belongs to something else is left out."""
    prefixes = [name.removesuffix(_STEM) for name in tensors if _is_stem(name, tensors)]
    if len(prefixes) > 1:
        shown = names_of([prefix or "the top" for prefix in prefixes], _SHOWN)
        raise ModelError(f"{path} holds {len(prefixes)} ResNets ({shown}); save the state dict of one of them alone")
    if not prefixes or not prefixes[0]:
        return tensors
    return {name.removeprefix(prefixes[0]): one for name, one in tensors.items() if name.startswith(prefixes[0])}

"""Files in the state of a training: safetensors, with a checksum of all that they hold in the header.

A flipped bit would otherwise be trained on: safetensors itself notices only what breaks its header.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from hiersrec.errors import BadFolder
from hiersrec.store.folder import new_file

CHECKSUM = "sha256"
"""Its entry in the header; files of older versions lack it."""


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and texts, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as temporary:
        checksum = {CHECKSUM: _checksum(tensors, metadata)}
        safetensors.torch.save_file(dict(tensors), temporary, {**metadata, **checksum})


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and texts of a file. Raises BadFolder if it is damaged."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except safetensors.SafetensorError as error:
        raise damaged(path, str(error)) from error
    checksum = metadata.pop(CHECKSUM, None)
    if checksum is not None and checksum != _checksum(tensors, metadata):
        raise damaged(path, "its content does not match its checksum")
    return tensors, metadata


def unique_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Tensors by name, each storage once: a head may share the inputs' item table."""
    seen: set[int] = set()
    unique = {}
    for name, value in model.state_dict().items():
        if value.data_ptr() not in seen or value.numel() == 0:
            seen.add(value.data_ptr())
            unique[name] = value.contiguous()
    return unique


def has_checksum(path: Path) -> bool:
    """Whether `load` can tell that a file, which it has read, is as it was written."""
    with safetensors.safe_open(path, "pt") as file:
        return CHECKSUM in (file.metadata() or {})


def damaged(path: Path, why: str) -> BadFolder:
    """The error for a file that can't be resumed from."""
    return BadFolder(
        f"{path} is damaged: {' '.join(why.split())}. Put it back as it was, or start the training over with "
        "--overwrite."
    )


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 of names, types, shapes and values of the tensors, and of the texts."""
    total = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()

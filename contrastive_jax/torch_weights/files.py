"""State dicts in files: `.safetensors`, and what `torch.save` writes (`.pt`, `.pth`, `.tar`, `.bin`, `.ckpt`).

Reading the latter needs PyTorch. Only tensors are read from such a file; code in it is not run.
"""

import argparse
import importlib
import pathlib
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from contrastive_jax.errors import InputError

TORCH = (".pt", ".pth", ".tar", ".bin", ".ckpt")
NESTS = ("state_dict", "model", "net", "student", "teacher")
"""Keys under which training scripts save a state dict: Lightning and MoCo, SupContrast, MCL, DINO (the last two)."""


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """All tensors of a file by name. bfloat16 in a `.safetensors` file stays bfloat16; from PyTorch it becomes float32.

    Raises:
        InputError: The file is missing, damaged or of another format, or a package to read it is not installed.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}: check the path.")
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if path.suffix in TORCH:
        return flatten(read_torch(path), path)
    raise InputError(
        f"{path} is neither .safetensors nor a PyTorch file ({', '.join(TORCH)}): convert or rename it."
    )


def write(path: pathlib.Path, tensors: Mapping[str, np.ndarray], about: Mapping[str, str]) -> None:
    """Writes a `.safetensors` file with the metadata `about`."""
    if path.suffix != ".safetensors":
        raise InputError(f"{path} does not end in .safetensors, the only format written: change its suffix.")
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors().save_file(dict(tensors), path, metadata=dict(about))


def read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    library = safetensors()
    try:
        return library.load_file(path)
    except Exception as error:  # the library's exception type is not always importable
        raise InputError(
            f"{path} is not a complete safetensors file ({error}): copy or download it again."
        ) from error


def safetensors() -> Any:
    try:
        return importlib.import_module("safetensors.numpy")
    except ImportError as error:
        raise InputError(
            "safetensors files need the safetensors package: pip install safetensors."
        ) from error


def read_torch(path: pathlib.Path) -> Any:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise InputError(
            f"{path} is a PyTorch file: pip install torch, or convert it to .safetensors where PyTorch is installed."
        ) from error
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # SupContrast saves its flags, too
            return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(
            f"{path} is damaged or contains more than tensors and plain values: save net.state_dict() alone."
        ) from error


def flatten(content: Any, path: pathlib.Path) -> dict[str, np.ndarray]:
    """The state dict inside a training script's checkpoint, as NumPy arrays."""
    while isinstance(content, Mapping) and not any(hasattr(value, "detach") for value in content.values()):
        nest = next((name for name in NESTS if isinstance(content.get(name), Mapping)), None)
        if nest is None:
            break
        content = content[nest]
    if not isinstance(content, Mapping):
        raise InputError(
            f"{path} contains a {type(content).__name__}, not a state dict: save net.state_dict()."
        )
    tensors = {name: value for name, value in content.items() if hasattr(value, "detach")}
    if not tensors:
        raise InputError(
            f"{path} contains no state dict, only {', '.join(map(str, content))}: save net.state_dict()."
        )
    return {name: as_numpy(value) for name, value in tensors.items()}


def as_numpy(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return (
        tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
    ).numpy()  # NumPy has no bfloat16

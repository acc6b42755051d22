"""State dicts in files: `.safetensors`, or what `torch.save` writes (`.pt`, `.pth`, `.tar`, `.bin`; needs PyTorch).

Only tensors are taken from a PyTorch file; no code in it runs.
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
"""Entries under which training scripts keep a network's state dict: Lightning and MoCo, SupContrast, MCL, DINO."""


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """All tensors of a file by name; bfloat16 stays bfloat16. Raises InputError for a file that is none of ours."""
    if not path.is_file():
        raise InputError(f"there is no file {path}.")
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if path.suffix in TORCH:
        return flatten(read_torch(path), path)
    raise InputError(f"{path} is neither .safetensors nor a PyTorch file ({', '.join(TORCH)}).")


def write(path: pathlib.Path, tensors: Mapping[str, np.ndarray], about: Mapping[str, str]) -> None:
    """A `.safetensors` file; `about` becomes its metadata."""
    if path.suffix != ".safetensors":
        raise InputError(f"{path} must end in .safetensors; torch.load reads only its own files.")
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors().save_file(dict(tensors), path, metadata=dict(about))


def read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    library = safetensors()
    try:
        return library.load_file(path)
    except Exception as error:  # the library has its own exception type, which need not be importable
        raise InputError(f"{path} is no whole safetensors file: {error}") from error


def safetensors() -> Any:
    try:
        return importlib.import_module("safetensors.numpy")
    except ImportError as error:
        raise InputError("safetensors files need the safetensors package: pip install safetensors") from error


def read_torch(path: pathlib.Path) -> Any:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise InputError(
            f"{path} is a PyTorch file: pip install torch, or convert it to .safetensors where PyTorch is."
        ) from error
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # SupContrast keeps its flags beside
            return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(
            f"{path} is damaged or holds more than tensors and plain values: save net.state_dict() alone."
        ) from error


def flatten(content: Any, path: pathlib.Path) -> dict[str, np.ndarray]:
    """The state dict in what a training script saved, as numpy."""
    while isinstance(content, Mapping) and not any(hasattr(value, "detach") for value in content.values()):
        nest = next((name for name in NESTS if isinstance(content.get(name), Mapping)), None)
        if nest is None:
            break
        content = content[nest]
    if not isinstance(content, Mapping):
        raise InputError(f"{path} holds a {type(content).__name__}, not a state dict.")
    tensors = {name: value for name, value in content.items() if hasattr(value, "detach")}
    if not tensors:
        raise InputError(f"{path} holds no state dict, only {', '.join(map(str, content))}.")
    return {name: as_numpy(value) for name, value in tensors.items()}


def as_numpy(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()  # numpy has none

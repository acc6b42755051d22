"""State dicts in files: `.safetensors`, what training scripts save, and messages about files that do not fit."""

import jax.numpy as jnp
import numpy as np
import pytest

from contrastive_jax.errors import InputError
from contrastive_jax.torch_weights import files


def test_safetensors_are_written_and_read(tmp_path):
    rng = np.random.default_rng(0)
    tensors = {"conv.weight": rng.normal(size=(2, 3)).astype(np.float32), "counter": np.zeros((), np.int64)}
    half = np.asarray(jnp.ones(3, jnp.bfloat16))
    files.write(tmp_path / "new" / "a.safetensors", tensors | {"half": half}, {"naming": "selfcon"})
    found = files.read(tmp_path / "new" / "a.safetensors")
    assert found.pop("half").dtype == jnp.bfloat16
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert np.array_equal(found[name], array) and found[name].dtype == array.dtype
    (tmp_path / "b.safetensors").write_bytes(b"nothing")
    for name, message in (
        ("b.safetensors", "not a complete safetensors"),
        ("c.pth", "no file"),
        (".", "no file"),
    ):
        with pytest.raises(InputError, match=message):
            files.read(tmp_path / name)
    (tmp_path / "d.onnx").touch()
    with pytest.raises(InputError, match="neither .safetensors nor"):
        files.read(tmp_path / "d.onnx")
    with pytest.raises(InputError, match="does not end in .safetensors"):
        files.write(tmp_path / "a.pth", tensors, {})


def test_pytorch_files_need_pytorch(tmp_path):
    try:
        import torch  # noqa: F401
    except ImportError:
        (tmp_path / "a.pth").touch()
        with pytest.raises(InputError, match="pip install torch, or convert"):
            files.read(tmp_path / "a.pth")
    else:
        pytest.skip("PyTorch is installed")


class Tensor:
    """The part of a PyTorch tensor that `files` uses."""

    dtype = "torch.float32"

    def __init__(self, value):
        self.value = value

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return np.full(2, self.value)


@pytest.mark.parametrize(
    "saved",
    [
        {"conv1.weight": Tensor(1), "step": 3},
        {"model": {"conv1.weight": Tensor(1)}, "opt": None, "epoch": 3},  # SupContrast, SelfCon
        {"net": {"conv1.weight": Tensor(1)}, "acc": 0.5},  # MCL
        {"state_dict": {"conv1.weight": Tensor(1)}, "optimizer_states": []},  # Lightning, MoCo
    ],
)
def test_state_dicts_are_found_where_scripts_save_them(saved, tmp_path):
    found = files.flatten(saved, tmp_path)
    assert list(found) == ["conv1.weight"] and np.array_equal(found["conv1.weight"], [1, 1])


@pytest.mark.parametrize("saved", [{"epoch": 3}, [1, 2], {"model": {"epoch": 3}}])
def test_files_without_a_state_dict_are_refused(saved, tmp_path):
    with pytest.raises(InputError, match="state dict"):
        files.flatten(saved, tmp_path)

"""Our parameter names in the words of SelfCon's and SupContrast's PyTorch networks, and shapes in torch layout."""

import re

import jax
import numpy as np

RULES = [
    (r"^encoder/stem/conv/", "encoder/conv1/"),
    (r"^encoder/stem/norm/", "encoder/bn1/"),
    (r"^encoder/sub_block(\d+)/linear/", lambda m: f"encoder/selfcon_layer/{int(m[1]) - 1}/"),
    (
        r"^encoder/sub_block(\d+)/block(\d+)/",
        lambda m: f"encoder/selfcon_layer/{int(m[1]) - 1}/{int(m[2]) - int(m[1]) - 1}/",
    ),
    (r"^encoder/block(\d+)/", r"encoder/layer\1/"),
    (r"/unit(\d+)/", lambda m: f"/{int(m[1]) - 1}/"),
    (r"/shortcut_conv/", "/shortcut/0/"),
    (r"/shortcut_norm/", "/shortcut/1/"),
    (r"/norm(\d)/", r"/bn\1/"),
    (r"^head_final/", "head/"),
    (r"/hidden(\d+)/", lambda m: f"/{2 * int(m[1]) - 2}/"),
    (r"/(norm|dense)/", "/"),
    (r"/(kernel|scale)$", "/weight"),
    (r"/mean$", "/running_mean"),
    (r"/var$", "/running_var"),
]
"""Applied in turn to the path of a leaf."""


def torch_shapes(variables: dict) -> dict[str, tuple[int, ...]]:
    """`{torch name: torch shape}` of the `params` and `batch_stats` of a `MultiExit` ResNet."""
    shapes = {}
    subs = sorted(name for name in variables["params"] if re.match(r"head_block", name))
    for collection in ("params", "batch_stats"):
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables.get(collection, {})):
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            shapes[torch_name(name, subs)] = torch_shape(leaf.shape)
    return shapes


def torch_name(path: str, sub_heads: list[str]) -> str:
    """Theirs for ours, e.g. `encoder/block1/unit1/conv1/kernel` -> `encoder.layer1.0.conv1.weight`."""
    for number, name in enumerate(sub_heads):
        path = path.replace(f"{name}/", f"sub_heads/{number}/")
    for pattern, replacement in RULES:
        path = re.sub(pattern, replacement, path)
    return path.replace("/output/", "/2/").replace("/", ".")


def torch_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Convolutions HWIO -> OIHW, matrices transposed."""
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(len(shape), range(len(shape)))
    return tuple(int(n) for n in np.array(shape)[list(order)])

"""SupCon in your own training loop: plain JAX, optax and one loss of this library. It prints the same losses on one
device and, with JAX_NUM_CPU_DEVICES=8 in the environment, on eight."""

import jax
import jax.numpy as jnp
import optax
from jax.sharding import AxisType, PartitionSpec
from sklearn.datasets import load_digits

from contrastive_jax import losses

# %% The losses split their rows over the axis "data" of the current mesh.
jax.set_mesh(jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,)))
digits, init = load_digits(), jax.nn.initializers.he_normal()
params = {"hidden": init(jax.random.key(1), (64, 256)), "out": init(jax.random.key(2), (256, 32))}
optimizer = optax.adam(1e-3)
opt_state = optimizer.init(params)


# %% Two noisy views of every image. The loss has one value per view; the mean over them is yours to take.
@jax.jit
def step(params, opt_state, images, label, key):
    def loss(params):
        views = images[:, None] + 0.3 * jax.random.normal(key, (len(images), 2, 64))
        z = losses.l2_normalize(jax.nn.relu(views @ params["hidden"]) @ params["out"])
        return jnp.mean(losses.supcon(z, label, tau=0.1))

    value, gradient = jax.value_and_grad(loss)(params)
    updates, opt_state = optimizer.update(gradient, opt_state)
    return optax.apply_updates(params, updates), opt_state, value


# %% 512 images per step, split over the devices.
for number, (rows_key, noise_key) in enumerate(jax.random.split(jax.random.key(0), (60, 2))):
    rows = jax.random.choice(rows_key, len(digits.target), (512,), replace=False)
    batch = jax.device_put((digits.data[rows] / 16, digits.target[rows]), PartitionSpec("data"))
    params, opt_state, loss = step(params, opt_state, *batch, noise_key)
    if number % 10 == 0:
        print(f"step {number:2d}  loss {loss:.4f}")

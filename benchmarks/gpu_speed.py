"""Train steps on a GPU: images per second of ours, of PyTorch's compiled ones, and the rates of the card itself.

    python benchmarks/gpu_speed.py ours     bare steps, and whole steps as `contrastive_jax.main` runs them
    python benchmarks/gpu_speed.py torch    the same bare steps: torch.compile, channels_last, autocast to bfloat16
    python benchmarks/gpu_speed.py tiny     both on small networks and batches: a rehearsal for any machine

A bare step is forward, loss, backward and SGD with momentum and weight decay on views that are on the device already,
networks in bfloat16. A whole step also gathers the images, augments them, and takes every norm that a run logs; it runs
32 to a dispatch. Times are medians over repetitions of many steps, each ended by reading the loss back.
"""

import argparse
import dataclasses
import functools
import importlib.util
import statistics
import time
import traceback
from collections.abc import Callable, Sequence


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, a loss, and the images of a step (a view each, or two)."""

    network: str
    method: str
    images: int

    @property
    def views(self) -> int:
        return 2 if self.method == "supcon" else 1

    def __str__(self) -> str:
        return f"{self.network}, {self.method}, {self.images} x {self.views}"


BARE = (
    Case("resnet18", "cross_entropy", 512),
    Case("resnet18", "supcon", 256),
    Case("resnet50", "supcon", 128),
    Case("resnet18", "supcon", 1024),
)
WHOLE = (
    Case("resnet18", "selfcon_s", 256),
    Case("resnet18", "selfcon_s", 1024),
    Case("resnet18", "supcon", 1024),
)
TINY_BARE = (Case("resnet18", "cross_entropy", 8), Case("resnet18", "supcon", 4))
TINY_WHOLE = (Case("resnet8", "selfcon_s", 8),)
AT_ONCE = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("side", choices=("ours", "torch", "tiny"))
    parser.add_argument(
        "--first", type=int, default=9, help="only so many of the bare and of the whole steps"
    )
    parser.add_argument("--steps", type=int, default=64, help="steps per repetition")
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    timed = functools.partial(time_steps, steps=options.steps, repetitions=options.repetitions)
    tiny = options.side == "tiny"
    bare, whole = (cases[: options.first] for cases in ((TINY_BARE, TINY_WHOLE) if tiny else (BARE, WHOLE)))
    if options.side in ("ours", "tiny"):
        ours(timed, bare, whole, side=64 if tiny else 8192)
    if not importlib.util.find_spec("torch"):
        print("(PyTorch is not installed; its steps are skipped.)")
    elif options.side in ("torch", "tiny"):
        with_torch(timed, bare)


def time_steps(run: Callable[[], float], per_call: int, *, steps: int, repetitions: int) -> list[float]:
    """Seconds per step of every repetition; `run` takes `per_call` steps and returns what waits for them."""
    calls = max(1, steps // per_call)
    seconds = []
    for _ in range(repetitions + 2):  # the first two warm up
        started = time.perf_counter()
        for _ in range(calls):
            last = run()
        float(last)
        seconds.append((time.perf_counter() - started) / (calls * per_call))
    return seconds[2:]


def report(title: str, seconds: Sequence[float], case: Case, note: str = "") -> None:
    middle = statistics.median(seconds)
    print(
        f"{title:12} {case!s:34} {middle * 1e3:8.2f} ms [{min(seconds) * 1e3:.2f} to {max(seconds) * 1e3:.2f}]"
        f" {case.images * case.views / middle:10,.0f} views/s{note}",
        flush=True,
    )


def ours(timed, bare: Sequence[Case], whole: Sequence[Case], side: int) -> None:
    """The rates of the card, then one program after another."""
    import jax

    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}", flush=True)
    rates(timed, side)
    for title, make, cases in (("bare", bare_step, bare), ("whole", whole_step, whole)):
        for case in cases:
            started = time.perf_counter()
            try:
                run, per_call = make(case)
                compiled = time.perf_counter() - started
                report(title, timed(run, per_call), case, f"  compiled in {compiled:.0f} s")
            except Exception:
                print(f"{title:12} {case!s:34} failed")
                traceback.print_exc()


def rates(timed, side: int) -> None:
    """What the card does at most: a copy of 1 GiB, and a square product in bfloat16."""
    import jax
    import jax.numpy as jnp

    a, b = (jax.random.normal(jax.random.key(i), (side, side), jnp.bfloat16) for i in (0, 1))
    product = jax.jit(lambda a, b: a @ b)
    seconds = statistics.median(timed(lambda: product(a, b)[0, 0], 1))
    print(f"product of {side} x {side} in bfloat16: {2 * side**3 / seconds / 1e12:.0f} TFLOP/s")
    big = jnp.ones((side * side * 4,), jnp.float32)
    copy = jax.jit(lambda x: x + 1, donate_argnums=0)
    held = [big]

    def once():
        held[0] = copy(held[0])
        return held[0][0]

    seconds = statistics.median(timed(once, 1))
    print(f"copy of {big.nbytes / 2**30:.1f} GiB: {2 * big.nbytes / seconds / 1e12:.2f} TB/s", flush=True)


def bare_step(case: Case):
    """A function that takes a step, compiled, and the steps that it takes."""
    import jax
    import jax.numpy as jnp
    import optax

    from contrastive_jax.methods.cross_entropy import CrossEntropy
    from contrastive_jax.methods.supcon import SupCon
    from contrastive_jax.models import network
    from contrastive_jax.models.heads import ProjectionHead
    from contrastive_jax.train.gradient import Keys, whole
    from contrastive_jax.train.optimizers import SGD
    from contrastive_jax.train.state import TrainState

    encoder = network(case.network, dtype=jnp.bfloat16)
    if case.method == "supcon":
        method = SupCon(encoder=encoder, head=ProjectionHead(dtype=jnp.bfloat16))
    else:
        method = CrossEntropy(encoder=encoder, num_classes=100)
    optimizer = SGD(momentum=0.9, weight_decay=1e-4).transform(lambda step: 0.1)
    key = jax.random.key(0)
    view = jax.random.normal(key, (case.images, method.views, 32, 32, 3))
    label = jnp.arange(case.images) % 100
    batch = {"view": view, "label": label, "index": jnp.arange(case.images)}

    def init():
        made = method.init(key, view[:2])
        return TrainState(jnp.zeros((), jnp.int32), *made, optimizer.init(made[0]))

    def step(state, batch):
        found, gradient = whole(method, state, batch, Keys(key, key))
        updates, momentum = optimizer.update(gradient, state.optimizer_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(state.step + 1, params, found.collections, found.method_state, momentum), found.loss

    held = [jax.jit(init)()]
    program = jax.jit(step, donate_argnums=0).lower(held[0], batch).compile()

    def run():
        held[0], loss = program(held[0], batch)
        return loss

    return run, 1


def whole_step(case: Case):
    """The same for the step of a run on device-resident images, `AT_ONCE` to a call."""
    import jax
    import numpy as np

    from contrastive_jax.config.presets import pretraining
    from contrastive_jax.data.dataset import Dataset
    from contrastive_jax.data.resident import resident
    from contrastive_jax.experiment import assemble
    from contrastive_jax.parallel.mesh import make_mesh
    from contrastive_jax.recipes import augmentations, selfcon
    from contrastive_jax.train.state import create
    from contrastive_jax.train.step import Training, compile_steps

    config = pretraining(case.method, f"cifar100,{case.network}")
    if case.method == "selfcon_s":
        config.network.update(subnetworks=selfcon.exits(config.network.name), subnetwork="small")
    config.augment.update(augmentations.selfcon())
    config.update(batch_size=case.images, precision="bfloat16")
    experiment = assemble(config.to_dict())
    rng = np.random.default_rng(0)
    count = max(2 * case.images, 1024)
    images = rng.integers(256, size=(count, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(count, dtype=np.int32) % 100
    data = Dataset(images, labels, 100, "random")
    mesh = make_mesh(jax.devices()[:1])
    method = experiment.method(num_classes=100, labels=labels)
    schedule = experiment.learning_rate_schedule(49)
    optimizer = experiment.transform(method, schedule)
    training = Training(method, optimizer, schedule, experiment.recipe_for(data), mesh)
    step = compile_steps(training, resident(data, mesh), seed=0)
    held = [create(method, optimizer, 0, (32, 32, 3), mesh)]
    at_once = AT_ONCE if jax.default_backend() != "cpu" else 1
    rows = rng.integers(count, size=(at_once, case.images))

    def run():
        held[0], metrics = step(held[0], rows)
        return metrics["loss"][-1]

    float(run())
    return run, at_once


def with_torch(timed, bare: Sequence[Case]) -> None:
    """The bare steps in PyTorch: torchvision's networks with a 3x3 stem, SupContrast's head and loss."""
    import torch
    import torchvision
    from torch import nn

    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    print(f"torch {torch.__version__}, {name}", flush=True)
    torch.backends.cudnn.benchmark = True

    class Model(nn.Module):
        """A CIFAR ResNet with a linear classifier, or with a projection head whose output has length 1."""

        def __init__(self, case: Case):
            super().__init__()
            body = getattr(torchvision.models, case.network)(num_classes=100)
            body.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
            body.maxpool = nn.Identity()
            width = body.fc.in_features
            if case.method == "supcon":
                body.fc = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 128))
            self.body, self.normalize = body, case.method == "supcon"

        def forward(self, x):
            out = self.body(x).float()
            return nn.functional.normalize(out) if self.normalize else out

    def supcon(z, labels):
        n = len(labels)
        own = torch.eye(n, dtype=torch.bool, device=z.device)
        positive = (labels[:, None] == labels[None, :]) & ~own
        logits = (z @ z.T / 0.1).masked_fill(own, -torch.inf)
        per_positive = logits.logsumexp(1, keepdim=True) - logits
        return (torch.where(positive, per_positive, 0).sum(1) / positive.sum(1).clamp(min=1)).mean()

    for case in bare:
        try:
            model = Model(case).to(device, memory_format=torch.channels_last)
            optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4, fused=True)
            count = case.images * case.views
            view = torch.randn(count, 3, 32, 32, device=device).to(memory_format=torch.channels_last)
            labels = torch.arange(case.images, device=device).repeat(case.views) % 100

            def loss_of(view, labels, model=model, case=case, device=device):
                with torch.autocast(device, torch.bfloat16):
                    out = model(view)
                return supcon(out, labels) if case.views == 2 else nn.functional.cross_entropy(out, labels)

            compiled = torch.compile(loss_of)

            def step(compiled=compiled, optimizer=optimizer, view=view, labels=labels):
                optimizer.zero_grad(set_to_none=True)
                loss = compiled(view, labels)
                loss.backward()
                optimizer.step()
                return loss.detach()

            report("torch", timed(step, 1), case)
        except Exception:
            print(f"{'torch':12} {case!s:34} failed")
            traceback.print_exc()


if __name__ == "__main__":
    main()

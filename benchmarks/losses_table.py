"""Prints the table of docs/performance.md: losses with gradients against NumPy and the best of the installed peers.

    python benchmarks/losses_table.py [--seconds 40] [--only 65536x10]

float32, one thread, the same arrays for all, outputs preallocated wherever a side takes them; medians of rounds that take turns.
NumPy computes row by row, as its users do but with `out=` everywhere, and once more with every trick (baseline.RowBaseline).
PyTorch runs the kernels of its forward and backward by hand (no autograd), JAX a jitted value_and_grad, scikit-learn its Cython
losses; `actloss_c bench --peers` has the same for every function, size and layout.
"""

import argparse
import functools

import numpy as np

import actloss_c as al
from actloss_c import baseline, bench, peer_losses, peers

SHAPES = {
    "1000x3": ((1000, 3), -1),
    "65536x10": ((65536, 10), -1),
    "65536x100": ((65536, 100), -1),
    "4096x1000": ((4096, 1000), -1),
    "256x131072": ((256, 131072), -1),
    "(64, 10, 64, 64), axis=1": ((64, 10, 64, 64), 1),
    "4x10": ((4, 10), -1),
}
OWN = ("ours", "NumPy", "tuned")
BINARY = "sigmoid_binary_cross_entropy, 10^6, with Hessian"


# --- NumPy --------------------------------------------------------------------------------------------------------------


def numpy_rows(z, labels, g, axis):
    """Mean cross-entropy and gradient over an axis with `out=`, no copies but the gradient."""
    index, n = np.expand_dims(labels, axis), labels.size
    m, row = np.empty(index.shape, z.dtype), np.empty(index.shape, z.dtype)

    def call():
        np.max(z, axis=axis, keepdims=True, out=m)
        np.subtract(z, m, out=g)
        loss = -float(np.take_along_axis(g, index, axis).sum(dtype=np.float64))
        np.exp(g, out=g)
        np.sum(g, axis=axis, keepdims=True, out=row)
        loss += float(np.log(row).sum(dtype=np.float64))
        np.multiply(row, n, out=row)
        np.divide(g, row, out=g)
        np.put_along_axis(g, index, np.take_along_axis(g, index, axis) - np.float32(1 / n), axis)
        return loss / n

    return call


def numpy_binary(z, y, g, h):
    n, t, u = z.size, np.empty_like(z), np.empty_like(z)

    def call():
        np.abs(z, out=t)
        np.negative(t, out=t)
        np.exp(t, out=t)
        np.log1p(t, out=u)
        loss = u.sum(dtype=np.float64)
        np.maximum(z, 0, out=u)
        loss += u.sum(dtype=np.float64)
        np.multiply(z, y, out=u)
        loss -= u.sum(dtype=np.float64)
        np.negative(z, out=g)
        np.exp(g, out=g)
        np.add(g, 1, out=g)
        np.divide(1, g, out=g)
        np.subtract(1, g, out=h)
        np.multiply(h, g, out=h)
        np.multiply(h, 1 / n, out=h)
        np.subtract(g, y, out=g)
        np.multiply(g, 1 / n, out=g)
        return loss / n

    return call


# --- peers --------------------------------------------------------------------------------------------------------------


def torch_binary(z, y, g, h):
    import torch

    zt, yt, ht, gt = map(torch.from_numpy, (z, y, h, g))

    def call():
        loss = torch.nn.functional.binary_cross_entropy_with_logits(zt, yt)
        torch.sigmoid(zt, out=gt)
        torch.sub(1, gt, out=ht)
        ht.mul_(gt).mul_(1 / z.size)
        gt.sub_(yt).mul_(1 / z.size)
        return loss

    return call


def jax_binary(z, y):
    import jax
    import jax.numpy as jnp

    def all_three(z, y):
        def loss(z):
            return jnp.mean(jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))))

        p = jax.nn.sigmoid(z)
        return *jax.value_and_grad(loss)(z), p * (1 - p) / z.size

    jitted, zj, yj = jax.jit(all_three), jnp.asarray(z), jnp.asarray(y)
    return lambda: jax.block_until_ready(jitted(zj, yj))


def sklearn_binary(z, y, g, h):
    from sklearn._loss.loss import HalfBinomialLoss

    loss, each = HalfBinomialLoss(), np.empty_like(z)

    def call():
        loss.loss_gradient(y, z, loss_out=each, gradient_out=g)
        loss.gradient_hessian(y, z, gradient_out=g, hessian_out=h)
        return each.mean()

    return call


# --- the table --------------------------------------------------------------------------------------------------------------


def row_sides(name):
    shape, axis = SHAPES[name]
    rng = np.random.default_rng(0)
    z = (rng.standard_normal(shape) * 3).astype(np.float32)
    labels = rng.integers(0, shape[axis], tuple(n for d, n in enumerate(shape) if d != axis % len(shape)))
    g, f = np.empty_like(z), al.softmax_cross_entropy
    sides = {"ours": lambda: f.value_and_grad(z, labels, axis=axis, out=g), "NumPy": numpy_rows(z, labels, g, axis)}
    if axis == -1:
        sides["tuned"] = functools.partial(baseline.RowBaseline(*shape, np.float32).value_and_grad, z, labels, g)
    sides["PyTorch"] = lambda: peer_losses.torch_rows(z, labels, g, axis)
    sides["JAX"] = lambda: peer_losses.jax_rows(z, labels, axis)
    if z.ndim == 2:
        sides["scikit-learn"] = lambda: peer_losses.sklearn_loss(peer_losses.SKLEARN["softmax_cross_entropy"], z, labels, g)
    return sides


def binary_sides():
    rng = np.random.default_rng(0)
    z = (rng.standard_normal(1_000_000) * 3).astype(np.float32)
    y = (rng.random(z.size) < 0.4).astype(np.float32)
    g, h, f = np.empty_like(z), np.empty_like(z), al.sigmoid_binary_cross_entropy
    return {
        "ours": lambda: f.value_grad_and_hess(z, y, out=(g, h)),
        "NumPy": numpy_binary(z, y, g, h),
        "PyTorch": lambda: torch_binary(z, y, g, h),
        "JAX": lambda: jax_binary(z, y),
        "scikit-learn": lambda: sklearn_binary(z, y, g, h),
    }


def ready(sides):
    """The sides as calls; those of peers that are not installed left out."""
    made = {name: sides[name] for name in OWN if name in sides}
    for name in sides.keys() - made.keys():
        try:
            made[name] = sides[name]()
        except ImportError:
            continue
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=40.0, help="for the whole table (default %(default)g)")
    parser.add_argument("--only", action="append", choices=[*SHAPES, BINARY], help="this row alone (repeatable)")
    arguments = parser.parse_args()
    peers.use_one_thread()
    names = arguments.only or [*SHAPES, BINARY]
    print("| work | time | × NumPy | × tuned NumPy | × best peer | NumPy, tuned | peers |\n|---|--:|--:|--:|--:|--:|---|")
    for name in names:
        sides = ready(binary_sides() if name == BINARY else row_sides(name))
        values = {side: float(np.asarray(r[0] if isinstance(r := call(), tuple) else r)) for side, call in sides.items()}
        for side, value in values.items():
            if not abs(value - values["ours"]) <= 1e-4 * abs(values["ours"]):
                raise SystemExit(f"{name}: {side} computes another loss: {value}, not {values['ours']}")
        times = dict(zip(sides, bench.paired(list(sides.values()), arguments.seconds / len(names)), strict=True))
        others = {side: t for side, t in times.items() if side not in OWN}
        shown = ", ".join(f"{side} {bench.seconds_as_text(t)}" for side, t in sorted(others.items(), key=lambda pair: pair[1]))
        best = f"{min(others.values()) / times['ours']:.2f}" if others else ""
        ours, plain = times["ours"], times["NumPy"]
        tuned = times.get("tuned", plain)
        numpy = ", ".join(bench.seconds_as_text(t) for t in (plain, tuned))
        texts = (bench.seconds_as_text(ours), f"{plain / ours:.2f}", f"{tuned / ours:.2f}", best, numpy, shown)
        print(f"| {name} | " + " | ".join(texts) + " |", flush=True)


if __name__ == "__main__":
    main()

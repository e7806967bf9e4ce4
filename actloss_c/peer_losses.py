"""Losses with gradient by other libraries, as their fastest users write them. A library is imported when a function asks for it.

Each function takes the arrays, `g` for the gradient to be written into, or None for fresh ones, and returns a call that gives
(mean loss, gradient).
"""

import numpy as np

SKLEARN = {  # loss: its class, without link function and sample weights
    "squared_error": lambda loss: loss.HalfSquaredError(),
    "absolute_error": lambda loss: loss.AbsoluteError(),
    "pinball": lambda loss: loss.PinballLoss(quantile=0.5),
    "huber": lambda loss: loss.HuberLoss(delta=1.0),
    "poisson": lambda loss: loss.HalfPoissonLoss(),
    "gamma": lambda loss: loss.HalfGammaLoss(),
    "sigmoid_binary_cross_entropy": lambda loss: loss.HalfBinomialLoss(),
    "softmax_cross_entropy": lambda loss: loss.HalfMultinomialLoss(),
}


def sklearn_loss(make, z, target, g=None, threads=1):
    """A class of scikit-learn's losses; it wants labels of z's type."""
    from sklearn._loss import loss

    class_, y = make(loss), target.astype(z.dtype, copy=False)
    if target.ndim < z.ndim:
        class_.n_classes = z.shape[-1]
    each, n = np.empty(y.shape, z.dtype), y.size

    def call():
        given = np.empty(z.shape, z.dtype) if g is None else g
        class_.loss_gradient(y, z, loss_out=each, gradient_out=given, n_threads=threads)
        np.multiply(given, 1 / n, out=given)
        return each.mean(), given

    return call


# --- PyTorch: the kernels of its forward and backward, without autograd -----------------------------------------------------

TORCH_KERNELS = {  # loss: (forward and its arguments after x and target, the factor of its mean)
    "squared_error": ("mse_loss", (1,), 0.5),
    "huber": ("huber_loss", (1, 1.0), 1.0),
    "smooth_l1": ("smooth_l1_loss", (1, 1.0), 1.0),
    "binary_cross_entropy": ("binary_cross_entropy", (None, 1), 1.0),
}


def torch_kernels(name, x, target, g=None):
    """A loss over pairs that has kernels of its own."""
    import torch

    forward, more, factor = TORCH_KERNELS[name]
    backward = getattr(torch.ops.aten, f"{forward}_backward")
    f, x, target = getattr(torch.ops.aten, forward).default, torch.from_numpy(x), torch.from_numpy(target)
    upstream = torch.full((), factor, dtype=x.dtype)
    if g is None:
        return lambda: (f(x, target, *more) * factor, backward(upstream, x, target, *more))
    df, given = backward.out if forward == "huber_loss" else backward.grad_input, {"grad_input": torch.from_numpy(g)}
    return lambda: (f(x, target, *more) * factor, df(upstream, x, target, *more, **given))


def torch_binary(z, target, g=None):
    """sigmoid_binary_cross_entropy, whose backward is no kernel."""
    import torch

    f, n = torch.ops.aten.binary_cross_entropy_with_logits.default, z.size
    z, target, given = torch.from_numpy(z), torch.from_numpy(target), None if g is None else torch.from_numpy(g)
    return lambda: (f(z, target, None, None, 1), torch.sigmoid(z, out=given).sub_(target).mul_(1 / n))


def torch_rows(z, labels, g=None, axis=-1):
    """softmax_cross_entropy along any axis."""
    import torch

    aten, dim = torch.ops.aten, axis % z.ndim
    zt, t, given = torch.from_numpy(z), torch.from_numpy(labels), None if g is None else torch.from_numpy(g)
    # Contiguous whatever z is: into an array of other strides _log_softmax.out of PyTorch 2.13 writes as if it were.
    logs, one = torch.empty(zt.shape, dtype=zt.dtype), torch.ones((), dtype=zt.dtype)
    loss = "nll_loss" if z.ndim == 2 else "nll_loss2d"
    forward, backward = getattr(aten, f"{loss}_forward"), getattr(aten, f"{loss}_backward")

    def call():
        y = aten._log_softmax(zt, dim, False) if g is None else aten._log_softmax.out(zt, dim, False, out=logs)
        mean, weight = forward(y, t, None, 1, -100)
        grad = backward(one, y, t, None, 1, -100, weight)
        if g is None:
            return mean, aten._log_softmax_backward_data(grad, y, dim, zt.dtype)
        return mean, aten._log_softmax_backward_data.out(grad, y, dim, zt.dtype, out=given)

    return call


def torch_probabilities(a, labels, g=None):
    """cross_entropy: only the labels' entries of the gradient are not 0."""
    import torch

    a, t, given = torch.from_numpy(a), torch.from_numpy(labels)[:, None], None if g is None else torch.from_numpy(g)

    def call():
        picked = a.gather(1, t)
        grad = torch.zeros_like(a) if given is None else given.zero_()
        return picked.log().mean().neg_(), grad.scatter_(1, t, picked.reciprocal().mul_(-1 / len(a)))

    return call


# --- JAX ----------------------------------------------------------------------------------------------------------------------


def jax_rows(z, labels, axis=-1):
    """softmax_cross_entropy along any axis."""
    import jax
    import jax.numpy as jnp

    zj, tj = jnp.asarray(z), jnp.asarray(labels)

    def loss(z, t):
        logs = jax.nn.log_softmax(z, axis=axis)
        return -jnp.mean(jnp.take_along_axis(logs, jnp.expand_dims(t, axis), axis=axis))

    jitted = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(jitted(zj, tj))

"""The peers: how other libraries compute our functions and their derivatives. One table; a library is imported when it is asked.

    for peer in installed():
        f = peer.value_and_grad("elu", {"alpha": 1.0})    None if the library has no such function
        y, dy = f(peer.array(x))                          the library's own arrays; np.asarray(y) is what NumPy sees of them

A library's derivative is what it gives its users: PyTorch's backward pass, JAX's vjp under jit. SciPy has none, so its users
write the registry's expression of y.
"""

import functools
import importlib
import importlib.metadata
import importlib.util
import os

from . import registry
from .baseline import numpy_function

# function: {module: its value as an expression of x and the parameters}
EXPRESSIONS = {
    "sigmoid": {"torch": "torch.sigmoid(x)", "jax": "jax.nn.sigmoid(x)", "scipy": "scipy.special.expit(x)"},
    "tanh": {"torch": "torch.tanh(x)", "jax": "jax.numpy.tanh(x)"},
    "relu": {"torch": "torch.nn.functional.relu(x)", "jax": "jax.nn.relu(x)"},
    "leaky_relu": {"torch": "torch.nn.functional.leaky_relu(x, alpha)", "jax": "jax.nn.leaky_relu(x, alpha)"},
    "prelu": {"torch": "torch.nn.functional.prelu(x, torch.tensor([alpha], dtype=x.dtype))"},
    "elu": {"torch": "torch.nn.functional.elu(x, alpha)", "jax": "jax.nn.elu(x, alpha)"},
    "softsign": {"torch": "torch.nn.functional.softsign(x)", "jax": "jax.nn.soft_sign(x)"},
}
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "NPROC": "1",  # what JAX's pool goes by: with the flags alone 1.7 processors worked
    "JAX_PLATFORMS": "cpu",
}


def use_one_thread():
    """For this process and before any library is imported: libraries on the processor alone, and without threads of their own."""
    os.environ.update(ONE_THREAD)
    Jax.dispatches_to_a_thread = False


class Peer:
    """A library; its class is called like the module that is imported."""

    name: str
    submodules = ()

    @property
    def is_installed(self):
        return importlib.util.find_spec(self.module) is not None

    @property
    def version(self):
        return importlib.metadata.version(self.module)

    @property
    def module(self):
        return type(self).__name__.lower()

    @functools.cached_property
    def library(self):
        """The module, with its submodules."""
        for name in self.submodules:
            importlib.import_module(f"{self.module}.{name}")
        return importlib.import_module(self.module)

    def has(self, function):
        return self.module in EXPRESSIONS.get(function, {})

    def array(self, x):
        """A NumPy array as one of the library's, without a copy where the library allows that."""
        return x

    def value(self, function, params):
        """The library's function of one of its arrays, or None; `params` are Python numbers by name."""
        if not self.has(function):
            return None
        return eval(f"lambda x: {EXPRESSIONS[function][self.module]}", {self.module: self.library, **params})


class Torch(Peer):
    name = "PyTorch"

    def array(self, x):
        return self.library.from_numpy(x)

    def value_and_grad(self, function, params):
        """y, dy = f(x), or None."""
        f, torch = self.value(function, params), self.library

        def call(x):
            leaf = x.detach().requires_grad_()
            y = f(leaf)
            (dy,) = torch.autograd.grad(y, leaf, torch.ones_like(y))
            return y.detach(), dy

        return f and call


class Jax(Peer):
    name = "JAX"
    dispatches_to_a_thread = True

    @functools.cached_property
    def library(self):
        jax = super().library
        jax.config.update("jax_enable_x64", True)  # float32 stays float32, and float64 is not cut down to it
        jax.config.update("jax_cpu_enable_async_dispatch", self.dispatches_to_a_thread)
        return jax

    def array(self, x):
        return self.library.numpy.asarray(x)

    def value(self, function, params):
        f = super().value(function, params)
        return f and self.library.jit(f)

    def value_and_grad(self, function, params):
        """y, dy = f(x), or None."""
        f, jax = super().value(function, params), self.library

        def call(x):
            y, pull = jax.vjp(f, x)
            return y, pull(jax.numpy.ones_like(y))[0]

        return f and jax.jit(call)


class SciPy(Peer):
    name = "SciPy"
    submodules = ("special",)

    def value_and_grad(self, function, params):
        """y, dy = f(x), or None; the derivative as its users write it."""
        f = self.value(function, params)
        derivative = f and numpy_function(registry.FUNCTIONS[function].numpy[1], "y", *params)

        def call(x):
            y = f(x)
            return y, derivative(x, y, *params.values())

        return f and call


PEERS = (Torch(), Jax(), SciPy())


def installed():
    """The peers that can be imported here."""
    return [peer for peer in PEERS if peer.is_installed]

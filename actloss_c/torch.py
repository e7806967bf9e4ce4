"""The functions of actloss_c for PyTorch's tensors on the CPU, with gradients for autograd; PyTorch must be installed.

    import actloss_c as al
    y = al.torch.elu(x, alpha=0.5)                            # x: a tensor
    loss = al.torch.softmax_cross_entropy(logits, labels)     # loss.backward() as ever

Every function of the registry stands here under its name. Kernels read the tensors' own memory, nothing is copied, and results
are tensors in memory that NumPy allocated. Arguments, dtypes, limits and error bounds are those of the function of actloss_c that
each docstring names. Derivatives are first ones, backwards: create_graph=True, forward mode and torch.func are errors.
"""

try:
    import torch as _torch_is_there  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ImportError("actloss_c.torch needs PyTorch, which is not installed: pip install 'actloss_c[torch]'") from error

from . import _build, _torch, registry

globals().update({name: _torch.for_tensors(function) for name, function in _build.functions().items()})
__all__ = [*registry.FUNCTIONS]

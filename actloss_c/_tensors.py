"""Tensors of PyTorch as NumPy arrays and back, without a copy; what has no such array is refused in words."""

import numpy as np
import torch
from torch.autograd import forward_ad

from ._arrays import is_bfloat16

NOT_HERE = "actloss_c.torch does not do: use PyTorch's own function"


def array_of(t, what, *, narrow=False):
    """The memory of a tensor on the CPU as an array. TypeError that names `what` for anything else; narrow: bfloat16 passes."""
    if forward_ad._current_level >= 0 and forward_ad.unpack_dual(t).tangent is not None:  # which NumPy would drop, unsaid
        raise NotImplementedError(f"{what} is differentiated in forward mode, which {NOT_HERE}")
    try:
        return t.detach().numpy()
    except (AttributeError, TypeError, RuntimeError) as error:
        return _unusual(t, what, narrow, error)


def _unusual(t, what, narrow, error):
    """The same for tensors that .numpy() refuses, and the reasons why not."""
    if not isinstance(t, torch.Tensor):
        raise TypeError(f"{what} is a {type(t).__name__}, not a tensor: torch.as_tensor makes one; actloss_c itself takes arrays")
    if t.device.type != "cpu":
        raise TypeError(f"{what} is a tensor on {t.device}; only the CPU's memory can be read: give it with .cpu()")
    if t.layout is not torch.strided:
        raise TypeError(f"{what} is a tensor of layout {t.layout}; it must be dense: give it with .to_dense()")
    if t.is_neg():  # a view whose sign is not in memory
        return array_of(t.detach().resolve_neg(), what, narrow=narrow)
    if narrow and t.dtype is torch.bfloat16:
        return t.detach().view(torch.int16).numpy().view(_bfloat16(what))
    if isinstance(error, RuntimeError):
        raise TypeError(f"{what} is a tensor without memory of its own ({error}), as in torch.func, which {NOT_HERE}") from None
    raise TypeError(f"{what} is a tensor of dtype {t.dtype} that cannot be read here ({error}): give it with .float()") from None


def _bfloat16(what):
    try:
        import ml_dtypes
    except ModuleNotFoundError as error:
        raise ImportError(f"{what} is bfloat16, which needs ml_dtypes: pip install 'actloss_c[torch]'") from error
    return ml_dtypes.bfloat16


def tensor_of(a):
    """A result as a tensor in the same memory."""
    try:
        return torch.from_numpy(a)
    except TypeError:  # a scalar of NumPy's, or a dtype that PyTorch does not know by NumPy's name
        a = np.asarray(a)
    if is_bfloat16(a.dtype):
        return torch.from_numpy(a.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(a)


def wants_gradient(*tensors):
    """Whether autograd will ask for the gradient of one of them."""
    return torch.is_grad_enabled() and any(isinstance(t, torch.Tensor) and t.requires_grad for t in tensors)


def constant(value, what, *, narrow=False):
    """An argument that has no gradient, as actloss_c takes it. ValueError if autograd would ask for one."""
    if not isinstance(value, torch.Tensor):
        return value
    if wants_gradient(value):
        raise ValueError(f"{what} requires a gradient, which is not computed: give it with .detach()")
    return array_of(value, what, narrow=narrow)

"""actloss_c.torch: dtypes, arguments that are refused, and what the objects are."""

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from helpers_torch import LOSSES, each, numbers, tensors, weights  # noqa: E402

import actloss_c as al  # noqa: E402
from actloss_c import registry  # noqa: E402

# --- dtypes ------------------------------------------------------------------------------------------------------------------


@each(registry.ACTIVATIONS)
@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16), ids=str)
def test_activations_keep_16_bits(entry, dtype):
    pytest.importorskip("ml_dtypes")
    inputs, _ = tensors(entry, dtype)
    y = getattr(al.torch, entry.name)(*inputs)
    y.sum().backward()
    assert {y.dtype, *(t.grad.dtype for t in inputs)} == {dtype}
    want = getattr(al, entry.name)(*(numbers(t.float()) for t in inputs))
    np.testing.assert_allclose(numbers(y.float()), want, rtol=torch.finfo(dtype).eps)


@each([e for e in registry.ALL if e not in registry.ACTIVATIONS])
def test_the_others_compute_float16_in_float32(entry):
    inputs, others = tensors(entry, torch.float16)
    y = getattr(al.torch, entry.name)(*inputs, *others)
    y.sum().backward()
    assert y.dtype == torch.float32
    assert {t.grad.dtype for t in inputs} == {torch.float16}
    with pytest.raises(TypeError, match=r"bfloat16.*\.float\(\)"):
        getattr(al.torch, entry.name)(*(t.detach().bfloat16() for t in inputs), *others)


@pytest.mark.parametrize("dtype", (torch.bool, torch.int16, torch.int64), ids=str)
def test_integers_become_floats(dtype):
    x, result = torch.ones(2, 3).to(dtype), torch.float64 if dtype.itemsize > 2 else torch.float32
    assert al.torch.tanh(x).dtype == al.torch.softmax(x).dtype == al.torch.softmax_cross_entropy(x, [0, 1]).dtype == result
    assert al.torch.squared_error(x, x).dtype == al.torch.squared_error(x, x, reduction="none").dtype == result


def test_no_axes_and_no_elements():
    x = torch.tensor(0.5, requires_grad=True)
    y = al.torch.sigmoid(x)
    y.backward()
    assert y.shape == x.grad.shape == () and abs(float(x.grad) - 0.2350037) < 1e-6
    assert al.torch.sigmoid(torch.empty(0, 3)).shape == (0, 3)
    z = torch.randn(5, requires_grad=True)
    al.torch.softmax_cross_entropy(z, 3, reduction="none").backward()
    al.torch.logsumexp(z).backward()
    assert z.grad.shape == (5,)


def test_a_loss_beyond_float32_is_inf():
    big = torch.full((9,), 1e19, requires_grad=True)
    assert al.torch.squared_error(big, torch.zeros(9), reduction="sum").item() == np.inf


def test_a_view_whose_sign_is_not_in_memory():
    x = torch.imag(torch.tensor([1 + 2j, 3 - 4j]).conj())
    assert x.is_neg()
    np.testing.assert_array_equal(numbers(al.torch.relu(x)), [0, 4])


# --- errors ------------------------------------------------------------------------------------------------------------------

BAD = {  # what is no tensor of the CPU's memory: (how it is made, words of the error)
    "array": (lambda t: t.detach().numpy(), ("ndarray", "not a tensor", "torch.as_tensor")),
    "another device": (lambda t: t.detach().to("meta"), ("meta", "CPU", ".cpu()")),
    "sparse": (lambda t: t.detach().to_sparse(), ("sparse", ".to_dense()")),
    "8 bits": (lambda t: t.detach().to(torch.float8_e4m3fn), ("float8", ".float()")),
    "complex": (lambda t: t.detach().to(torch.complex64), ("complex64", "real")),
}


@each(registry.ALL)
@pytest.mark.parametrize("bad", BAD)
def test_inputs_that_are_refused(entry, bad):
    (x, *rest), others = tensors(entry)
    make, words = BAD[bad]
    with pytest.raises(TypeError) as error:
        getattr(al.torch, entry.name)(make(x), *rest, *others)
    first = "x" if entry in registry.ACTIVATIONS or "W" in al.torch.__dict__[entry.name].__signature__.parameters else "z"
    assert all(word in str(error.value) for word in (entry.name, *words)), error.value
    assert bad == "complex" or f": {first} " in str(error.value)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # PyTorch's own, as it enters forward mode
@each(registry.ALL)
def test_other_ways_to_differentiate_are_refused(entry):
    """Forward mode, whose tangents NumPy would drop, and torch.func."""
    f, (inputs, others) = getattr(al.torch, entry.name), tensors(entry)
    rest = (*(t.detach() for t in inputs[1:]), *others)
    for x in (inputs[0], inputs[0].detach()):
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
            with pytest.raises(NotImplementedError, match=rf"{entry.name}: [xz] .*forward mode.*PyTorch's own"):
                f(dual, *rest)
            f(x, *rest)
    with pytest.raises(TypeError, match=rf"{entry.name}: [xz] .*torch\.func.*PyTorch's own"):
        torch.func.vmap(lambda x: f(x, *rest))(torch.stack([inputs[0].detach()] * 2))


@each(LOSSES)
def test_targets_and_weights_that_are_refused(entry):
    inputs, (target,) = tensors(entry)
    f = getattr(al.torch, entry.name)
    with pytest.raises(TypeError, match=r"target is a tensor on meta.*\.cpu\(\)"):
        f(*inputs, target.to("meta"))
    with pytest.raises(ValueError, match=r"target requires a gradient.*\.detach\(\)"):
        f(*inputs, target.double().clone().requires_grad_(True))
    with pytest.raises(ValueError, match=r"sample_weight requires a gradient.*\.detach\(\)"):
        f(*inputs, target, sample_weight=weights(entry).requires_grad_(True))
    with pytest.raises(TypeError, match="unheard_of"):
        f(*inputs, target, unheard_of=1)
    with pytest.raises(TypeError, match="out"):
        f(*inputs, target, out=np.empty(3))


@pytest.mark.parametrize("name", [e.name for e in registry.ROWS + registry.ACTIVATIONS])
def test_arguments_that_are_refused(name):
    for argument in ("out", "dtype", "unheard_of"):
        with pytest.raises(TypeError, match=rf"{name}.*{argument}"):
            getattr(al.torch, name)(torch.ones(2, 3), **{argument: None})


@pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS if e.params])
def test_parameters_that_make_more_of_x_are_refused(name):
    for shape in ((4, 3), (2, 1, 3), (2,)):
        with pytest.raises(ValueError, match=r"does not broadcast to x's shape"):
            getattr(al.torch, name)(torch.ones(2, 3), torch.ones(shape))


# --- the objects -------------------------------------------------------------------------------------------------------------


@each(registry.ALL)
def test_object(entry):
    f = getattr(al.torch, entry.name)
    assert pickle.loads(pickle.dumps(f)) is f
    assert f.name == f.__name__ == entry.name and f.formula == entry.formula and f.paper == entry.paper
    words = (entry.formula, entry.paper, "Raises", "TypeError", "ValueError", "float32", "shape", *f.__signature__.parameters)
    assert not [word for word in words if word not in f.__doc__]
    assert max(map(len, f.__doc__.splitlines()[2:])) <= 130

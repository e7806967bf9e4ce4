"""actloss_c.torch: gradients, bits and memory of every function, and a network that learns as with PyTorch's own."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from helpers_torch import CLASSES, LOSSES, ROWS, each, numbers, tensors, weights  # noqa: E402

import actloss_c as al  # noqa: E402
from actloss_c import _tensors, registry  # noqa: E402

F = torch.nn.functional
ROW_LOSSES = (*registry.LOSSES, *registry.LINEAR_LOSSES)
REDUCTIONS = ("mean", "sum", "none")


# --- gradients ---------------------------------------------------------------------------------------------------------------


def test_every_function_is_there():
    assert set(al.torch.__all__) == registry.FUNCTIONS.keys() == {f.name for f in map(vars(al.torch).get, al.torch.__all__)}


@each(registry.ALL)
def test_gradcheck(entry):
    inputs, others = tensors(entry)
    assert torch.autograd.gradcheck(lambda *t: getattr(al.torch, entry.name)(*t, *others), inputs)


@each(registry.ALL)
def test_gradcheck_of_tensors_that_are_not_contiguous(entry):
    inputs, others = tensors(entry)

    def f(*given):
        spread = [torch.stack((t, t), -1).transpose(0, -1).contiguous().transpose(0, -1)[..., 1] for t in given]
        assert not spread[0].is_contiguous()
        return getattr(al.torch, entry.name)(*spread, *others)

    assert torch.autograd.gradcheck(f, inputs)


@each(LOSSES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradcheck_of_reductions_and_weights(entry, reduction):
    inputs, others = tensors(entry)
    options = {"reduction": reduction, "sample_weight": weights(entry)}
    assert torch.autograd.gradcheck(lambda *t: getattr(al.torch, entry.name)(*t, *others, **options), inputs)


@each(ROW_LOSSES)
def test_gradcheck_of_the_classes_axis_a_bias_or_a_distribution(entry):
    inputs, (target,) = tensors(entry)
    f = getattr(al.torch, entry.name)
    if entry in registry.LINEAR_LOSSES:
        bias = torch.linspace(-1, 1, inputs[1].shape[1], dtype=torch.float64, requires_grad=True)
        for reduction in REDUCTIONS:
            assert torch.autograd.gradcheck(lambda x, w, b, r=reduction: f(x, w, target, b=b, reduction=r), (*inputs, bias))
        return
    assert torch.autograd.gradcheck(lambda z: f(z.T, target, axis=0, reduction="none"), inputs)
    if entry.soft:
        q = torch.softmax(torch.linspace(0, 3, inputs[0].numel(), dtype=torch.float64).reshape(inputs[0].shape), 1)
        assert torch.autograd.gradcheck(lambda z: f(z, q, reduction="none"), inputs)


@each(registry.ROWS)
def test_gradcheck_of_rows_along_an_axis_with_a_mask(entry):
    (z,), _ = tensors(entry)
    mask = torch.arange(z.numel()).reshape(z.shape) % 4 != 0
    for where in (mask, mask.numpy()):

        def f(z, where=where):
            y = getattr(al.torch, entry.name)(z, 0, where=where, **({"keepdims": True} if entry.reduces else {}))
            return y if entry.reduces else y[mask]  # a masked entry is −inf to log_softmax, which has no differences

        assert torch.autograd.gradcheck(f, z)


@each([e for e in registry.ACTIVATIONS if e.params])
def test_parameters(entry):
    """Numbers, arrays and tensors, by name or place; the gradient of a learned one in its own shape and dtype."""
    f, ((x, *_), _) = getattr(al.torch, entry.name), tensors(entry)
    (name,) = (p.name for p in entry.params)
    want = numbers(f(x, 0.3))
    slope = torch.full((x.shape[1],), 0.3, dtype=torch.float64)
    for given in (slope, slope.numpy(), slope.tolist(), torch.tensor(0.3, dtype=torch.float64)):
        np.testing.assert_array_equal(numbers(f(x, **{name: given})), want)
        assert torch.autograd.gradcheck(lambda x, a=given: f(x, a), x)
    slope.requires_grad_(True)
    if not entry.params[0].learned:
        with pytest.raises(ValueError, match=rf"{entry.name}: {name} requires a gradient.*detach"):
            f(x, slope)
        with torch.no_grad():
            np.testing.assert_array_equal(numbers(f(x, slope)), want)
        return
    assert torch.autograd.gradcheck(lambda a: f(x.detach(), a), slope)
    single = torch.tensor(0.3, dtype=torch.float32, requires_grad=True)
    f(x, single).sum().backward()
    assert single.grad.dtype == torch.float32 and single.grad.shape == ()


# --- bits and memory ---------------------------------------------------------------------------------------------------------


@each(registry.ALL)
@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
@pytest.mark.parametrize("wanted", (False, True), ids=("value", "with gradient"))
def test_values_are_those_for_arrays_bit_for_bit(entry, dtype, wanted, assert_same_bits):
    inputs, others = tensors(entry, dtype)
    inputs = [t.requires_grad_(wanted) for t in map(torch.Tensor.detach, inputs)]
    got = getattr(al.torch, entry.name)(*inputs, *others)
    want = np.asarray(getattr(al, entry.name)(*map(numbers, inputs), *map(numbers, others)), numbers(inputs[0]).dtype)
    assert got.requires_grad == wanted
    assert_same_bits(numbers(got), want, entry.name)


@each(registry.ALL)
def test_no_graph_where_none_is_wanted(entry):
    inputs, others = tensors(entry)
    with torch.no_grad():
        assert not getattr(al.torch, entry.name)(*inputs, *others).requires_grad
    with torch.inference_mode():
        assert not getattr(al.torch, entry.name)(*inputs, *others).requires_grad


@pytest.mark.parametrize("wanted", (0, 1))
def test_only_the_gradients_that_are_wanted(wanted):
    for name in ("prelu", "maxout_linear", "linear_softmax_cross_entropy"):
        inputs, others = tensors(registry.FUNCTIONS[name])
        inputs = [t if k == wanted else t.detach() for k, t in enumerate(inputs)]
        getattr(al.torch, name)(*inputs, *others).sum().backward()
        assert [t.grad is not None for t in inputs] == [k == wanted for k in range(len(inputs))], name


@each(LOSSES)
@pytest.mark.parametrize("reduction", ("mean", "sum"))
def test_a_loss_hands_its_own_gradient_on(entry, reduction, assert_same_bits):
    inputs, others = tensors(entry)
    getattr(al.torch, entry.name)(*inputs, *others, reduction=reduction, sample_weight=weights(entry)).backward()
    options = {"reduction": reduction, "sample_weight": numbers(weights(entry))}
    want = getattr(al, entry.name).grad(*map(numbers, inputs), *map(numbers, others), **options)
    for t, g in zip(inputs, want if isinstance(want, tuple) else (want,), strict=True):
        assert_same_bits(numbers(t.grad), g, entry.name)


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64, torch.float16, torch.int64, torch.bool), ids=str)
def test_nothing_is_copied(dtype):
    whole = torch.arange(24).to(dtype).reshape(4, 6)
    for t in (whole, whole.T, whole[1:, ::2], whole[:1].expand(4, 6), whole[0, 0]):
        a = _tensors.array_of(t, "t")
        assert (a.ctypes.data, a.shape, a.itemsize) == (t.data_ptr(), tuple(t.shape), t.element_size())
        assert a.strides == tuple(s * t.element_size() for s in t.stride())
    a = np.ones((3, 4), np.float32).T
    assert _tensors.tensor_of(a).data_ptr() == a.ctypes.data


def test_layout_stays():
    x = torch.randn(4, 6).T.requires_grad_(True)
    y = al.torch.sigmoid(x)
    (g,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert y.stride() == x.stride() == g.stride()


def test_a_tensor_that_was_changed_has_no_gradient():
    for name in (*(e.name for e in registry.ROWS), "prelu", "maxout_linear"):
        inputs, others = tensors(registry.FUNCTIONS[name])
        inner = [2 * t for t in inputs]
        y = getattr(al.torch, name)(*inner, *others).sum()
        inner[0].mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.backward()


def test_arrays_that_are_changed_later_count_as_they_were():
    """Masks, labels and weights beside tensors, which PyTorch does not watch."""
    calls = []
    for entry in registry.ROWS:
        calls.append((entry, lambda f, z, mask: f(z, where=mask), np.arange(CLASSES) > 0, False))
    for entry in registry.LINEAR_LOSSES:
        for kind in (np.array, list):
            calls.append((entry, lambda f, x, w, y: f(x, w, y, reduction="none"), kind([1] * ROWS), 0))
        calls.append((entry, lambda f, x, w, c: f(x, w, [0] * ROWS, reduction="none", class_weight=c), [1.0] * CLASSES, 3))
    for entry, call, argument, other in calls:
        inputs, _ = tensors(entry)
        results = [call(getattr(al.torch, entry.name), *inputs, argument).square().sum() for _ in range(2)]
        first = torch.autograd.grad(results[0], inputs)
        argument[:] = [other] * len(argument)
        assert all(map(torch.equal, first, torch.autograd.grad(results[1], inputs))), entry.name


@each(registry.LINEAR_LOSSES)
@pytest.mark.parametrize("weighted", (False, True))
def test_incoming_gradients_that_are_not_finite(entry, weighted):
    """NaN in what they touch, as everywhere else: mixed precision looks for it. The other rows keep their gradient."""
    for bad in (np.nan, np.inf, -np.inf):
        inputs, others = tensors(entry, torch.float32)
        options = {"sample_weight": weights(entry)} if weighted else {}
        losses = getattr(al.torch, entry.name)(*inputs, *others, reduction="none", **options)
        g = torch.ones_like(losses)
        want, _ = torch.autograd.grad(losses, inputs, g, retain_graph=True)
        g[2] = bad
        dx, dw = torch.autograd.grad(losses, inputs, g)
        assert dx[2].isnan().all() and dw.isnan().all()
        keep = torch.arange(ROWS) != 2
        assert torch.equal(dx[keep], want[keep])


@each([e for e in registry.ALL if e.name not in {m.name for m in registry.MAXOUT}])
def test_backward_twice(entry):
    """The same again while the graph is kept, not after; and no derivative of the derivative, which would be wrong unsaid."""
    inputs, others = tensors(entry)
    y = getattr(al.torch, entry.name)(*inputs, *others).sum()
    first = torch.autograd.grad(y, inputs, retain_graph=True)
    with pytest.raises(RuntimeError, match=r"no second derivative.*create_graph"):
        torch.autograd.grad(y, inputs, create_graph=True)
    assert all(map(torch.equal, first, torch.autograd.grad(y, inputs)))
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(y, inputs)


# --- a network ---------------------------------------------------------------------------------------------------------------


def trained(activation, loss, dtype):
    """The losses of 30 steps of a small network."""
    torch.manual_seed(3)
    x, labels = torch.randn(64, 8, dtype=dtype), torch.randint(4, (64,))
    layers = torch.nn.Linear(8, 16, dtype=dtype), torch.nn.Linear(16, 4, dtype=dtype)
    optimizer = torch.optim.SGD([p for layer in layers for p in layer.parameters()], lr=0.5, momentum=0.9)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        total = loss(layers[1](activation(layers[0](x))), labels)
        total.backward()
        optimizer.step()
        losses.append(total.item())
    return losses


OWN = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": F.relu, "elu": F.elu, "softsign": F.softsign}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("dtype,rtol", ((torch.float32, 2e-5), (torch.float64, 1e-12)), ids=str)
def test_a_network_learns_as_with_pytorchs_own(name, dtype, rtol):
    own = trained(OWN[name], F.cross_entropy, dtype)
    ours = trained(getattr(al.torch, name), al.torch.softmax_cross_entropy, dtype)
    assert own[-1] < 0.9 * own[0]
    np.testing.assert_allclose(ours, own, rtol=rtol)

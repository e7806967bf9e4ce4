"""Arrays of other libraries by DLPack: read where they lie, on the CPU alone; and the memory they lend is not written over."""

import numpy as np
import pytest
from helpers_losses import inputs_of, labels, logits

import actloss_c as al
from actloss_c import _arrays, baseline, registry


class Lent:
    """An array that speaks DLPack and nothing else."""

    def __init__(self, array, device=None):
        self._array = array
        self._device = device

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._device or self._array.__dlpack_device__()


CUDA, METAL, UNKNOWN = (2, 1), (8, 0), (99, 0)


def arguments(entry, dtype):
    """The arrays of a call."""
    z = logits(dtype, (6, 5))
    if entry in registry.LOSSES:
        return inputs_of(entry, z), labels((6,), 5)
    if entry in registry.PAIR_LOSSES:
        random = np.random.default_rng(0)
        return tuple(baseline.inside(domain, (6, 5), random, dtype) for domain in (entry.prediction, entry.target))
    if entry in registry.LINEAR_LOSSES:
        return z, np.ones((5, 3), dtype), labels((6,), 3)
    if getattr(entry, "linear", False):
        return z, np.ones((2, 5, 3), dtype), np.ones((2, 3), dtype)
    return (z, *([np.linspace(0.1, 0.5, 5).astype(dtype)] * len(getattr(entry, "params", ()))))


EACH = pytest.mark.parametrize("entry", registry.ALL, ids=lambda entry: entry.name)


@EACH
def test_every_argument_may_be_lent(entry, dtype, assert_same_results):
    function, given = getattr(al, entry.name), arguments(entry, dtype)
    assert_same_results(function(*map(Lent, given)), function(*given), entry.name)
    if hasattr(function, "value_and_grad"):
        assert_same_results(function.value_and_grad(*map(Lent, given)), function.value_and_grad(*given), entry.name)


def test_backward_of_what_is_lent(dtype, assert_same_results):
    for entry in (*registry.ACTIVATIONS, *registry.ROWS):
        backward, z = getattr(al, entry.name).backward, logits(dtype, (6, 5))
        g = z[:, 0] if getattr(entry, "reduces", False) else z
        assert_same_results(backward(Lent(g), Lent(z)), backward(g, z), entry.name)


def test_nothing_is_copied(dtype):
    whole = np.arange(24, dtype=dtype).reshape(4, 6)
    for a in (whole, whole.T, whole[1:, ::2], whole[0, :0], np.array(3, dtype)):
        read = _arrays.as_array(Lent(a), "x")
        assert type(read) is np.ndarray and read.ctypes.data == a.ctypes.data and read.strides == a.strides


@EACH
@pytest.mark.parametrize("device,name", ((CUDA, "a CUDA device"), (METAL, "a Metal device"), (UNKNOWN, "another device")))
def test_other_devices(entry, device, name):
    first, *rest = arguments(entry, np.dtype(np.float32))
    with pytest.raises(TypeError) as error:
        getattr(al, entry.name)(Lent(first, device), *rest)
    words = (entry.name, "Lent", name, f"device {device[0]}", "copy it to the CPU", ".cpu()")
    assert all(word in str(error.value) for word in words), error.value


def test_a_device_is_named_before_a_librarys_own_ufuncs(device=CUDA):
    class Ours(Lent):
        def __array_ufunc__(self, *arguments, **options):
            return NotImplemented

    for entry in registry.ACTIVATIONS:
        f, x = getattr(al, entry.name), Ours(np.ones(3), device)
        for call in (f, f.grad, f.value_and_grad, lambda x, f=f: f.backward(x, x)):
            with pytest.raises(TypeError, match=rf"{entry.name}: x is a Ours on a CUDA device"):
                call(x)


def test_memory_of_a_gpu_that_the_cpu_reads_is_not_refused():
    for device in _arrays.READABLE:
        assert al.relu(Lent(np.ones(3), (device, 0))).tolist() == [1, 1, 1]


def test_what_cannot_be_read_says_why():
    class Stubborn(Lent):
        def __dlpack__(self, **options):
            raise BufferError("not today")

    class Nowhere(Lent):
        def __dlpack_device__(self):
            raise ValueError("nowhere")

    with pytest.raises(TypeError, match="tanh: x is a Stubborn that cannot be read as an array: not today"):
        al.tanh(Stubborn(np.ones(3)))
    with pytest.raises(TypeError, match="target is a Nowhere that cannot be read as an array: nowhere"):
        al.hinge(np.ones(3), Nowhere(np.ones(3)))
    with pytest.raises(TypeError, match="complex128.*must be real"):
        al.tanh(Lent(np.ones(3, complex)))


def test_what_dlpack_lacks_comes_as_an_array():
    class Fallback(Lent):
        def __dlpack__(self, **options):
            raise BufferError("no such dtype")

        def __array__(self, dtype=None, copy=None):
            return self._array

    assert al.relu(Fallback(np.ones(3))).tolist() == [1, 1, 1]


def test_lent_inputs_are_not_written_over():
    """A label that is overwritten while it is needed would send a kernel anywhere."""
    labels_of_rows = np.zeros(8, np.int64)
    out = labels_of_rows.view(np.float64).reshape(4, 2)
    z = np.ones((4, 2))
    for target in (labels_of_rows[:4], Lent(labels_of_rows[:4]), memoryview(labels_of_rows)[:4]):
        with pytest.raises(ValueError, match="out overlaps an input"):
            al.softmax_cross_entropy.value_and_grad(z, target, out=out)
    z = np.ones((4, 4))
    with pytest.raises(ValueError, match="overlaps an input"):
        al.maxout(Lent(z), out=z[0])
    with pytest.raises(ValueError, match="overlaps an input"):
        al.linear_softmax_cross_entropy.grad(z, Lent(z), [0] * 4, out=(None, z))


def test_other_libraries():
    """PyTorch's tensors as they are, and what is no array to NumPy."""
    torch = pytest.importorskip("torch")
    x = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)
    for entry in registry.ROWS:
        function = getattr(al, entry.name)
        np.testing.assert_array_equal(function(torch.from_numpy(x).T), function(x.T))
        with pytest.raises(TypeError, match=rf"{entry.name}: z is a Tensor that cannot be read as an array: .*detach"):
            function(torch.ones(3, requires_grad=True))

"""Targets and options of the losses over rows, and the float64 reference of what they mean."""

import itertools

import numpy as np

CLASS_WEIGHTS = {"no weights": False, "class_weight": True}
SMOOTHINGS = (0.0, 0.1, 1.0)


def distributions(shape, seed=0):
    """Rows that sum to anything between ½ and 2, a third of their entries 0."""
    random = np.random.default_rng([seed, 77])
    q = random.exponential(size=shape) * (random.random(shape) > 1 / 3)
    return q / np.maximum(q.sum(axis=-1, keepdims=True), 1e-3) * random.uniform(0.5, 2, (*shape[:-1], 1))


def grid(classes, reductions, ignored=(None, -100, 0)):
    """(whether the target is a distribution, options) of every combination that cross_entropy of PyTorch has too."""
    weight = np.random.default_rng(classes).uniform(0.1, 3, classes)
    for soft, weighted, smoothing, skip, reduction in itertools.product(
        (False, True), (False, True), SMOOTHINGS, ignored, reductions
    ):
        if soft and skip is not None:
            continue
        options = {"class_weight": weight if weighted else None, "label_smoothing": smoothing, "ignore_index": skip}
        yield soft, {**options, "reduction": reduction}


def spread(target, classes, class_weight=None, label_smoothing=0.0):
    """q of every row: what softmax_cross_entropy's docstring says, in float64."""
    target = np.asarray(target)
    y = target if target.ndim == 2 else (np.arange(classes) == target[:, None]).astype(np.float64)
    weight = np.ones(classes) if class_weight is None else class_weight
    return weight * ((1 - label_smoothing) * y + label_smoothing / classes)


def reference(z, target, *, reduction, class_weight=None, label_smoothing=0.0, ignore_index=None):
    """(loss, gradient) in float64 by the naive formulas; a batch of rows (n, classes)."""
    z = np.asarray(z, np.float64)
    n, classes = z.shape
    target = np.asarray(target)
    counts = np.ones(n, bool) if ignore_index is None else target != ignore_index
    used = target if target.ndim == 2 else np.where(counts, target, 0)
    q = spread(used, classes, class_weight, label_smoothing) * counts[:, None]
    top = z.max(axis=1, keepdims=True)
    lse = np.log(np.exp(z - top).sum(axis=1, keepdims=True)) + top
    loss = (q * (lse - z)).sum(axis=1)
    gradient = q.sum(axis=1, keepdims=True) * np.exp(z - lse) - q
    if reduction == "none":
        return loss, gradient
    if reduction == "sum":
        return loss.sum(), gradient
    weight = np.ones(n) if target.ndim == 2 or class_weight is None else class_weight[used]
    divisor = (weight * counts).sum()
    return (loss.sum() / divisor, gradient / divisor) if divisor else (0.0, gradient)


def torch_reference(torch, z, target, *, reduction, class_weight=None, label_smoothing=0.0, ignore_index=None):
    """The same by PyTorch's own function."""
    there = torch.tensor(np.asarray(z, np.float64), requires_grad=True)
    loss = torch.nn.functional.cross_entropy(
        there,
        torch.tensor(target),
        weight=None if class_weight is None else torch.tensor(class_weight),
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
    loss.sum().backward()
    return loss.detach().numpy(), there.grad.numpy()

"""What a picture of a function of rows shows, as numbers: heights over two of three logits, or over the simplex. NumPy only."""

from dataclasses import dataclass

import numpy as np

from .plot_data import drawable

LINES = 61  # of the grid, in each direction
WIDTH = 5.0  # of half a span
EDGE = 0.02  # distance from the simplex's sides, on which logarithms are infinite
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])  # where the first, second and third entry is 1
DIRECTIONS = np.array([[0.0, 1.0], [-np.sqrt(0.75), -0.5], [np.sqrt(0.75), -0.5]]).T  # W of a linear loss: (2, classes)
ARROWS = 9  # in each direction
SUBSCRIPTS = "₀₁₂"
PLANE, SIMPLEX = "plane", "simplex"


@dataclass(frozen=True)
class Surface:
    """Heights over points of a plane, all finite."""

    name: str
    title: str
    x: np.ndarray
    y: np.ndarray
    heights: np.ndarray
    labels: tuple[str, ...]  # of the two axes; of the three corners
    arrows: tuple[np.ndarray, ...] = ()  # x, y, and the two parts of a direction

    @property
    def is_simplex(self):
        return len(self.labels) == 3


def plane(span, lines=LINES):
    """x and y of a square grid."""
    line = np.linspace(*(span or (-WIDTH, WIDTH)), lines)
    return (grid.ravel() for grid in np.meshgrid(line, line))


def simplex():
    """(points, 3) probabilities, some way off the sides."""
    i, j = np.meshgrid(np.arange(LINES), np.arange(LINES))
    inside = i + j < LINES
    shares = np.stack([i[inside], j[inside], LINES - 1 - i[inside] - j[inside]], axis=-1) / (LINES - 1)
    return EDGE + (1 - 3 * EDGE) * shares


def over_rows(variable, over, span):
    """(rows, x, y, labels): three entries for each point of the picture."""
    if over == SIMPLEX:
        p = simplex()
        name = "a" if variable == "a" else "p"
        corners = tuple(f"{name}{k} = 1" for k in SUBSCRIPTS)
        return (p if variable == "a" else np.log(p)), *(p @ CORNERS).T, corners
    x, y = plane(span)
    return np.stack([x, y, np.zeros_like(x)], axis=-1), x, y, ("z₀", "z₁   (z₂ = 0)")


def surface(name, title, x, y, heights, labels, arrows=()):
    """A Surface of what can be drawn."""
    keep = drawable(heights)
    if keep.sum() < 4:
        raise ValueError(f"{title}: not finite over this picture: choose another span or parameter")
    return Surface(name, title, x[keep], y[keep], heights[keep], labels, arrows)


def checked(entry, variable, over, span):
    """`over`, the simplex for probabilities by default; ValueError for what does not fit."""
    over = over or (SIMPLEX if variable == "a" else PLANE)
    if over not in (PLANE, SIMPLEX):
        raise ValueError(f"over={over!r}; it must be {PLANE!r}, two logits with the third 0, or {SIMPLEX!r}")
    if over == PLANE and variable == "a":
        raise ValueError(f"over={PLANE!r}: {entry.name} takes probabilities, not logits; leave over out, or give {SIMPLEX!r}")
    if over == SIMPLEX and span is not None:
        also = "" if variable == "a" else f", or give over={PLANE!r}"
        raise ValueError(f"span={span}: the simplex is drawn as a whole; leave span out{also}")
    return over


def loss(f, entry, params, *, span=None, over=None):
    """Loss of the label 0, its gradient and its Hessian by that entry."""
    over = checked(entry, entry.variable, over, span)
    rows, x, y, labels = over_rows(entry.variable, over, span)
    losses, g, h = f.value_grad_and_hess(rows, np.zeros(len(rows), int), reduction="none", **params)
    v = f"{entry.variable}₀"
    titles = "loss, target 0", f"gradient, by {v}", f"Hessian, by {v}"
    found = zip(("value", "grad", "hess"), titles, (losses, g[:, 0], h[:, 0]), strict=True)
    return tuple(surface(name, title, x, y, heights, labels) for name, title, heights in found)


def rows(f, entry, params, *, span=None, over=None):
    """The first value of each row and its derivative by the first logit."""
    over = checked(entry, "z", over, span)
    z, x, y, labels = over_rows("z", over, span)
    value = f(z)
    g = np.ones_like(value) if entry.reduces else np.broadcast_to([1.0, 0.0, 0.0], z.shape)
    dz = f.backward(g, z)
    first = "y" if entry.reduces else "y₀"
    return (
        surface("value", f"value {first}", x, y, value if entry.reduces else value[:, 0], labels),
        surface("backward", f"derivative ∂{first}/∂z₀", x, y, dz[:, 0], labels),
    )


def linear_loss(f, entry, params, *, span=None):
    """Loss of the label 0 over a sample's two features, three classes in as many directions; the length of its gradient."""

    def results(x, y):
        target = np.zeros(x.size, int)
        return f.value_and_grad(np.stack([x, y], axis=-1), DIRECTIONS, target, reduction="none", **params)[:2]

    x, y = plane(span)
    losses, dx = results(x, y)
    u, v = plane((x.min() * 0.9, x.max() * 0.9) if span is None else span, ARROWS)
    arrows = (u, v, *-results(u, v)[1].T)
    labels = "x₀", "x₁"
    return (
        surface("value", "loss, target 0", x, y, losses, labels),
        surface("grad", "|dx|, arrows along −dx", x, y, np.hypot(*dx.T), labels, arrows),
    )

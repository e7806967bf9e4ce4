"""What the pictures show, for every function of the registry: finite samples, its kinks, where it has saturated. No drawing."""

import inspect

import numpy as np
import pytest

import actloss_c
from actloss_c import plot_data, plot_surfaces, plotting, registry

EACH_FUNCTION = pytest.mark.parametrize("name", registry.FUNCTIONS)
EACH_ACTIVATION = pytest.mark.parametrize("entry", registry.ACTIVATIONS, ids=lambda e: e.name)
EACH_PAIR_LOSS = pytest.mark.parametrize("entry", registry.PAIR_LOSSES, ids=lambda e: e.name)


def panels(name, options=None, **params):
    f, entry = plotting.function_of(name)
    return plotting.panels_of(f, entry, options or {}, params)


def halved(entry):
    """Parameters other than the defaults, at which some functions are smooth."""
    return {p.name: p.default / 2 for p in entry.params if not p.choices}


def test_options_have_names_of_their_own():
    """No function's parameter is taken for an option of plot()."""
    options = set(inspect.signature(plotting.plot).parameters) - {"params"}
    for name in registry.FUNCTIONS:
        f = getattr(actloss_c, name)
        assert not options & {*getattr(f, "params", ()), *getattr(f, "options", ())}, name


def test_every_kind_is_drawn():
    assert set(plotting.KINDS) == {type(entry) for entry in registry.ALL}


@EACH_FUNCTION
def test_all_is_finite(name):
    found = panels(name)
    assert len({panel.name for panel in found}) == len(found) > 0
    for panel in found:
        if isinstance(panel, plot_surfaces.Surface):
            parts = [(panel.x, panel.y, panel.heights)]
            assert panel.heights.size > 1000 and np.ptp(panel.heights) > 0.05
        else:
            parts = [part for curve in panel.curves for part in ((curve.x, curve.y), *curve.segments())]
            assert min(curve.x.size for curve in panel.curves) > plot_data.POINTS - 10
            assert panel.limits[0] < 0 < panel.limits[1]
        assert all(np.isfinite(numbers).all() and numbers.shape == part[0].shape for part in parts for numbers in part)


# --- activations ------------------------------------------------------------------------------------------------------------


@EACH_ACTIVATION
def test_curves_are_the_function_s(entry, assert_same_bits):
    f, params = getattr(actloss_c, entry.name), halved(entry)
    (panel,) = panels(entry.name, **params)
    value, slope = panel.curves
    y, dy = f.value_and_grad(value.x, **params)
    assert_same_bits(value.y, y)
    assert_same_bits(slope.y, dy)


@EACH_ACTIVATION
def test_kinks_are_those_of_the_registry(entry):
    """And there are no others: the search for jumps, which knows nothing of the registry, finds the same."""
    f, params = getattr(actloss_c, entry.name), halved(entry)
    (panel,) = panels(entry.name, **params)
    for curve in panel.curves:
        assert tuple(kink.x for kink in curve.kinks) == entry.kinks
    slopes = panel.curves[1]
    assert plot_data.jumps(lambda x: f.grad(x, **params), np.linspace(slopes.x[0], slopes.x[-1], 1000)) == entry.kinks
    for kink in slopes.kinks:
        sides = f.grad(np.array([np.nextafter(kink.x, -1e9), kink.x, np.nextafter(kink.x, 1e9)]), **params)
        assert kink.jumps and np.allclose((kink.before, kink.at, kink.after), sides, rtol=0, atol=1e-6)
    assert len(list(slopes.segments())) == 1 + len(entry.kinks)
    assert len(list(panel.curves[0].segments())) == 1  # the value is continuous


@EACH_ACTIVATION
def test_kink_beyond_the_span_is_not_marked(entry):
    beyond = max(map(abs, entry.kinks), default=0) + 1
    (panel,) = panels(entry.name, {"span": (beyond, beyond + 1)})
    assert not any(curve.kinks for curve in panel.curves) and not panel.kink_label
    assert (panel.curves[0].x[0], panel.curves[0].x[-1]) == (beyond, beyond + 1)


@EACH_ACTIVATION
@pytest.mark.parametrize("threshold", (plot_data.THRESHOLD, 1e-3))
def test_saturated_parts_are_those_of_the_registry(entry, threshold):
    (panel,) = panels(entry.name, {"threshold": threshold})
    x, slope = panel.curves[1].x, abs(panel.curves[1].y)
    found = {"left" if band.low == x[0] else "right": band.text for band in panel.bands}
    assert found == {side: kind for side, kind in zip(("left", "right"), entry.saturation, strict=True) if kind}
    for band in panel.bands:
        inside = (x >= band.low) & (x <= band.high)
        beside = x[~inside][0 if band.low == x[0] else -1]
        assert (slope[inside] < threshold).all() and slope[x == beside] >= threshold


def test_saturated_from_end_to_end():
    x = np.linspace(5, 6, 11)
    assert plot_data.saturated(x, 0 * x, 0.01) == (plot_data.Band(5.0, 6.0, "hard"),)
    assert plot_data.saturated(x, 0 * x + 1, 0.01) == ()


def test_saturation_in_words():
    left, right, all_of_it = plot_data.Band(-1, 0, "hard"), plot_data.Band(1, 2, "soft"), plot_data.Band(-1, 2, "hard")
    both = left, plot_data.Band(1, 2, "hard")
    words = [plot_data.saturation_words(bands, (-1, 2), 0.1) for bands in ((left, right), (right,), both, (all_of_it,), ())]
    assert words[:2] == ["saturated, |f′| < 0.1: hard on the left, soft on the right", "saturated, |f′| < 0.1: soft on the right"]
    assert words[2:] == ["saturated, |f′| < 0.1: hard on both sides", "saturated, |f′| < 0.1: hard throughout", ""]


def test_small_slope_that_is_no_saturation():
    """Around a minimum, say: only what reaches the end of the span counts."""
    x = np.linspace(-1, 1, 101)
    assert plot_data.saturated(x, x, 0.1) == ()


# --- jumps ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function, places",
    (
        (lambda x: np.sign(x - 0.3), (0.3,)),
        (lambda x: np.where(x > 1, x, 2 * x), (1.0,)),
        (np.floor, (-2.0, -1.0, 0.0, 1.0, 2.0)),
        (lambda x: np.tanh(1e5 * x), ()),
        (abs, ()),
        (lambda x: np.where(x > 2.5, np.inf, 0.0), ()),
    ),
)
@pytest.mark.parametrize("count", (10, 801, 1000))
def test_jumps(function, places, count):
    assert plot_data.jumps(function, np.linspace(-2.7, 2.8, count)) == places


def test_axes_show_the_inner_part_of_what_runs_off():
    """To infinity; other curves whole, but for maxout's pieces."""
    x = np.linspace(0, 1, 1001)[1:]
    whole, inner = plot_data.curve("1 / x", 0, x, 1 / x), plot_data.curve("x", 1, x, x)
    piece = plot_data.curve("pieces", "piece", x, 1e6 * x)

    def high(*curves):
        return plot_data.Panel("value", "", "x", curves).limits[1]

    assert 19 < high(whole) < 22 and high(whole) == high(whole, piece)
    assert 1 < high(inner) < 1.1


def test_segments_end_at_jumps():
    x = np.array([-1.0, 0.0, 1.0])
    curve = plot_data.curve("", 0, x, np.sign(x), plot_data.kinks_at(np.sign, [0.0]))
    ends = [(*part[0], *part[1]) for part in curve.segments()]
    assert ends == [(-1, 0, -1, -1), (0, 1, 1, 1)] and curve.kinks[0].at == 0


# --- losses over pairs ------------------------------------------------------------------------------------------------------


@EACH_PAIR_LOSS
def test_loss_curves_are_the_loss_s(entry, assert_same_bits):
    f, found = getattr(actloss_c, entry.name), panels(entry.name)
    assert [panel.name for panel in found] == ["value", "grad", "hess"]
    for which, panel in enumerate(found):
        for curve, target in zip(panel.curves, plot_data.TARGETS[entry.target], strict=True):
            results = f.value_grad_and_hess(curve.x, np.full_like(curve.x, target), reduction="none")
            assert_same_bits(curve.y, results[which], f"{entry.name}, target {target}")


@EACH_PAIR_LOSS
def test_a_loss_has_its_kinks_where_its_gradient_jumps(entry):
    value, grad, _ = panels(entry.name)
    for losses, slopes in zip(value.curves, grad.curves, strict=True):
        assert [k.x for k in losses.kinks] == [k.x for k in slopes.kinks]
        assert not any(kink.jumps for kink in losses.kinks) and all(kink.jumps for kink in slopes.kinks)
        rise = np.diff(losses.y) / np.diff(losses.x)  # between the slopes at its ends, or a kink is missed
        low, high = np.minimum(slopes.y[1:], slopes.y[:-1]), np.maximum(slopes.y[1:], slopes.y[:-1])
        if entry.convex and not slopes.kinks:
            assert (rise >= low - 1e-6 * (1 + abs(low))).all() and (rise <= high + 1e-6 * (1 + abs(high))).all()


@EACH_PAIR_LOSS
def test_targets(entry):
    target = plot_data.TARGETS[entry.target][-1]
    for panel in panels(entry.name, {"targets": target}):
        assert [curve.label for curve in panel.curves] == [f"target = {plot_data.number(target)}"]


# --- rows and pieces --------------------------------------------------------------------------------------------------------


def test_simplex():
    """What a surface shows at a point is what its distances from the sides say."""
    for name, height in (("softmax", lambda p: p), ("softmax_cross_entropy", lambda p: -np.log(p))):
        surface = panels(name, {"over": "simplex"})[0]
        first = 1 - surface.x - surface.y / np.sqrt(3)  # the share of the corner at (0, 0)
        assert surface.is_simplex and np.allclose(surface.heights, height(first), rtol=1e-12)


@pytest.mark.parametrize("entry", registry.MAXOUT, ids=lambda e: e.name)
def test_pieces(entry):
    (panel,) = panels(entry.name)
    *pieces, maximum, slope = panel.curves
    assert np.array_equal(maximum.y, np.max([piece.y for piece in pieces], axis=0))
    assert [kink.x for kink in slope.kinks] == ((plot_data.SLOPES[1:] + plot_data.SLOPES[:-1]) / 2).tolist()
    for band, part, x in zip(panel.bands, slope.segments(), plot_data.SLOPES, strict=True):
        assert (part[1] == x).all() and (part[0][0], part[0][-1]) == (band.low, band.high)
    assert [band.text for band in panel.bands] == [f"piece {k}" for k in range(len(pieces))]


# --- words ------------------------------------------------------------------------------------------------------------------


@EACH_FUNCTION
def test_title(name):
    f, entry = plotting.function_of(name)
    parts = plotting.title(f, entry, {})
    assert parts[0].startswith(f"{name}(") and parts[0].endswith(f" = {getattr(entry, 'written', entry.formula)}")
    for width in (40, 80, 140):
        lines = plotting.wrapped(parts, width)
        assert max(map(len, lines)) <= width and " ".join(lines) == ", ".join(parts)
        assert all(any(part in line for line in lines) for part in parts if len(part) < width)


@pytest.mark.parametrize(
    "error, words, f, options",
    (
        (ValueError, "did you mean sigmoid or", "sigmod", {}),
        (ValueError, "they are sigmoid, tanh", "zzz", {}),
        (TypeError, "such as al.sigmoid", np.tanh, {}),
        (TypeError, "threshold=1: huber is a loss over pairs, whose picture takes span, targets", "huber", {"threshold": 1}),
        (TypeError, "softsign has no parameter 'alpha'; it takes none", "softsign", {"alpha": 1}),
        (TypeError, "huber has no parameter 'axis'; it takes delta", "huber", {"axis": 1}),
        (ValueError, "alpha has shape (2,)", "elu", {"alpha": [1, 2]}),
        (ValueError, "span=(1, 0); give two numbers from −1e+30 to 1e+30, the lower first", "relu", {"span": (1, 0)}),
        (ValueError, "span=(0, inf)", "relu", {"span": (0, np.inf)}),
        (ValueError, "span='a'", "relu", {"span": "a"}),
        (ValueError, "span=3", "relu", {"span": 3}),
        (ValueError, "threshold=0; give one number above 0", "relu", {"threshold": 0}),
        (ValueError, "targets=[]", "huber", {"targets": []}),
        (ValueError, "each target must be −1 or 1", "hinge", {"targets": 0.5}),
        (ValueError, "must lie in [0, 1]", "binary_cross_entropy", {"span": (-1, 1)}),
        (ValueError, "over='cube'", "softmax", {"over": "cube"}),
        (ValueError, "cross_entropy takes probabilities", "cross_entropy", {"over": "plane"}),
        (ValueError, "the simplex is drawn as a whole", "cross_entropy", {"span": (0, 1)}),
        (ValueError, "panel='hess'; softmax has value, backward", "softmax", {"panel": "hess"}),
        (ValueError, "not finite between −3 and −1", "prelu", {"alpha": np.nan, "span": (-3, -1)}),
        (TypeError, "ax=5; give a matplotlib Axes", "relu", {"ax": 5}),
    ),
)
def test_what_is_refused(error, words, f, options):
    with pytest.raises(error) as caught:
        actloss_c.plot(f, **options)
    assert words in str(caught.value)

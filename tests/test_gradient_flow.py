"""A Diagnosis as text, data and picture; `al.GradientFlow` over a training of real digits."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers_process import python, succeeds

import actloss_c as al
from actloss_c import registry
from actloss_c.diagnosis_result import SHARES, SIZES

ROOT = Path(__file__).resolve().parent.parent
EACH_ACTIVATION = pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS])


def layer(name="tanh", **options):
    z = np.random.default_rng(0).normal(0.5, 3, (200, 30)).astype(np.float32)
    z[0, :3], z[:, 7] = (np.nan, np.inf, -np.inf), -1
    return al.diagnose(z, name, **options)


# --- a Diagnosis ---------------------------------------------------------------------------------------------------------------


@EACH_ACTIVATION
def test_table_fits_a_terminal(name):
    for found in (layer(name), al.diagnose(np.full((2, 2), np.nan), name), al.diagnose(1e30 * np.ones(3), name, bins=200)):
        lines = str(found).split("\n")
        assert max(map(len, lines)) <= 80
        for word in (name, *(figure.replace("_", " ") for figure in (*SHARES, *SIZES)), "inputs"):
            assert any(line.startswith(word) for line in lines), word
    assert "3 " in next(line for line in str(layer(name)).split("\n") if line.startswith("not finite"))
    assert name in repr(layer(name))


@EACH_ACTIVATION
def test_dict_is_json(name):
    """Strictly: no NaN, no infinity; what went in comes out."""
    found = layer(name)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["saturated_left"] == found.saturated_left and data["shape"] == [200, 30] and data["axis"] == [0]
    assert data["histogram"]["counts"] == found.histogram.counts.tolist()
    assert data["units"]["dead"] == found.units.dead.tolist()
    assert "units" not in found.to_dict(units=False)
    assert data["mean"] is None or np.isfinite(found.mean)


def test_figures_are_read_only():
    found = layer()
    with pytest.raises(AttributeError):
        found.mean = 0.0
    for array in (*vars(found.units).values(), *found.histogram):
        with pytest.raises(ValueError):
            array[...] = 0


# --- GradientFlow --------------------------------------------------------------------------------------------------------------


def train(activation, scale, steps=12):
    """A flow over a perceptron's training on the digits: three hidden layers, plain gradient descent."""
    datasets = pytest.importorskip("sklearn.datasets")
    x, labels = datasets.load_digits(return_X_y=True)
    x, random, flow = (x / 16).astype(np.float32), np.random.default_rng(0), al.GradientFlow()
    sizes = (64, 32, 32, 32, 10)
    weights = [random.normal(0, scale / np.sqrt(m), (m, n)).astype(np.float32) for m, n in zip(sizes, sizes[1:], strict=False)]
    losses = []
    for step in range(steps):
        batch = random.choice(len(x), 256, replace=False)
        inputs, zs = [x[batch]], []
        for w in weights[:-1]:
            zs.append(inputs[-1] @ w)
            inputs.append(activation(zs[-1]))
        loss, g = al.softmax_cross_entropy.value_and_grad(inputs[-1] @ weights[-1], labels[batch])
        losses.append(loss)
        dzs = []
        for k in reversed(range(len(zs))):
            g, dw = g @ weights[k + 1].T, inputs[k + 1].T @ g
            weights[k + 1] -= 0.5 * dw
            dx = activation.backward(g, zs[k])
            g = dx[0] if isinstance(dx, tuple) else dx
            dzs.insert(0, g)
        weights[0] -= 0.5 * inputs[0].T @ g
        for k, (z, dz) in enumerate(zip(zs, dzs, strict=True)):
            flow.record(f"hidden {k + 1}", z, activation, gradient=dz, step=step)
    return flow, losses


def test_training():
    """tanh learns and hardly saturates; weights twenty times as large saturate it; sigmoid's gradients vanish."""
    healthy, losses = train(al.tanh, 1)
    assert losses[-1] < 0.8 * losses[0]
    assert healthy.layers == ("hidden 1", "hidden 2", "hidden 3")
    assert [r.step for r in healthy["hidden 1"]] == list(range(12))
    saturated, _ = train(al.tanh, 20)
    vanishing, _ = train(al.sigmoid, 1)
    for name in healthy.layers:
        assert healthy[name][-1].saturated_left < 0.1 < 0.3 < saturated[name][0].saturated_left
    norms = [vanishing[name][0].gradient_norm for name in vanishing.layers]
    assert norms[0] < 0.3 * norms[1] < 0.09 * norms[2]


def test_record_keeps_figures_and_returns_the_diagnosis():
    flow, z = al.GradientFlow(threshold=0.01), np.random.default_rng(1).normal(0, 4, (50, 6, 5))
    g = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = flow.record(0, z, "elu", gradient=g, axis=(0, 2), alpha=0.5)
    (record,) = flow[0]
    assert found.threshold == flow.threshold == 0.01 and found.axis == (0, 2) and found.params == {"alpha": 0.5}
    assert [getattr(record, name) for name in (*SHARES, *SIZES)] == [getattr(found, name) for name in (*SHARES, *SIZES)]
    assert record.gradient_norm == pytest.approx(np.sqrt(506)) and record.gradient_rms == pytest.approx(np.sqrt(506 / 12))
    assert flow.record(0, z, al.elu) and flow[0][1].step == 1 and flow[0][1].gradient_norm is None
    flow.record(0, z, al.elu, step=1, gradient=g)
    assert len(flow[0]) == 2 and flow[0][1].gradient_norm > 0


@pytest.mark.parametrize("dtype", (np.float16, np.float32, np.float64, np.int8))
def test_norms_neither_overflow_nor_vanish(dtype):
    info = np.finfo(dtype) if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    flow = al.GradientFlow()
    for value in (0, 1, info.max // 8, info.min // 8, getattr(info, "smallest_subnormal", 1)):
        flow.record("a", [1.0], al.relu, gradient=np.full((4, 4), value, dtype))
        assert flow["a"][-1].gradient_rms == pytest.approx(abs(float(value)), rel=1e-12)
    flow.record("a", [1.0], al.relu, gradient=[np.nan, 1.0])
    flow.record("a", [1.0], al.relu, gradient=[])
    assert flow.record("b", [1.0], al.relu, gradient=np.ones(4, np.longdouble)) and flow["b"][0].gradient_norm == 2
    assert np.isnan(flow["a"][-2].gradient_norm) and flow["a"][-1].gradient_norm == 0


def test_layers_may_be_named_in_the_networks_order():
    """A backward pass meets the last layer first."""
    flow = al.GradientFlow(layers=["a", "b"])
    for name, size in (("b", 2.0), ("a", 1.0)):
        flow.record(name, [1.0, -1.0], al.tanh, gradient=[size])
    assert flow.layers == ("a", "b")
    first, last = str(flow).split("\n")[1:]
    assert first.split()[0] == "a" and first.endswith(" 0.5") and last.endswith(" 1")


def test_flow_as_text_and_data():
    flow = al.GradientFlow()
    assert "nothing recorded" in str(flow) and flow.to_dict() == {"threshold": 0.05, "layers": []}
    long = "a layer with a very long name indeed"
    for step in (3, 1, 2.5, 123456):
        flow.record(long, np.full((3, 2), -1.0), al.relu, step=step)
    flow.record(7, [np.nan], al.sigmoid, gradient=[np.inf])
    assert [r.step for r in flow[long]] == [1, 2.5, 3, 123456]
    text = str(flow)
    assert max(map(len, text.split("\n"))) <= 80 and "a layer" in text and "123456" in text and long not in text
    data = json.loads(json.dumps(flow.to_dict(), allow_nan=False))
    assert [part["layer"] for part in data["layers"]] == [long, 7]
    assert data["layers"][0]["dead"] == [1.0] * 4 and data["layers"][1]["gradient_norm"] == [None]
    assert data["layers"][0]["saturation"] == {"left": "hard", "right": None}
    assert "2 layers, 5 records" in repr(flow)


ERRORS = {
    "layer": (TypeError, "layer=1.5; give its name", lambda flow: flow.record(1.5, [1.0], al.relu)),
    "step": (TypeError, "step='a'", lambda flow: flow.record("a", [1.0], al.relu, step="a")),
    "nan step": (TypeError, "step=nan", lambda flow: flow.record("a", [1.0], al.relu, step=np.nan)),
    "gradient": (TypeError, "gradient has dtype complex128", lambda flow: flow.record("a", [1.0], al.relu, gradient=[1j])),
    "activation": (TypeError, "give an elementwise one", lambda flow: flow.record("a", [1.0], al.softmax)),
    "one name": (TypeError, "layers='ab' is no sequence", lambda flow: al.GradientFlow("ab")),
    "a number of layers": (TypeError, "layers=3 is no sequence; give the names", lambda flow: al.GradientFlow(3)),
    "threshold": (ValueError, "GradientFlow: threshold=-1", lambda flow: al.GradientFlow(threshold=-1)),
    "no such layer": (KeyError, "no layer 'a'; the layers are none yet", lambda flow: flow["a"]),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_error_leaves_nothing_behind(kind):
    error, words, call = ERRORS[kind]
    flow = al.GradientFlow()
    with pytest.raises(error) as caught:
        call(flow)
    assert words in str(caught.value) and flow.layers == ()


# --- pictures ------------------------------------------------------------------------------------------------------------------


def flow_of(layers, steps, gradient=True):
    flow = al.GradientFlow()
    for k in range(layers * steps):
        g = [10.0 ** -(k % layers)] if gradient else None
        flow.record(k % layers, [-3.0, 0.1, 3.0], al.tanh, gradient=g, step=k // layers)
    return flow


@EACH_ACTIVATION
def test_diagnosis_is_drawn(name, tmp_path):
    pytest.importorskip("matplotlib")
    found = layer(name)
    figure = found.plot()
    (axes,) = figure.axes
    sides = sum(kind is not None for kind in found.saturation.values())
    assert len(axes.collections) == len(axes.texts) == sides
    assert name in axes.get_title()
    figure.savefig(tmp_path / "d.png")
    if found.params:
        assert not al.diagnose(np.ones((4, 3)), name, alpha=[0.1, 0.2, 0.3]).plot().axes[0].texts


@pytest.mark.parametrize("layers,steps", ((1, 1), (4, 6), (30, 50)))
@pytest.mark.parametrize("gradient", (True, False))
def test_flow_is_drawn(layers, steps, gradient, tmp_path):
    pytest.importorskip("matplotlib")
    flow = flow_of(layers, steps, gradient)
    figure = flow.plot()
    norms, saturations = figure.axes
    assert len(saturations.lines) == layers
    assert (norms.get_yscale() == "log") == gradient
    for k, line in enumerate(norms.lines if gradient else ()):
        np.testing.assert_allclose(line.get_ydata(), 10.0**-k)
    figure.savefig(tmp_path / "f.png")
    axes = type(figure)().subplots(1, 2)
    assert flow.plot(axes) is axes


def test_pictures_say_what_they_need():
    matplotlib = pytest.importorskip("matplotlib.figure")
    axes = matplotlib.Figure().subplots(1, 3)
    assert layer().plot(axes[0]) is axes[0]
    with pytest.raises(ValueError, match="ax holds 3 axes; this picture takes 2"):
        flow_of(1, 1).plot(axes)
    with pytest.raises(ValueError, match="nothing recorded yet"):
        al.GradientFlow().plot()
    with pytest.raises(TypeError, match="give a matplotlib Axes"):
        layer().plot(3)


def test_figures_need_no_matplotlib(tmp_path):
    """Neither al.diagnose nor GradientFlow imports it; their plot() names what is missing."""
    code = """
import sys
import numpy as np
import actloss_c as al
assert not [m for m in sys.modules if m.startswith("actloss_c.diagnos") or m == "actloss_c.gradient_flow"]
found, flow = al.diagnose(np.ones((3, 2)), "tanh"), al.GradientFlow()
flow.record("a", np.ones(3), al.tanh)
str(found), str(flow)
assert "matplotlib" not in sys.modules
sys.modules["matplotlib"] = None
for what in (found, flow):
    try:
        what.plot()
    except ImportError as error:
        assert 'plot needs matplotlib' in str(error) and '"actloss_c[plot]"' in str(error), error
    else:
        raise AssertionError
"""
    succeeds(python(code, tmp_path, "-W", "error"))
    assert "actloss_c" in sys.modules


# --- documents -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ("README.md", "docs/diagnosis.md"))
def test_documents(page, tmp_path, monkeypatch, capsys):
    """Examples run as written, but for the length of a training; the page shows the table that its first one prints."""
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    blocks = [block for block in blocks if re.search("al.diagnose|al.GradientFlow", block)]
    assert len(blocks) == (1 if page == "README.md" else 2)
    for block in blocks:
        exec(block.replace("steps=200", "steps=21"), {})
    printed = capsys.readouterr().out
    if page != "README.md":
        table = re.search(r"```\n(sigmoid, float32.*?)```", text, flags=re.DOTALL)[1]
        assert table in printed
        assert (tmp_path / "gradient_flow.png").exists() and (ROOT / "docs" / "gradient_flow.png").exists()

"""`al.plot` and `actloss_c plot`: a figure for every function, drawn where it was asked for, that leaves nothing behind."""

import gc
import io
import re
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")

from helpers_process import python, succeeds  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.text import Text  # noqa: E402

import actloss_c  # noqa: E402
from actloss_c import __main__, plot_command, plot_panels, plotting, registry  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
EACH_FUNCTION = pytest.mark.parametrize("name", registry.FUNCTIONS)
EACH_KIND = pytest.mark.parametrize("name", {type(entry): entry.name for entry in registry.ALL}.values())
LARGEST = 60_000  # bytes of a PNG file


def lines_of(axes, marked):
    """The points, or else the lines, drawn on axes."""
    return [line for line in axes.lines if (line.get_marker() == "o") == marked]


def words_of(figure):
    """Every text that is seen, but for numbers along axes: those that are beyond the span are there, too."""
    legends = (text for legend in figure.legends for text in legend.get_texts())
    inside = (text for text in figure.findobj(Text) if text.axes is not None)
    return [text for text in (figure._suptitle, *legends, *inside) if text.get_visible() and text.get_text().strip()]


@EACH_FUNCTION
def test_figure(name, tmp_path):
    """A panel each, finite data, kinks marked, all words inside the picture, none of the headings over another; a small file."""
    f, entry = plotting.function_of(name)
    figure = actloss_c.plot(f)
    panels = plotting.panels_of(f, entry, {}, {})
    assert len(figure.axes) == len(panels)
    for axes, panel in zip(figure.axes, panels, strict=True):
        assert axes.lines or axes.collections
        for line in axes.lines:
            assert np.isfinite(np.asarray(line.get_xydata(), float)).all()
        points = {(float(x), float(y)) for line in lines_of(axes, True) for x, y in line.get_xydata()}
        assert points >= {(kink.x, kink.at) for curve in getattr(panel, "curves", ()) for kink in curve.kinks}
        if getattr(entry, "kinks", ()):
            assert {x for x, _ in points} == set(entry.kinks)
    path = tmp_path / f"{name}.png"
    plot_command.save(figure, path)
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size <= LARGEST
    frame = figure.bbox.padded(1)
    for text in words_of(figure):
        box = text.get_window_extent()
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1, text.get_text()
    headings = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    assert not any(a.overlaps(b) for a, b in zip(headings, headings[1:], strict=False))
    assert not any(figure._suptitle.get_window_extent().overlaps(heading) for heading in headings)
    assert figure.get_suptitle().startswith(name)


@EACH_KIND
def test_axes_of_the_caller(name):
    """One takes the first panel, or the one that was asked for; a sequence takes all."""
    f, entry = plotting.function_of(name)
    panels = plotting.panels_of(f, entry, {}, {})
    figure = Figure()
    axes = figure.subplots(1, len(panels) + 1)
    size, other = figure.get_size_inches().tolist(), axes[-1]
    assert actloss_c.plot(name, axes[0], panel=panels[-1].name) is axes[0]
    assert axes[0].get_title() == f"{name}: {panels[-1].title}"
    axes[0].clear()
    assert actloss_c.plot(f, ax=axes[0]) is axes[0] and axes[0].get_title() == f"{name}: {panels[0].title}"
    axes[0].clear()
    mine = list(axes[:-1])
    assert actloss_c.plot(f, mine) is mine
    assert [a.get_title() for a in mine] == [f"{name}: {panel.title}" for panel in panels]
    assert not other.lines and not other.collections and figure.axes == list(axes)
    assert figure.get_size_inches().tolist() == size and not figure.legends and not figure.get_suptitle()
    with pytest.raises(ValueError, match="ax holds"):
        actloss_c.plot(f, [*axes, other])


def test_panel_alone():
    figure = actloss_c.plot("huber", panel="hess", targets=1, delta=2.0)
    (axes,) = figure.axes
    assert axes.get_title() == "Hessian, by a"
    assert "delta = 2.0" in figure.get_suptitle() and "delta = 1.0" not in figure.get_suptitle()
    assert sorted(float(x) for line in lines_of(axes, True) for x in line.get_xdata()) == [-1, -1, 3, 3]


def test_legend():
    axes = Figure().subplots()
    for legend in (True, False):
        assert bool(actloss_c.plot("relu", legend=legend).legends) == legend
        axes.clear()
        actloss_c.plot("relu", axes, legend=legend)
        assert bool(axes.get_legend()) == legend


def test_lines_keep_their_dashes_whatever_the_settings():
    """And points mean kinks alone: 801 samples with a mark each would hide them."""

    def looks():
        lines = (line for name in ("relu", "huber", "cross_entropy") for axes in actloss_c.plot(name).axes for line in axes.lines)
        return [(line.get_marker(), line.get_linestyle()) for line in lines]

    want = looks()
    with matplotlib.rc_context({"lines.marker": "x", "lines.linestyle": ":"}):
        assert looks() == want


def test_parameters_and_span_are_drawn():
    (axes,) = actloss_c.plot(actloss_c.elu, span=(-3, 1), alpha=0.5).axes
    assert axes.get_xlim() == (-3, 1)
    low = min(line.get_ydata().min() for line in lines_of(axes, False) if len(line.get_xdata()) > 2)
    assert low == actloss_c.elu(-3.0, alpha=0.5)
    words = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert "kink: f′ jumps from 0.5 to 1; f′(0) = 0.5, as in PyTorch" in words


def test_many_targets_and_a_surface_without_height():
    figure = actloss_c.plot("squared_error", targets=range(-4, 5))
    assert len(figure.legends[0].get_texts()) == 9
    figure = actloss_c.plot("softmax_cross_entropy", ignore_index=0)
    assert all(axes.texts[0].get_text() == "0" for axes in figure.axes)


@pytest.mark.parametrize(
    "heights, expected",
    (
        ([0, 1], [0.2, 0.4, 0.6, 0.8]),
        ([-7, 7], [-6, -4, -2, 0, 2, 4, 6]),
        ([1, *[2] * 9, 1000], [3, 10, 30, 100, 300]),
        ([-1, *[-2] * 9, -1000], [-300, -100, -30, -10, -3]),
        ([5, 5], []),
    ),
)
def test_levels(heights, expected):
    assert np.allclose(plot_panels.levels(np.array(heights, float)), expected)


def drawn_or_refused(name, option, value):
    """Without a warning, and with no error but one that names the option or says that nothing is finite."""
    try:
        actloss_c.plot(name, legend=False, **{option: value}).savefig(io.BytesIO(), dpi=20)
    except (TypeError, ValueError) as error:
        assert re.search(rf"\b{option}\b|not finite", str(error)), f"{option}={value}: {error}"


@EACH_KIND
def test_extreme_spans(name):
    widest, narrowest = plotting.WIDEST, plotting.NARROWEST
    for span in ((-widest, widest), (widest * (1 - 2 * narrowest), widest), (0, 1 / widest), (1e6, 1e6 + 2)):
        drawn_or_refused(name, "span", span)


@pytest.mark.parametrize("name", ("leaky_relu", "elu", "huber", "sigmoid_binary_cross_entropy"))
def test_extreme_parameters(name):
    for parameter in actloss_c.__dict__[name].params:
        for value in (1e308, -1e308, 1e299, 1e-300):
            drawn_or_refused(name, parameter, value)


def test_a_loss_that_counts_nothing():
    for options in ({"class_weight": [0, 0, 0]}, {"ignore_index": 0}):
        for name in ("softmax_cross_entropy", "linear_softmax_cross_entropy"):
            actloss_c.plot(name, **options).savefig(io.BytesIO(), dpi=20)


BAD = {  # options: words of the error
    "span": ((1, 2, 3), (2, 1), (0, 2e30), (1, 1 + 1e-9), (0, 1e-31), (0, np.nan), (0, 10**400), "ab", ()),
    "threshold": (0, -1, np.nan, (), "a", 10**400),
    "targets": ((), "a", np.nan, np.zeros((2, 2)), 10**400),
}


@pytest.mark.parametrize("option", BAD)
def test_options_that_are_refused(option):
    for value in BAD[option]:
        with pytest.raises(ValueError, match=rf"(?s){option}=.*give"):
            actloss_c.plot("huber" if option == "targets" else "relu", **{option: value})


@pytest.mark.parametrize("name", ("binary_cross_entropy", "kl_divergence"))
def test_spans_beyond_the_predictions_are_refused(name):
    for span in ((-1, 1), (0.5, 1.5), (2, 3)):
        with pytest.raises(ValueError, match=rf"span=.*{name}.*predictions must lie in \[0, 1\]"):
            actloss_c.plot(name, span=span)
    with pytest.raises(ValueError, match="leave span out$"):
        actloss_c.plot("cross_entropy", span=(0, 1))


def test_axes_that_cannot_show_it_are_refused():
    """They would warn, or draw something else."""
    for side in "xy":
        for scale in ("log", "logit"):
            axes = Figure().subplots()
            getattr(axes, f"set_{side}scale")(scale)
            with pytest.raises(ValueError, match=rf"{side}scale '{scale}'.*set_{side}scale\('linear'\)"):
                actloss_c.plot("relu", axes)
            assert not axes.lines
    for projection in ("polar", "aitoff"):
        with pytest.raises(ValueError, match=rf"projection '{projection}'"):
            actloss_c.plot("relu", Figure().add_subplot(projection=projection))
    axes = Figure().subplots()
    axes.set_yscale("symlog")
    actloss_c.plot("relu", axes).figure.savefig(io.BytesIO(), dpi=20)


def test_overview():
    figure = plotting.overview()
    assert [axes.get_title() for axes in figure.axes if axes.axison or axes.lines] == list(registry.FUNCTIONS)


# --- what stays behind ------------------------------------------------------------------------------------------------------


def test_nothing_stays_behind():
    """No setting, no figure."""
    before = dict(matplotlib.rcParams)
    figure = actloss_c.plot("softmax")
    gone = weakref.ref(figure)
    del figure
    gc.collect()
    assert gone() is None and dict(matplotlib.rcParams) == before


def test_pyplot_is_not_touched_and_matplotlib_waits(tmp_path):
    code = """
import sys
import actloss_c as al
assert not {"actloss_c.plotting", "matplotlib"} & sys.modules.keys()
assert callable(al.plot) and "matplotlib" not in sys.modules
al.plot(al.sigmoid).savefig("sigmoid.svg")
assert "matplotlib.pyplot" not in sys.modules
assert not hasattr(al, "unheard_of")
"""
    succeeds(python(code, tmp_path, "-W", "error"))
    assert "<svg" in (tmp_path / "sigmoid.svg").read_text(encoding="utf-8")


def test_lazy_names_are_modules_of_the_package():
    """Beside __all__: a star import loads none of them."""
    folder = Path(actloss_c.__file__).parent
    for name, module in actloss_c.LAZY.items():
        assert (folder / f"{module}.py").exists() or (folder / module / "__init__.py").exists()
        assert name not in actloss_c.__all__
    assert actloss_c.plot is plotting.plot


def test_says_what_to_install(monkeypatch, capsys, tmp_path):
    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "actloss_c.plot_panels")
    monkeypatch.delattr(actloss_c, "plot_panels", raising=False)
    with pytest.raises(ImportError, match=r"al\.plot needs matplotlib, .*pip install \"actloss_c\[plot\]\""):
        actloss_c.plot("relu")
    assert __main__.main(["plot", "relu", "-o", str(tmp_path)]) == 1
    assert "actloss_c[plot]" in capsys.readouterr().err and not list(tmp_path.iterdir())


# --- the command ------------------------------------------------------------------------------------------------------------


def test_command(tmp_path, capsys):
    """Writes the files and names them."""
    folder = tmp_path / "new" / "folder"
    options = ["--parameter", "alpha=0.5", "--span", "-2", "2", "--threshold", "0.1"]
    assert __main__.main(["plot", "elu", "prelu", "elu", *options, "-o", str(folder)]) == 0
    files = [folder / "elu.png", folder / "prelu.png"]
    assert capsys.readouterr().out.split() == [str(file) for file in files]
    assert sorted(folder.iterdir()) == files and all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    options = ["--target", "1", "--target", "-1", "--format", "svg"]
    assert __main__.main(["plot", "huber", *options, "--output", str(folder)]) == 0
    text = (folder / "huber.svg").read_text(encoding="utf-8")
    assert text.count("target = ") >= 2 and "<dc:date>" not in text
    assert __main__.main(["plot", "softmax", "--over", "simplex", "-o", str(folder)]) == 0


def test_all_functions(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(plotting, "plot", lambda name: name)
    monkeypatch.setattr(plotting, "overview", lambda: "overview")
    monkeypatch.setattr(plot_command, "save", lambda figure, path: path.write_text(figure))
    assert __main__.main(["plot", "--all", "--overview", "-o", str(tmp_path)]) == 0
    names = [Path(line).stem for line in capsys.readouterr().out.splitlines()]
    assert names == [*registry.FUNCTIONS, "overview"]
    assert {path.stem: path.read_text() for path in tmp_path.iterdir()} == {name: name for name in names}


@pytest.mark.parametrize(
    "arguments, words",
    (
        ((), "nothing to draw"),
        (("sigmod",), "argument FUNCTION: 'sigmod' is not one of the package's functions; did you mean sigmoid or"),
        (("relu", "-o", __file__), "argument -o/--output: "),
        (("relu", "--threshold", "0"), "threshold=0.0"),
        (("relu", "--span", "1", "1"), "span=[1.0, 1.0]; give two numbers"),
        (("relu", "--parameter", "alpha"), "argument --parameter: 'alpha' is not of the form NAME=VALUE"),
        (("relu", "--parameter", "alpha=1"), "relu has no parameter 'alpha'; it takes none"),
        (("relu", "--parameter", "span=1"), "argument --parameter: that is no parameter"),
        (("sigmoid_focal", "--parameter", "hess=up"), "hess='up'; it must be one of exact, clipped"),
        (("relu", "--target", "1"), "targets=[1.0]: relu is an activation, whose picture takes span, threshold"),
        (("relu", "--format", "gif"), "argument --format"),
    ),
)
def test_refused(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        __main__.main(["plot", *arguments])
    assert exit_.value.code == 2 and words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# --- documents --------------------------------------------------------------------------------------------------------------


def test_documents():
    """Each picture is there, small, and shown."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/pictures.md")}
    shown = {(ROOT / name).parent / link for name, text in texts.items() for link in re.findall(r"!\[.*?\]\((.*?)\)", text)}
    pictures = set((ROOT / "docs" / "pictures").iterdir())
    assert pictures and shown >= pictures and all(path.exists() for path in shown)
    for picture in pictures:
        share = len(registry.FUNCTIONS) / 32 if picture.stem == "overview" else 1
        assert picture.stat().st_size <= LARGEST * max(share, 1)
    command = re.search(r"^actloss_c (plot .*) -o docs/pictures$", texts["docs/pictures.md"], flags=re.MULTILINE)[1].split()
    arguments = __main__.parser().parse_args(command)
    assert {picture.stem for picture in pictures} == {*arguments.functions, *(["overview"] if arguments.overview else [])}

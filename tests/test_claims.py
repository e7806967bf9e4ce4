"""`actloss_c claims`: every claim's experiment, what its numbers decide, and the report."""

import html.parser
import json
import re
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
pytest.importorskip("rich")

from actloss_c import __main__
from actloss_c.claims import CLAIMS, command, data, draw, experiment, network, report
from actloss_c.claims.claim import SCALES, Claim, Panel
from actloss_c.claims.statistics import VERDICTS

SEEDS = range(3)
EACH_CLAIM = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.key)
VOID = {"meta", "img", "br", "link", "input", "hr"}


@pytest.fixture(scope="module")
def tiny():
    """{letter: what the claim's smallest experiment measured}."""
    return {claim.key: experiment.run_here(claim, "tiny", SEEDS) for claim in CLAIMS}


@pytest.fixture
def no_pictures(monkeypatch):
    """Pictures are drawn by tests of their own."""
    monkeypatch.setattr(report.draw, "png", lambda panel: panel.title.encode())


@pytest.fixture
def page(tiny, no_pictures):
    return report.page(list(tiny.values()), report.About("quick", SEEDS, 1, 0.5), ["actloss_c 1.2.3", "level x"])


# --- claims -----------------------------------------------------------------------------------------------------------------


def test_letters_are_distinct_and_every_claim_is_whole():
    keys = [claim.key for claim in CLAIMS]
    assert keys == sorted(set(keys)) and keys[:10] == list("abcdefghij")
    for claim in CLAIMS:
        assert isinstance(claim, Claim) and claim.sizes.keys() == set(SCALES)
        for text in (claim.title, claim.statement, claim.method, claim.criterion, *claim.sources):
            assert text.strip()
        assert any(character.isdigit() for source in claim.sources for character in source), "a source has its year"
        assert len(claim.title) <= 55, "it has to fit into a line of the terminal's table"


@EACH_CLAIM
def test_numbers_verdict_and_finding(claim, tiny):
    """The smallest experiment measures finite numbers (or says None), comes to one of the three verdicts and to words."""
    one = tiny[claim.key]
    assert one.judgement.verdict in VERDICTS and one.judgement.sentence().lower().startswith(one.judgement.verdict.split()[0])
    assert one.results.cells
    for _setting, by_seed in one.results.cells:
        assert len(by_seed) == len(SEEDS)
        for measured in by_seed:
            assert claim.columns.keys() <= measured.keys()
            numbers = np.array([v for value in measured.values() for v in np.ravel(value) if v is not None], float)
            assert np.isfinite(numbers).all()
    finding = claim.finding(one.results)
    assert re.search(r"\d", finding) and "nan" not in finding
    assert all(comparison.factors for comparison, *_ in one.judgement.compared)
    json.dumps([setting for setting, _ in one.results.cells])


@EACH_CLAIM
def test_pictures(claim, tiny):
    """Each has words for those who do not see it and finite data; every word lies inside, none of the legend on the axes."""
    panels = list(claim.panels(tiny[claim.key].results))
    assert panels and all(isinstance(panel, Panel) for panel in panels)
    assert len({panel.title for panel in panels}) == len(panels)
    for panel in panels:
        figure = draw.figure(panel)
        figure.draw_without_rendering()
        (axes,) = figure.axes
        assert axes.lines or axes.collections
        assert all(np.isfinite(np.asarray(line.get_xydata(), float)).any() for line in axes.lines)
        frame = figure.bbox.padded(1)
        words = [figure._suptitle, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            words += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        words += [text for legend in figure.legends for text in legend.get_texts()]
        for text in words:
            box = text.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            assert inside or not text.get_text() or not text.get_visible(), f"{panel.title}: {text.get_text()}"
        assert not any(legend.get_window_extent().overlaps(axes.get_tightbbox()) for legend in figure.legends)
        assert len(panel.alt) > 40 and panel.alt.endswith(".")


@EACH_CLAIM
def test_seeds_give_the_same_bits_again(claim, tiny):
    again = experiment.run_here(claim, "tiny", SEEDS)
    assert again.results.cells == tiny[claim.key].results.cells


def test_picture_has_the_same_bytes_again(tiny):
    one = tiny[CLAIMS[0].key]
    first, again = (draw.png(next(iter(one.claim.panels(one.results)))) for _ in range(2))
    assert first == again and first.startswith(b"\x89PNG") and len(first) < 60_000


def test_seeds_differ(tiny):
    """No experiment measures the same for every seed, but for those of which nothing is left to chance."""
    for key, one in tiny.items():
        assert any(by_seed[0] != by_seed[1] for _, by_seed in one.results.cells), key


def test_processes_measure_the_same(tiny):
    """And cells come back in the order of the settings."""
    claims, told = [claim for claim in CLAIMS if claim.key in "bf"], []
    for one in experiment.run_all(claims, "tiny", SEEDS, 2, lambda *news: told.append(news)):
        assert one.results.cells == tiny[one.claim.key].results.cells
    assert {(claim.key, done) for claim, done, total in told if done == total} == {
        (c.key, len(tiny[c.key].results.cells) * 3) for c in claims
    }


# --- networks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none", "centred sigmoid", "maxout", "prelu", "tanh"])
def test_gradient_is_the_slope_of_the_loss(name):
    """In ten random directions, by the central difference."""
    random = np.random.default_rng(1)
    x, labels = random.standard_normal((20, 6)), np.arange(20) % 3
    net = network.Network(network.backend(name), (6, 5, 4, 3), 0, "float64")
    net.loss_and_gradient(x, labels)
    gradient, start = net.gradient.copy(), net.vector.copy()
    for _ in range(10):
        way = random.standard_normal(start.size) * 1e-6
        losses = []
        for sign in (1, -1):
            net.vector[...] = start + sign * way
            losses.append(net.backend.loss(net.predict(x), labels))
        assert losses[0] - losses[1] == pytest.approx(2 * gradient @ way, rel=1e-4)


def test_dead_share():
    z = np.array([[-1.0, 1, -9], [-2, -1, -9]])
    assert network.dead_share(z, "relu") == pytest.approx(2 / 3)
    assert network.dead_share(z, "leaky_relu") == 0 and network.dead_share(z, "leaky_relu", 0.05) == pytest.approx(2 / 3)
    assert network.dead_share(z, "elu") == pytest.approx(1 / 3)


def test_shift_sees_units_shifted_to_opposite_sides():
    """(j) measures units, whose shifts a layer's mean output would cancel."""
    (claim,) = (claim for claim in CLAIMS if claim.key == "j")
    found = claim.measure(0, claim.sizes["tiny"], "wine", "elu")
    split = data.load("wine", 0)
    trained = network.classifier("elu", split, 0, [8], optimiser=0.03, epochs=1)
    ((_, y),) = trained.network.outputs(split.x)
    assert found["shift"] == pytest.approx(np.sqrt(np.mean(y.mean(axis=0) ** 2) / np.mean(y**2)), rel=1e-5)
    assert found["mean"] == pytest.approx(abs(y.mean(axis=0)).mean(), rel=1e-5)


def test_training_that_diverges_is_counted_not_warned_of():
    trained = network.classifier("relu", data.load("wine", 0), 0, [8, 8], optimiser=1e6, epochs=5)
    assert trained.diverged and trained.accuracy(*data.load("wine", 0)[2:]) <= 100
    fine = network.classifier("relu", data.load("wine", 0), 0, [8, 8], optimiser=0.1, epochs=40)
    assert not fine.diverged and fine.accuracies[-1] > 80


def test_data_are_scaled_by_the_training_rows_and_stratified():
    split = data.load("wine", 3, "float64")
    assert np.abs(split.x.mean(axis=0)).max() < 1e-12 and np.allclose(split.x.std(axis=0), 1)
    assert len(split.x) == 142 and len(split.held_out) == 36 and split.classes == 3
    assert np.array_equal(data.table("odd digits")[1], data.table("digits")[1] % 2)


# --- the report -------------------------------------------------------------------------------------------------------------


class Reader(html.parser.HTMLParser):
    """Notes what is open, and every attribute."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text.append(text)


def test_page_is_well_formed_and_needs_nothing_from_outside(page):
    found = Reader(page).found
    assert not {tag for tag, _ in found} & {"script", "link", "iframe", "object"}
    for _tag, attributes in found:
        for name in ("src", "href", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,"))
    assert "url(" not in page and "@import" not in page
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for tag, a in found if tag == "a"} <= set(ids)
    assert all(a.get("alt") for tag, a in found if tag == "img")


def test_page_holds_each_claim_once_with_its_verdict(page, tiny):
    text = "".join(Reader(page).text)
    for claim in CLAIMS:
        assert page.count(f'id="claim-{claim.key}"') == 1
        section = page.split(f'id="claim-{claim.key}"')[1].split("</section>")[0]
        one = tiny[claim.key]
        assert f">{one.judgement.verdict}</span>" in section and one.judgement.sentence() in text
        assert claim.statement in text and claim.criterion in text and all(source in text for source in claim.sources)
    assert "quick" in text and "nan" not in re.findall(r"\bnan\b", text.replace("ends in nan", "").replace("end in nan", ""))
    assert "{" not in text.split("measured", 2)[-1].replace(report.STYLE, "")


def test_numbers_as_text():
    assert report.number(0.01234) == "0.0123" and report.number(-1234.5) == "−1234" and report.number(1.5e-7) == "1.5e−7"
    assert report.number(float("nan")) == "–" and report.number(float("inf")) == "∞"


# --- the command ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    """The command with two of the claims, at their smallest size, in this process."""

    def run_all(claims, _scale, seeds, _jobs, advance):
        for claim in claims:
            advance(claim, 1, 1)
            yield experiment.run_here(claim, "tiny", seeds)

    monkeypatch.setattr(command.experiment, "run_all", run_all)


def test_command(small, no_pictures, tmp_path, capsys):
    assert __main__.main(["claims", "--only", "f, b", "--quick", "--seed", "7", "-o", str(tmp_path / "new")]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert max(map(len, lines[:-1])) <= 80 and lines[-1] == str(tmp_path / "new" / "claims.html") and not err
    assert "quick" in out and "seeds 7 to 11" in out
    numbers = json.loads((tmp_path / "new" / "claims.json").read_text())
    assert list(numbers["claims"]) == ["b", "f"] and numbers["seeds"] == list(range(7, 12)) and numbers["scale"] == "quick"
    for one in numbers["claims"].values():
        assert one["verdict"] in VERDICTS and one["comparisons"] and one["cells"]
        assert all(len(comparison["values"]) == 5 for comparison in one["comparisons"])
    Reader((tmp_path / "new" / "claims.html").read_text())


@pytest.mark.parametrize(
    "options, words",
    [
        (["--only", "a,x"], "'x' is no claim"),
        (["--seeds", "4"], "at least 5"),
        (["--seeds", "few"], "'few'"),
        (["--seed", "-1"], "at least 0"),
        (["--jobs", "0"], "at least 1"),
        (["-o", __file__], "is, or lies in, a file"),
    ],
)
def test_bad_options(options, words, small, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        __main__.main(["claims", "-o", str(tmp_path), *options])
    assert stopped.value.code == 2 and words in capsys.readouterr().err


@pytest.mark.parametrize("module, package", [("matplotlib", "matplotlib"), ("sklearn", "scikit-learn"), ("rich", "rich")])
def test_missing_library_is_named_with_its_extra(module, package, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    assert __main__.main(["claims"]) == 1
    error = capsys.readouterr().err
    assert f"needs {package}," in error and 'pip install "actloss_c[claims]"' in error


def test_folder_that_cannot_be_written_to(small, tmp_path, capsys, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(report, "write", refuse)
    assert __main__.main(["claims", "--only", "b", "-o", str(tmp_path)]) == 1
    assert "cannot write to" in capsys.readouterr().err

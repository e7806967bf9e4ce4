"""The report: one HTML file without anything from outside, and all numbers as JSON."""

import base64
import html
import json
import math
from typing import NamedTuple

import numpy as np

from .. import _dispatch
from ..accuracy import provenance
from . import draw
from .statistics import interval

STYLE = """
:root { --ink: #1a1a1a; --soft: #555; --line: #ccc; --confirmed: #00543c; --not-confirmed: #8f2d00; --depends: #004a7c; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 80rem; color: var(--ink); background: #fff;
  font: 1rem/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.25rem; line-height: 1.3; } h3 { font-size: 1rem; }
h1, h2, h3 { margin: 1.2em 0 .4em; }
p, dl { max-width: 46rem; }
section { border-top: 2px solid var(--line); margin-top: 2rem; }
blockquote { margin: .6rem 0; padding-left: .8rem; border-left: 4px solid var(--line); max-width: 46rem; font-style: italic; }
dt { font-weight: 600; margin-top: .5rem; } dd { margin: 0; }
.soft, figcaption, .sources { color: var(--soft); font-size: .9rem; }
.badge { display: inline-block; padding: .05rem .5rem; border: 2px solid; border-radius: .8rem; font-size: .85rem;
  font-weight: 600; white-space: nowrap; background: #fff; }
.confirmed { color: var(--confirmed); } .not-confirmed { color: var(--not-confirmed); } .depends { color: var(--depends); }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; width: 25.3rem; max-width: 100%; } figure img { width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e3e3e3; }
td.number, th.number { text-align: right; white-space: nowrap; }
thead th { border-bottom: 2px solid var(--line); }
.summary td { padding-top: .4rem; padding-bottom: .4rem; }
a { color: #004a7c; } details { margin: .6rem 0; } summary { cursor: pointer; }
@media (max-width: 40rem) { body { padding: .75rem; }
  .summary thead { display: none; } .summary tr { display: block; padding: .5rem 0; border-bottom: 1px solid #e3e3e3; }
  .summary td { display: block; border: 0; padding: .1rem 0; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } .wide { overflow: visible; }
  figure, tr, blockquote { break-inside: avoid; } h2, h3 { break-after: avoid; } figure { width: 48%; }
  table { font-size: 8pt; } }
"""


class About(NamedTuple):
    """How a run was made."""

    scale: str
    seeds: range
    jobs: int
    seconds: float

    def words(self):
        quick = " (quick: fewer seeds, smaller experiments)" if self.scale == "quick" else ""
        processes = f"{self.jobs} process{'es' * (self.jobs > 1)}"
        return f"seeds {self.seeds[0]} to {self.seeds[-1]}, {self.seconds:.0f} s on {processes}{quick}"


def versions():
    """Lines that say whose numbers these are."""
    import matplotlib
    import scipy
    import sklearn

    found = {"NumPy": np.__version__, "SciPy": scipy.__version__, "scikit-learn": sklearn.__version__}
    return [*provenance(found | {"Matplotlib": matplotlib.__version__}), f"level {_dispatch.LEVEL}"]


def write(folder, measured, about):
    """Writes claims.html and claims.json; returns the path of the former."""
    folder.mkdir(parents=True, exist_ok=True)
    made_by = versions()
    text = json.dumps(_numbers(measured, about, made_by), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    (folder / "claims.json").write_text(text + "\n", encoding="utf-8")
    path = folder / "claims.html"
    path.write_text(page(measured, about, made_by), encoding="utf-8")
    return path


# --- numbers ----------------------------------------------------------------------------------------------------------------


def _plain(value):
    """Numbers as JSON has them: null for what is not finite."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value


def _numbers(measured, about, made_by):
    claims = {}
    for one in measured:
        claim, judgement = one.claim, one.judgement
        compared = [
            {"factors": c.factors, "claimed between": (c.low, c.high), "log10": c.ratio, "values": c.values, "mean": found.mean}
            | {"interval": (found.low, found.high), "seeds": found.n, "outcome": outcome}
            for c, found, outcome in judgement.compared
        ]
        claims[claim.key] = {
            **{name: getattr(claim, name) for name in ("title", "statement", "sources", "criterion")},
            "verdict": judgement.verdict,
            "depends_on": judgement.depends_on,
            "sentence": judgement.sentence(),
            "finding": claim.finding(one.results),
            "seconds": one.seconds,
            "size": one.results.size,
            "comparisons": compared,
            "cells": [{"setting": setting, "by_seed": by_seed} for setting, by_seed in one.results.cells],
        }
    head = {"made_by": made_by, "scale": about.scale, "seeds": list(about.seeds), "seconds": about.seconds, "jobs": about.jobs}
    return _plain({**head, "claims": claims})


def number(value):
    """Three digits, or as many as there are before the point."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "−∞" if value < 0 else "∞"
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}" if abs(value) < 1e5 else f"{value:.2e}"
    return text.replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def spread(found, log=False):
    """An interval as text."""
    with np.errstate(over="ignore"):
        mean, low, high = (float(np.power(10.0, one)) if log else one for one in found[:3])
    if found.n < 2:
        return f"{number(mean)} (no interval)"
    return number(mean) if low == high else f"{number(mean)} ({number(low)} to {number(high)})"


def region(comparison):
    """Where the claim puts the number."""
    low, high = (float(np.power(10.0, one)) if comparison.ratio else one for one in (comparison.low, comparison.high))
    nothing = 0 if comparison.ratio else -math.inf
    if low == nothing:
        return f"below {number(high)}" if high > 1e-6 or comparison.ratio else "0"
    return f"above {number(low)}" if math.isinf(high) else f"{number(low)} to {number(high)}"


# --- HTML -------------------------------------------------------------------------------------------------------------------


def table(heads, rows, numeric):
    """An HTML table that scrolls on narrow screens; `numeric` are the indices of columns of numbers."""

    def line(cells, tag):
        scope = ' scope="col"' if tag == "th" else ""
        classes = (' class="number"' if k in numeric else "" for k in range(len(cells)))
        return (
            "<tr>"
            + "".join(f"<{tag}{scope}{c}>{html.escape(str(x))}</{tag}>" for c, x in zip(classes, cells, strict=True))
            + "</tr>"
        )

    body = "\n".join(line(row, "td") for row in rows)
    around = '<div class="wide" tabindex="0" role="region" aria-label="table">'
    return f"{around}<table><thead>{line(heads, 'th')}</thead><tbody>\n{body}\n</tbody></table></div>"


def comparisons_table(judgement):
    factors = list(dict.fromkeys(name for c, *_ in judgement.compared for name in c.factors))
    heads = ["outcome", *factors, "mean (interval)", "claimed", "seeds"]
    rows = [
        [outcome, *(c.factors.get(name, "") for name in factors), spread(found, c.ratio), region(c), found.n]
        for c, found, outcome in judgement.compared
    ]
    return table(heads, rows, {len(heads) - 1, len(heads) - 2, len(heads) - 3})


def numbers_table(measured):
    claim = measured.claim
    shown = [(setting, by_seed) for setting, by_seed in measured.results.cells if claim.in_table(setting)]
    names = list(dict.fromkeys(name for setting, _ in shown for name in setting))
    rows = []
    for setting, by_seed in shown:
        cells = []
        for name, column in claim.columns.items():
            values = np.array([one[name] for one in by_seed], float)
            cells.append(spread(interval(values), column.log) if np.isfinite(values).any() else "–")
        rows.append([*(setting.get(name, "") for name in names), *cells])
    heads = [*names, *(column.heading for column in claim.columns.values())]
    return table(heads, rows, set(range(len(names), len(heads))))


def badge(verdict):
    return f'<span class="badge {verdict.replace(" ", "-")}">{verdict}</span>'


def section(measured):
    """Everything about one claim."""
    claim, judgement, e = measured.claim, measured.judgement, html.escape
    size = {
        name: ", ".join(f"{v:g}" for v in value) if isinstance(value, list) else value
        for name, value in measured.results.size.items()
    }
    figures = []
    for panel in claim.panels(measured.results):
        picture = base64.b64encode(draw.png(panel)).decode()
        figures.append(f'<figure><img src="data:image/png;base64,{picture}" alt="{e(panel.alt, quote=True)}"></figure>')
    level = 1 - 0.05 / len(judgement.compared)
    parts = [
        f'<section id="claim-{claim.key}">',
        f"<h2>({claim.key}) {e(claim.title[0].upper() + claim.title[1:])} {badge(judgement.verdict)}</h2>",
        f"<blockquote>{e(claim.statement)}</blockquote>",
        f'<p class="sources">{e("; ".join(claim.sources))}</p>',
        f"<p><strong>{e(judgement.sentence())}</strong> {e(claim.finding(measured.results))}</p>",
        f'<p class="soft">As claimed, by {e(judgement.by_factor())}.</p>' if judgement.depends_on else "",
        f'<div class="figures">{"".join(figures)}</div>',
        f"<dl><dt>What was done</dt><dd>{e(claim.method.format(**size))} {len(measured.results.seeds)} seeds; "
        f"{measured.seconds:.0f} s of one processor.</dd>",
        f"<dt>What decides, fixed before this run</dt><dd>{e(claim.criterion)}</dd></dl>",
        f"<details open><summary>Comparisons: {len(judgement.compared)}, with simultaneous 95 % intervals "
        f"({100 * level:.4g} % each)</summary>",
        comparisons_table(judgement),
        "</details>",
    ]
    if claim.columns:
        parts += ["<details><summary>All settings, mean with 95 % interval</summary>", numbers_table(measured), "</details>"]
    return "\n".join([*parts, "</section>"])


def page(measured, about, made_by):
    """The whole report."""
    e = html.escape
    rows = "\n".join(
        f'<tr><td><a href="#claim-{one.claim.key}">({one.claim.key})</a></td><td>{e(one.claim.statement)}</td>'
        f"<td>{badge(one.judgement.verdict)}</td><td>{e(one.judgement.sentence())}</td></tr>"
        for one in measured
    )
    sections = "\n".join(map(section, measured))
    made = "<br>".join(map(e, made_by))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Claims about activations and losses, measured</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Claims about activations and losses, measured</h1>
<p>What the literature says of activations and losses, each as an experiment with the functions of actloss_c on real data that
comes with scikit-learn (claims about functions: on functions). A claim is <em>confirmed</em> if every comparison comes out as
claimed, <em>not confirmed</em> if none does, and otherwise <em>depends</em>. A comparison comes out as claimed if the
confidence interval of its mean over the seeds lies where the claim puts it; the intervals of a claim hold all at once, with
95 % confidence (Student's, at Bonferroni's level). Pairs share split, seed and order of batches.</p>
<p class="soft">{e(about.words()[0].upper() + about.words()[1:])}.<br>{made}</p>
<table class="summary">
<thead><tr><th scope="col"></th><th scope="col">claim</th><th scope="col">verdict</th>
<th scope="col">by the numbers</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
{sections}
</body>
</html>
"""

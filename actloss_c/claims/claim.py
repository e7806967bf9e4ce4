"""What a claim is: a sentence, an experiment on seeds, and how its numbers decide."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

SCALES = ("full", "quick", "tiny")  # tiny is for tests


class Panel(NamedTuple):
    """A picture: its title, what it shows in words for those who do not see it, and a function that draws it on an Axes."""

    title: str
    alt: str
    draw: Callable


class Column(NamedTuple):
    """A column of the table of numbers: its heading, and whether numbers are log10 of what is shown."""

    heading: str
    log: bool = False


@dataclass(frozen=True)
class Claim:
    """One claim of the literature, and the experiment that measures it.

    key         a letter
    title       a few words
    statement   the claim in a sentence
    sources     papers
    method      what is done: a text with {names} of the size's numbers
    criterion   how the numbers decide, fixed before they are looked at
    sizes       {scale: {name: number}} for each of SCALES
    settings    size → dicts, each a cell of the experiment: names and values that JSON knows
    measure     (seed, size, **setting) → {name: number or list of numbers}, a function of the module's top level
    compare     Results → Comparisons
    finding     Results → what came out, with numbers, in a sentence or two
    panels      Results → Panels
    columns     {name of a measured number: Column}, for the table
    in_table    setting → whether it has a row there
    """

    key: str
    title: str
    statement: str
    sources: tuple
    method: str
    criterion: str
    sizes: dict
    settings: Callable
    measure: Callable
    compare: Callable
    finding: Callable
    panels: Callable
    columns: dict
    in_table: Callable = lambda setting: True


class Results:
    """What was measured: `of(name, **setting)` gives one number (or list) per seed, as a float64 array."""

    def __init__(self, size, seeds, cells):
        """cells: (setting, [measured by each seed]) in the order of the settings."""
        self.size, self.seeds, self.cells = size, list(seeds), list(cells)
        self._by_setting = {frozenset(setting.items()): measured for setting, measured in self.cells}

    def of(self, name, **setting):
        """(seeds,) or (seeds, length); KeyError if there is no such setting."""
        return np.array([measured[name] for measured in self._by_setting[frozenset(setting.items())]], float)

    def over(self, factor, values, name, **setting):
        """(seeds, len(values)): the numbers for each value of one more factor."""
        return np.stack([self.of(name, **setting, **{factor: value}) for value in values], axis=1)

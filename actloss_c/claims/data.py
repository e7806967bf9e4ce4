"""The data sets that come with scikit-learn: real, small, and there without a download."""

import functools
from typing import NamedTuple

import numpy as np

CLASSIFICATION = ("digits", "odd digits", "wine", "breast cancer")


class Split(NamedTuple):
    """Training and held-out rows; inputs have mean 0 and standard deviation 1 over the training rows."""

    x: np.ndarray
    target: np.ndarray
    held_out: np.ndarray
    held_out_target: np.ndarray

    @property
    def classes(self):
        return int(self.target.max()) + 1


@functools.cache
def table(name):
    """(x, target) as scikit-learn has them; "odd digits" asks whether the digit is odd."""
    from sklearn import datasets

    if name == "odd digits":
        x, digit = table("digits")
        return x, digit % 2
    return getattr(datasets, f"load_{name.replace(' ', '_')}")(return_X_y=True)


@functools.lru_cache(8)
def load(name, seed, dtype="float32"):
    """A Split by seed: four fifths for training, classes in equal shares."""
    from sklearn.model_selection import train_test_split

    x, target = table(name)
    stratify = target if name in CLASSIFICATION else None
    x, held_out, target, other = train_test_split(x, target, train_size=0.8, random_state=seed, stratify=stratify)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1  # pixels that are white in every image
    return Split(((x - mean) / spread).astype(dtype), target, ((held_out - mean) / spread).astype(dtype), other)

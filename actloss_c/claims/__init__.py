"""Claims of the literature about activations and losses, each with an experiment that can fail to confirm it.

A further claim is one file beside these, which ends in `CLAIM = Claim(…)` (claim.py says what that holds), and its line in
CLAIMS: the command, the report and the tests follow. scikit-learn and matplotlib are imported when an experiment runs.
"""

from . import (
    centring,
    convexity,
    dead_units,
    depth,
    elu,
    gradients,
    losses,
    maxout,
    stability,
    thirty_layers,
)

CLAIMS = (
    depth.CLAIM,
    gradients.CLAIM,
    centring.CLAIM,
    dead_units.CLAIM,
    thirty_layers.CLAIM,
    maxout.CLAIM,
    losses.CLAIM,
    stability.CLAIM,
    convexity.CLAIM,
    elu.CLAIM,
)

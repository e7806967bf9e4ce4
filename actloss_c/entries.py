"""What an entry of the registry holds: one class per kind of function, data alone."""

import re

INF, NAN = float("inf"), float("nan")


class Parameter:
    """A parameter of a function: positional or keyword, broadcast against x."""

    def __init__(self, name, default, meaning, learned=None, *, domain=None, none=None, choices=None):
        self.name = name
        self.default = default
        self.meaning = meaning
        self.learned = learned  # ∂f/∂parameter in NumPy, if backward shall also return the gradient for it
        self.domain = domain  # a name in DOMAINS, or None for any number
        self.none = none  # the number that stands for None
        self.choices = choices  # {word: the number that stands for it}, if the parameter is a word


class ActivationEntry:
    """Data of one elementwise activation; its kernel is src/activations/<name>.pxd."""

    folder = "activations"

    def __init__(
        self,
        name,
        formula,
        *,
        numpy,
        range,
        paper,
        params=(),
        kinks=(),
        kinks_as=None,
        smooth_if=None,
        monotone=True,
        odd=False,
        saturation=(None, None),
        remark=None,
        halves=False,
        cheap=False,
        ulp,
        ulp_baseline,
    ):
        self.name = name
        self.formula = formula
        self.numpy = numpy  # (value, derivative)
        self.params = params
        self.range = range
        self.kinks = kinks  # x where f' jumps; the formula's own comparison says which side f' takes
        self.kinks_as = kinks_as  # who else takes that side
        self.smooth_if = smooth_if  # condition on the parameters under which the kinks vanish
        self.monotone = monotone  # for non-negative parameters
        self.odd = odd
        self.saturation = saturation  # (left, right): "soft" (f' → 0), "hard" (f' = 0) or None
        self.remark = remark  # where the parameters meet the ends of the number range
        self.halves = halves  # the kernel comes as <name>_first and <name>_second: see src/halves.pxd
        self.cheap = cheap  # the kernel takes less time than memory: of large arrays its results go past the caches everywhere
        self.paper = paper
        self.ulp = ulp
        self.ulp_baseline = ulp_baseline


class Option:
    """An option of a loss: keyword only, one value for the call."""

    def __init__(self, name, default, annotation, meaning):
        self.name = name
        self.default = default
        self.annotation = annotation  # in the type stub
        self.meaning = meaning


class LossEntry:
    """Data of one loss over rows of classes; its kernel is src/rows/<name>.pxd. The formula is that of a label `target`."""

    folder = "rows"

    def __init__(
        self,
        name,
        formula,
        *,
        variable="z",
        soft=True,
        options,
        remarks,
        numpy,
        gradient,
        hessian,
        scale=None,
        terms=None,
        range,
        paper,
        convex,
        ulp,
        ulp_baseline,
    ):
        self.name = name
        self.formula = formula
        self.variable = variable  # z for logits, a for probabilities
        self.soft = soft  # whether a target may be a distribution
        self.options = options
        self.constants = {o.name: o.default for o in options if re.search(rf"\b{o.name}\b", formula)}  # options in the formula
        self.remarks = remarks  # limits, and where PyTorch's formula stands beside this one
        self.numpy = numpy
        self.gradient = gradient  # in words of the field, for the docstring
        self.hessian = hessian
        # The size of the terms that cancel in the Hessian, if they do: its error is in units of their last place. An expression
        # of an entry's p, own (whether it is the label's), and the row's p_t, q = 1 − p_t, loss = −log p_t, with terms put in.
        self.scale = scale
        self.terms = terms or {}
        self.range = range
        self.convex = convex
        self.paper = paper
        self.ulp = ulp
        self.ulp_baseline = ulp_baseline


class PairLossEntry:
    """Data of one loss over pairs of a prediction and its target; its kernel is src/losses/<name>.pxd.

    formula, gradient and hessian are executable once `terms` are put in. The variable says what is predicted: `z` a logit or
    linear predictor, `a` the quantity itself. `scale` holds, for loss, gradient and Hessian, the size of the terms that
    cancel, as an expression: there the error is in units of that size's last place. None: of the exact result's.
    """

    folder = "losses"

    def __init__(
        self,
        name,
        variable,
        formula,
        *,
        gradient,
        hessian,
        terms=None,
        params=(),
        prediction=None,
        target=None,
        scale=(None, None, None),
        range=(0.0, INF),
        optimum=None,
        convex=True,
        remark=None,
        halves=False,
        cheap=False,
        paper,
        ulp,
        ulp_baseline=None,
    ):
        self.name = name
        self.variable = variable
        self.formula = formula
        self.gradient = gradient
        self.hessian = hessian
        self.terms = terms or {}  # {name in the formulas: what it stands for}
        self.params = params
        self.prediction = prediction  # what the prediction may be: a name in DOMAINS, or None for any number
        self.target = target  # what the target may be
        self.scale = scale
        self.range = range
        self.halves = halves  # as for an activation
        self.cheap = cheap  # likewise
        self.optimum = optimum  # the prediction at which the gradient is 0, in terms of the target
        self.convex = convex
        self.remark = remark
        self.paper = paper
        self.ulp = ulp
        self.ulp_baseline = ulp_baseline or ulp


# A focal loss's option hess: what no entry of the diagonal lies below.
HESSIANS = {"exact": -INF, "clipped": 0.0}

REPAIR = "correct it or drop the sample"

# What an argument may be: (in words, two points, an open interval, what to do with any other target)
DOMAINS = {
    "unit": ("lie in [0, 1]", (0.0, 1.0), (0.0, 1.0), "labels −1 and 1 become such by (target + 1) / 2"),
    "open unit": ("lie between 0 and 1", (0.5, 0.5), (0.0, 1.0), REPAIR),
    "nonnegative": ("be finite and at least 0", (0.0, 0.0), (0.0, INF), REPAIR),
    "positive": ("be finite and above 0", (1.0, 1.0), (0.0, INF), REPAIR),
    "binary": ("be 0 or 1", (0.0, 1.0), (0.0, 0.0), "labels −1 and 1 become such by (target + 1) / 2"),
    "sign": ("be −1 or 1", (-1.0, 1.0), (0.0, 0.0), "labels 0 and 1 become such by 2 * target - 1"),
}


class RowEntry:
    """Data of one function of rows of classes; its kernel is src/rows/<name>.pxd. The formula is that of one entry z of a row."""

    folder = "rows"

    def __init__(self, name, formula, *, written=None, backward, hidden, reduces=False, range, units, paper, ulp, ulp_baseline):
        self.name = name
        self.formula = formula
        self.written = written or formula  # for readers, where the formula is but a name
        self.backward = backward  # in words of the field, for the docstring
        self.hidden = hidden  # value at a masked entry, or of a row of which all are masked
        self.reduces = reduces  # one value per row
        self.range = range
        self.units = units  # what the bounds count in, where that is not the last place of the result
        self.paper = paper
        self.ulp = ulp  # (value, backward)
        self.ulp_baseline = ulp_baseline


class MaxoutEntry:
    """Data of a maximum over pieces; its kernel is src/rows/<file>.pxd. The formula is for readers: np.argmax is the oracle."""

    folder = "rows"

    def __init__(self, name, formula, *, linear=False, file=None, paper, ulp):
        self.name = name
        self.formula = formula
        self.linear = linear  # of linear maps, whose products are NumPy's
        self.file = file or name
        self.paper = paper
        self.ulp = self.ulp_baseline = ulp  # (value, derivative); None where the products decide


class LinearLossEntry:
    """Data of a loss of LOSSES over the logits x @ W + b, whose products are NumPy's; its kernel is that loss's."""

    folder = "rows"
    ulp = ulp_baseline = None  # the products decide

    def __init__(self, name, formula, *, loss, options, gradient, paper):
        self.name = name
        self.formula = formula
        self.loss = self.file = loss
        self.options = options
        self.gradient = gradient
        self.paper = paper


class ElementaryEntry:
    """Data of one function that kernels are made of, value only, not published; it stands in src/elementary/<file>.pxd."""

    folder = "elementary"
    kinks = ()

    def __init__(self, name, formula, *, limits, ulp, ulp_baseline, file=None, domain=(-INF, INF), thresholds=()):
        self.name = name
        self.formula = formula
        self.limits = limits  # f(−inf), f(inf)
        self.domain = domain  # NaN outside; a finite lower end is a pole, where f is −inf
        self.thresholds = thresholds  # where the method changes, in either dtype: tests look there
        self.file = file or name
        self.ulp = ulp
        self.ulp_baseline = ulp_baseline

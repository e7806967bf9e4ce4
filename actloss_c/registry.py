"""THE list of functions: one entry per function, pure data. Imports nothing; setup.py and docs/generate.py load it by path.

An entry's formula is executable (see oracle.py for its vocabulary). Its readers: the mpmath oracle of value and derivative,
the naive NumPy baseline, the docstring, the README's table. `numpy` holds value and derivative as an experienced NumPy user
writes them, the derivative from `y` where that is the habit, selects as mask arithmetic (five times as fast as `where` on random
signs); baseline.py turns them into calls with `out=` for the benchmarks.

ULP bounds are {dtype: (value, derivative)} in units in the last place of the true result, for all levels with FMA; `ulp_baseline`
for the one without. The tests read them here. For a loss they are (loss, gradient, Hessian) of one row, for an elementary
function (value,).
"""

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
        self, name, formula, *, variable="z", options, remarks, numpy, gradient, hessian, range, paper, convex, ulp, ulp_baseline
    ):
        self.name = name
        self.formula = formula
        self.variable = variable  # z for logits, a for probabilities
        self.options = options
        self.remarks = remarks  # limits, and where PyTorch's formula stands beside this one
        self.numpy = numpy
        self.gradient = gradient  # in words of the field, for the docstring
        self.hessian = hessian
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
        self.optimum = optimum  # the prediction at which the gradient is 0, in terms of the target
        self.convex = convex
        self.remark = remark
        self.paper = paper
        self.ulp = ulp
        self.ulp_baseline = ulp_baseline or ulp


# What an argument may be: (in words, two points, an open interval)
DOMAINS = {
    "unit": ("lie in [0, 1]", (0.0, 1.0), (0.0, 1.0)),
    "open unit": ("lie between 0 and 1", (0.5, 0.5), (0.0, 1.0)),
    "nonnegative": ("be finite and at least 0", (0.0, 0.0), (0.0, INF)),
    "positive": ("be finite and above 0", (1.0, 1.0), (0.0, INF)),
    "binary": ("be 0 or 1", (0.0, 1.0), (0.0, 0.0)),
    "sign": ("be −1 or 1", (-1.0, 1.0), (0.0, 0.0)),
}


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


ACTIVATIONS = (
    ActivationEntry(
        "sigmoid",
        "1 / (1 + exp(-x))",
        numpy=("1 / (1 + exp(-x))", "y * (1 - y)"),
        range=(0.0, 1.0),
        saturation=("soft", "soft"),
        paper="Verhulst 1838; Rumelhart, Hinton and Williams, Nature 323, 1986, eq. 2",
        ulp={"float32": (1, 2), "float64": (1, 2)},
        ulp_baseline={"float32": (1.5, 3), "float64": (1.5, 3)},
    ),
    ActivationEntry(
        "tanh",
        "tanh(x)",
        numpy=("tanh(x)", "1 - y * y"),
        range=(-1.0, 1.0),
        odd=True,
        saturation=("soft", "soft"),
        paper="LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998, section 4.4",
        ulp={"float32": (1.7, 2), "float64": (1.7, 2)},
        ulp_baseline={"float32": (2, 3), "float64": (2, 3)},
    ),
    ActivationEntry(
        "relu",
        "where(x > 0, x, 0)",
        numpy=("maximum(x, 0)", "x > 0"),
        range=(0.0, INF),
        kinks=(0.0,),
        kinks_as="PyTorch",
        saturation=("hard", None),
        paper="Nair and Hinton, ICML 2010, section 2",
        ulp={"float32": (0, 0), "float64": (0, 0)},
        ulp_baseline={"float32": (0, 0), "float64": (0, 0)},
    ),
    ActivationEntry(
        "leaky_relu",
        "where(x > 0, x, alpha * x)",
        numpy=("maximum(x, alpha * x)", "alpha + (1 - alpha) * (x > 0)"),
        params=(Parameter("alpha", 0.01, "slope for x ≤ 0"),),
        range=(-INF, INF),
        kinks=(0.0,),
        kinks_as="PyTorch",
        smooth_if="alpha == 1",
        remark="alpha = 0 makes f(−inf) NaN, the product 0·inf, as in PyTorch",
        paper="Maas, Hannun and Ng, ICML 2013, eq. 2",
        ulp={"float32": (0.5, 0), "float64": (0.5, 0)},
        ulp_baseline={"float32": (0.5, 0), "float64": (0.5, 0)},
    ),
    ActivationEntry(
        "prelu",
        "where(x > 0, x, alpha * x)",
        numpy=("maximum(x, 0) + alpha * minimum(x, 0)", "alpha + (1 - alpha) * (x > 0)"),
        params=(Parameter("alpha", 0.25, "slope for x ≤ 0, learned", learned="minimum(x, 0)"),),
        range=(-INF, INF),
        kinks=(0.0,),
        kinks_as="PyTorch",
        smooth_if="alpha == 1",
        remark="alpha = 0 makes f(−inf) NaN, the product 0·inf, as in PyTorch; g = ±inf at x > 0 makes dalpha NaN (PyTorch: 0)",
        paper="He, Zhang, Ren and Sun, ICCV 2015, eq. 1",
        ulp={"float32": (0.5, 0), "float64": (0.5, 0)},
        ulp_baseline={"float32": (0.5, 0), "float64": (0.5, 0)},
    ),
    ActivationEntry(
        "elu",
        "where(x > 0, x, alpha * expm1(x))",
        numpy=("maximum(x, 0) + alpha * expm1(minimum(x, 0))", "minimum(y, 0) + alpha + (1 - alpha) * (x > 0)"),
        params=(Parameter("alpha", 1.0, "minus the limit at −inf, at most 1e12 in magnitude"),),
        range=(-INF, INF),
        kinks=(0.0,),
        kinks_as="PyTorch",
        smooth_if="alpha == 1",
        saturation=("soft", None),
        remark="the error bounds hold up to |alpha| = 2^40 (float64: 2^400); from 2^64 (2^512) on f′(0) overflows",
        paper="Clevert, Unterthiner and Hochreiter, ICLR 2016, eq. 15",
        ulp={"float32": (2, 2), "float64": (2, 2)},
        ulp_baseline={"float32": (2, 2), "float64": (2, 2)},
    ),
    ActivationEntry(
        "softsign",
        "x / (1 + abs(x))",
        numpy=("x / (1 + abs(x))", "(1 - abs(y)) ** 2"),
        range=(-1.0, 1.0),
        odd=True,
        saturation=("soft", "soft"),
        paper="Turian, Bergstra and Bengio, NAACL 2009, section 3",
        ulp={"float32": (0.6, 1.1), "float64": (0.6, 1.1)},
        ulp_baseline={"float32": (2, 2.5), "float64": (2, 2.5)},
    ),
)

CLASS_WEIGHT = Option("class_weight", None, "ArrayLike | None", "a weight ≥ 0 per class, of what the target says of the class")
IGNORED = "rows with this label have the loss 0, derivatives of 0 and no part in the mean, NaN or not; for labels only"
IGNORE_INDEX = Option("ignore_index", None, "int | None", IGNORED)
NOTHING = '"zero" or "nan" (as PyTorch): the mean over no row, ignored rows or weights of 0; its gradient is 0 in either case'
EMPTY = Option("empty", "zero", 'Literal["zero", "nan"]', NOTHING)
SOFTMAX_OPTIONS = (
    CLASS_WEIGHT,
    IGNORE_INDEX,
    EMPTY,
    Option("label_smoothing", 0.0, "float", "ε in [0, 1]: of the target, ε is spread evenly over all classes"),
    Option("softcap", None, "float | None", "c > 0 puts c tanh(z / c) for z, before the temperature"),
    Option("temperature", 1.0, "float", "T > 0 divides z"),
    Option("z_loss", 0.0, "float", "ζ ≥ 0 adds ζ logsumexp(z)² to each row, which class weights do not multiply"),
)
MEAN = """With labels the mean divides by Σ sample_weightᵢ class_weight[targetᵢ] over the rows that count, with a distribution by
Σ sample_weightᵢ. PyTorch's F.cross_entropy, whose weight is class_weight, knows no sample weights and divides by
Σ weight[targetᵢ] or, for a distribution, the number of rows: the same for sample weights of 1."""
SOFT_TARGETS = """A distribution, or a label with options, has the loss Σ_j q_j (logsumexp(z) − z_j) + ζ logsumexp(z)² with q_j =
    w_t (1 − ε) [j = t] + w_j ε / classes for a label t, w_j ((1 − ε) y_j + ε / classes) for a distribution y,
and the gradient (Σ q + 2 ζ logsumexp(z)) p − q. Σ y need not be 1 (nor does PyTorch check it). 0·inf is 0: a logit of −inf
costs nothing where q_j is 0 (PyTorch: NaN) and inf where it is not, as with label_smoothing; its gradient is −q_j. The
Hessian's diagonal follows all options. A softcapped logit is off by up to 3 units in its last place."""
UNCLIPPED = """A distribution q has the loss −Σ_j q_j log a_j. Nothing is clipped: at a_j = 0 the loss is inf where q_j > 0, with
a gradient of −inf and a Hessian of inf; where q_j is 0 all three are 0, whatever a_j is. Derivatives are by each a_j alone."""

LOSSES = (
    LossEntry(
        "softmax_cross_entropy",
        "logsumexp(z) - pick(z, target)",
        options=SOFTMAX_OPTIONS,
        remarks=(MEAN, SOFT_TARGETS),
        numpy=("logsumexp(z) - pick(z, target)", "softmax(z) - onehot(target)"),
        gradient="p − onehot(target)",
        hessian="p (1 − p), the diagonal",
        range=(0.0, INF),
        convex=True,
        paper="Bridle, NATO ASI F68, 1990; sums as in Blanchard, Higham and Higham, IMA JNA 41, 2021, alg. 4.1",
        ulp={"float32": (4, 4, 5.5), "float64": (4, 4, 5.5)},
        ulp_baseline={"float32": (4, 4, 5.5), "float64": (4, 4, 5.5)},
    ),
    LossEntry(
        "cross_entropy",
        "-log(pick(a, target))",
        variable="a",
        options=(CLASS_WEIGHT, IGNORE_INDEX, EMPTY),
        remarks=(MEAN, UNCLIPPED),
        numpy=("-log(pick(a, target))", "(0 * a - onehot(target)) / a"),
        gradient="−onehot(target) / a",
        hessian="onehot(target) / a², the diagonal",
        range=(0.0, INF),
        convex=True,
        paper="Shannon, Bell System Technical Journal 27, 1948; Good, JRSS B 14, 1952, section 8",
        ulp={"float32": (1.5, 1, 1.5), "float64": (1.5, 1, 1.5)},
        ulp_baseline={"float32": (1.5, 1, 1.5), "float64": (1.5, 1, 1.5)},
    ),
)

PAIR_LOSSES = (
    PairLossEntry(
        "squared_error",
        "a",
        "(a - target) ** 2 / 2",
        gradient="a - target",
        hessian="1",
        optimum="target",
        paper="Legendre 1805; Rumelhart, Hinton and Williams, Nature 323, 1986, eq. 3",
        ulp={"float32": (2, 0.5, 0), "float64": (2, 0.5, 0)},
    ),
    PairLossEntry(
        "sigmoid_squared_error",
        "z",
        "(p - target) ** 2 / 2",
        gradient="(p - target) * p * q",
        hessian="p * q * (p * q + (p - target) * (q - p))",
        terms={"p": "sigmoid(z)", "q": "sigmoid(-z)", "near": "where(z < 0, abs(target), abs(1 - target))"},
        scale=("abs(p - target) * near", "p * q * near", "p * q * maximum(p * q, maximum(near, abs(p - target)) * abs(q - p))"),
        target="unit",
        optimum="log(target / (1 - target))",
        convex=False,
        paper="Rumelhart, Hinton and Williams, Nature 323, 1986, eqs. 2 and 3",
        ulp={"float32": (2, 3, 4), "float64": (2, 3, 4)},
        ulp_baseline={"float32": (2, 4, 4), "float64": (2, 4, 4)},
    ),
    PairLossEntry(
        "absolute_error",
        "a",
        "abs(a - target)",
        gradient="sign(a - target)",
        hessian="0",
        optimum="target",
        remark="the gradient at a = target is 0, as in PyTorch; scikit-learn takes −1",
        paper="Boscovich 1757; Bloomfield and Steiger, Least Absolute Deviations, 1983",
        ulp={"float32": (0.5, 0, 0), "float64": (0.5, 0, 0)},
    ),
    PairLossEntry(
        "pinball",
        "a",
        "where(a > target, (1 - quantile) * (a - target), quantile * (target - a))",
        gradient="where(a > target, 1 - quantile, -quantile)",
        hessian="0",
        params=(Parameter("quantile", 0.5, "the quantile that minimises the mean loss", domain="open unit"),),
        optimum="target",
        remark="the gradient at a = target is −quantile, as in scikit-learn",
        paper="Koenker and Bassett, Econometrica 46, 1978",
        ulp={"float32": (2, 0.5, 0), "float64": (2, 0.5, 0)},
    ),
    PairLossEntry(
        "huber",
        "a",
        "where(abs(a - target) <= delta, (a - target) ** 2 / 2, delta * (abs(a - target) - delta / 2))",
        gradient="where(abs(a - target) <= delta, a - target, delta * sign(a - target))",
        hessian="where(abs(a - target) <= delta, 1, 0)",
        params=(Parameter("delta", 1.0, "where the quadratic part ends", domain="positive"),),
        optimum="target",
        remark="the Hessian at |a − target| = delta is 1, as in scikit-learn",
        paper="Huber, Annals of Mathematical Statistics 35, 1964",
        ulp={"float32": (2, 0.5, 0), "float64": (2, 0.5, 0)},
    ),
    PairLossEntry(
        "smooth_l1",
        "a",
        "where(abs(a - target) < beta, (a - target) ** 2 / (2 * beta), abs(a - target) - beta / 2)",
        gradient="where(abs(a - target) < beta, (a - target) / beta, sign(a - target))",
        hessian="where(abs(a - target) < beta, 1 / beta, 0)",
        params=(Parameter("beta", 1.0, "where the quadratic part ends; 0 leaves the absolute error", domain="nonnegative"),),
        optimum="target",
        remark="the Hessian at |a − target| = beta is 0; this is huber / beta",
        paper="Girshick, Fast R-CNN, ICCV 2015, eq. 3",
        ulp={"float32": (2, 1, 0.5), "float64": (2, 1, 0.5)},
    ),
    PairLossEntry(
        "log_cosh",
        "a",
        "log1p(square(sinh(a - target))) / 2",
        gradient="tanh(a - target)",
        hessian="1 / cosh(a - target) ** 2",
        optimum="target",
        remark="½ r² near the target, |r| − log 2 far from it",
        paper="Green, IEEE Transactions on Medical Imaging 9, 1990",
        ulp={"float32": (2, 1.5, 2), "float64": (2, 1.5, 2)},
    ),
    PairLossEntry(
        "hinge",
        "z",
        "maximum(1 - target * z, 0)",
        gradient="where(target * z < 1, -target, 0)",
        hessian="0",
        target="sign",
        remark="the gradient at the margin target·z = 1 is 0",
        paper="Cortes and Vapnik, Machine Learning 20, 1995",
        ulp={"float32": (0.5, 0, 0), "float64": (0.5, 0, 0)},
    ),
    PairLossEntry(
        "squared_hinge",
        "z",
        "square(maximum(1 - target * z, 0))",
        gradient="-2 * target * maximum(1 - target * z, 0)",
        hessian="where(target * z < 1, 2, 0)",
        target="sign",
        remark="the Hessian at the margin target·z = 1 is 0",
        paper="Lee and Mangasarian, Computational Optimization and Applications 20, 2001",
        ulp={"float32": (2, 0.5, 0), "float64": (2, 0.5, 0)},
    ),
    PairLossEntry(
        "poisson",
        "z",
        "exp(z) - target * z",
        gradient="exp(z) - target",
        hessian="exp(z)",
        target="nonnegative",
        scale=("maximum(exp(z), abs(target * z))", "maximum(exp(z), target)", None),
        optimum="log(target)",
        remark="log link; PyTorch's poisson_nll_loss with log_input=True, full=False",
        range=(-INF, INF),
        paper="McCullagh and Nelder, Generalized Linear Models, 1989, chapter 6",
        ulp={"float32": (1.5, 1, 0.8), "float64": (1.5, 1, 0.8)},
    ),
    PairLossEntry(
        "gamma",
        "z",
        "z + target * exp(-z)",
        gradient="1 - target * exp(-z)",
        hessian="target * exp(-z)",
        target="positive",
        scale=("maximum(abs(z), target * exp(-z))", "maximum(1, target * exp(-z))", None),
        optimum="log(target)",
        remark="log link; exp(-z) itself may overflow, up to z = −132 (float64: −1062) the products are right",
        range=(-INF, INF),
        paper="McCullagh and Nelder, Generalized Linear Models, 1989, chapter 8",
        ulp={"float32": (2, 2, 2), "float64": (2, 2, 2)},
    ),
    PairLossEntry(
        "binary_cross_entropy",
        "a",
        "-where(target > 0, target * log(a), 0) - where(target < 1, (1 - target) * log1p(-a), 0)",
        gradient="(a - target) / (a * (1 - a))",
        hessian="where(target > 0, target / a ** 2, 0) + where(target < 1, (1 - target) / (1 - a) ** 2, 0)",
        prediction="unit",
        target="unit",
        optimum="target",
        remark="0·log 0 is 0 and log 0 is −∞, without an epsilon; the gradient at a = target = 0 is 1, at a = target = 1 −1",
        paper="Hinton, Artificial Intelligence 40, 1989",
        ulp={"float32": (2, 2, 3), "float64": (2, 2, 3)},
    ),
    PairLossEntry(
        "kl_divergence",
        "a",
        "where(target > 0, target * log(target / a), 0)",
        gradient="where(target > 0, -target / a, 0)",
        hessian="where(target > 0, target / a ** 2, 0)",
        prediction="unit",
        target="unit",
        range=(-0.5, INF),
        remark="on probabilities; a distribution's divergence is the sum of its terms. PyTorch's kl_div takes log a",
        paper="Kullback and Leibler, Annals of Mathematical Statistics 22, 1951",
        ulp={"float32": (2, 0.5, 1.5), "float64": (2, 0.5, 1.5)},
    ),
    PairLossEntry(
        "sigmoid_binary_cross_entropy",
        "z",
        "pos_weight * target * logaddexp(0, -z) + (1 - target) * logaddexp(0, z)",
        gradient="(1 - target) * p - pos_weight * target * q",
        hessian="(pos_weight * target + 1 - target) * p * q",
        terms={"p": "sigmoid(z)", "q": "sigmoid(-z)"},
        params=(Parameter("pos_weight", 1.0, "weight of the positive label's part", domain="nonnegative"),),
        target="unit",
        scale=(None, "maximum((1 - target) * p, pos_weight * target * q)", None),
        optimum="log(pos_weight * target / (1 - target))",
        paper="Baum and Wilczek, NIPS 1987; Cox, JRSS B 20, 1958",
        ulp={"float32": (2, 3, 4), "float64": (2, 3, 4)},
    ),
    PairLossEntry(
        "sigmoid_focal",
        "z",
        "w * q ** gamma * loss",
        gradient="(1 - 2 * target) * w * q ** gamma * (gamma * p * loss + q)",
        hessian="w * q ** gamma * p * (gamma * loss * (gamma * p - q) + (2 * gamma + 1) * q)",
        terms={
            "w": "where(alpha < 0, 1, where(target > 0, alpha, 1 - alpha))",
            "p": "sigmoid((2 * target - 1) * z)",
            "q": "sigmoid((1 - 2 * target) * z)",
            "loss": "logaddexp(0, (1 - 2 * target) * z)",
        },
        params=(
            Parameter("gamma", 2.0, "how fast the weight of a right prediction falls", domain="nonnegative"),
            Parameter("alpha", None, "weight of label 1, 1 − alpha that of label 0", domain="unit", none=-1.0),
            Parameter("hess", "exact", "'clipped' makes a negative Hessian 0", choices={"exact": -INF, "clipped": 0.0}),
        ),
        target="binary",
        scale=(None, None, "w * q ** gamma * p * maximum(gamma * loss * maximum(gamma * p, q), (2 * gamma + 1) * q)"),
        convex=False,
        remark="the bounds are for gamma up to 5",
        paper="Lin, Goyal, Girshick, He and Dollár, ICCV 2017, eq. 5",
        ulp={"float32": (2, 4, 4), "float64": (2, 4, 4)},
        ulp_baseline={"float32": (2.5, 4, 4), "float64": (2.5, 4, 4)},
    ),
)

MAXOUT = (
    MaxoutEntry(
        "maxout",
        "max_k z_k",
        paper="Goodfellow, Warde-Farley, Mirza, Courville and Bengio, Maxout networks, ICML 2013, section 3",
        ulp={"float32": (0, 0), "float64": (0, 0)},
    ),
    MaxoutEntry(
        "maxout_linear",
        "max_k (x W_k + b_k)",
        linear=True,
        file="maxout",
        paper="Goodfellow, Warde-Farley, Mirza, Courville and Bengio, Maxout networks, ICML 2013, section 3",
        ulp=None,
    ),
)

LINEAR_LOSSES = (
    LinearLossEntry(
        "linear_softmax_cross_entropy",
        "softmax_cross_entropy(x @ W + b, target)",
        loss="softmax_cross_entropy",
        options=SOFTMAX_OPTIONS,
        gradient="dx = g Wᵀ, dW = xᵀ g, db = Σ g over the rows, with g that of the loss for the logits",
        paper="Wijmans, Huval, Hertzberg, Koltun and Krähenbühl, Cut your losses in large-vocabulary language models, ICLR 2025",
    ),
)

ELEMENTARY = (
    ElementaryEntry(
        "exp",
        "exp(x)",
        limits=(0.0, INF),
        ulp={"float32": (0.8,), "float64": (0.8,)},
        ulp_baseline={"float32": (0.8,), "float64": (0.8,)},
    ),
    ElementaryEntry(
        "expm1",
        "expm1(x)",
        limits=(-1.0, INF),
        thresholds=(2.0**-30, 2.0**-60, -20.0, -40.0),
        ulp={"float32": (0.9,), "float64": (0.95,)},
        ulp_baseline={"float32": (0.9,), "float64": (0.95,)},
    ),
    ElementaryEntry(
        "log",
        "log(x)",
        domain=(0.0, INF),
        limits=(NAN, INF),
        thresholds=(0.75, 1.5),
        ulp={"float32": (0.9,), "float64": (0.95,)},
        ulp_baseline={"float32": (1.1,), "float64": (1.1,)},
    ),
    ElementaryEntry(
        "log1p",
        "log1p(x)",
        domain=(-1.0, INF),
        limits=(NAN, INF),
        thresholds=(2.0**-30, 2.0**-60, -0.25, 0.5),
        ulp={"float32": (0.9,), "float64": (0.95,)},
        ulp_baseline={"float32": (1.1,), "float64": (1.1,)},
    ),
    ElementaryEntry(
        "log1pexp",
        "logaddexp(0, x)",
        limits=(0.0, INF),
        thresholds=(21.0, 42.0, 50.0),
        ulp={"float32": (0.95,), "float64": (0.95,)},
        ulp_baseline={"float32": (1.1,), "float64": (1.1,)},
    ),
    ElementaryEntry(
        "normal_tail",
        "erfc(x / sqrt(2)) / 2",
        file="gaussian_tail",
        limits=(1.0, 0.0),
        thresholds=(2.0**-30, 2.0**-60, 14.4, 38.7),
        ulp={"float32": (0.95,), "float64": (0.95,)},
        ulp_baseline={"float32": (4,), "float64": (4,)},
    ),
    ElementaryEntry(
        "normal_density",
        "exp(-x * x / 2) / sqrt(2 * pi)",
        file="gaussian_tail",
        limits=(0.0, 0.0),
        thresholds=(2.0**-30, 2.0**-60, 14.4, 38.7),
        ulp={"float32": (0.85,), "float64": (0.85,)},
        ulp_baseline={"float32": (1.2,), "float64": (1.2,)},
    ),
    ElementaryEntry(
        "tanh",
        "tanh(x)",
        limits=(-1.0, 1.0),
        ulp={"float32": (1.7,), "float64": (1.7,)},
        ulp_baseline={"float32": (2,), "float64": (2,)},
    ),
)

ALL = (*ACTIVATIONS, *PAIR_LOSSES, *LOSSES, *MAXOUT, *LINEAR_LOSSES)
FUNCTIONS = {entry.name: entry for entry in ALL}

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

    def __init__(self, name, default, meaning, learned=None):
        self.name = name
        self.default = default
        self.meaning = meaning
        self.learned = learned  # ∂f/∂parameter in NumPy, if backward shall also return the gradient for it


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
        ulp={"float32": (1.5, 2), "float64": (1.5, 2)},
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
        ulp={"float32": (1.5,), "float64": (1.5,)},
        ulp_baseline={"float32": (2,), "float64": (2,)},
    ),
)

FUNCTIONS = {entry.name: entry for entry in (*ACTIVATIONS, *LOSSES, *LINEAR_LOSSES)}

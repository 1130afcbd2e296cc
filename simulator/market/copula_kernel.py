"""The Student-t copula, skewed or not: its mixing variable and its scores as tables over coordinates in which they are smooth."""

import math

import numpy as np

from simulator.kernel import kernel, normal, rule
from simulator.market.draws import DEGREE, hermite
from simulator.market.tables import INNOVATION_SIZE, REACH, SEGMENTS, WIDTH, incomplete_gamma

SCORE_REACH = 21.5  # of asinh(score): scores up to 1e9
SCORE_SEGMENTS = 2_048
SCORE_WIDTH = 2 * SCORE_REACH / SCORE_SEGMENTS
SCORE_SIZE = SCORE_SEGMENTS * (DEGREE + 1)
NODES = 1_024  # of the trapezium rule over the mixing variable


@kernel
def chi_square_beyond(p, upper, nu):
    """x with P(chi-square of `nu` degrees > x) = p, or P(< x) = p unless `upper`; by bisection in log x."""
    low, high = -2_000.0, math.log(nu + 60.0 * math.sqrt(nu) + 400.0)
    for _ in range(90):
        middle = 0.5 * (low + high)
        is_below = incomplete_gamma(0.5 * nu, 0.5 * math.exp(middle), upper) > p
        if is_below == upper:
            low = middle
        else:
            high = middle
    return math.exp(0.5 * (low + high))


@kernel
def root_mixing_table(nu, table):
    """Fill `table` with sqrt(V), V = nu / chi-square, at a standard normal in [-REACH, REACH]; V grows with it."""
    points = np.zeros((SEGMENTS + 1, 3))
    for i in range(SEGMENTS + 1):
        y = i * WIDTH - REACH
        x = chi_square_beyond(0.5 * math.erfc(abs(y) / math.sqrt(2.0)), y < 0.0, nu)  # large V is a small chi-square
        # with g = log x and F(g) = P(chi-square <= x) = Phi(-y): g' = -phi(y) / f(g), f(g) = x times its density
        log_density = 0.5 * nu * math.log(0.5 * x) - 0.5 * x - math.lgamma(0.5 * nu)
        slope = -math.exp(-0.5 * y * y - log_density) / math.sqrt(2.0 * math.pi)
        curvature = slope * (-y - (0.5 * nu - 0.5 * x) * slope)
        root = math.sqrt(nu / x)
        points[i, 0] = root
        points[i, 1] = -0.5 * slope * root
        points[i, 2] = root * (0.25 * slope * slope - 0.5 * curvature)
    for i in range(SEGMENTS):
        left, right = points[i], points[i + 1]
        hermite(table, i, WIDTH, (left[0], left[1], left[2]), (right[0], right[1], right[2]))


@kernel
def score_table(root_mixing, asymmetry, table):
    """Fill `table` with the standard normal that has the probability of a score asymmetry V + sqrt(V) N, over asinh(score).

    The distribution function is the mean over V of Phi((x - asymmetry V) / sqrt(V)), by the trapezium rule in the normal
    coordinate of V, of the smaller tail, so that tails keep their digits.
    """
    nodes, weights = _mixing_nodes(root_mixing)
    left = _score_point(-SCORE_REACH, asymmetry, nodes, weights)
    for segment in range(SCORE_SEGMENTS):
        right = _score_point((segment + 1) * SCORE_WIDTH - SCORE_REACH, asymmetry, nodes, weights)
        hermite(table, segment, SCORE_WIDTH, left, right)
        left = right


@kernel
def _mixing_nodes(root_mixing):
    """sqrt(V) at evenly spaced normal coordinates, and the normal weights there."""
    nodes, weights = np.empty(NODES + 1), np.empty(NODES + 1)
    for k in range(NODES + 1):
        y = 2.0 * REACH * k / NODES - REACH
        segment = min(int((y + REACH) / WIDTH), SEGMENTS - 1)
        d = y + REACH - segment * WIDTH
        at = segment * (DEGREE + 1)
        value = root_mixing[at + DEGREE]
        for j in range(DEGREE - 1, -1, -1):
            value = value * d + root_mixing[at + j]
        nodes[k] = value
        weights[k] = 2.0 * REACH / NODES * math.exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi)
    return nodes, weights


@kernel
def _score_point(s, asymmetry, nodes, weights):
    """Normal score, slope and curvature at asinh coordinate s; flat where the tail has no more digits."""
    x, dx = math.sinh(s), math.cosh(s)
    below, above, density, bend = 0.0, 0.0, 0.0, 0.0
    for k in range(nodes.shape[0]):
        root = nodes[k]
        t = (x - asymmetry * root * root) / root
        below += weights[k] * 0.5 * math.erfc(-t / math.sqrt(2.0))
        above += weights[k] * 0.5 * math.erfc(t / math.sqrt(2.0))
        phi = weights[k] * math.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)
        density += phi / root
        bend -= t * phi / (root * root)
    if min(below, above) < 1e-17:
        return (-REACH if below < above else REACH), 0.0, 0.0
    w = normal(below) if below < above else -normal(above)
    bell = math.exp(-0.5 * w * w) / math.sqrt(2.0 * math.pi)
    slope = density * dx / bell
    return w, slope, (bend * dx * dx + density * x) / bell + w * slope * slope


@rule
def look_up(y, reach, width, segments, table):
    """The polynomial of `table` over [-reach, reach] at y."""
    w = max(min(y, reach * (1.0 - 1e-12)), -reach) + reach
    segment = min(int(w / width), segments - 1)
    d = w - segment * width
    at = segment * (DEGREE + 1)
    value = table[at + 5] * d + table[at + 4]
    value = ((value * d + table[at + 3]) * d + table[at + 2]) * d + table[at + 1]
    return value * d + table[at]


@rule
def student_scores(z, mixing, asymmetry, root_mixing, scores):
    """Correlated standard normals z [asset, path] to the normal scores of the Student-t copula, in place; `mixing` gives V."""
    for i in range(z.shape[1]):
        root = look_up(mixing[i], REACH, WIDTH, SEGMENTS, root_mixing)
        for a in range(z.shape[0]):
            x = asymmetry * root * root + root * z[a, i]
            z[a, i] = look_up(math.asinh(x), SCORE_REACH, SCORE_WIDTH, SCORE_SEGMENTS, scores)


def student_tables(nu: float, asymmetry: float) -> tuple[np.ndarray, np.ndarray]:
    """(`root_mixing`, `scores`) of a Student-t copula."""
    root_mixing, scores = np.zeros(INNOVATION_SIZE), np.zeros(SCORE_SIZE)
    root_mixing_table(nu, root_mixing)
    score_table(root_mixing, asymmetry, scores)
    return root_mixing, scores

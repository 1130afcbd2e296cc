"""Dynamic conditional correlation of normal scores (Engle 2002) by quasi-likelihood, the correlation targeted.

Q[t+1] = (1 - alpha - beta) S + alpha w w' + beta Q[t], R = Q scaled to a unit diagonal, S the correlation of the scores: what
`market.dependence.Dcc` simulates. The first stage are the margins, whose scores w come in; the second maximises
-1/2 sum(log|R| + w' R^-1 w - w' w), the log density of a Gaussian copula. Where a score is missing Q goes on by its expectation,
w w' replaced by R. `normalised` feeds back R instead of Q, another model that goes by the same name in ARCHModels.jl.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.estimation.ascent import CONVERGED, climb
from simulator.estimation.coordinates import logistic, logit
from simulator.estimation.errors import NotConverged
from simulator.estimation.standard_errors import Estimate, estimated_covariance
from simulator.kernel import kernel, rule

STARTS = ((0.98, 0.04), (0.9, 0.1), (0.998, 0.02), (0.6, 0.2))  # (alpha + beta, alpha as a share of it)
LOW, HIGH = np.array([-3.0, -9.2]), np.array([9.2, 3.0])  # logits of the two
PERSISTENCE, SHARE = 0, 1
EDGE = 1e-9
DIFFERENCE = 1e-4


@rule
def invert(r, inverse, factor):
    """`inverse` of the correlation matrix `r` by Cholesky, and the log of its determinant; `factor` is scratch. NaN if none."""
    n, log_determinant = r.shape[0], 0.0
    for i in range(n):
        for j in range(i + 1):
            rest = r[i, j]
            for k in range(j):
                rest -= factor[i, k] * factor[j, k]
            if i == j:
                if rest <= 0.0:
                    return math.nan
                factor[i, i] = math.sqrt(rest)
                log_determinant += math.log(rest)
            else:
                factor[i, j] = rest / factor[j, j]
    for column in range(n):
        for i in range(n):
            rest = 1.0 if i == column else 0.0
            for k in range(i):
                rest -= factor[i, k] * inverse[k, column]
            inverse[i, column] = rest / factor[i, i]
        for i in range(n - 1, -1, -1):
            rest = inverse[i, column]
            for k in range(i + 1, n):
                rest -= factor[k, i] * inverse[k, column]
            inverse[i, column] = rest / factor[i, i]
    return log_determinant


@kernel
def _ascend(w, target, alpha, beta, normalised, scores, path):
    """The quasi-log-likelihood; fills `scores` [t, (alpha, beta)] and `path` [t + 1, asset, asset] with R, if they have rows."""
    count, n = w.shape
    q, r, inverse, factor = target.copy(), target.copy(), np.zeros((n, n)), np.zeros((n, n))
    slope, turn = np.zeros((2, n, n)), np.zeros((2, n, n))  # of Q and of R, by alpha and by beta
    pulled = np.zeros(n)
    total = 0.0
    for t in range(count + 1):
        _scale(q, slope, r, turn)
        if path.shape[0] > 0:
            path[t] = r
        if t == count:
            break
        missing = False
        for i in range(n):
            missing = missing or math.isnan(w[t, i])
        if not missing:
            log_determinant = invert(r, inverse, factor)
            if math.isnan(log_determinant):
                return math.nan
            total += _log_density(w[t], inverse, log_determinant, pulled)
            if scores.shape[0] > 0:
                for s in range(2):
                    scores[t, s] = _slope(turn[s], inverse, pulled)
        for i in range(n):
            for j in range(n):
                news = r[i, j] if missing else w[t, i] * w[t, j]
                kept = r[i, j] if normalised else q[i, j]
                for s in range(2):
                    carried = turn[s, i, j] if normalised else slope[s, i, j]
                    by_self = news if s == 0 else kept
                    follows = alpha * turn[s, i, j] if missing else 0.0
                    slope[s, i, j] = by_self - target[i, j] + follows + beta * carried
                q[i, j] = (1.0 - alpha - beta) * target[i, j] + alpha * news + beta * kept
    return total


@rule
def _scale(q, slope, r, turn):
    """R of Q, and the slopes of R of those of Q."""
    n = q.shape[0]
    for i in range(n):
        for j in range(n):
            r[i, j] = q[i, j] / math.sqrt(q[i, i] * q[j, j])
            for s in range(2):
                own = slope[s, i, i] / q[i, i] + slope[s, j, j] / q[j, j]
                turn[s, i, j] = slope[s, i, j] / math.sqrt(q[i, i] * q[j, j]) - 0.5 * r[i, j] * own


@rule
def _log_density(w, inverse, log_determinant, pulled):
    """log density of a Gaussian copula at scores w; fills `pulled` with R^-1 w."""
    total = log_determinant
    for i in range(w.shape[0]):
        pulled[i] = 0.0
        for j in range(w.shape[0]):
            pulled[i] += inverse[i, j] * w[j]
        total += pulled[i] * w[i] - w[i] * w[i]
    return -0.5 * total


@rule
def _slope(turn, inverse, pulled):
    """Slope of the log density along dR = `turn`: -1/2 (tr(R^-1 dR) - w' R^-1 dR R^-1 w)."""
    total = 0.0
    for i in range(turn.shape[0]):
        for j in range(turn.shape[0]):
            total += (inverse[i, j] - pulled[i] * pulled[j]) * turn[i, j]
    return -0.5 * total


NOTHING_2, NOTHING_3 = np.empty((0, 2)), np.empty((0, 0, 0))


def quasi_likelihood(
    w: np.ndarray, target: np.ndarray, alpha: float, beta: float, normalised: bool = False
) -> tuple[float, np.ndarray]:
    """(value, scores [t, (alpha, beta)]) at normal scores `w` [t, asset], NaN where missing."""
    scores = np.zeros((len(w), 2))
    return float(_ascend(np.ascontiguousarray(w), target, alpha, beta, normalised, scores, NOTHING_3)), scores


def correlation_path(w: np.ndarray, target: np.ndarray, alpha: float, beta: float, normalised: bool = False) -> np.ndarray:
    """R [t + 1, asset, asset], each known before the scores of its step; the last is that of the step to come."""
    path = np.empty((len(w) + 1, *target.shape))
    _ascend(np.ascontiguousarray(w), target, alpha, beta, normalised, NOTHING_2, path)
    return path


@dataclass(frozen=True)
class DccFit:
    """alpha and beta with their covariance; `log_likelihood` is that of the copula, `constant` that of S at every step."""

    alpha: float
    beta: float
    covariance: np.ndarray  # of (alpha, beta)
    log_likelihood: float
    constant: float
    normalised: bool = False

    @property
    def standard_errors(self) -> tuple[float, float]:
        a, b = np.sqrt(np.maximum(np.diag(self.covariance), 0))
        return float(a), float(b)

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Both, with intervals that stay above 0 and beta's below 1."""
        a, b = (error if math.isfinite(error) else None for error in self.standard_errors)
        return {"dcc_alpha": Estimate(self.alpha, a, scale="log"), "dcc_beta": Estimate(self.beta, b, scale="logit")}


@dataclass(frozen=True)
class _Surface:
    w: np.ndarray
    target: np.ndarray
    normalised: bool

    def natural(self, x: np.ndarray) -> tuple[float, float]:
        persistence, share = logistic(x[PERSISTENCE]), logistic(x[SHARE])
        return persistence * share, persistence * (1 - share)

    def gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        persistence, share = logistic(x[PERSISTENCE]), logistic(x[SHARE])
        value, scores = quasi_likelihood(self.w, self.target, *self.natural(x), self.normalised)
        if math.isnan(value):
            return -math.inf, np.zeros(2)
        dp, ds = persistence * (1 - persistence), share * (1 - share)
        by_alpha, by_beta = scores.sum(axis=0)
        along = [dp * (share * by_alpha + (1 - share) * by_beta), persistence * ds * (by_alpha - by_beta)]
        return value, np.array(along)

    def hessian(self, x: np.ndarray, columns: Sequence[int]) -> np.ndarray:
        result = np.empty((2, len(columns)))
        for j, column in enumerate(columns):
            step = np.zeros(2)
            step[column] = DIFFERENCE
            up, down = (self.gradient(x + sign * step)[1] for sign in (1, -1))
            result[:, j] = (up - down) / (2 * DIFFERENCE)
        return result


def fit_dcc(w: np.ndarray, target: np.ndarray, block: float = 1.0, normalised: bool = False) -> DccFit:
    """The best maximum over several starts. `block` [step] is the mean block behind the standard errors. Raises NotConverged."""
    surface = _Surface(np.ascontiguousarray(w), np.ascontiguousarray(target), normalised)
    tops = [
        climb(surface.gradient, surface.hessian, _inside, np.array([logit(p), logit(share)]), LOW, HIGH) for p, share in STARTS
    ]
    best = max(tops, key=lambda top: top.value)
    if not best.gain < CONVERGED:
        raise NotConverged(f"DCC: the likelihood has no maximum that any of {len(STARTS)} starts reached")
    alpha, beta = surface.natural(best.x)
    constant = quasi_likelihood(w, target, 0.0, 0.0)[0]
    return DccFit(alpha, beta, _covariance(surface, alpha, beta, block), best.value, constant, normalised)


def _inside(x: np.ndarray, gradient: np.ndarray) -> list[int]:
    """Without news (share at its lowest) persistence says nothing, and is held too."""
    lowest = x[SHARE] <= LOW[SHARE] + EDGE and gradient[SHARE] < 0
    return [
        c
        for c in (PERSISTENCE, SHARE)
        if not (x[c] >= HIGH[c] - EDGE and gradient[c] > 0)
        and not (x[c] <= LOW[c] + EDGE and gradient[c] < 0)
        and not (lowest and c == PERSISTENCE)
    ]


def _covariance(surface: _Surface, alpha: float, beta: float, block: float) -> np.ndarray:
    """Two-stage sandwich (Newey and McFadden 1994): moments of the target stacked on the scores of alpha and beta."""
    seen = ~np.isnan(surface.w).any(axis=1)
    pairs = np.tril_indices(len(surface.target), -1)
    w, point = surface.w[seen], np.array([alpha, beta])
    products = np.column_stack([w[:, i] * w[:, j] - surface.target[i, j] for i, j in zip(*pairs, strict=True)])

    def mean_score(change: np.ndarray, moved: np.ndarray) -> np.ndarray:
        scores = quasi_likelihood(
            surface.w, surface.target + moved, float(point[0] + change[0]), float(point[1] + change[1]), surface.normalised
        )[1]
        return scores[seen].mean(axis=0)

    zero, count = np.zeros_like(surface.target), products.shape[1]
    bread = np.zeros((count + 2, count + 2))
    bread[:count, :count] = -np.eye(count)
    for k, (i, j) in enumerate(zip(*pairs, strict=True)):
        moved = zero.copy()
        moved[i, j] = moved[j, i] = DIFFERENCE
        bread[count:, k] = (mean_score(np.zeros(2), moved) - mean_score(np.zeros(2), -moved)) / (2 * DIFFERENCE)
    for k in range(2):
        step = np.zeros(2)
        step[k] = min(DIFFERENCE, 0.2 * point[k], 0.2 * (1 - alpha - beta))
        bread[count:, count + k] = (mean_score(step, zero) - mean_score(-step, zero)) / (2 * step[k])
    scores = quasi_likelihood(surface.w, surface.target, alpha, beta, surface.normalised)[1][seen]
    try:
        inverse = np.linalg.inv(bread)
    except np.linalg.LinAlgError:
        return np.full((2, 2), math.nan)
    whole = inverse @ estimated_covariance(np.column_stack([products, scores]), block) @ inverse.T / len(w)
    return whole[count:, count:]

"""Paths of a model market written a second time: one path, plain floats, formulas of the papers, integrals by quadrature.

It shares with the product the parts (what a scenario says) and the uniforms (`simulator.kernel.uniform_pair`), and nothing
else: no table, no kernel, no law array. `start` is "today" and parameters have no law.
"""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from arch.univariate import SkewStudent
from scipy import integrate, optimize, stats

from simulator.kernel import stream, uniform_pair
from simulator.market.innovations import SkewedT, StudentT
from simulator.market.jumps import Merton
from simulator.parameters import YEAR

SKEWED = SkewStudent()


def phi(x: float) -> float:
    return float(stats.norm.cdf(x))


class Innovations:
    """A law of innovations of unit variance as the map of a standard normal: E[f(z)] is an integral over that normal."""

    def __init__(self, law) -> None:
        self.law = law
        self.centre, self.scale = 0.0, 1.0
        if not isinstance(law, (StudentT, SkewedT)):
            return
        self.low, self.high = self._cdf(-law.max_move), self._cdf(law.max_move)
        mean, square = self.mean(lambda z: z), self.mean(np.square)
        del self.nodes  # they were those of the law before it is centred and scaled
        self.centre, self.scale = mean, math.sqrt(square - mean * mean)

    def _cdf(self, x: float) -> float:
        if isinstance(self.law, StudentT):
            nu = self.law.degrees_of_freedom
            return float(stats.t.cdf(x * math.sqrt(nu / (nu - 2)), nu))
        return float(SKEWED.cdf(np.array([x]), np.array([self.law.degrees_of_freedom, self.law.skew]))[0])

    def at(self, w: float) -> float:
        """The innovation that stands where the standard normal w stands."""
        if not isinstance(self.law, (StudentT, SkewedT)):
            return w
        nu = self.law.degrees_of_freedom
        if isinstance(self.law, StudentT):  # from the smaller tail, so that no digits are lost
            tail = self.low + (self.high - self.low) * phi(-abs(w))
            raw = math.copysign(float(stats.t.isf(tail, nu)), w) * math.sqrt((nu - 2) / nu)
        else:
            raw = hansen_quantile(w, nu, self.law.skew, self.low, self.high)
        return (raw - self.centre) / self.scale

    @cached_property
    def nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """(z, probability): Gauss's rule between the points where the law bends and where z changes sign."""
        x, weight = np.polynomial.legendre.leggauss(40)
        edges = sorted({-8.2, -6.0, -4.0, -2.5, -1.0, 0.0, 1.0, 2.5, 4.0, 6.0, 8.2, self.mode(), optimize.brentq(self.at, -2, 2)})
        w = np.concatenate([a + (b - a) * (x + 1) / 2 for a, b in pairwise(edges)])
        probability = np.concatenate([(b - a) / 2 * weight for a, b in pairwise(edges)]) * stats.norm.pdf(w)
        return np.array([self.at(point) for point in w]), probability

    def mean(self, f) -> float:
        """E[f(z)]."""
        z, probability = self.nodes
        return float(np.sum(probability * f(z)))

    def mode(self) -> float:
        """The normal coordinate where Hansen's density bends."""
        if not isinstance(self.law, SkewedT):
            return 0.0
        return float(stats.norm.ppf(((1 - self.law.skew) / 2 - self.low) / (self.high - self.low)))

    def cumulant(self, h: float) -> float:
        """log E[exp(sqrt(h) z)]."""
        if not isinstance(self.law, (StudentT, SkewedT)):
            return h / 2
        return math.log1p(self.mean(lambda z: np.expm1(math.sqrt(h) * z)))


def hansen_quantile(w: float, nu: float, skew: float, low: float, high: float) -> float:
    """Quantile of Hansen (1994), his equation for the inverse, at the probability of w inside (low, high)."""
    c = math.gamma((nu + 1) / 2) / (math.sqrt(math.pi * (nu - 2)) * math.gamma(nu / 2))
    a = 4 * skew * c * (nu - 2) / (nu - 1)
    b = math.sqrt(1 + 3 * skew**2 - a**2)
    below = low + (high - low) * phi(w)
    if below < (1 - skew) / 2:
        t = float(stats.t.ppf(below / (1 - skew), nu))
        return ((1 - skew) * math.sqrt((nu - 2) / nu) * t - a) / b
    above = (1 - high) + (high - low) * phi(-w)
    t = float(stats.t.isf(above / (1 + skew), nu))
    return ((1 + skew) * math.sqrt((nu - 2) / nu) * t - a) / b


@lru_cache(maxsize=64)
def innovations_of(law) -> Innovations:
    return Innovations(law)


@lru_cache(maxsize=16_384)
def student_score(x: float, nu: float, asymmetry: float) -> float:
    """The standard normal that has the probability of a score asymmetry V + sqrt(V) N, V = nu / chi-square."""
    if asymmetry == 0:
        below, above = stats.t.cdf(x, nu), stats.t.sf(x, nu)
    else:
        below, above = (_mixture_tail(side * x, side * asymmetry, nu) for side in (1, -1))
    return float(stats.norm.ppf(below) if below < above else stats.norm.isf(above))


def _mixture_tail(x: float, asymmetry: float, nu: float) -> float:
    """P(asymmetry V + sqrt(V) N < x), over the logarithm of V."""

    def part(g: float) -> float:
        v = math.exp(g)
        density = stats.chi2.pdf(nu / v, nu) * nu / v
        return density * phi((x - asymmetry * v) / math.sqrt(v))

    edges = [math.log(nu / stats.chi2.isf(p, nu)) for p in (1e-16, 1e-6, 0.01, 0.5)]
    edges += [math.log(nu / stats.chi2.ppf(p, nu)) for p in (0.01, 1e-6, 1e-16)]
    return math.fsum(integrate.quad(part, a, b, epsabs=1e-17, epsrel=1e-11, limit=200)[0] for a, b in pairwise(sorted(edges)))


class State:
    """What an asset carries from step to step: variance of a step (a year's for Heston) and log price since the start."""

    def __init__(self, asset, market, years: float) -> None:
        self.process, self.jumps = asset.real_world
        self.asset, self.years, self.level = asset, years, 0.0
        self.kind = self.process.kind
        self.law = innovations_of(getattr(self.process, "innovation", None))
        self.stationary = self.process.volatility**2 * years
        self.h = self.process.volatility_today**2 * years
        if self.kind == "egarch":
            self.mean_size = self.law.mean(np.abs)
            self.omega = (1 - self.process.beta) * (math.log(self.stationary) - self.growth_of_logs())
        if self.kind == "ornstein-uhlenbeck":
            rate = math.log(2) * YEAR / self.process.half_life
            self.h = self.process.volatility**2 * (1 - math.exp(-2 * rate * years)) / (2 * rate)
            self.kept = math.exp(-rate * years)
            base = [other for other in market.assets if other.name == self.process.base]
            self.distance = math.log(asset.price / (self.process.peg * (base[0].price if base else 1.0)))

    def growth_of_logs(self) -> float:
        """log E[h] - E[log h] of stationary EGARCH: the product over i of E[exp(beta^i g(z))] (Nelson 1991)."""
        p, total, i = self.process, 0.0, 0
        while abs(p.beta) ** i > 1e-9 and i < 2_000:
            share = p.beta**i
            total += math.log1p(self.law.mean(lambda z: np.expm1(share * (p.alpha * (np.abs(z) - self.mean_size) + p.gamma * z))))  # noqa: B023
            i += 1
        return total

    def jump_moments(self) -> tuple[float, float]:
        """(compensator, variance) of a step's jumps."""
        if self.jumps is None:
            return 0.0, 0.0
        mean = self.jumps.intensity * self.years
        return mean * self.jumps.mean_growth, mean * self.jumps.second_moment

    def expected_variance(self) -> float:
        """Of the diffusive part of the step, known at its start."""
        if self.kind != "heston":
            return self.h
        p = self.process
        held = -math.expm1(-p.mean_reversion * self.years) / (p.mean_reversion * self.years)
        return self.stationary + (self.h - self.stationary) * held

    def diffuse(self, w: float, variance_normal: float, m: float) -> tuple[float, float]:
        """(change of the log price without jumps, variance that the bridge gets) at normal score w; moves `h`.

        `m` multiplies the diffusive return, compensated; `h` moves as it would without.
        """
        drift = self.asset.drift * self.years - self.jump_moments()[0]
        if self.kind == "heston":
            return self.quadratic_exponential(w, variance_normal, drift, m)
        if self.kind == "ornstein-uhlenbeck":
            x = self.level + self.distance
            return x * self.kept - x + m * math.sqrt(self.h) * w, m * m * self.h
        z = self.law.at(w)
        before = self.h * m * m
        change = drift - self.law.cumulant(before) + math.sqrt(before) * z
        self.recur(z)
        return change, before

    def recur(self, z: float) -> None:
        p, h = self.process, self.h
        if self.kind == "garch":
            omega = self.stationary * (1 - p.persistence)
            h = omega + (p.alpha + (p.gamma if z < 0 else 0)) * h * z * z + p.beta * h
        elif self.kind == "egarch":
            h = math.exp(self.omega + p.alpha * (abs(z) - self.mean_size) + p.gamma * z + p.beta * math.log(h))
        self.h = min(h, getattr(p, "ceiling", math.inf) ** 2 * self.stationary)

    def quadratic_exponential(self, w: float, variance_normal: float, drift: float, m: float) -> tuple[float, float]:
        """Andersen 2008, sections 3.2.4 and 4.3, in years: psi_c = 1.5, gamma_1 = gamma_2 = 1/2; all volatilities times m."""
        p, dt, v, times = self.process, self.years, self.h * m * m / self.years, m
        kappa, theta, eps, rho = p.mean_reversion, p.volatility**2 * m * m, p.volatility_of_variance * m, p.leverage
        e = math.exp(-kappa * dt)
        m = theta + (v - theta) * e
        s2 = v * eps**2 * e / kappa * (1 - e) + theta * eps**2 / (2 * kappa) * (1 - e) ** 2
        psi = s2 / m**2
        k1 = 0.5 * dt * (kappa * rho / eps - 0.5) - rho / eps
        k2 = 0.5 * dt * (kappa * rho / eps - 0.5) + rho / eps
        k3 = k4 = 0.5 * dt * (1 - rho**2)
        big_a = k2 + k4 / 2
        if psi <= 1.5:
            b2 = 2 / psi - 1 + math.sqrt(2 / psi) * math.sqrt(2 / psi - 1)
            a = m / (1 + b2)
            after = a * (math.sqrt(b2) + variance_normal) ** 2
            k0 = -big_a * b2 * a / (1 - 2 * big_a * a) + 0.5 * math.log(1 - 2 * big_a * a) - (k1 + k3 / 2) * v
        else:
            zero, beta = (psi - 1) / (psi + 1), 2 / (m * (psi + 1))
            after = max(math.log((1 - zero) / phi(-variance_normal)) / beta, 0.0)
            k0 = -math.log(zero + beta * (1 - zero) / (beta - big_a)) - (k1 + k3 / 2) * v
        self.h = after * dt / times**2
        return drift + k0 + k1 * v + k2 * after + math.sqrt(k3 * v + k4 * after) * w, 0.5 * (v + after) * dt


def jump_size(jumps, w: float) -> float:
    """The size whose probability is that of the standard normal w."""
    if isinstance(jumps, Merton):
        return jumps.mean + jumps.deviation * w
    up, above = jumps.up_probability, phi(-w)
    if above < up:
        return -math.log(above / up) / jumps.eta_up
    return math.log(phi(w) / (1 - up)) / jumps.eta_down


class PlainMarket:
    """One path of `market`, step by step."""

    def __init__(self, market, grid, seed: int, purpose: str, path: int, convergence=None, spike=None) -> None:
        self.market, self.grid, self.path, self.convergence = market, grid, path, convergence
        self.spike = np.ones((grid.market_steps, len(market.assets))) if spike is None else spike
        self.years = grid.market_step / YEAR
        self.keys = {name: stream(seed, purpose, "market", name) for name in ("steps", "jumps", "bridge", "variance", "mixing")}
        self.states = [State(asset, market, self.years) for asset in market.assets]
        n = len(self.states)
        self.own = np.array(market.correlation) if market.correlation else np.eye(n)
        self.q, self.c = self.own.copy(), 0.0

    def normals(self, stream_name: str, step: int, n: int = 0) -> tuple[np.ndarray, np.ndarray]:
        drawn = [uniform_pair(self.keys[stream_name], step, a, self.path, n) for a in range(len(self.states))]
        first, second = stats.norm.ppf(np.array(drawn)).T
        return first, second

    def correlation(self, step: int) -> np.ndarray:
        """The matrix of the step; moves what converges."""
        dynamics = self.market.correlation_dynamics
        r, kept = self.own, 1.0
        if dynamics.kind == "dcc":
            d = np.sqrt(np.diag(self.q))
            r = self.q / np.outer(d, d)
        if dynamics.kind == "converging":
            ratios = [s.h / s.stationary for s in self.states if s.kind in ("garch", "egarch", "heston")]
            wanted = np.clip((np.mean(ratios) - dynamics.starts_at) / (dynamics.full_at - dynamics.starts_at), 0, 1)
            fade = 2 ** (-self.grid.market_step / dynamics.half_life)
            self.c = fade * self.c + (1 - fade) * wanted
            kept = 1 - self.c * dynamics.level
        if self.convergence is not None:
            kept *= 1 - self.convergence[step]
        return kept * r + (1 - kept)

    def learn(self, w: np.ndarray) -> None:
        dynamics = self.market.correlation_dynamics
        if dynamics.kind == "dcc":
            rest = 1 - dynamics.alpha - dynamics.beta
            self.q = rest * self.own + dynamics.alpha * np.outer(w, w) + dynamics.beta * self.q

    def scores(self, z: np.ndarray, mixing: float) -> np.ndarray:
        """Normal scores of the market's copula at correlated normals z."""
        copula = self.market.copula
        if copula.kind == "gaussian":
            return z
        nu, g = copula.degrees_of_freedom, copula.asymmetry
        v = nu / float(stats.chi2.isf(mixing, nu) if mixing < 0.5 else stats.chi2.ppf(1 - mixing, nu))
        return np.array([student_score(g * v + math.sqrt(v) * x, nu, g) for x in z])

    def run(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(price [substep + 1, asset], volatility [step, asset], mean pair correlation [step])."""
        rows = [[asset.price for asset in self.market.assets]]
        volatility, correlation = [], []
        for step in range(self.grid.market_steps):
            r = self.correlation(step)
            n = len(r)
            correlation.append(math.fsum(r[np.tril_indices(n, -1)]) / max(1, n * (n - 1) / 2))
            volatility.append(self.known_volatility(self.spike[step]))
            rows.extend(self.step(step, np.linalg.cholesky(r)))
        return np.array(rows), np.array(volatility), np.array(correlation)

    def known_volatility(self, spike: np.ndarray) -> list[float]:
        own = [(s.expected_variance() * spike[a] ** 2, s.jump_moments()[1]) for a, s in enumerate(self.states)]
        out = []
        for a, state in enumerate(self.states):
            total = sum(own[a])
            if getattr(state.process, "base", None) is not None:
                b = self.market.asset_names.index(state.process.base)
                total += sum(own[b]) + 2 * self.own[a, b] * math.sqrt(own[a][0] * own[b][0])
            out.append(math.sqrt(total / self.years))
        return out

    def step(self, step: int, factor: np.ndarray) -> list[list[float]]:
        z, counts = (factor @ drawn for drawn in self.normals("steps", step))
        mixing = uniform_pair(self.keys["mixing"], step, 0, self.path, 0)
        z, counts = self.scores(z, mixing[0]), self.scores(counts, mixing[1])
        self.learn(z)
        variance_normals = factor @ self.normals("variance", step)[0]
        before = [s.level for s in self.states]
        moved = [s.diffuse(z[a], variance_normals[a], self.spike[step, a]) for a, s in enumerate(self.states)]
        landed = self.jumps(step, counts)
        inside = self.bridges(step, factor, [spread for _, spread in moved])
        rows, substeps = [], self.grid.substeps
        for k in range(1, substeps + 1):
            at = [before[a] + k / substeps * change + inside[k][a] + landed[a][:k].sum() for a, (change, _) in enumerate(moved)]
            rows.append([s.asset.price * math.exp(at[a] + self.of_base(s, at)) for a, s in enumerate(self.states)])
        for a, state in enumerate(self.states):
            state.level = before[a] + moved[a][0] + landed[a].sum()
        return rows

    def of_base(self, state: State, at: list[float]) -> float:
        base = getattr(state.process, "base", None)
        return 0.0 if base is None else at[self.market.asset_names.index(base)]

    def jumps(self, step: int, counts: np.ndarray) -> list[np.ndarray]:
        """[asset][substep] jumps of the log price."""
        out, own = [], np.linalg.cholesky(self.own)
        for a, state in enumerate(self.states):
            landed = np.zeros(self.grid.substeps)
            if state.jumps is not None:
                number = int(stats.poisson.ppf(phi(counts[a]), state.jumps.intensity * self.years))
                for n in range(number):
                    size, moment = (own @ drawn for drawn in self.normals("jumps", step, n))
                    landed[int(self.grid.substeps * phi(moment[a]))] += jump_size(state.jumps, size[a])
            out.append(landed)
        return out

    def bridges(self, step: int, factor: np.ndarray, spreads: list[float]) -> np.ndarray:
        """[substep, asset] Brownian bridges from 0 to 0."""
        n = self.grid.substeps
        b = np.zeros((n + 1, len(spreads)))
        for k in range(n - 1):
            z = factor @ self.normals("bridge", step, k // 2)[k % 2]
            left = n - k
            b[k + 1] = b[k] * (left - 1) / left + np.sqrt(np.array(spreads) / n * (left - 1) / left) * z
        return b

"""From a model market to arrays: laws in units of one market step, tables, the parameters and the state each path starts with."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from simulator.kernel import kernel, normal, stream, uniform
from simulator.market.dependence import cholesky
from simulator.market.draws import NORMAL_TABLE, TAIL_SIZE
from simulator.market.grid import Grid
from simulator.market.jumps import Jumps, Kou, Merton
from simulator.market.law import at, coordinates
from simulator.market.model import Asset, ModelMarket
from simulator.market.path_kernel import fill, settle
from simulator.market.paths import MarketPaths
from simulator.market.processes import Garch, Process, StudentT
from simulator.market.step_law import CHUNK, KOU, MERTON, NO_JUMPS, Copula, JumpLaw, Keys, Law
from simulator.market.tables import CUMULANT_SIZE, HIGHEST_VARIANCE, INNOVATION_SIZE, cumulant_table, innovation_table, tail_table
from simulator.parameters import YEAR

CHAINS = 2_048  # of the ensemble that stands for the stationary law of variance
FORGOTTEN = 0.03  # the ensemble runs until this share of its start is left

Version = tuple[Process, Jumps | None]  # an asset's parameters in one draw


def generate(market: ModelMarket, grid: Grid, seed: int, purpose: str, first: int, count: int) -> MarketPaths:
    """Paths `first` .. `first + count - 1` of `market`; see `ModelMarket.paths`."""
    if first < 0 or count < 1:
        raise ValueError(f"`first >= 0` and `count >= 1` must hold, but got {first} and {count}")
    law = _law(market, grid.market_step, seed, purpose)
    draw = _draws(stream(seed, purpose, "market", "parameter draw"), first, count, law.omega.shape[1])
    start = _start(market, grid.market_step, seed, purpose, law, draw, first)
    names = market.asset_names
    price = np.empty((grid.steps + 1, len(names), count))
    volatility = np.empty((grid.market_steps, len(names), count))
    fill(price, volatility, _keys(seed, purpose), first, draw, start, law)
    return MarketPaths(names, grid.dt, grid.substeps, price, volatility)


def _keys(seed: int, purpose: str) -> Keys:
    return Keys(*(stream(seed, purpose, "market", name) for name in ("steps", "jumps", "bridge")))


@kernel
def _draws(key, first, count, draws):
    """Which parameter draw each path uses: a hash of its id."""
    out = np.zeros(count, np.int64)
    if draws > 1:
        for i in range(count):
            out[i] = min(np.int64(uniform(key, 0, 0, first + i, 0) * draws), draws - 1)
    return out


@lru_cache(maxsize=8)
def _law(market: ModelMarket, market_step: float, seed: int, purpose: str) -> Law:
    """The law of one market step, all parameter draws; cached, for every block of a run asks for it."""
    years = market_step / YEAR
    key = stream(seed, purpose, "market", "parameters")
    versions = [_versions(asset, a, market.parameter_law_off, key) for a, asset in enumerate(market.assets)]
    draws = max(len(row) for row in versions)
    versions = [row * (draws // len(row)) for row in versions]
    factor = np.array(cholesky(market.correlation)) if market.correlation else np.eye(len(versions))
    independent = bool((factor == np.eye(len(versions))).all())
    innovation, innovations, cumulant, cumulants = _tables(versions, independent)
    variance = _each(versions, lambda process, _: process.volatility**2 * years)
    alpha, gamma, beta = (
        _each(versions, lambda process, _, k=key: getattr(process, k, 0.0)) for key in ("alpha", "gamma", "beta")
    )
    growth = np.array([[asset.drift * years] for asset in market.assets])
    return Law(
        omega=variance * (1 - _each(versions, lambda process, _: getattr(process, "persistence", 0.0))),
        alpha=alpha,
        gamma=gamma,
        beta=beta,
        ceiling=np.minimum(
            _each(versions, lambda process, _: getattr(process, "ceiling", 1.0)) ** 2 * variance, HIGHEST_VARIANCE
        ),
        drift=growth - _each(versions, lambda _, jumps: jumps.intensity * years * jumps.mean_growth if jumps else 0.0),
        jump_variance=_each(versions, lambda _, jumps: jumps.intensity * years * jumps.second_moment if jumps else 0.0),
        jumps=JumpLaw(
            kind=np.array([_kind(asset.jumps) for asset in market.assets]),
            law=np.array([[_jump_law(jumps) for _, jumps in row] for row in versions]),
            counts=_counts([[jumps.intensity * years if jumps else 0.0 for _, jumps in row] for row in versions], independent),
            factor=factor,
        ),
        copula=Copula(
            independent=independent,
            factor=factor,
            is_normal=np.array([_degrees(asset.process) is None for asset in market.assets]),
            normal_table=NORMAL_TABLE,
            no_offset=np.zeros(CHUNK, np.int64),
        ),
        innovation=innovation,
        innovations=innovations,
        cumulant=cumulant,
        cumulants=cumulants,
        price=np.array([asset.price for asset in market.assets]),
        per_year=1 / years,
    )


def _versions(asset: Asset, index: int, law_off: bool, key: np.uint64) -> list[Version]:
    """The asset's parameters, draw by draw; one version without a law."""
    law = asset.parameter_law
    if law is None or law_off:
        return [(asset.process, asset.jumps)]
    factor = cholesky(law.covariance)
    point = coordinates(asset.process, asset.jumps)
    versions = []
    for d in range(law.draws):
        z = [normal(uniform(key, d, index, 0, i)) for i in range(len(law.names))]
        moved = {name: point[name] + sum(factor[i][j] * z[j] for j in range(i + 1)) for i, name in enumerate(law.names)}
        versions.append(at(asset.process, asset.jumps, moved))
    return versions


def _each(versions: list[list[Version]], value) -> np.ndarray:
    """[asset, draw] of one number of every version."""
    return np.array([[float(value(process, jumps)) for process, jumps in row] for row in versions])


def _kind(jumps: Jumps | None) -> int:
    return NO_JUMPS if jumps is None or jumps.intensity == 0 else MERTON if isinstance(jumps, Merton) else KOU


def _jump_law(jumps: Jumps | None) -> tuple[float, float, float]:
    if isinstance(jumps, Merton):
        return jumps.mean, jumps.deviation, 0.0
    if isinstance(jumps, Kou):
        return jumps.up_probability, jumps.eta_up, jumps.eta_down
    return 0.0, 0.0, 0.0


def _degrees(process: Process) -> tuple[float, float] | None:
    """(degrees of freedom, max_move) of a Student-t innovation, None for a normal one."""
    if isinstance(process, Garch) and isinstance(process.innovation, StudentT):
        return process.innovation.degrees_of_freedom, process.innovation.max_move
    return None


def _tables(versions: list[list[Version]], independent: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Offsets [asset, draw] and tables of innovations and of cumulants, one of each for every different law."""
    laws = [[_degrees(process) for process, _ in row] for row in versions]
    different = list(dict.fromkeys(law for row in laws for law in row))
    size = TAIL_SIZE if independent else INNOVATION_SIZE
    innovations, cumulants = np.zeros((len(different), size)), np.zeros((len(different), CUMULANT_SIZE))
    for i, law in enumerate(different):
        _fill_tables(law, independent, innovations[i], cumulants[i])
    place = {law: i for i, law in enumerate(different)}
    index = np.array([[place[law] for law in row] for row in laws])
    return index * size, innovations.ravel(), index * CUMULANT_SIZE, cumulants.ravel()


def _fill_tables(law: tuple[float, float] | None, independent: bool, innovations: np.ndarray, cumulants: np.ndarray) -> None:
    if law is not None:
        over_normals = np.empty(INNOVATION_SIZE)
        innovation_table(*law, over_normals)
        cumulant_table(over_normals, cumulants)
        if independent:
            tail_table(*law, innovations)
        else:
            innovations[:] = over_normals
    elif independent:
        innovations[:] = NORMAL_TABLE


def _counts(means: list[list[float]], independent: bool) -> np.ndarray:
    """Where a draw must lie for more than n jumps, [asset, draw, n]: Poisson by inverse distribution function."""
    rows = [[_poisson_tail(mean) for mean in row] for row in means]
    most = max(len(tail) for row in rows for tail in row)
    out = np.full((len(rows), len(rows[0]), most), math.inf)
    for a, row in enumerate(rows):
        for d, tail in enumerate(row):
            out[a, d, : len(tail)] = [1 - p if independent else -normal(p) for p in tail]
    return out


def _poisson_tail(mean: float) -> list[float]:
    """P(N > n) for n = 0, 1, ... while it is above 1e-17, summed from the small end."""
    if mean == 0:
        return [0.0]
    most = int(mean + 12 * math.sqrt(mean) + 40)
    mass = [math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(most + 1)]
    tails, above = [], 0.0
    for k in range(most, 0, -1):
        above += mass[k]
        tails.append(above)
    return [p for p in reversed(tails) if p > 1e-17]


def _start(
    market: ModelMarket, market_step: float, seed: int, purpose: str, law: Law, draw: np.ndarray, first: int
) -> np.ndarray:
    """Variance of the first step [asset, path]."""
    level = law.omega / (1 - law.alpha - law.gamma / 2 - law.beta)
    if market.start == "today":
        start = level[:, draw]
        for a, asset in enumerate(market.assets):
            if isinstance(asset.process, Garch):
                start[a] = asset.process.volatility_today**2 * market_step / YEAR
        return np.ascontiguousarray(start)
    ratio = _stationary_ratio(market.with_point_parameters(), market_step, seed, purpose)
    if market.start == "stationary":
        chain = _draws(stream(seed, purpose, "market", "start"), first, len(draw), CHAINS)
        return np.ascontiguousarray(level[:, draw] * ratio[:, chain])
    ranked = np.sort(ratio, axis=1)[:, int(market.start * CHAINS)]
    return np.ascontiguousarray(level[:, draw] * ranked[:, np.newaxis])


@lru_cache(maxsize=8)
def _stationary_ratio(market: ModelMarket, market_step: float, seed: int, purpose: str) -> np.ndarray:
    """Conditional over stationary variance [asset, chain]: an ensemble run until it has forgotten its start.

    Chains are kept whole, so that the assets of one path start in variances that go together. The spread of estimated
    parameters enters through the stationary level of each draw, not through this ratio.
    """
    law = _law(market, market_step, seed, purpose)
    level = law.omega / (1 - law.alpha - law.gamma / 2 - law.beta)
    persistence = float(np.max(law.alpha + law.gamma / 2 + law.beta))
    steps = math.ceil(math.log(FORGOTTEN) / math.log(persistence)) if persistence > 0 else 0
    variance = np.repeat(level[:, :1], CHAINS, axis=1)
    key = stream(seed, purpose, "market", "stationary")
    for chunk in range(0, CHAINS, 256):
        part = np.ascontiguousarray(variance[:, chunk : chunk + 256])
        settle(part, key, chunk, min(steps, 200_000), law)
        variance[:, chunk : chunk + 256] = part
    return variance / level[:, :1]

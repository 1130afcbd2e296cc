"""From a model market to arrays: laws in units of one market step, tables, the parameters and the state each path starts with."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from simulator.kernel import kernel, normal, stream, uniform
from simulator.market.copula_kernel import student_tables
from simulator.market.dependence import ConstantCorrelation, Converging, Dcc, GaussianCopula, StudentCopula, cholesky
from simulator.market.draws import DEGREE, NORMAL_TABLE, TAIL_SIZE
from simulator.market.egarch import log_growth, nodes
from simulator.market.grid import Grid
from simulator.market.heston_kernel import heston_columns
from simulator.market.innovations import Innovation, Normal, SkewedT, StudentT
from simulator.market.jumps import Jumps, Kou, Merton
from simulator.market.law import at, coordinates
from simulator.market.model import CONSTANT_VARIANCE, Asset, ModelMarket
from simulator.market.path_kernel import fill, settle
from simulator.market.paths import MarketPaths
from simulator.market.pressure import checked_pull, checked_spike
from simulator.market.processes import Egarch, Heston, OrnsteinUhlenbeck, Process
from simulator.market.rare_events import RareEvents, make_tilt, no_tilt, weights
from simulator.market.step_law import (
    CHUNK,
    CONSTANT,
    CONVERGING,
    DCC,
    EXPONENTIAL,
    KOU,
    LINEAR,
    MERTON,
    NO_JUMPS,
    PEG,
    SQUARE_ROOT,
    Copula,
    JumpLaw,
    Keys,
    Law,
)
from simulator.market.tables import (
    CUMULANT_SIZE,
    HIGHEST_VARIANCE,
    INNOVATION_SIZE,
    REACH,
    SEGMENTS,
    WIDTH,
    cumulant_table,
    innovation_table,
    skewed_cumulant_table,
    skewed_table,
    tail_table,
)
from simulator.market.tilt_kernel import FAR, NEVER, Tilt
from simulator.parameters import YEAR

CHAINS = 2_048  # of the ensemble that stands for the stationary law of variance
FAMILIES = {"egarch": EXPONENTIAL, "heston": SQUARE_ROOT, "ornstein-uhlenbeck": PEG}
FORGOTTEN = 0.03  # the ensemble runs until this share of its start is left

Version = tuple[Process, Jumps | None]  # an asset's parameters in one draw


def generate(
    market: ModelMarket,
    grid: Grid,
    seed: int,
    purpose: str,
    first: int,
    count: int,
    convergence: np.ndarray | None = None,
    spike: np.ndarray | None = None,
    rare: RareEvents | None = None,
) -> MarketPaths:
    """Paths `first` .. `first + count - 1` of `market`; see `ModelMarket.paths`."""
    if first < 0 or count < 1:
        raise ValueError(f"`first >= 0` and `count >= 1` must hold, but got {first} and {count}")
    pulled = checked_pull(convergence, grid.market_steps)
    if len(market.assets) == 1:
        pulled = pulled[:0]  # nothing to pull it to
    law = _law(market, grid.market_step, seed, purpose, pulled.size > 0)
    tilt = make_tilt(rare, market, grid, seed, purpose, first, law, count) if rare else no_tilt(len(law.price), count)
    key = stream(seed, purpose, "market", "parameter draw")
    draw, wilder = _chosen(key, first, law.level, tilt)
    start, higher = _start(market, grid.market_step, seed, purpose, law, draw, first, tilt)
    names = market.asset_names
    price = np.empty((grid.steps + 1, len(names), count))
    volatility = np.empty((grid.market_steps, len(names), count))
    moves = law.copula.dynamics != CONSTANT or pulled.size > 0
    correlation = np.empty((grid.market_steps if moves else 0, count))
    multiplier = checked_spike(spike, grid.market_steps, len(names))
    fill(price, volatility, correlation, pulled, multiplier, _keys(seed, purpose), first, draw, start, law, tilt)
    if not moves:
        correlation = np.broadcast_to(_mean_of_pairs(law.copula.matrix), (grid.market_steps, count))
    known = correlation if len(names) > 1 else None
    paths = MarketPaths(names, grid.dt, grid.substeps, price, volatility, known)
    tilt.score[FAR] *= wilder * higher
    return (
        replace(paths, weight=weights(tilt, rare, market, grid), weight_of_unseen=rare.heaviest(market, grid)) if rare else paths
    )


def _mean_of_pairs(matrix: np.ndarray) -> float:
    n = len(matrix)
    return math.fsum(matrix[a, b] for a in range(n) for b in range(a)) / max(1, n * (n - 1) // 2)


def _keys(seed: int, purpose: str) -> Keys:
    return Keys(*(stream(seed, purpose, "market", name) for name in ("steps", "jumps", "bridge", "variance", "mixing")))


def _chosen(key: np.uint64, first: int, variance: np.ndarray, tilt: Tilt) -> tuple[np.ndarray, np.ndarray]:
    """Which column of `variance` [asset, n] each path has, all as likely, and the ratio of densities of a far path's choice.

    Far paths choose by the columns' variance relative to the mean, its mean over assets.
    """
    paths, n = len(tilt.scale), variance.shape[1]
    column, ratio = _draws(key, first, paths, n), np.ones(paths)
    if n > 1 and tilt.since < NEVER:
        height = (variance / variance.mean(axis=1, keepdims=True)).mean(axis=0)
        _choose_high(key, first, np.cumsum(height) / n, tilt.far_step, column)
        ratio = height[column]
    return column, ratio


@kernel
def _draws(key, first, count, draws):
    """Which parameter draw each path uses: a hash of its id."""
    out = np.zeros(count, np.int64)
    if draws > 1:
        for i in range(count):
            out[i] = min(np.int64(uniform(key, 0, 0, first + i, 0) * draws), draws - 1)
    return out


@kernel
def _choose_high(key, first, cumulative, far_step, column):
    """Into `column`, for every far path, the place of its uniform in `cumulative`."""
    for i in range(column.shape[0]):
        if far_step[i] >= 0:
            u = uniform(key, 0, 0, first + i, 0)
            column[i] = min(np.searchsorted(cumulative, u), cumulative.shape[0] - 1)


@lru_cache(maxsize=8)
def _law(market: ModelMarket, market_step: float, seed: int, purpose: str, pulled: bool = False) -> Law:
    """The law of one market step, all parameter draws; cached, for every block of a run asks for it.

    Where correlations are `pulled` to one, assets that nothing joins otherwise are joined too.
    """
    years = market_step / YEAR
    key = stream(seed, purpose, "market", "parameters")
    versions = [_versions(asset, a, market.parameter_law_off, key) for a, asset in enumerate(market.assets)]
    draws = max(len(row) for row in versions)
    versions = [row * (draws // len(row)) for row in versions]
    matrix = np.array(market.correlation) if market.correlation else np.eye(len(versions))
    factor = np.array(cholesky(matrix.tolist()))
    independent = not pulled and _is_independent(market, matrix)
    innovation, innovations, cumulant, cumulants = _tables(versions, independent)
    variance = _each(versions, lambda process, _: _step_variance(process, years))
    omega, alpha, gamma, beta, mean_size, level = _recursion(versions, variance)
    growth = np.array([[0.0 if isinstance(asset.process, OrnsteinUhlenbeck) else asset.drift * years] for asset in market.assets])
    pegs = np.array([[1.0 if isinstance(asset.process, OrnsteinUhlenbeck) else 0.0] for asset in market.assets])
    jump_growth = _each(versions, lambda _, jumps: jumps.intensity * years * jumps.mean_growth if jumps else 0.0)
    return Law(
        family=np.array([FAMILIES.get(asset.process.kind, LINEAR) for asset in market.assets]),
        base=np.array([_base(market, asset) for asset in market.assets]),
        own=np.array(
            [[_own(market, asset, process, years) for process, _ in versions[a]] for a, asset in enumerate(market.assets)]
        ),
        level=level,
        mean_size=mean_size,
        omega=omega,
        alpha=alpha,
        gamma=gamma,
        beta=beta,
        ceiling=np.minimum(
            _each(versions, lambda process, _: getattr(process, "ceiling", 1.0)) ** 2 * variance, HIGHEST_VARIANCE
        ),
        drift=growth - (1.0 - pegs) * jump_growth,
        jump_variance=_each(versions, lambda _, jumps: jumps.intensity * years * jumps.second_moment if jumps else 0.0),
        jumps=JumpLaw(
            kind=np.array([_kind(asset.jumps) for asset in market.assets]),
            law=np.array([[_jump_law(jumps) for _, jumps in row] for row in versions]),
            counts=_counts([[jumps.intensity * years if jumps else 0.0 for _, jumps in row] for row in versions], independent),
            factor=factor,
        ),
        copula=_copula(market, market_step, matrix, factor, independent),
        innovation=innovation,
        innovations=innovations,
        cumulant=cumulant,
        cumulants=cumulants,
        price=np.array([asset.price for asset in market.assets]),
        per_year=1 / years,
    )


def _step_variance(process: Process, years: float) -> float:
    """Stationary variance of the diffusive part of a step; of a peg that of the exact transition."""
    if isinstance(process, OrnsteinUhlenbeck):
        return process.transition_variance(years)
    return process.volatility**2 * years


def _is_independent(market: ModelMarket, matrix: np.ndarray) -> bool:
    """Whether nothing joins assets and every law is symmetric: then innovations come straight from uniforms."""
    plain = isinstance(market.copula, GaussianCopula) and isinstance(market.correlation_dynamics, ConstantCorrelation)
    skewed = any(isinstance(_innovation(asset.process), SkewedT) for asset in market.assets)
    return plain and not skewed and bool((matrix == np.eye(len(matrix))).all())


def _base(market: ModelMarket, asset: Asset) -> int:
    base = asset.process.base if isinstance(asset.process, OrnsteinUhlenbeck) else None
    return -1 if base is None else market.asset_names.index(base)


def _own(market: ModelMarket, asset: Asset, process: Process, years: float) -> list[float]:
    """What only the family of `process` has, in units of a step; see `step_law`."""
    if isinstance(process, Heston):
        theta = process.volatility**2 * years
        return heston_columns(process.mean_reversion * years, theta, process.volatility_of_variance * years, process.leverage)
    if isinstance(process, OrnsteinUhlenbeck):
        base = _base(market, asset)
        par = process.peg * (market.assets[base].price if base >= 0 else 1.0)
        pull = math.expm1(-math.log(2) * years * YEAR / process.half_life)
        return [pull, math.log(asset.price / par), *[0.0] * 7]
    return [0.0] * 9


def _copula(market: ModelMarket, market_step: float, matrix: np.ndarray, factor: np.ndarray, independent: bool) -> Copula:
    plain = Copula(
        independent=independent,
        factor=factor,
        is_normal=np.array([_innovation(asset.process) is None for asset in market.assets]),
        normal_table=NORMAL_TABLE,
        no_offset=np.zeros(CHUNK, np.int64),
        matrix=matrix,
    )
    if isinstance(market.copula, StudentCopula):
        root_mixing, scores = student_tables(market.copula.degrees_of_freedom, market.copula.asymmetry)
        plain = plain._replace(is_student=True, asymmetry=market.copula.asymmetry, root_mixing=root_mixing, scores=scores)
    dynamics = market.correlation_dynamics
    if isinstance(dynamics, Dcc):
        return plain._replace(dynamics=DCC, moving=np.array([dynamics.alpha, dynamics.beta, 0.0, 0.0]))
    if isinstance(dynamics, Converging):
        kept = 2.0 ** (-market_step / dynamics.half_life)
        moves = np.array([not isinstance(asset.process, CONSTANT_VARIANCE) for asset in market.assets])
        moving = np.array([dynamics.starts_at, dynamics.full_at, dynamics.level, kept])
        return plain._replace(dynamics=CONVERGING, moving=moving, moves=moves)
    return plain


def _recursion(versions: list[list[Version]], variance: np.ndarray) -> tuple[np.ndarray, ...]:
    """omega, alpha, gamma, beta, E|z| and the stationary variance, [asset, draw] each."""
    alpha, gamma, beta = (
        _each(versions, lambda process, _, k=key: getattr(process, k, 0.0)) for key in ("alpha", "gamma", "beta")
    )
    omega = variance * (1 - _each(versions, lambda process, _: getattr(process, "persistence", 0.0)))
    level, mean_size = omega / (1 - alpha - gamma / 2 - beta), np.zeros(variance.shape)
    for a, row in enumerate(versions):
        for d, (process, _) in enumerate(row):
            if isinstance(process, Egarch):
                z, probability = _nodes(_innovation(process))
                growth = log_growth(z, probability, process.alpha, process.gamma, process.beta)
                omega[a, d] = (1 - process.beta) * (math.log(variance[a, d]) - growth)
                level[a, d], mean_size[a, d] = variance[a, d], np.sum(probability * np.abs(z))
            elif isinstance(process, Heston):
                level[a, d] = variance[a, d]
    return omega, alpha, gamma, beta, mean_size, level


@lru_cache(maxsize=1_024)
def _nodes(law: Innovation | None) -> tuple[np.ndarray, np.ndarray]:
    return nodes(_table_over_normals(law))


def _versions(asset: Asset, index: int, law_off: bool, key: np.uint64) -> list[Version]:
    """The asset's parameters, draw by draw; one version without a law."""
    law = asset.parameter_law
    if law is None or law_off:
        return [asset.real_world]
    factor = cholesky(law.covariance)
    process, jumps = asset.real_world
    point = coordinates(process, jumps)
    versions = []
    for d in range(law.draws):
        z = [normal(uniform(key, d, index, 0, i)) for i in range(len(law.names))]
        moved = {name: point[name] + sum(factor[i][j] * z[j] for j in range(i + 1)) for i, name in enumerate(law.names)}
        versions.append(at(process, jumps, moved))
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


def _innovation(process: Process) -> Innovation | None:
    """The law of innovations that are not normal, None for normal ones."""
    law = getattr(process, "innovation", None)
    return None if isinstance(law, Normal) else law


def _tables(versions: list[list[Version]], independent: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Offsets [asset, draw] and tables of innovations and of cumulants, one of each for every different law."""
    laws = [[_innovation(process) for process, _ in row] for row in versions]
    different = list(dict.fromkeys(law for row in laws for law in row))
    size = TAIL_SIZE if independent else INNOVATION_SIZE
    innovations, cumulants = np.zeros((len(different), size)), np.zeros((len(different), CUMULANT_SIZE))
    for i, law in enumerate(different):
        _fill_tables(law, independent, innovations[i], cumulants[i])
    place = {law: i for i, law in enumerate(different)}
    index = np.array([[place[law] for law in row] for row in laws])
    return index * size, innovations.ravel(), index * CUMULANT_SIZE, cumulants.ravel()


def _table_over_normals(law: Innovation | None) -> np.ndarray:
    """The innovation at a standard normal; for normal innovations that normal itself."""
    table = np.zeros(INNOVATION_SIZE)
    if isinstance(law, SkewedT):
        skewed_table(law.degrees_of_freedom, law.skew, law.max_move, table)
    elif isinstance(law, StudentT):
        innovation_table(law.degrees_of_freedom, law.max_move, table)
    else:
        table[0 :: DEGREE + 1] = np.arange(SEGMENTS) * WIDTH - REACH
        table[1 :: DEGREE + 1] = 1.0
    return table


def _fill_tables(law: Innovation | None, independent: bool, innovations: np.ndarray, cumulants: np.ndarray) -> None:
    if law is None:
        if independent:
            innovations[:] = NORMAL_TABLE
        return
    over_normals = _table_over_normals(law)
    (skewed_cumulant_table if isinstance(law, SkewedT) else cumulant_table)(over_normals, cumulants)
    if independent:
        assert isinstance(law, StudentT)
        tail_table(law.degrees_of_freedom, law.max_move, innovations)
    else:
        innovations[:] = over_normals


def _counts(means: list[list[float]], independent: bool) -> np.ndarray:
    """Where a draw must lie for more than n jumps, [asset, draw, n]: Poisson by inverse distribution function."""
    rows = [[_poisson_tail(mean) for mean in row] for row in means]
    most = max(len(tail) for row in rows for tail in row)
    out = np.full((len(rows), len(rows[0]), most), math.inf)
    for a, row in enumerate(rows):
        for d, tail in enumerate(row):
            out[a, d, : len(tail)] = [1 - p if independent else -normal(p) if p > 0 else math.inf for p in tail]
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
    market: ModelMarket, market_step: float, seed: int, purpose: str, law: Law, draw: np.ndarray, first: int, tilt: Tilt
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the first step [asset, path], and the ratio of densities of a far path's choice of it."""
    level, all_alike = law.level, np.ones(len(draw))
    if market.start == "today":
        start = level[:, draw]
        for a, asset in enumerate(market.assets):
            if not isinstance(asset.process, CONSTANT_VARIANCE):
                start[a] = asset.process.volatility_today**2 * market_step / YEAR
        return np.ascontiguousarray(start), all_alike
    ratio = _stationary_ratio(market.with_point_parameters(), market_step, seed, purpose)
    if market.start == "stationary":
        chain, higher = _chosen(stream(seed, purpose, "market", "start"), first, ratio, tilt)
        return np.ascontiguousarray(level[:, draw] * ratio[:, chain]), higher
    ranked = np.sort(ratio, axis=1)[:, int(market.start * CHAINS)]
    return np.ascontiguousarray(level[:, draw] * ranked[:, np.newaxis]), all_alike


@lru_cache(maxsize=8)
def _stationary_ratio(market: ModelMarket, market_step: float, seed: int, purpose: str) -> np.ndarray:
    """Conditional over stationary variance [asset, chain]: an ensemble run until it has forgotten its start.

    Chains are kept whole, so that the assets of one path start in variances that go together. The spread of estimated
    parameters enters through the stationary level of each draw, not through this ratio.
    """
    law = _law(market, market_step, seed, purpose)
    level, persistence = law.level, _slowest(market, market_step)
    steps = math.ceil(math.log(FORGOTTEN) / math.log(persistence)) if persistence > 0 else 0
    variance = np.repeat(level[:, :1], CHAINS, axis=1)
    keys = _keys(seed, purpose)._replace(
        steps=stream(seed, purpose, "market", "stationary"),
        variance=stream(seed, purpose, "market", "stationary variance"),
        mixing=stream(seed, purpose, "market", "stationary mixing"),
    )
    for chunk in range(0, CHAINS, 256):
        part = np.ascontiguousarray(variance[:, chunk : chunk + 256])
        settle(part, keys, chunk, min(steps, 200_000), law, no_tilt(len(level), 256))
        variance[:, chunk : chunk + 256] = part
    return variance / level[:, :1]


def _slowest(market: ModelMarket, market_step: float) -> float:
    """The largest share of a shock to variance that a step keeps."""
    kept = [0.0]
    for asset in market.assets:
        process = asset.real_world[0]
        if isinstance(process, Heston):
            kept.append(math.exp(-process.mean_reversion * market_step / YEAR))
        else:
            kept.append(getattr(process, "persistence", 0.0))
    return max(kept)

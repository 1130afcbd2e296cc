"""A market under stress: its paths with overlays, gas and block capacity, as arrays that the engine reads step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from simulator.market.gas import ConstantGas, Gas, MeanRevertingGas
from simulator.market.grid import Grid
from simulator.market.history import Replay
from simulator.market.model import ModelMarket
from simulator.market.overlays import (
    AnyOverlay,
    CorrelationShock,
    Depeg,
    GasSpike,
    Lasting,
    LiquidityDrought,
    OracleHalt,
    PriceMove,
    PriceShock,
    VolatilitySpike,
)
from simulator.market.paths import MarketPaths
from simulator.market.processes import Heston, OrnsteinUhlenbeck
from simulator.market.rare_events import RareEvents
from simulator.parameters import YEAR

if TYPE_CHECKING:
    import numpy as np

    from simulator.market import Market

L = TypeVar("L", bound=Lasting)


def stressed_paths(
    market: Market,
    overlays: tuple[AnyOverlay, ...],
    gas: Gas | None,
    grid: Grid,
    seed: int,
    purpose: str,
    first: int,
    count: int,
    rare: RareEvents | None = None,
) -> MarketPaths:
    """Paths `first` .. `first + count - 1` of `market` under `overlays`, with the price of gas where `gas` is given.

    `rare` tilts the jumps of a model (market/rare_events.py). Without overlays and gas these are the market's own paths, byte
    for byte. Raises ValueError as `market.paths` does.
    """
    pulls: dict[str, Any] = {
        key: value
        for key, value in (
            ("convergence", _convergence(overlays, grid)),
            ("spike", _spike(overlays, market, grid)),
            ("rare", rare),
        )
        if value is not None
    }
    paths = market.paths(grid, seed, purpose, first, count, **pulls)
    factor = _price_factor(overlays, market, grid)
    if factor is not None:
        paths.price[...] *= factor[:, :, None]
    paths = replace(paths, depth_share=_depth_share(overlays, market, grid), oracle_halted=_halts(overlays, market, grid))
    if gas is None:
        return paths
    price = _gas_price(gas, market, paths, grid, seed, purpose, first)
    spike = _each(GasSpike, overlays, grid.steps, grid.dt, grid, lambda overlay: overlay.price_multiplier)
    if spike is not None:
        price *= spike[:, None]
    return replace(paths, gas=price, block_capacity=_room(gas, overlays, grid))


def overlay_problems(
    overlays: Sequence[AnyOverlay], market: Market, gas: Gas | None, grid: Grid
) -> Iterator[tuple[int, str, str]]:
    """(place in the list, key, message) of every overlay that cannot act on these paths."""
    horizon = grid.horizon_steps * grid.dt
    for i, overlay in enumerate(overlays):
        for asset in getattr(overlay, "assets", ()):
            if asset not in market.asset_names:
                yield i, "assets", f"{asset} is not an asset of [market]; there are {', '.join(market.asset_names)}"
        if overlay.at >= horizon:
            yield i, "at", f"`at < horizon` must hold, but got {overlay.at:g} s and {horizon:g} s after the vote"
        if isinstance(overlay, Lasting):
            yield from _too_short(i, overlay, grid)
        if isinstance(overlay, GasSpike):
            yield from _no_gas(i, overlay, gas)
        if isinstance(overlay, Depeg):
            yield from _no_peg(i, overlay, market)
        if isinstance(overlay, CorrelationShock):
            yield from _no_correlation(i, market)
        if isinstance(overlay, VolatilitySpike):
            yield from _no_expected_price(i, overlay, market, grid)


def _too_short(i: int, overlay: Lasting, grid: Grid) -> Iterator[tuple[int, str, str]]:
    slow = isinstance(overlay, VolatilitySpike | CorrelationShock)
    step, name = (grid.market_step, "market step") if slow else (grid.dt, "substep")
    if overlay.duration < step * (1 - 1e-9):
        yield i, "duration", f"must be at least a {name}, but got {overlay.duration:g} s and {step:g} s; it could miss every one"


def _no_gas(i: int, overlay: GasSpike, gas: Gas | None) -> Iterator[tuple[int, str, str]]:
    if gas is None:
        yield i, "kind", "a gas-spike needs a section [gas] to act on"
    elif overlay.capacity_multiplier < 1 and gas.capacity is None:
        yield i, "capacity_multiplier", "needs `capacity` in [gas] to act on"


def _no_peg(i: int, overlay: Depeg, market: Market) -> Iterator[tuple[int, str, str]]:
    if isinstance(market, ModelMarket):
        pegs = {asset.name for asset in market.assets if isinstance(asset.process, OrnsteinUhlenbeck)}
        for name in overlay.assets:
            if name in market.asset_names and name not in pegs:
                yield i, "assets", f'{name} is no peg; give it an ornstein-uhlenbeck process, or write kind = "price-shock"'


def _no_correlation(i: int, market: Market) -> Iterator[tuple[int, str, str]]:
    if len(market.asset_names) < 2:
        yield i, "kind", "a correlation-shock needs a second asset"
    elif isinstance(market, Replay):
        yield i, "kind", "a replay is one history and has no correlation to pull; use a model, a bootstrap or filtered-history"


def _no_expected_price(i: int, overlay: VolatilitySpike, market: Market, grid: Grid) -> Iterator[tuple[int, str, str]]:
    for asset in market.assets if isinstance(market, ModelMarket) else ():
        process = asset.real_world[0]
        if isinstance(process, Heston) and (not overlay.assets or asset.name in overlay.assets):
            wild = process.model_copy(update={"volatility_of_variance": process.volatility_of_variance * overlay.multiplier})
            if wild.explosion(grid.market_step / YEAR) >= 1:
                yield i, "multiplier", f"{asset.name} has no expected price at {overlay.multiplier:g} times its volatility"


def _moments(grid: Grid, count: int, step: float) -> list[float]:
    """[s] after the vote of the starts of `count` steps of `step` seconds."""
    before = grid.burn_in_steps * grid.dt
    return [n * step - before for n in range(count)]


def _each(
    kind: type[L], overlays: Iterable[AnyOverlay], count: int, step: float, grid: Grid, factor: Callable[[L], float]
) -> np.ndarray | None:
    """[step] product of the factors of all overlays of `kind` that are there; None without one."""
    import numpy as np

    found = [overlay for overlay in overlays if isinstance(overlay, kind)]
    if not found:
        return None
    out = np.ones(count)
    for n, moment in enumerate(_moments(grid, count, step)):
        for overlay in found:
            if overlay.covers(moment):
                out[n] *= factor(overlay)
    return out


def _by_asset(
    kind: type[L], overlays: Iterable[AnyOverlay], assets: Sequence[str], count: int, step: float, grid: Grid, factor: Any
) -> np.ndarray | None:
    """[step, asset] as `_each`, for overlays that name their assets or mean all of them."""
    import numpy as np

    found = [overlay for overlay in overlays if isinstance(overlay, kind)]
    if not found:
        return None
    columns = []
    for asset in assets:
        own = [overlay for overlay in found if not getattr(overlay, "assets", ()) or asset in getattr(overlay, "assets", ())]
        column = _each(kind, own, count, step, grid, factor)
        columns.append(np.ones(count) if column is None else column)
    return np.ascontiguousarray(np.array(columns).T)


@lru_cache(maxsize=8)
def _convergence(overlays: tuple[AnyOverlay, ...], grid: Grid) -> np.ndarray | None:
    """[market step] share of the way to one: 1 - the product of (1 - level)."""
    kept = _each(CorrelationShock, overlays, grid.market_steps, grid.market_step, grid, lambda overlay: 1.0 - overlay.level)
    return None if kept is None else 1.0 - kept


@lru_cache(maxsize=8)
def _spike(overlays: tuple[AnyOverlay, ...], market: Market, grid: Grid) -> np.ndarray | None:
    """[market step, asset] multiplier of diffusive returns."""
    names, steps = market.asset_names, grid.market_steps
    return _by_asset(VolatilitySpike, overlays, names, steps, grid.market_step, grid, lambda overlay: overlay.multiplier)


@lru_cache(maxsize=8)
def _depth_share(overlays: tuple[AnyOverlay, ...], market: Market, grid: Grid) -> np.ndarray | None:
    """[substep, asset] share of depth that is left."""
    names = market.asset_names
    return _by_asset(LiquidityDrought, overlays, names, grid.steps, grid.dt, grid, lambda overlay: overlay.depth_multiplier)


@lru_cache(maxsize=8)
def _halts(overlays: tuple[AnyOverlay, ...], market: Market, grid: Grid) -> np.ndarray | None:
    """[substep, asset] whether the oracle is halted."""
    going = _by_asset(OracleHalt, overlays, market.asset_names, grid.steps, grid.dt, grid, lambda _: 0.0)
    return None if going is None else (going == 0.0)


@lru_cache(maxsize=8)
def _price_factor(overlays: tuple[AnyOverlay, ...], market: Market, grid: Grid) -> np.ndarray | None:
    """[substep + 1, asset] product of all price moves."""
    import numpy as np

    moves = [overlay for overlay in overlays if isinstance(overlay, PriceMove)]
    if not moves:
        return None
    out = np.ones((grid.steps + 1, len(market.asset_names)))
    hit = [(move, {*move.assets, *(_followers(market, move.assets) if isinstance(move, PriceShock) else ())}) for move in moves]
    for n, moment in enumerate(_moments(grid, grid.steps + 1, grid.dt)):
        for a, asset in enumerate(market.asset_names):
            level = math.fsum(move.log_factor(moment) for move, assets in hit if asset in assets)
            out[n, a] = math.exp(level) if level != 0.0 else 1.0
    return out


def _followers(market: Market, assets: Sequence[str]) -> Iterator[str]:
    """What is pegged to one of `assets`: it moves with its base."""
    if isinstance(market, ModelMarket):
        for asset in market.assets:
            if isinstance(asset.process, OrnsteinUhlenbeck) and asset.process.base in assets:
                yield asset.name


def _room(gas: Gas, overlays: tuple[AnyOverlay, ...], grid: Grid) -> np.ndarray | None:
    """[substep] liquidations that blocks have room for; None without a limit."""
    import numpy as np

    rate = gas.liquidations_per_second
    if rate is None:
        return None
    left = _each(GasSpike, overlays, grid.steps, grid.dt, grid, lambda overlay: overlay.capacity_multiplier)
    return np.full(grid.steps, rate * grid.dt) * (1.0 if left is None else left)


def _gas_price(gas: Gas, market: Market, paths: MarketPaths, grid: Grid, seed: int, purpose: str, first: int) -> np.ndarray:
    """[substep, path] in gwei."""
    import numpy as np

    if isinstance(gas, ConstantGas):
        return np.full((grid.steps, paths.n_paths), gas.price)
    from simulator.kernel import stream
    from simulator.market.gas_kernel import fill_gas

    out = np.empty((grid.steps, paths.n_paths))
    volatility = np.ascontiguousarray(paths.volatility[:, market.asset_names.index(gas.asset)])
    fill_gas(out, volatility, stream(seed, purpose, "market", "gas"), first, _gas_law(gas, market, grid))
    return out


def _gas_law(gas: MeanRevertingGas, market: Market, grid: Grid) -> tuple[float, ...]:
    """What `fill_gas` reads."""
    start = math.nan if gas.today is None else math.log(gas.today / gas.level)
    return (
        math.log(gas.level),
        gas.volatility_elasticity,
        market.reference_volatility(gas.asset),
        2.0 ** (-grid.market_step / gas.half_life),
        gas.spread,
        gas.jump_intensity * grid.market_step / YEAR,
        gas.jump_mean,
        start,
    )


def gas_problems(gas: Gas, market: Market) -> Iterator[tuple[str, str]]:
    """(key, message) of what does not fit between [gas] and [market]."""
    if gas.asset not in market.asset_names:
        yield "asset", f"{gas.asset} is not an asset of [market]; there are {', '.join(market.asset_names)}"


__all__ = ["gas_problems", "overlay_problems", "stressed_paths"]

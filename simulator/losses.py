"""Where bad debt came from: the worst paths are lived again with a ledger of who lost what, why, and by which asset.

A path is a function of its number, so living it again is the same path; a run that nobody asks about keeps no ledger.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.model import DUST, InvariantBroken, RiskModel, make_populations
from simulator.outcomes import BEARERS, CAUSES, SPECIAL_NAMES
from simulator.protocol.book import LATENT_LOST, LOST
from simulator.protocol.loss_causes import BY_ASSET

if TYPE_CHECKING:
    import pandas as pd

    from simulator.agents.population import Population
    from simulator.outcomes import Outcomes
    from simulator.scenario import Scenario, Vote

WORST = 8  # paths that are lived again unless told otherwise
SIZES = ("smallest quarter", "second quarter", "third quarter", "largest quarter")  # of a cohort's accounts, by wealth
EXACT = 1e-9  # [1] of a loss that parts may miss by rounding


@dataclass(frozen=True, eq=False)
class Losses:
    """Losses [usd] from the vote to the horizon.

    `accounts`: one row an account of a path that lost: path, cohort, account, size, realised, latent, loss, then a column a
    cause and a column `from ASSET` an asset, each group adding up to `loss`. `share`: the part of the loss of all paths that
    the rows explain. `bearers`: who bore the loss of all paths. Of weighted paths all losses are weight x loss.
    """

    accounts: pd.DataFrame
    assets: tuple[str, ...]
    total: float
    share: float
    paths: int
    bearers: dict[str, float]

    def by(self, what: str) -> dict[str, float]:
        """Losses [usd] of the rows by "cohort", "size", "cause" or "asset", largest first, those without loss left out."""
        if what in ("cohort", "size"):
            found = self.accounts.groupby(what, sort=True)["loss"].sum().to_dict()
        else:
            columns = {name: name for name in CAUSES} if what == "cause" else {f"from {name}": name for name in self.assets}
            found = {shown: float(self.accounts[column].sum()) for column, shown in columns.items()}
        return dict(sorted(((str(name), usd) for name, usd in found.items() if usd > 0), key=lambda one: -one[1]))


def attribute_losses(
    scenario: Scenario, outcomes: Outcomes, *, candidate: Vote | None = None, purpose: str = "run", worst: int = WORST
) -> Losses:
    """Explain the `worst` paths of `outcomes`, which `candidate` (default: the scenario's own) gave under `purpose`.

    Raises InvariantBroken if a path lived again is another one, or if the parts of a loss do not add up to it.
    """
    import pandas as pd

    lived = outcomes.column("loss.whole")
    weight = np.ones(len(lived)) if outcomes.weight is None else outcomes.weight
    loss = lived * weight
    losing = [place for place in np.argsort(-loss, kind="stable")[:worst] if loss[place] > 0]
    populations = make_populations(scenario)
    rows: list[dict[str, Any]] = []
    for place in losing:
        model = _lived_again(scenario, candidate, purpose, int(outcomes.path[place]), populations, float(lived[place]))
        rows += [_times(row, float(weight[place])) for row in _rows(model, populations)]
    total = math.fsum(loss)
    bearers = {name: float((outcomes.column(f"{quantity}.whole") * weight).sum()) for name, quantity in BEARERS.items()}
    share = math.fsum(loss[losing]) / total if total > 0 else 1.0
    return Losses(
        pd.DataFrame(rows, columns=_columns(scenario.assets)), tuple(scenario.assets), total, share, len(losing), bearers
    )


def _times(row: dict[str, Any], weight: float) -> dict[str, Any]:
    """The row of a path that counts `weight`: its dollars are floats, what names the account is not."""
    return {name: value * weight if isinstance(value, float) else value for name, value in row.items()}


def _columns(assets: tuple[str, ...] | list[str]) -> list[str]:
    return ["path", "cohort", "account", "size", "realised", "latent", "loss", *CAUSES, *(f"from {name}" for name in assets)]


def _lived_again(
    scenario: Scenario, candidate: Vote | None, purpose: str, path: int, populations: list[Population], expected: float
) -> RiskModel:
    market = scenario.market_paths(purpose, path, 1)
    model = RiskModel(scenario, market, purpose=purpose, first=path, populations=populations, ledger=[path])
    model.run(scenario.grid.burn_in_steps)
    lived = model.outcomes_of(candidate or scenario.vote).column("loss.whole")[0]
    told = float(model.state.ledger[0, :, [LOST, LATENT_LOST]].sum())
    if lived != expected or abs(told - expected) > EXACT * expected + 2 * DUST:
        raise InvariantBroken(f"path {path} lost {expected!r}, lived again {lived!r}, and its ledger says {told!r}")
    return model


def _rows(model: RiskModel, populations: list[Population]) -> Iterator[dict[str, Any]]:
    """One row an account that lost."""
    assert model.sight is not None
    ledger, sight, assets = model.state.ledger[0], model.sight[0], model.market.assets
    names, sizes = _names(model, populations), _sizes(populations)
    for i in np.flatnonzero(ledger[:, LOST] + ledger[:, LATENT_LOST] > 0):
        realised, latent = float(ledger[i, LOST]), float(ledger[i, LATENT_LOST])
        by_asset = sight[i, BY_ASSET + len(assets) :]
        yield {
            "path": model.first,
            "cohort": names[i][0],
            "account": names[i][1],
            "size": sizes[i] if i < len(sizes) else "",
            "realised": realised,
            "latent": latent,
            "loss": realised + latent,
            **dict(zip(CAUSES, sight[i].tolist(), strict=False)),
            **{f"from {name}": float(usd) for name, usd in zip(assets, by_asset, strict=True)},
        }


def _names(model: RiskModel, populations: list[Population]) -> list[tuple[str, int]]:
    """(cohort, index within it) of every record."""
    accounts = [
        (c.part.name, j) for c, population in zip(model.cohorts, populations, strict=True) for j in range(len(population))
    ]
    return accounts + [(name, 0) for name in SPECIAL_NAMES]


def _sizes(populations: list[Population]) -> list[str]:
    """The quarter of its cohort by wealth, of every account."""
    return [SIZES[4 * int(rank) // len(one)] for one in populations for rank in np.argsort(np.argsort(one.wealth, kind="stable"))]

"""Outcomes: what happened, one entry a path. The sampling unit is the path; nothing here is an average over accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas

WEIGHT, UNSEEN = "weight", "weight_of_unseen"  # columns, where paths were drawn from another law
WINDOWS = ("transition", "steady", "whole")

QUANTITIES: dict[str, tuple[str, str]] = {
    "loss": ("usd", "realised + latent bad debt"),
    "realised_bad_debt": ("usd", "negative equity of accounts that were closed out"),
    "latent_bad_debt": ("usd", "negative equity of open accounts at the end of the window, at wind-down prices"),
    "fund_draw": ("usd", "bad debt paid by the insurance fund"),
    "adl_haircut": ("usd", "bad debt borne by auto-deleveraged counterparties"),
    "adl_volume": ("usd", "notional that was auto-deleveraged"),
    "socialised_loss": ("usd", "bad debt shared among accounts or suppliers"),
    "uncovered_loss": ("usd", "bad debt that nobody paid"),
    "vault_loss": ("usd", "fall of the vault's equity over the window, if it fell"),
    "liquidations": ("count", "keeper actions on liquidatable accounts"),
    "liquidated_notional": ("usd", "positions closed and debts repaid by keepers"),
    "takeovers": ("count", "accounts taken over by the vault"),
    "penalties": ("usd", "liquidation penalties paid"),
    "fees": ("usd", "trading fees paid"),
    "gas": ("usd", "gas paid by keepers"),
    "refusals": ("count", "deposits and loans refused by a cap, a debt ceiling or isolation"),
    "user_cost": ("usd", "fees, penalties, bonuses and equity lost in takeovers"),
    "open_interest": ("usd", "time average"),
    "borrowed": ("usd", "time average"),
    "collateral": ("usd", "time average of what users had put in, at its value when put in"),
    "utilisation": ("1", "time average of the most used pool"),
    "capital_efficiency_used": ("1", "(open interest + borrowed) / collateral"),
    "time_under_water": ("hour", "hours in which latent bad debt exceeded the fund"),
    "fund_end": ("usd", "insurance fund at the end of the window"),
    "fund_minimum": ("usd", "least value of the insurance fund since the load"),
    "newly_liquidatable": ("count", "accounts that the vote itself makes liquidatable (transition only)"),
    "margin_ratio": ("1", "time average of the initial ratio, where margin follows volatility"),
    "margin_peak_to_trough": ("1", "greatest initial ratio over the least, where margin follows volatility"),
    "margin_rise_1_day": ("1", "greatest relative rise of the initial ratio within a day, where margin follows volatility"),
    "margin_rise_5_days": ("1", "the same within five days"),
    "external_variance": ("1/year", "realised variance of the first asset outside"),
    "observed_variance": ("1/year", "realised variance of the first asset as observed in the protocol's venue"),
}
# beside them `external_variance.ASSET.whole` and `observed_variance.ASSET.whole`, of every asset; where a ledger is kept also
# `loss_by_cause.CAUSE.whole`, `loss_by_asset.ASSET.whole`, `loss_by_cohort.COHORT.whole` [usd], each group parts of the loss


BEARERS = {  # who bore the loss: quantities that add up to it
    "insurance fund or reserves": "fund_draw",
    "auto-deleveraged accounts": "adl_haircut",
    "everybody (socialised)": "socialised_loss",
    "nobody (uncovered)": "uncovered_loss",
    "still open at the horizon": "latent_bad_debt",
}


CAUSES = {  # why bad debt came about, in the order of their fields: docs/model.md 7.1
    "gap": "one move of market or terms took it from above the margin to below zero",
    "impact": "trades and liquidations of its own substep took it below zero",
    "stale_oracle": "it fell on while its oracle was stale",
    "full_blocks": "it fell on while blocks had no room",
    "gas": "it fell on while gas was above what keepers bear",
    "unserved": "it fell on while no keeper had come, or none was paid enough",
    "closing": "slippage and penalties of closing it",
    "special_records": "latent debt of vault, maker, writer or reserves",
}
SPECIAL_NAMES = ("maker", "vault", "fund", "keepers", "reserves", "writer")  # records beside those of accounts


@dataclass(frozen=True, eq=False)
class Outcomes:
    """path: int64 [path] ids; columns: `<quantity>.<window>` -> float64 [path]. Losses are positive.

    Where paths were drawn from another law (market/rare_events.py) a column `weight` says what each counts, and
    `weight_of_unseen` what one with a single jump might.
    """

    path: np.ndarray
    columns: dict[str, np.ndarray]

    def column(self, name: str) -> np.ndarray:
        """float64 [path] under `<quantity>.<window>`. Raises KeyError naming what there is."""
        if name not in self.columns:
            raise KeyError(f"no outcome {name!r}; there are {', '.join(sorted(self.columns))}")
        return self.columns[name]

    @property
    def weight(self) -> np.ndarray | None:
        """What each path counts [path]; None where all count the same."""
        return self.columns.get(WEIGHT)

    @property
    def unseen(self) -> float:
        """What a path that was not seen is taken to count."""
        return float(self.columns[UNSEEN].max()) if UNSEEN in self.columns else 1.0

    def __len__(self) -> int:
        return len(self.path)

    @staticmethod
    def concatenate(parts: Sequence[Outcomes]) -> Outcomes:
        """All paths of `parts`, in the order of their ids."""
        path = np.concatenate([part.path for part in parts])
        order = np.argsort(path, kind="stable")
        names = parts[0].columns
        return Outcomes(path[order], {name: np.concatenate([part.columns[name] for part in parts])[order] for name in names})

    def frame(self) -> pandas.DataFrame:
        """One row a path."""
        import pandas

        return pandas.DataFrame(self.columns, index=pandas.Index(self.path, name="path"))

    def __repr__(self) -> str:
        loss = self.columns.get("loss.whole")
        losing = 0 if loss is None else int((loss > 0).sum())
        return f"Outcomes of {len(self)} paths: {losing} with bad debt"

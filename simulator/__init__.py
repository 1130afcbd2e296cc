"""Risk parameters of DeFi derivatives protocols: simulate, calibrate, confirm, propose.

The public names are loaded when they are first used, so that `import simulator` and the command line start at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.calibration.calibrate import Calibration, calibrate
    from simulator.calibration.proposal import make_proposal
    from simulator.estimation.fit import fit_market
    from simulator.estimation.market_fit import MarketFit
    from simulator.market import MarketPaths
    from simulator.market.price_file import read_prices
    from simulator.model import RiskModel, evaluate, simulate
    from simulator.outcomes import Outcomes
    from simulator.parameters import RiskParameters
    from simulator.scenario import Scenario

_HOME = {
    "Calibration": "simulator.calibration.calibrate",
    "MarketFit": "simulator.estimation.market_fit",
    "MarketPaths": "simulator.market",
    "Outcomes": "simulator.outcomes",
    "RiskModel": "simulator.model",
    "RiskParameters": "simulator.parameters",
    "Scenario": "simulator.scenario",
    "calibrate": "simulator.calibration.calibrate",
    "evaluate": "simulator.model",
    "fit_market": "simulator.estimation.fit",
    "make_proposal": "simulator.calibration.proposal",
    "read_prices": "simulator.market.price_file",
    "simulate": "simulator.model",
}

__all__ = [
    "Calibration",
    "MarketFit",
    "MarketPaths",
    "Outcomes",
    "RiskModel",
    "RiskParameters",
    "Scenario",
    "calibrate",
    "evaluate",
    "fit_market",
    "make_proposal",
    "read_prices",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'simulator' has no attribute {name!r}; there are {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)

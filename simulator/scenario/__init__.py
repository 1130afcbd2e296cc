"""What a scenario file may say, and how it is read: strictly, every problem of a file at once."""

from simulator.scenario.problems import ScenarioError
from simulator.scenario.scenario import Regime, Scenario
from simulator.scenario.vote import Vote

__all__ = ["Regime", "Scenario", "ScenarioError", "Vote"]

"""What one vote may change of a scenario: every number of [parameters], and those of rules and keepers that say so themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.agents import Keepers
from simulator.parameters import Part, RiskParameters
from simulator.protocol import Protocol
from simulator.terms.part import number, replaced, votable

RULES = ("protocol", "keepers")


class Vote(Part):
    """Parameters, and the rules beside them: dotted names as in `fees.flat`, `protocol.funding.cap`, `keepers.gas_limit`."""

    parameters: RiskParameters
    protocol: Protocol
    keepers: Keepers | None = None

    @property
    def perpetuals(self) -> Mapping[str, object]:
        """Margin of every market."""
        return self.parameters.perpetuals

    @property
    def collateral(self) -> Mapping[str, object]:
        """Credit of every currency."""
        return self.parameters.collateral

    @property
    def borrowing(self) -> Mapping[str, object]:
        """The pool of every currency that is lent."""
        return self.parameters.borrowing

    @property
    def rules(self) -> tuple[Protocol, Keepers | None]:
        """What a vote on parameters alone leaves as it is."""
        return self.protocol, self.keepers

    def borrowing_power(self, asset: str) -> float:
        """What a dollar of a currency lets one owe."""
        return self.parameters.borrowing_power(asset)

    def get(self, name: str) -> float:
        """The value under a dotted name. Raises KeyError if there is none, or none that a vote may change."""
        return number(self.parameters, name) if name.partition(".")[0] not in RULES else dict(self.items())[name]

    def items(self) -> Iterator[tuple[str, float]]:
        """Every (dotted name, value), in a fixed order."""
        yield from self.parameters.items()
        for section in RULES:
            yield from votable(getattr(self, section), f"{section}.")

    def replace(self, changes: Mapping[str, float]) -> Vote:
        """A copy with some dotted names changed, all relations checked again. Raises KeyError, ValidationError."""
        split: dict[str, dict[str, float]] = {"parameters": {}, "protocol": {}, "keepers": {}}
        for name, value in changes.items():
            section, _, key = name.partition(".")
            if section not in RULES:
                split["parameters"][name] = value
            elif name in dict(votable(getattr(self, section), f"{section}.")):
                split[section][key] = value
            else:
                raise KeyError(name)
        return self.model_copy(update={section: replaced(getattr(self, section), own) for section, own in split.items() if own})

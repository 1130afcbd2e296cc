"""docs/estimation.md: its Python runs, and every choice of the command has its word there."""

import re
from pathlib import Path

import click
import numpy as np

from simulator.cli.fit import fit as command
from simulator.market.price_file import PriceTable

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "estimation.md").read_text(encoding="utf-8")


def test_the_example_runs(make_returns, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    returns = make_returns(700, 71, alpha=0.06, beta=0.9, nu=5.0, paths=2)
    log_price = np.vstack([np.zeros(2), np.cumsum(returns, axis=0)])
    moments = (1_640_995_200 + 3_600 * np.arange(len(log_price))) * 10**9
    names = {"prices": PriceTable(("AAA", "BBB"), moments, 100 * np.exp(log_price), 3_600.0, "ab" * 32, ())}
    exec(code, names)  # noqa: S102
    assert "taken" in capsys.readouterr().out
    assert names["market"].asset_names == ("AAA", "BBB")


def test_every_choice_of_a_law_is_explained():
    for name in ("process", "innovation", "criterion", "dependence", "copula"):
        (option,) = (p for p in command.params if p.name == name)
        assert f"--{name}" in GUIDE
        assert isinstance(option.type, click.Choice)
        assert all(f"`{choice}`" in GUIDE or f" {choice}`" in GUIDE for choice in option.type.choices)

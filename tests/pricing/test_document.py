"""The examples of docs/pricing.md are run, one after another, and find what they are made of."""

import re
from pathlib import Path

import numpy as np

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "pricing.md"


def test_the_examples_run(capsys):
    names: dict = {}
    for block in re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        exec(block, names)  # noqa: S102 (our own document)
    shown = capsys.readouterr().out
    assert shown.startswith("[0.55 0.55 0.55]")
    assert "bates fitted to 30 quotes of 3 expiries" in shown
    fit = names["fit"]
    assert fit.agreement < 1e-6
    assert fit.goodness.rmse < 0.003
    assert np.sign(fit.law.jump_mean) == -1

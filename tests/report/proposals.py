"""Proposals for the tests of the report: one of each verdict, from calibrations of a world in closed form, and hostile ones."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "calibration"))
from fake_world import MAINTENANCE, SEARCH, FakeWorld, evaluate, with_settings

from simulator.calibration.calibrate import calibrate
from simulator.calibration.proposal import proposal_bytes

SMALL = {"candidates": 16, "search_paths": 60, "selection_paths": 600}
MARK = "outside"  # stands where a scenario may put any text

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '"><b onmouseover="alert(1)">x',
    "' onfocus='alert(1)' autofocus='",
    "</title><h1>x</h1>",
    "</style><style>*{display:none}</style>",
    "</text></svg><iframe src=//example.org>",
    "<!-- comment",
    "]]><x>",
    "&lt;b&gt;&#60;i&#62;",
    "javascript:alert(1)",
    "data:text/html,<p>x",
    "{{ 7 * 7 }}{% raw %}",
    "${7*7}#{7*7}",
    "=HYPERLINK(0)",
    "@SUM(1+1)",
    "\x1b[31mred\x1b[0m",
    "\x07\x08\x00bell",
    "right\u202eto\u202dleft\u2066x\u2069",
    "zero\u200bwidth\ufeff",
    "line\nbreak\r\n# heading\n\n- item",
    "a | b || c",
    "`code` ``` fence",
    "[link](https://example.org)",
    "![image](//example.org/x.png) <https://example.org>",
    "**bold** __bold__ ~~gone~~ _it_ *it*",
    "https://example.org www.example.org a@example.org",
    "> quote",
    "    indented code",
    "--- === *** ___",
)


@functools.cache
def _made(verdict: str) -> bytes:
    return proposal_bytes(calibrate(_world(verdict), evaluate=evaluate))


def _world(verdict: str) -> FakeWorld:
    if verdict == "confirmed":
        return dataclasses.replace(
            with_settings(**SMALL),
            name="eth-perpetual",
            has_elasticities=True,
            has_parameter_law=True,
            held_out=(("calm", "confirm", 0.015), ("bad", "report", 0.05)),
        )
    if verdict == "risk-reducing step":
        near = tuple(one.model_copy(update={"max_change": 0.02}) for one in SEARCH)
        return dataclasses.replace(with_settings(search=near, **SMALL), scale=0.04)
    stuck = tuple(one.model_copy(update={"low": low, "high": 0.1}) for one, low in zip(SEARCH, (0.05, 0.01), strict=True))
    world = dataclasses.replace(with_settings(search=stuck, **SMALL), scale=0.06)
    return dataclasses.replace(world, parameters=world.parameters.replace({MAINTENANCE: 0.1}))


def proposal(verdict: str) -> dict[str, Any]:
    """A proposal of this verdict, with everything that a figure can draw."""
    found: dict[str, Any] = json.loads(_made(verdict))
    assert found["verdict"] == verdict
    found.setdefault("search_cloud", _cloud(found))
    if verdict != "no proposal":
        found.setdefault("loss_distribution", _losses(found))
    return found


def _cloud(found: dict[str, Any]) -> dict[str, Any]:
    rows = [
        {
            "number": number,
            "values": one["values"],
            "goal": one["goal"],
            "tail_share_of_limit": 0.2 + 0.3 * number,
            "paths": 100,
            "is_current": one["is_current"],
            "is_chosen": one["is_chosen"],
            "is_front": number % 2 == 0,
        }
        for number, one in enumerate(found["finalists"])
    ]
    return {"candidates": rows}


def _losses(found: dict[str, Any]) -> dict[str, Any]:
    levels = [0.0, 1.0, 10.0, 100.0, 1_000.0, 10_000.0]

    def curve(top: float) -> dict[str, list[float]]:
        shares = [top / (1 + i) for i in range(len(levels) - 1)] + [0.0]
        return {"probability": shares, "low": [0.6 * s for s in shares], "high": [1.5 * s + 1e-3 for s in shares]}

    name = found["evidence"][0]["conditions"][0]["condition"]
    return {
        "column": "loss.whole",
        "unit": "usd",
        "confidence": 0.975,
        "interval": "simulation",
        "paths": 1000,
        "loss": levels,
        "before": curve(0.02),
        "after": curve(0.005),
        "limits": [{"condition": name, "loss": 1_000.0, "probability": 0.01}],
    }


def hostile(text: str) -> dict[str, Any]:
    """A confirmed proposal whose every text from outside (names of scenario, parameters, assets, regimes, ...) is `text`."""
    found = proposal("confirmed")
    names = {row["name"]: f"{text}.{i}" for i, row in enumerate(found["parameters"])}
    found = _renamed(found, names)
    found |= {"title": f"Change: {text}", "scenario": text, "summary": f"Change {text} from 0 to 1.", "warnings": [text]}
    for row in found["parameters"]:
        row |= {"parameter": text, "instance": text, "asset": text, "unit": text}
    found["appetite"] |= {"limits": [text], "goal": text, "regimes": {text: text}}
    one_paragraph = text.replace("\n\n", "\n")  # a motivation may have several, and then more paragraphs are no surprise
    found["preamble"] = {**dict.fromkeys(found["preamble"], text), "motivation": one_paragraph, "references": [text]}
    found["context"]["depth_usd"] = {text: 1e9}
    found["evidence"][-1]["world"] = f"regime-{text}"
    found["evidence"][-2]["conditions"][0]["condition"] = text
    found["metrics"][0] |= {"metric": text, "note": text}
    found["not_covered"].append(text)
    found["rollback"]["triggers"].append(text)
    found["expiry"] |= {"date": text, "why": text}
    found["reproduce"] |= {"command": text, "lineage": text, "scenario_hash": text, "versions": {text: text}}
    found["paths"]["failed_candidates"] = [{"values": [0.1], "reason": text}]
    return found


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else copy.copy(value)

"""The page of a fit: one file that works by itself, every curve with both intervals, every number that of the fit."""

import json
import re
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from simulator.cli import main

sys.path.insert(0, str(Path(__file__).parent.parent / "report"))
from reader import Reader

UNTIL = "2022-03-05T00:00:00Z"
HOSTILE = '<script>alert(1)<b>" onload="x.csv'
CURVES = ("quantiles", "memory", "rolling", "falls", "rises")


@pytest.fixture(scope="module")
def made(tmp_path_factory, make_returns, write_to):
    """(prices in a file with a name that would act, its folder)."""
    folder = tmp_path_factory.mktemp("page")
    return write_to(folder, make_returns(2_100, 41, alpha=0.06, beta=0.9, nu=5.0, paths=2), name=HOSTILE), folder


def fit(path, folder, *more):
    options = ["--until", UNTIL, "--report", folder / "fit.html", "--out", folder / "m.toml", "--paths", 40, *more]
    return main(["fit", str(path), *map(str, options)])


def test_a_page_stands_by_itself_and_says_what_the_fit_says(made, capsys):
    path, folder = made
    assert fit(path, folder, "--walk-forward", 1, "--held-out", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    provenance = tomllib.loads((folder / "m.toml").read_text())["market"]["provenance"]
    assert provenance["looked_at"] == facts["provenance"]["looked_at"] == [f"{UNTIL}..2022-03-29T12:00:00Z"]
    page = (folder / "fit.html").read_text()
    reader = Reader(page)
    assert reader.open == []
    tags = {tag for tag, *_ in reader.elements}
    assert not tags & {"script", "img", "link", "iframe", "object"}
    assert "default-src 'none'" in page
    outside = [value for name, value in reader.values if "//" in value and name != "xmlns"]
    assert not outside
    assert not [name for name, _ in reader.values if name.startswith("on")]
    assert "<script>" not in page
    figures = re.findall(r'<figure id="figure-([a-z-]+)">(.*?)</figure>', page, re.S)
    assert [name for name, _ in figures] == ["moments", *CURVES, "coverage-walk", "parameters", "coverage-later"]
    for name, figure in figures:
        for svg in re.findall(r"<svg.*?</svg>", figure, re.S):
            root = ElementTree.fromstring(svg)
            classes = [element.get("class") or "" for element in root.iter()]
            if name in CURVES:  # no curve without its interval
                assert classes.count("data-curve") == classes.count("data-band") > 1
                assert classes.count("after-curve") == classes.count("after-band") == classes.count("data-band")
            elif name != "parameters":
                dots = sum(c in ("after-dot", "fails-dot") for c in classes)
                assert dots == sum(c in ("after-line", "fails-line") for c in classes) > 5
            else:
                assert classes.count("after-dot") == classes.count("after-line") > 5
    rows = {tuple(row[:1]): row for row in reader.rows}
    text = " ".join("".join(reader.text).split())
    for some in (("AAA", "BBB"), ("AAA",), ("BBB",)):  # together, and asset by asset
        inside = [row["inside"] for row in facts["comparison"] if row["asset"] in some]
        assert f"in {sum(inside)} of {len(inside)} statistics" in text
    alpha = next(e for e in facts["estimates"] if (e["asset"], e["parameter"]) == ("AAA", "alpha"))
    assert rows[("alpha",)][1].startswith(f"{alpha['value']:.4g} (")
    beyond = {c["exceeded"] for one in facts["held_out"] for c in one["scores"][0]["coverage"]}
    assert all(f"{count}" in "".join(reader.text) for count in beyond)


def test_the_same_command_writes_the_same_page_over_its_own_and_over_no_other(made, capsys):
    path, folder = made
    pages = []
    for _ in range(2):
        assert fit(path, folder, "--assets", "AAA") == 0
        pages.append((folder / "fit.html").read_bytes())
    assert pages[0] == pages[1]
    assert b"Nothing was asked" in pages[0]
    assert b"figure-rolling" not in pages[0]
    (folder / "fit.html").write_text("<!doctype html>\n<p>mine")
    capsys.readouterr()
    assert fit(path, folder) == 2
    said = capsys.readouterr().err
    assert re.search(r"--report: .* exists and was not written by `simulator fit`", said)
    assert (folder / "fit.html").read_text().endswith("mine")
    (folder / "fit.html").unlink()


def test_too_few_paths_have_no_interval(made, capsys):
    path, folder = made
    assert fit(path, folder, "--paths", 39) == 2
    assert capsys.readouterr().err.endswith("--report: its intervals are over paths: --paths must be at least 40, but is 39\n")
    assert not (folder / "fit.html").exists()

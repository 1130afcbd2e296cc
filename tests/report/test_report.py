"""proposal.md and report.html: what is in proposal.json, said the same way in both, and nothing acts."""

from __future__ import annotations

import copy
import functools
import json
import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from simulator.report import NotAProposal, markdown, page, write_report
from simulator.report.numbers import visible

sys.path.insert(0, str(Path(__file__).parent))
from proposals import HOSTILE, MARK, hostile, proposal
from reader import Reader

VERDICTS = ("confirmed", "risk-reducing step", "no proposal")


@functools.cache
def hostile_page(name: str) -> str:
    return page(hostile(name))


@functools.cache
def hostile_markdown(name: str) -> str:
    return markdown(hostile(name))


def rows_of(text: str) -> list[list[str]]:
    """The rows of every Markdown table, without escapes and marks."""
    lines = [line.strip("|").strip() for line in text.splitlines() if line.startswith("| ")]
    return [[re.sub(r"[\\`*]", "", cell).strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_number_of_the_specification_stands_in_text_and_page_digit_for_digit(verdict):
    found = proposal(verdict)
    for rows in (rows_of(markdown(found)), [[cell.strip() for cell in row] for row in Reader(page(found)).rows]):
        for row in found["parameters"]:
            proposed = "no change" if row["proposed"] is None else json.dumps(row["proposed"])
            wanted = [row["parameter"], row["instance"], row["asset"], json.dumps(row["current"]), proposed]
            assert wanted in [row[:5] for row in rows]


@pytest.mark.parametrize("verdict", VERDICTS)
def test_text_and_page_say_the_same_words_and_tables(verdict):
    found = proposal(verdict)
    words = " ".join("".join(Reader(page(found)).text).split())
    for line in markdown(found).splitlines():
        if line and not line.startswith("|") and line.strip("#*-0123456789. "):
            plain = re.sub(r"^(#+|-|\d+\.) ", "", re.sub(r"\\(.)", r"\1", line.replace("**", "").replace("`", "")))
            assert " ".join(plain.split()[-6:]) in words, line


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_same_proposal_gives_the_same_bytes(verdict):
    assert page(proposal(verdict)) == page(json.loads(json.dumps(proposal(verdict), sort_keys=True)))
    assert markdown(proposal(verdict)) == markdown(proposal(verdict))


def test_a_confirmed_change_names_its_confidence_its_worlds_and_its_fresh_paths():
    found = proposal("confirmed")
    text = markdown(found)
    assert "**Confirmed.** Every limit holds at 97.5 % confidence in each of the 4 worlds that decide" in text
    first, last = (stage["paths"] for stage in found["look"]["stages"])
    assert {place["conditions"][0]["after"]["paths"] for place in found["evidence"] if place["decides"]} == {first, last}
    assert f"on {first:,} or {last:,} fresh paths a world" in text


def test_limits_that_fail_in_a_world_that_only_reports_are_named_beside_the_verdict():
    text = markdown(proposal("confirmed")).split("## Specification")[0]
    assert "Regime bad decides nothing, but 1 of 1 limits fail there (under current parameters 1)" in text


def test_a_risk_reducing_step_says_that_limits_are_not_met_and_what_follows():
    for text in (markdown(proposal("risk-reducing step")), "".join(Reader(page(proposal("risk-reducing step"))).text)):
        assert "Risk-reducing step: the limits are not met" in text
        assert "The steps that follow" in text
        assert "Step 2, after its own calibration" in text
        assert "Every limit holds" not in text


def test_no_proposal_says_so_and_asks_for_no_vote():
    for text in (markdown(proposal("no proposal")), "".join(Reader(page(proposal("no proposal"))).text)):
        assert "No proposal" in text
        assert "Nothing is proposed: every parameter keeps its current value." in text
        assert "Roll-back" not in text
        assert "Proposed" not in text.replace("Current | Proposed | Change", "").replace("CurrentProposedChange", "")


@pytest.mark.parametrize("verdict", VERDICTS)
def test_evidence_stands_with_a_named_interval_and_says_what_holds_where(verdict):
    found = proposal(verdict)
    text = markdown(found)
    for place in found["evidence"]:
        assert f"{place['interval']} interval" in text
    assert text.count("| decides |") == sum(place["decides"] for place in found["evidence"])


def test_roll_back_expiry_command_and_hashes_are_there():
    found = proposal("confirmed")
    text = "".join(Reader(page(found)).text)
    for wanted in (
        *found["rollback"]["triggers"],
        found["expiry"]["date"],
        found["reproduce"]["command"],
        found["reproduce"]["scenario_hash"],
        found["reproduce"]["lineage"],
        *found["not_covered"],
    ):
        assert wanted in text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_page_has_every_figure_and_stands_alone():
    text = page(proposal("confirmed"))
    assert re.findall(r'<figure id="([a-z-]+)">', text) == [
        "figure-limits",
        "figure-losses",
        "figure-sensitivity",
        "figure-indices",
        "figure-search",
        "figure-stages",
    ]
    reader = Reader(text)
    assert not {element[0] for element in reader.elements} & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert all(value.startswith("#") for name, value in reader.values if name in ("href", "src"))
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "").replace("http-equiv", "")
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    assert len(text) < 400_000


def test_several_goals_have_a_figure_and_a_table_of_their_front():
    found = copy.deepcopy(proposal("confirmed"))
    assert found["front"] is None
    values = found["finalists"][0]["values"]
    ends = [{"value": v, "low": v - 0.1, "high": v + 0.1} for v in (0.2, -0.3)]
    point = {"values": values, "goals": ends, "chance_to_pass": 0.9, "is_within": True, "is_kept": True}
    point |= {"is_current": False, "is_chosen": True}
    beaten = point | {"is_kept": False, "is_chosen": False, "goals": ends[::-1]}
    found["front"] = {
        "goals": [{"name": "capital-efficiency", "words": "capital efficiency"}, {"name": "user-cost", "words": "low user cost"}],
        "confidence": 0.95, "reference": [0.0, 0.0], "points": [point, beaten],
        "volume": {"value": 1.0, "low": 0.9, "high": 1.1},
    }  # fmt: skip
    assert '<figure id="figure-front">' in page(found)
    assert "1 of 2 candidates" in page(found)
    assert "on the front chosen" in markdown(found)
    assert "figure-front" not in page(proposal("confirmed"))


def test_a_figure_without_numbers_in_the_proposal_is_a_sentence_or_the_finalists():
    found = proposal("confirmed")
    del found["loss_distribution"], found["search_cloud"]
    text = page(found)
    assert "figure-losses" not in text
    assert "The finalists: the goal against the limits" in text


def test_losses_that_are_all_the_same_are_no_curve():
    found = proposal("confirmed")
    found["loss_distribution"]["loss"] = [0.0, *[250.0] * 5]
    assert "figure-losses" not in page(found)


def test_numbers_that_do_not_exist_are_said_and_never_drawn():
    found = proposal("confirmed")
    judged = found["evidence"][0]["conditions"][0]["after"]
    judged |= {"value": None, "low": None, "high": None, "bound": None, "passes": False, "note": "too few paths"}
    found["stages"][1] |= {"search": None, "shrinkage": None, "shrinkage_in_standard_errors": None}
    found["metrics"][0]["after"] = {"value": None, "low": None, "high": None}
    for text in (markdown(found), page(found)):
        assert "too few paths" in text
        assert "None" not in text.replace("None of ", "")  # of neighbours, in words
        assert "nan" not in re.sub(r"[a-z]*nan[a-z]+|[a-z]+nan[a-z]*", "", text)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_drawing_is_well_formed_and_stays_inside_its_picture(verdict):
    pictures = re.findall(r"<svg.*?</svg>", page(proposal(verdict)), re.DOTALL)
    assert len(pictures) % 2 == 0
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        width, height = (float(number) for number in root.attrib["viewBox"].split()[2:])
        for element in root.iter():
            for key, most in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height), ("cy", height)):
                assert -1 <= float(element.attrib.get(key, 0)) <= most + 1, (element.tag, element.attrib)
            for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", element.attrib.get("d", "")):
                assert -1 <= float(x) <= width + 1
                assert -1 <= float(y) <= height + 1


def test_no_name_adds_an_element_or_an_attribute_to_the_page():
    allowed = set(Reader(page(hostile(MARK))).elements) | {("code",)}
    for name in HOSTILE:
        reader = Reader(hostile_page(name))
        assert set(reader.elements) <= allowed, name
        assert not reader.open, name
        shown = " ".join("".join(reader.text).replace("\N{NO-BREAK SPACE}", " ").split())
        assert shown.count(" ".join(visible(name).split())) > 10, name
        for picture in re.findall(r"<svg.*?</svg>", hostile_page(name), re.DOTALL):
            ElementTree.fromstring(picture)


def test_no_name_steers_a_terminal_or_turns_the_direction_of_reading():
    for name in HOSTILE:
        for text in (hostile_page(name), hostile_markdown(name)):
            assert all(sign.isprintable() or sign in "\n\N{NO-BREAK SPACE}" for sign in text), name


def test_no_name_acts_in_markdown():
    reader = pytest.importorskip("markdown_it", reason="needs the parser that rich brings along")
    parser = reader.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

    def kinds(text: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for token in parser.parse(text):
            for child in token.children or [token]:
                found[child.type] += 1
                assert child.type != "code_inline" or re.fullmatch(r"[\w.-]*_[\w.-]*|outside(\.\d)?", child.content), (
                    child.content
                )
        return found

    plain = kinds(markdown(hostile(MARK)))
    for name in HOSTILE:
        found = kinds(hostile_markdown(name))
        acting = {kind for kind in found | plain if kind not in ("text", "text_special", "code_inline")}
        assert {kind: found[kind] for kind in acting} == {kind: plain[kind] for kind in acting}, name


def test_markdown_has_no_bare_address_that_a_forum_would_link():
    for name in HOSTILE:
        text = re.sub(r"`[^`\n]*`", "", hostile_markdown(name).split("## Check it yourself")[0])
        assert not re.search(r"https?://|(?<!\\)@|www\.\w", text), name


def test_write_report_writes_what_the_command_line_writes(tmp_path):
    found = proposal("confirmed")
    (tmp_path / "proposal.json").write_text(json.dumps(found))
    assert write_report(tmp_path) == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page(found)
    assert (tmp_path / "proposal.md").read_text(encoding="utf-8") == markdown(found)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "has no proposal.json"),
        ("{", "is no JSON"),
        ("[1]", "schema None is not 1"),
        ('{"schema": 2}', "schema 2 is not 1"),
    ],
)
def test_a_folder_without_a_readable_proposal_is_an_error_with_a_way_out(tmp_path, content, said):
    if content is not None:
        (tmp_path / "proposal.json").write_text(content)
    with pytest.raises(NotAProposal, match=re.escape(said)) as error:
        write_report(tmp_path)
    assert "`simulator" in str(error.value)
    assert not (tmp_path / "report.html").exists()

"""For people: proposal.md for a forum and report.html, one page that works offline and without scripts.

Both are made from proposal.json and nothing else, and they share their sentences, tables and numbers (`content`), so that
text, page and numbers cannot disagree. Nothing is estimated here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simulator.calibration.files import write_file

SCHEMA = 1  # of proposal.json


class NotAProposal(ValueError):
    """A folder without a proposal.json that this version can read."""

    exit_code = 2


def markdown(proposal: dict[str, Any]) -> str:
    """proposal.md: the proposal as a governance forum can post it."""
    from simulator.report.to_markdown import document

    return document(proposal)


def page(proposal: dict[str, Any]) -> str:
    """report.html: the proposal as one self-contained page with its figures."""
    from simulator.report.to_html import document

    return document(proposal)


def write_report(folder: Path | str) -> Path:
    """Write proposal.md and report.html beside the proposal.json of `folder`; return the page's path.

    Raises NotAProposal, OSError.
    """
    folder = Path(folder)
    proposal = read_proposal(folder / "proposal.json")
    write_file(folder / "proposal.md", markdown(proposal).encode())
    write_file(folder / "report.html", page(proposal).encode())
    return folder / "report.html"


def read_proposal(file: Path) -> dict[str, Any]:
    """The content of a proposal.json. Raises NotAProposal."""
    try:
        proposal = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise NotAProposal(f"{file.parent}: has no {file.name}; `simulator calibrate` writes one") from None
    except ValueError as error:
        raise NotAProposal(f"{file}: is no JSON ({error}); `simulator propose` writes it again") from None
    schema = proposal.get("schema") if isinstance(proposal, dict) else None
    if schema != SCHEMA:
        raise NotAProposal(f"{file}: schema {schema!r} is not {SCHEMA}, the one read here; `simulator propose` writes it again")
    return proposal


__all__ = ["NotAProposal", "markdown", "page", "read_proposal", "write_report"]

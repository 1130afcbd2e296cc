"""What every test shares: where real data are found, and one BLAS thread."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data that SIMULATOR_DATA names (default: ../shared beside the checkout); skips where it is absent."""
    folder = Path(os.environ.get("SIMULATOR_DATA", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no folder of real data at {folder}; set SIMULATOR_DATA to run this test")
    return folder

"""What several test files need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that is not part of the repository: what Caffe computed, and real files."""
    named = os.environ.get("NETGEN_SHARED")
    if not named:
        pytest.skip("NETGEN_SHARED does not name the folder of reference data")
    folder = Path(named)
    # A wrong name must not look like a deliberate run without the data.
    assert folder.is_dir(), f"NETGEN_SHARED={named} is no folder"
    return folder

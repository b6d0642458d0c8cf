"""Fixtures that every room may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The shared data, which users do not have: `MAGDR_DATA`, or beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MAGDR_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"shared data not found at {folder}; set MAGDR_DATA to its folder")
    return folder


@pytest.fixture
def cuda_device() -> torch.device:
    """The first CUDA device; skips where there is none, unless MAGDR_REQUIRE_CUDA=1 forbids it."""
    if not torch.cuda.is_available():
        if os.environ.get("MAGDR_REQUIRE_CUDA") == "1":
            pytest.fail("MAGDR_REQUIRE_CUDA=1, and torch shows no CUDA device")
        pytest.skip("no CUDA device")
    return torch.device("cuda", 0)

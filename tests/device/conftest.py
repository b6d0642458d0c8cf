"""A CUDA device, where there is one."""

from __future__ import annotations

import os

import pytest
import torch

from magdr_video.device import choose_device


@pytest.fixture(scope="session")
def cuda() -> torch.device:
    """The first CUDA device; `MAGDR_REQUIRE_CUDA=1` turns the skip without one into a failure."""
    if not torch.cuda.is_available() and os.environ.get("MAGDR_REQUIRE_CUDA") != "1":
        pytest.skip("no CUDA device")
    return choose_device("cuda")

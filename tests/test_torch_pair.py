"""A torch and a torchvision from two places fail when imported: the message names both."""

from __future__ import annotations

import builtins
import importlib
from typing import Any

import pytest

from magdr_video.errors import DeviceError
from magdr_video.faces import detector
from magdr_video.torch_pair import require_fitting_pair


def test_a_pair_that_works_passes() -> None:
    require_fitting_pair()


def break_torchvision(monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    """It, and what imports it, fail as they do beside a torch of another place."""
    ordinary = builtins.__import__

    def broken(name: str, *rest: Any) -> Any:
        if name in ("torchvision", "facenet_pytorch"):
            raise kind("operator torchvision::nms does not exist\nand more")
        return ordinary(name, *rest)

    monkeypatch.setattr(builtins, "__import__", broken)


@pytest.mark.parametrize("kind", [ImportError, RuntimeError, OSError, AttributeError])
def test_a_pair_that_does_not_fit_is_6_and_names_both_with_a_remedy(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_torchvision(monkeypatch, kind)
    with pytest.raises(DeviceError, match="do not fit each other: operator") as caught:
        require_fitting_pair()
    monkeypatch.undo()
    said = str(caught.value)
    assert "torch " in said and "torchvision " in said and "\n" not in said
    assert "pip install" in caught.value.hint and caught.value.exit_code == 6


def test_every_run_says_it_and_not_only_info(monkeypatch: pytest.MonkeyPatch) -> None:
    break_torchvision(monkeypatch, RuntimeError)
    with pytest.raises(DeviceError, match="do not fit each other"):
        importlib.reload(detector)

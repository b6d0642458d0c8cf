"""A torch and a torchvision from two places fail when imported: the message names both."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from magdr_video.errors import DeviceError
from magdr_video.torch_pair import require_fitting_pair


def test_a_pair_that_works_passes() -> None:
    require_fitting_pair()


@pytest.mark.parametrize("kind", [ImportError, RuntimeError, OSError, AttributeError])
def test_a_pair_that_does_not_fit_is_6_and_names_both_with_a_remedy(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = builtins.__import__

    def broken(name: str, *rest: Any) -> Any:
        if name == "torchvision":
            raise kind("operator torchvision::nms does not exist\nand more")
        return ordinary(name, *rest)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(DeviceError, match="do not fit each other: operator") as caught:
        require_fitting_pair()
    monkeypatch.undo()
    said = str(caught.value)
    assert "torch " in said and "torchvision " in said and "\n" not in said
    assert "pip install" in caught.value.hint and caught.value.exit_code == 6

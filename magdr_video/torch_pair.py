"""torch and torchvision must fit each other in version and build; say so when they do not."""

from __future__ import annotations

import importlib.metadata

from magdr_video.errors import DeviceError


def require_fitting_pair() -> None:
    """Import both and turn their failure into a message with a remedy.

    Raises:
        DeviceError: the two do not work together.
    """
    try:
        import torch
        import torchvision
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        versions = ", ".join(
            f"{name} {importlib.metadata.version(name)}" for name in ("torch", "torchvision")
        )
        raise DeviceError(
            f"{versions} do not fit each other: {str(error).splitlines()[0]}",
            hint="install both from one place: pip install --force-reinstall torch torchvision",
        ) from error
    assert torch.__version__ and torchvision.__version__

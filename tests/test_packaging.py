"""What an install holds: read from `pyproject.toml` and the tree, without installing."""

from __future__ import annotations

import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from magdr_video.models.zoo import list_models

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as held:
        return tomllib.load(held)


def declared() -> dict[str, Any]:
    told: dict[str, Any] = project()["tool"]["setuptools"]
    return told


def folder_of(package: str) -> Path:
    """`presets/` is a folder of the checkout and a package of the install."""
    inside = package.removeprefix("magdr_video.presets")
    root = ROOT / "presets" if inside != package else ROOT
    return root.joinpath(*filter(None, (inside if inside != package else package).split(".")))


def test_every_room_is_installed() -> None:
    rooms = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "magdr_video").rglob("__init__.py")
    }
    assert rooms <= set(declared()["packages"])


def test_every_installed_package_is_there() -> None:
    missing = [name for name in declared()["packages"] if not folder_of(name).is_dir()]
    assert missing == []


def test_every_data_file_is_installed() -> None:
    data = declared()["package-data"]
    left_out = []
    for package in declared()["packages"]:
        for path in folder_of(package).iterdir():
            known = path.suffix == ".py" or path.is_dir()
            if not known and not any(fnmatch(path.name, p) for p in data.get(package, ())):
                left_out.append(str(path.relative_to(ROOT)))
    assert left_out == []


def test_every_folder_of_presets_is_installed() -> None:
    folders = {path.name for path in (ROOT / "presets").iterdir() if path.is_dir()}
    named = {name.split(".")[-1] for name in declared()["packages"] if ".presets." in name}
    assert folders == named


def test_the_licence_of_the_package_names_those_of_the_weights_in_it() -> None:
    names = {
        "CC BY-NC-SA 4.0": "CC-BY-NC-SA-4.0",
        "CelebAMask-HQ": "LicenseRef-CelebAMask-HQ-non-commercial",
    }
    held = [record.licence for record in list_models() if record.shipped]
    assert all(any(name in licence for name in names) for licence in held)
    wanted = {spdx for name, spdx in names.items() if any(name in licence for licence in held)}
    assert set(project()["project"]["license"].split(" AND ")) == {"Apache-2.0", *wanted}


@pytest.mark.parametrize(
    ("platform", "machine", "has_wheel"),
    [
        ("linux", "x86_64", True),
        ("win32", "AMD64", True),
        ("linux", "aarch64", False),
        ("darwin", "arm64", False),
    ],
)
def test_decord_is_asked_for_only_where_it_can_be_installed(
    platform: str, machine: str, has_wheel: bool
) -> None:
    wanted = map(Requirement, project()["project"]["dependencies"])
    (decord,) = (one for one in wanted if one.name == "decord")
    here = {"sys_platform": platform, "platform_machine": machine}
    assert decord.marker is not None
    assert decord.marker.evaluate(here) == has_wheel

"""`train baselines`: what learns is trained into the folder where the benchmark looks."""

from __future__ import annotations

import pytest

from magdr_video.benchmark import trained
from magdr_video.benchmark.cells import CellStore
from magdr_video.benchmark.plan import Plan
from magdr_video.benchmark.scene import Scene, make_scenes
from magdr_video.benchmark.trained import chosen, train, trained_detector
from magdr_video.errors import SettingsError


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    out = tmp_path_factory.mktemp("trained")
    plan = Plan(
        data=out, out=out, dataset="drawn", tasks=("edit",), steps=1, faces=2,
        fitting_faces=2, picture_faces=2, validation_faces=2, baseline_share=0.001,
    )  # fmt: skip
    return make_scenes(plan, CellStore(out / "cells"))["edit"]


def test_all_that_learn_are_trained_unless_some_are_named(scene: Scene) -> None:
    everything = chosen(scene, "")
    assert {"metzen", "otd", "magnet", "magnet-reformer", "adversarial-training"} <= {*everything}
    assert "jpeg" not in everything
    assert chosen(scene, "otd, metzen") == ["otd", "metzen"]


@pytest.mark.parametrize("name", ["jpeg", "metzn"])
def test_a_name_that_does_not_learn_is_refused(scene: Scene, name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        chosen(scene, name)


def test_the_benchmark_finds_what_was_trained(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(train(scene, "safetynet")) == 1
    (state,) = (scene.plan.out / trained.FOLDER).iterdir()
    assert state.name.startswith("safetynet-")
    kind = type(trained_detector(scene, "safetynet"))

    def refuse(*_: object) -> None:
        raise AssertionError("trained a second time")

    monkeypatch.setattr(kind, "fit", refuse)
    found = trained_detector(scene, "safetynet")
    assert len(found.score(scene.clean.crops, scene.clean.condition, scene.clean.draft)) == 2

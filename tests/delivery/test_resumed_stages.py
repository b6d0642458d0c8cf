"""Stages with their real memory: what a run that goes on makes does not depend on where it stopped.

The stages and their tables are the real ones. Networks are stand-ins, the face is where a script
says, and the table finds every face perturbed, so that the repairs are at work, too.
"""

from __future__ import annotations

import dataclasses
import io
import math
import pickle
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from magdr_video import runs, staging
from magdr_video.checkpoint import _Reader, freeze, thaw
from magdr_video.errors import Interrupted
from magdr_video.faces.detections import Detections
from magdr_video.faces.detector import FaceDetector
from magdr_video.faces.tracker import FaceTracker
from magdr_video.models.record import ModelRecord
from magdr_video.reconstruction.fitted import Fit, RecNetTable
from magdr_video.settings import Settings, load_settings
from magdr_video.transforms import parse_chain
from magdr_video.types import FrameBatch
from tests.clips import ClipPlan, make_clip
from tests.delivery.films import assert_same_film

FRAMES = 24
STILL = [[-14, -8], [14, -8], [0, 4], [-10, 16], [10, 16]]
"""Five landmarks around the middle of a face, px."""


class ScriptedFinder(FaceDetector):
    """One face that trembles along a curve, missed now and then; two after frame 12."""

    def __init__(self) -> None:
        self.passes = 0

    def __call__(
        self, batch: FrameBatch, frames: Sequence[int], aspect: float = 1.0
    ) -> list[Detections]:
        """What the script says of these frames."""
        self.passes += len(frames)
        return [self._one(batch.first_index + index) for index in frames]

    def scout(self, batches: Iterable[FrameBatch], **_: object) -> Iterator[FrameBatch]:
        """Nothing is searched ahead."""
        yield from batches

    def _one(self, number: int) -> Detections:
        if number in (9, 14, 15):
            return Detections.none()
        centres = [(60 + 8 * math.sin(number / 5) + math.sin(7.0 * number), 50.0)]
        if number >= 12:
            centres.append((128 + math.cos(5.0 * number), 70.0))
        at = np.array(centres, np.float32)
        return Detections(
            boxes=np.concatenate([at - 28, at + 28], 1),
            landmarks=at[:, None] + np.array(STILL, np.float32),
            scores=np.full(len(at), 0.99, np.float32),
            sure=np.ones(len(at), np.bool_),
        )


REPAIR = parse_chain("purifier(strength=1, gate=0)")
"""What it takes out is a part of the score, so that it lowers it under any table, and is kept."""


class StandIn:
    """Darkens, by how much the condition says."""

    takes_one_face = False

    def __init__(self, record: ModelRecord) -> None:
        self.record = record

    def condition(self, values: Sequence[float], faces: int) -> Tensor:
        """One condition for every face, (F, C)."""
        return torch.tensor(values, dtype=torch.float32).expand(faces, -1)

    def translate(self, crops: Tensor, condition: Tensor) -> Tensor:
        """(F, 3, S, S) in [0, 1]."""
        return (crops - crops**2 / (2 + condition.sum(1)[:, None, None, None])).clamp(0, 1)


def settings() -> Settings:
    wanted = ["run.batch=4", "output.segment=8", "condition.attributes=Black_Hair"]
    wanted += ["detection.period=7", "detection.parse_period=5", "faces.period=3"]
    wanted += ["detection.decide=union", "output.preset=ultrafast", "run.device=cpu"]
    return load_settings(task="edit", overrides=wanted)


@pytest.fixture(scope="module")
def models() -> runs.Models:
    held = runs.load_models(settings())
    assert held.table is not None
    torch.manual_seed(0)
    return dataclasses.replace(
        held,
        table=dataclasses.replace(held.table, tau_cons=-1e9),
        recnet=RecNetTable("edit", "", Fit(REPAIR), Fit(REPAIR), ()),
        translator=StandIn(held.translator.record),  # type: ignore[arg-type]
        parser=torch.nn.Conv2d(3, 19, 5, padding=2),
        parser_size=32,
    )


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "face_finder", lambda settings, models: ScriptedFinder())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=FRAMES, width=176, height=112, cut_at=19))
    return tmp_path / "a.mp4"


def test_tracks_masks_verdicts_and_repairs_go_on_where_they_were(
    source: Path, models: runs.Models, tmp_path: Path
) -> None:
    whole = runs.translate_clip(source, tmp_path / "whole.mp4", settings(), models=models)["run"]
    assert whole["faces_reconstructed"] > 20 and whole["tracks"] > 1 and not whole["failures"]
    target, done = tmp_path / "b.mp4", [0]
    with pytest.raises(Interrupted):
        runs.translate_clip(
            source,
            target,
            settings(),
            models=models,
            tick=lambda frames, _: done.__setitem__(0, frames),
            stop=lambda: 2 if done[0] >= 12 else 0,
        )
    resumed = runs.translate_clip(source, target, settings(), models=models, resume=True)["run"]
    assert_same_film(target, tmp_path / "whole.mp4")
    for key in set(whole) - {"seconds", "notes"}:
        assert resumed[key] == whole[key], key


def test_a_tracker_wakes_up_with_what_it_knew(source: Path) -> None:
    held = FaceTracker(ScriptedFinder(), period=3)
    other = FaceTracker(ScriptedFinder(), period=3)
    extra = thaw(
        freeze({"tracker": held}, staging.TOOLS, [1, 2]), {"tracker": other}, staging.TOOLS
    )
    assert extra == [1, 2]
    assert vars(other).keys() == vars(held).keys()
    assert vars(other)["_detect"] is not vars(held)["_detect"]


def test_a_tracker_that_follows_faces_wakes_up_with_its_own_last_net(source: Path) -> None:
    # The usual period: known faces are looked at by a method of the finder.
    finders = [ScriptedFinder(), ScriptedFinder()]
    held, other = (FaceTracker(one, refine=one.refine, period=16) for one in finders)
    thaw(freeze({"tracker": held}, staging.TOOLS, None), {"tracker": other}, staging.TOOLS)
    refine = vars(vars(other)["_follower"])["_refine"]
    assert refine == finders[1].refine != finders[0].refine


@pytest.mark.parametrize("name", ["__init__", "_one", "passes", "nothing"])
def test_a_state_names_public_methods_only(name: str) -> None:
    tracker = FaceTracker(ScriptedFinder(), period=3)
    reader = _Reader(io.BytesIO(), {"tracker._detect": vars(tracker)["_detect"]})
    assert reader.persistent_load(("method", ("tracker._detect", "refine")))
    with pytest.raises(pickle.UnpicklingError, match=name):
        reader.persistent_load(("method", ("tracker._detect", name)))


class _Box:
    """Something that remembers."""


def test_tensors_and_arrays_come_back_as_they_were() -> None:
    held, other = _Box(), _Box()
    known = {1: (Fraction(1, 3), {2})}
    vars(held).update(a=torch.arange(6.0).reshape(2, 3), b=np.arange(4), c=known)
    thaw(freeze({"box": held}, (), None), {"box": other}, ())
    assert torch.equal(vars(other)["a"], vars(held)["a"])
    np.testing.assert_array_equal(vars(other)["b"], vars(held)["b"])
    assert vars(other)["c"] == known


def test_what_two_objects_share_they_share_again() -> None:
    held, owner, other, heir = _Box(), _Box(), _Box(), _Box()
    vars(owner)["shared"] = held
    thaw(freeze({"box": held, "owner": owner}, (), None), {"box": other, "owner": heir}, ())
    assert vars(heir)["shared"] is other


@pytest.mark.parametrize("call", [print, exec, Path.unlink, torch.load])
def test_a_state_that_would_run_code_is_refused(call: object) -> None:
    class Evil:
        def __reduce__(self) -> object:
            return call, ("x",)

    data = pickle.dumps(({}, Evil()), protocol=5)
    with pytest.raises(pickle.UnpicklingError, match="may not hold"):
        thaw(data, {}, ())

"""The real stages on made-up clips: what they reuse, what they repair, what they count."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from magdr_video.detection.detector import Inspection, PerturbationDetector
from magdr_video.pipeline import Neighbours, Stages, run
from magdr_video.reconstruction.cache import TrackCache
from magdr_video.reconstruction.fitted import Fit, RecNetTable
from magdr_video.reconstruction.memory import ChoiceMemory
from magdr_video.settings import DetectionSettings, ReconstructionSettings, Settings
from magdr_video.stages.chooser import Chooser
from magdr_video.stages.generator import CountedGenerator
from magdr_video.stages.inspector import Inspector, detection_period, parse_period, unjudged
from magdr_video.stages.masks import MaskCarrier
from magdr_video.stages.restorer import Restorer
from magdr_video.stages.translating import translate_by_verdict
from magdr_video.transforms import gaussian, parse_chain
from magdr_video.types import FaceCrops, Faces, FrameBatch, Masks, RunReport, Verdict
from tests.faces.batches import make_clip, make_faces
from tests.toys import ToyGenerator, decibels, halves, pictures, toy_table

SIZE, FRAMES = 24, 32
NOISY, CLEAN, LATE = 1, 2, 3
"""Track numbers: noise that fades from frame to frame; none; noise from frame 10 to 20 only."""
FACES = pictures(4, SIZE)


def loudness(track: int, frame: int) -> float:
    if track == NOISY:
        return 0.10 - 0.002 * frame
    return 0.06 if track == LATE and 10 <= frame < 20 else 0.0


def crop_of(track: int, frame: int) -> Tensor:
    draw = torch.Generator().manual_seed(1000 * track + frame)
    grain = torch.randn(3, SIZE, SIZE, generator=draw) * loudness(track, frame)
    return (FACES[track] + grain).clamp(0, 1)


def find_faces(batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Faces]]:
    """Three tracks; the noisy one begins on frame 2, so that its beat is not the clip's."""
    for batch in batches:
        pairs = [
            (frame, track)
            for frame in range(len(batch))
            for track in (NOISY, CLEAN, LATE)
            if track != NOISY or batch.first_index + frame >= 2
        ]
        faces = make_faces([frame for frame, _ in pairs], np.full((len(pairs), 2), 4.0), 4.0)
        yield batch, dataclasses.replace(faces, track=np.array([t for _, t in pairs], np.int64))


def align(batch: FrameBatch, faces: Faces) -> FaceCrops:
    pairs = zip(faces.track, faces.frame, strict=True)
    crops = [crop_of(int(track), batch.first_index + int(frame)) for track, frame in pairs]
    return FaceCrops(torch.stack(crops), upright(len(faces)), faces)


def upright(count: int) -> NDArray[np.float64]:
    """Crops as large as in the frame."""
    return np.tile(np.eye(2, 3), (count, 1, 1))


class NoiseDetector(PerturbationDetector):
    """Scores a face by what a light blur takes away; clean ones score about 0.3."""

    def inspect(
        self, crops: Tensor, masks: Masks, condition: Tensor, draft: Tensor | None = None
    ) -> Inspection:
        score = (crops - gaussian(crops, sigma=1)).abs().mean(dim=(1, 2, 3)) * 100
        perturbed = score > 1.5
        draft = self.generate(crops, condition) if draft is None else draft
        flags = perturbed[:, None].expand(-1, 2)
        return Inspection(
            perturbed=perturbed,
            score=score - 1.5,
            s_dist=score,
            s_cons=score,
            s_mean=score,
            s_final=score,
            flags=flags,
            margin=score,
            draft=draft,
            margins=score[:, None].expand(-1, 2),
            skipped=torch.zeros_like(flags),
            scores={},
        )


BLUR = parse_chain("gaussian(sigma=0.7)")
FITTED = Fit(default=BLUR, candidates=(parse_chain("gaussian(sigma=1)"), ()))
RECNET = RecNetTable("edit", "0" * 64, FITTED, FITTED, ((BLUR[0],),))


class Scene:
    """The three tracks run through the real inspector and restorer."""

    def __init__(
        self,
        batch: int,
        *,
        period: int = 4,
        window: int = 3,
        budget: int = 0,
        holds: bool = True,
        table: RecNetTable = RECNET,
    ) -> None:
        self.report = RunReport()
        self.batch = batch
        self.generator = CountedGenerator(ToyGenerator(), self.report)
        detector = NoiseDetector(self.generator, toy_table(tau_final=0.5))
        self.cache = TrackCache(period, holds=holds)
        self.inspector = Inspector(detector, self.cache, self.report)
        chooser = Chooser(detector, table, budget, self.report)
        self.restorer = Restorer(chooser, ChoiceMemory(holds=holds), self.report, window)
        self.verdicts: dict[tuple[int, int], bool] = {}
        self.restored: dict[tuple[int, int], Tensor] = {}
        self.translated: dict[tuple[int, int], Tensor] = {}

    def _keys(self, batch: FrameBatch, crops: FaceCrops) -> list[tuple[int, int]]:
        pairs = zip(crops.faces.track, crops.faces.frame, strict=True)
        return [(int(track), batch.first_index + int(frame)) for track, frame in pairs]

    def _reconstruct(self, batch: FrameBatch, crops: FaceCrops, *rest: object) -> Tensor:
        out = self.restorer(batch, crops, *rest)  # type: ignore[arg-type]
        self.restored |= dict(zip(self._keys(batch, crops), out, strict=True))
        return out

    def _inspect(
        self, batch: FrameBatch, crops: FaceCrops, masks: Masks, c: Tensor, around: Neighbours
    ) -> Verdict:
        verdict = self.inspector(batch, crops, masks, c, around)
        held = map(bool, verdict.perturbed)
        self.verdicts |= dict(zip(self._keys(batch, crops), held, strict=True))
        return verdict

    def _paste(self, batch: FrameBatch, crops: FaceCrops, out: Tensor, masks: Masks) -> FrameBatch:
        self.translated |= dict(zip(self._keys(batch, crops), out, strict=True))
        return batch

    def play(self) -> Scene:
        list(self.run_through(FRAMES))
        return self

    def run_through(self, frames: int) -> Iterator[FrameBatch]:
        """The batches of so many frames, as they come out."""
        stages = Stages(
            find_faces=find_faces,
            align=align,
            parse=lambda batch, crops: halves(len(crops), SIZE),
            condition=lambda batch, crops: torch.zeros(len(crops), 1),
            inspect=self._inspect,
            reconstruct=self._reconstruct,
            translate=lambda crops, condition, verdict: translate_by_verdict(
                self.generator, crops, condition, verdict
            ),
            paste=self._paste,
            reach=max(self.restorer.reach, self.inspector.reach),
        )
        return run(make_clip(frames, size=self.batch), stages, self.report, strict=True)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(4).play()


COUNTERS = (
    "generator_passes",
    "faces_inspected",
    "faces_perturbed",
    "faces_reconstructed",
    "faces_unresolved",
    "searches",
    "cache_hits",
    "recipe_hits",
)


def assert_alike(scene: Scene, other: Scene) -> None:
    assert other.verdicts == scene.verdicts
    assert other.translated.keys() == scene.translated.keys()
    for key, picture in scene.translated.items():
        torch.testing.assert_close(other.translated[key], picture, atol=1e-5, rtol=0, msg=str(key))
    for name in ("choices", "verdicts"):
        ours, theirs = getattr(other.report, name), getattr(scene.report, name)
        assert sorted(map(str, ours)) == sorted(map(str, theirs)), name
    for name in COUNTERS:
        assert getattr(other.report, name) == getattr(scene.report, name), name


@pytest.mark.parametrize("batch", [1, 16])
def test_the_result_does_not_depend_on_the_batch_size(scene: Scene, batch: int) -> None:
    assert_alike(scene, Scene(batch).play())


def test_nor_does_a_search_or_a_window_longer_than_the_batch() -> None:
    first, other = (Scene(b, period=12, window=9, budget=9).play() for b in (2, 16))
    assert first.report.searches > 0
    assert_alike(first, other)


def test_without_the_cache_it_does_not_either_and_nothing_is_held() -> None:
    first, other = (Scene(batch, holds=False).play() for batch in (1, 16))
    assert_alike(first, other)
    report = first.report
    assert report.faces_inspected == report.faces and report.cache_hits == report.recipe_hits == 0
    assert len(report.choices) == report.faces_perturbed


def test_without_the_cache_a_face_is_judged_and_repaired_as_if_it_were_alone() -> None:
    scene = Scene(8, holds=False, window=1).play()
    for (track, frame), verdict in scene.verdicts.items():
        noisy = NoiseDetector(ToyGenerator(), toy_table()).inspect(
            crop_of(track, frame)[None], halves(1, SIZE), torch.zeros(1, 1)
        )
        assert verdict == bool(noisy.perturbed[0]), (track, frame)


def test_the_noisy_track_is_repaired_and_the_clean_one_untouched(scene: Scene) -> None:
    for frame in range(2, FRAMES):
        bare, repaired = crop_of(NOISY, frame), scene.restored[NOISY, frame]
        assert decibels(repaired, FACES[NOISY]) > decibels(bare, FACES[NOISY]) + 2, frame
    for frame in range(FRAMES):
        assert torch.equal(scene.restored[CLEAN, frame], crop_of(CLEAN, frame))


def test_a_perturbation_that_comes_and_goes_is_repaired_as_long_as_it_lasts(scene: Scene) -> None:
    held = [scene.verdicts[LATE, frame] for frame in range(FRAMES)]
    # The noise jumps on frame 10, and falls on frame 20: both bring a round of inspections.
    assert [frame for frame in range(FRAMES) if held[frame]] == list(range(10, 20))


def test_the_verdict_on_a_tracks_start_holds_from_its_first_face(scene: Scene) -> None:
    assert all(scene.verdicts[NOISY, frame] for frame in range(2, FRAMES))


def test_a_track_that_does_not_change_is_inspected_less_and_less(scene: Scene) -> None:
    seen = {track: [] for track in (NOISY, CLEAN, LATE)}
    for entry in scene.report.verdicts:
        seen[entry["track"]].append(entry["frame"])
    assert sorted(seen[CLEAN]) == [0, 4, 6, 12, 28]
    assert sorted(seen[NOISY]) == [2, 6, 8, 14, 30]
    assert scene.report.faces_inspected == sum(map(len, seen.values()))
    assert scene.report.cache_hits == scene.report.faces - scene.report.faces_inspected


def test_faces_that_follow_are_inspected_in_one_call_with_the_first() -> None:
    scene, calls = Scene(16), []
    inspect = scene.inspector.detector.inspect
    scene.inspector.detector.inspect = lambda crops, *rest: (  # type: ignore[method-assign]
        calls.append(len(crops)) or inspect(crops, *rest)  # type: ignore[func-returns-value]
    )
    scene.play()
    assert calls[0] == 3 * 3


def test_a_draft_made_under_another_condition_is_not_used() -> None:
    faces = make_faces([0], np.zeros((1, 2)), 4.0)
    scene = Scene(1)
    masks, batches = halves(1, SIZE), make_clip(7, size=1)
    crops = [
        FaceCrops(crop_of(CLEAN, frame)[None], upright(1), faces) for frame in range(len(batches))
    ]
    after = Neighbours(after=tuple((frame, crops[frame]) for frame in range(1, 7)))
    for asked, used in ((0.0, True), (1.0, False)):
        scene.cache.entries.clear()
        scene.inspector(batches[0], crops[0], masks, torch.zeros(1, 1), after)
        later = scene.inspector(
            batches[6], crops[6], masks, torch.full((1, 1), asked), Neighbours()
        )
        assert bool(later.inspected[0]) is used


def test_a_track_is_repaired_with_one_choice(scene: Scene) -> None:
    assert [choice["track"] for choice in scene.report.choices] == [NOISY, LATE]
    assert scene.report.recipe_hits == scene.report.faces_perturbed - 2


def test_a_clean_inspected_face_is_translated_once_in_all() -> None:
    scene = Scene(4, holds=False)
    scene.report.generator_passes = 0
    scene.play()
    # One draft a face; a second pass where it is perturbed, and one for each chain scored.
    assert scene.report.generator_passes == (
        scene.report.faces + scene.report.faces_perturbed + len(scene.report.choices)
    )


def test_where_single_frames_fitted_best_they_get_the_chain_that_clips_fitted() -> None:
    strong = Fit(parse_chain("gaussian(sigma=1)"))
    table = dataclasses.replace(RECNET, averaged=strong, window=1)
    scene = Scene(4, window=1, table=table).play()
    for choice in scene.report.choices:
        assert "gaussian(sigma=1)" in str(choice["rounds"])
        assert (choice["window"], choice["averaged"]) == (1, False)
    # A user who wants no average where one fitted gets the chain of single crops.
    asked = Scene(4, window=1, table=dataclasses.replace(table, window=3)).play()
    assert all(str(BLUR[0]) in str(choice["rounds"]) for choice in asked.report.choices)


def test_recipes_that_do_not_lower_the_score_are_not_used() -> None:
    idle = Fit(default=())
    scene = Scene(8, window=1, table=RecNetTable("edit", "", idle, idle, ())).play()
    assert scene.report.choices and not any(c["accepted"] for c in scene.report.choices)
    assert scene.report.faces_reconstructed == 0
    for key, picture in scene.restored.items():
        assert torch.equal(picture, crop_of(*key))


def test_repairs_that_stay_above_the_clean_range_are_counted_as_unresolved(scene: Scene) -> None:
    assert {choice["resolved"] for choice in scene.report.choices} == {False}
    assert scene.report.faces_unresolved == scene.report.faces_reconstructed > 0


def test_drafts_are_used_for_inspected_clean_faces_only() -> None:
    generator, crops = ToyGenerator(), pictures(4, SIZE)
    masks = halves(4, SIZE)
    faces = make_faces([0, 1, 2, 3], np.zeros((4, 2)), 4.0)
    verdict = dataclasses.replace(
        unjudged(FaceCrops(crops, np.zeros((4, 2, 3)), faces), masks),
        perturbed=np.array([False, False, True, True]),
        inspected=np.array([True, False, True, False]),
        draft=torch.full_like(crops, 0.25),
    )
    condition = torch.zeros(4, 1)
    out = translate_by_verdict(generator, crops, condition, verdict)
    assert generator.passes == 3
    torch.testing.assert_close(out[0], torch.full_like(out[0], 0.25))
    expected = ToyGenerator()(crops[1:], condition[1:])
    torch.testing.assert_close(out[1:], expected, atol=1e-5, rtol=0)
    assert torch.all(verdict.draft == 0.25)
    shown = translate_by_verdict(generator, crops, condition, verdict, use_drafts=False)
    torch.testing.assert_close(shown, ToyGenerator()(crops, condition), atol=1e-5, rtol=0)


def carried(size: int, period: int) -> tuple[list[tuple[int, int]], RunReport, Tensor]:
    """Which (track, frame) was parsed, and the masks of all faces."""
    report, parsed = RunReport(), []

    def parse(crops: Tensor) -> Tensor:
        parsed.extend(crops[:, 0, 0, 0].tolist())
        return crops[:, :2] + 1

    carrier = MaskCarrier(
        parse, lambda held: Masks(held, ("a", "b"), (False, False)), period, report
    )
    out = []
    for batch, faces in find_faces(make_clip(20, size=size)):
        numbers = torch.as_tensor(faces.track * 100 + batch.first_index + faces.frame)
        data = numbers.float()[:, None, None, None].expand(-1, 3, 4, 4)
        out.append(carrier(batch, FaceCrops(data, np.zeros((len(faces), 2, 3)), faces)).data)
    return [divmod(int(number), 100) for number in parsed], report, torch.cat(out)


def test_masks_are_parsed_at_their_period_from_each_tracks_first_face() -> None:
    parsed, report, masks = carried(4, 6)
    assert sorted(f for track, f in parsed if track == NOISY) == [2, 8, 14]
    assert sorted(f for track, f in parsed if track == CLEAN) == [0, 6, 12, 18]
    assert report.parser_passes == len(parsed)
    assert masks.shape == (20 * 3 - 2, 2, 4, 4)


@pytest.mark.parametrize("size", [1, 5, 20])
def test_carried_masks_do_not_depend_on_the_batch_size(size: int) -> None:
    parsed, _, masks = carried(4, 6)
    others, _, same = carried(size, 6)
    assert sorted(others) == sorted(parsed)
    assert torch.equal(same, masks)


def test_a_face_between_parses_has_the_masks_of_its_own_track() -> None:
    _, _, masks = carried(4, 6)
    levels = masks[:, 0, 0, 0] - 1
    last = levels[-3:].tolist()
    assert last == [NOISY * 100 + 14, CLEAN * 100 + 18, LATE * 100 + 18]


def test_attention_is_looked_at_with_the_parse_and_held_as_long() -> None:
    asked: list[int] = []

    def attend(batch: FrameBatch, crops: FaceCrops, rows: list[int]) -> Tensor:
        asked.extend(batch.first_index + int(crops.faces.frame[row]) for row in rows)
        return crops.data[rows, :1] * 0 + batch.first_index

    carrier = MaskCarrier(
        lambda crops: crops[:, :2],
        lambda held: Masks(held, ("a", "b", "attention"), (False, False, False)),
        6,
        RunReport(),
        attend,
    )
    seen = []
    for batch in make_clip(8, size=1):
        crops = FaceCrops(
            torch.zeros(1, 3, 4, 4), upright(1), make_faces([0], np.zeros((1, 2)), 4.0)
        )
        seen.append(float(carrier(batch, crops).data[0, 2].mean()))
    assert asked == [0, 6] and seen == [0.0] * 6 + [6.0] * 2


class ShortOfMemory:
    """Refuses more than `room` crops at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.tried: list[int] = []

    def __call__(self, crops: Tensor, condition: Tensor) -> Tensor:
        self.tried.append(len(crops))
        if len(crops) > self.room:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return crops + condition[:, :1, None, None]


def test_a_lack_of_memory_halves_the_chunk_from_what_was_tried_and_is_noted() -> None:
    report, inner = RunReport(), ShortOfMemory(3)
    generator = CountedGenerator(inner, report, chunk=64)
    crops, condition = torch.rand(10, 3, 4, 4), torch.arange(10.0)[:, None]
    out = generator(crops, condition)
    torch.testing.assert_close(out, crops + condition[:, :, None, None])
    assert inner.tried == [10, 5, 2, 2, 2, 2, 2]
    assert report.generator_passes == 10
    assert [note.rsplit(" ", 1)[1] for note in report.notes] == ["5", "2"]


def test_one_crop_too_many_for_the_memory_is_an_error() -> None:
    generator = CountedGenerator(ShortOfMemory(0), RunReport(), chunk=4)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        generator(torch.rand(3, 3, 4, 4), torch.zeros(3, 1))


def test_chunks_give_what_one_pass_gives_and_no_crops_give_none() -> None:
    report = RunReport()
    crops, condition = pictures(5, SIZE), torch.linspace(-1, 1, 5)[:, None]
    got = CountedGenerator(ToyGenerator(), report, chunk=2)(crops, condition)
    torch.testing.assert_close(got, ToyGenerator()(crops, condition), atol=1e-5, rtol=0)
    assert CountedGenerator(ToyGenerator(), report)(crops[:0], condition[:0]).shape[0] == 0
    assert report.generator_passes == 5


def test_a_run_without_a_defence_judges_nothing() -> None:
    faces = make_faces([0, 1], np.zeros((2, 2)), 4.0)
    crops = FaceCrops(pictures(2, SIZE), np.zeros((2, 2, 3)), faces)
    verdict = unjudged(crops, halves(2, SIZE))
    assert not verdict.perturbed.any() and not verdict.inspected.any()
    assert np.isnan(verdict.s_final).all()
    assert verdict.flags.shape == (2, 2)


def test_without_the_cache_every_face_is_inspected() -> None:
    kept = Settings(task="edit", detection=DetectionSettings(period=7))
    alone = dataclasses.replace(kept, reconstruction=ReconstructionSettings(cache=False))
    assert (detection_period(kept), detection_period(alone)) == (7, 1)
    assert (parse_period(kept), parse_period(alone)) == (kept.detection.parse_period, 1)

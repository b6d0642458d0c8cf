"""The union of both detectors: thresholds, costs, and what is refused."""

from __future__ import annotations

import pytest
import torch

from magdr_video import criteria
from magdr_video.detection.calibration import Calibration, FittedScore
from magdr_video.detection.detector import Inspection, PerturbationDetector, judge
from magdr_video.types import Masks
from tests.toys import ToyGenerator, halves, pictures, toy_table

DECIDERS = ("combined", "union", "distortion", "consistency")


def constant_score(value: float) -> FittedScore:
    return FittedScore(
        cues=("aim",),
        perturbed=(False, True),
        weights=torch.zeros(2, 1),
        biases=torch.tensor([0.0, value]),
        threshold=0.0,
    )


def inspect(table: Calibration, *, target: tuple[bool, ...] = (False, False)) -> Inspection:
    detector = PerturbationDetector(ToyGenerator(), table)
    return detector.inspect(
        pictures(2, noise=0.05), halves(2, target=target), torch.tensor([[0.0], [1.0]])
    )


def test_without_thresholds_in_reach_no_face_is_perturbed() -> None:
    seen = inspect(toy_table())
    assert not seen.perturbed.any()
    assert not seen.flags.any()


@pytest.mark.parametrize("cue", ["margin", "s_cons", "s_mean"])
def test_each_cue_alone_decides_by_its_own_threshold(cue: str) -> None:
    values = getattr(inspect(toy_table()), cue)
    between = float(values.mean())
    name = {"margin": "tau_region", "s_cons": "tau_cons", "s_mean": "tau_mean"}[cue]
    seen = inspect(toy_table(**{name: between}))
    assert values[0] != values[1]
    assert seen.perturbed.tolist() == (values >= between).tolist()


def test_a_score_at_the_threshold_counts_as_perturbed() -> None:
    exactly = float(inspect(toy_table()).s_mean.max())
    assert int(inspect(toy_table(tau_mean=exactly)).perturbed.sum()) == 1


def test_a_region_beyond_the_target_by_the_margin_is_flagged_and_the_target_never() -> None:
    seen = inspect(toy_table(tau_region=-100.0), target=(True, False))
    assert seen.flags.tolist() == [[False, True], [False, True]]
    assert seen.perturbed.all()


def test_fewer_regions_than_the_least_flags_leave_the_decision_to_consistency() -> None:
    seen = inspect(toy_table(tau_region=-100.0, least_flags=2), target=(True, False))
    assert seen.flags.any()
    assert not seen.perturbed.any()


def test_a_fitted_score_decides_where_the_table_has_one_and_the_union_where_not() -> None:
    fitted = {"combined": constant_score(0.5)}
    assert inspect(toy_table(scores=fitted)).perturbed.all()
    assert not inspect(toy_table()).perturbed.any()
    assert inspect(toy_table(tau_mean=-100.0)).perturbed.all()


def test_the_chosen_decider_decides_and_all_of_them_report() -> None:
    fitted = {"combined": constant_score(-1.0)}
    table = toy_table(tau_region=-100.0, scores=fitted)
    held = PerturbationDetector(ToyGenerator(), table).measure(
        pictures(2, noise=0.05), halves(2), torch.zeros(2, 1)
    )
    said = {name: bool(judge(held, table, name).perturbed.all()) for name in DECIDERS}
    assert said == {
        "combined": False,
        "union": True,
        "distortion": True,
        "consistency": False,
    }
    seen = judge(held, table, "combined")
    assert set(seen.scores) == set(DECIDERS)
    assert seen.score.tolist() == [-1.0, -1.0]


def test_a_region_too_small_is_reported_as_skipped() -> None:
    masks = halves(1, target=(True, False))
    masks.data[:, 0] = 0
    masks.data[:, 1] = 1
    seen = PerturbationDetector(ToyGenerator(), toy_table()).inspect(
        pictures(1), masks, torch.zeros(1, 1)
    )
    assert seen.skipped.tolist() == [[True, False]]


def test_the_margin_of_a_face_is_that_of_its_last_needed_region() -> None:
    one, two = (inspect(toy_table(least_flags=count)).margin for count in (1, 2))
    assert (two < one).all()


def test_the_final_score_weighs_distortion_and_adds_both_parts_of_consistency() -> None:
    seen = inspect(toy_table(weight=0.25))
    torch.testing.assert_close(seen.s_final, 0.25 * seen.s_dist + seen.s_cons + seen.s_mean)


def test_an_inspected_face_costs_one_pass_and_one_for_each_changed_copy() -> None:
    generator = ToyGenerator()
    detector = PerturbationDetector(generator, toy_table())
    detector.inspect(pictures(3), halves(3), torch.zeros(3, 1))
    assert detector.passes_per_face == 3
    assert generator.passes == 3 * (1 + 3)


def test_a_known_draft_is_not_translated_again_and_changes_nothing() -> None:
    generator, crops = ToyGenerator(), pictures(3)
    detector = PerturbationDetector(generator, toy_table())
    first = detector.inspect(crops, halves(3), torch.zeros(3, 1))
    generator.passes = 0
    again = detector.inspect(crops, halves(3), torch.zeros(3, 1), first.draft)
    assert generator.passes == 3 * 3
    torch.testing.assert_close(again.s_final, first.s_final)


def test_faces_are_judged_alike_alone_and_together() -> None:
    crops, condition = pictures(3, noise=0.05), torch.tensor([[0.0], [1.0], [-1.0]])
    detector = PerturbationDetector(ToyGenerator(), toy_table())
    together = detector.inspect(crops, halves(3), condition)
    for face in range(3):
        one = slice(face, face + 1)
        alone = detector.inspect(crops[one], halves(1), condition[one])
        torch.testing.assert_close(alone.s_final, together.s_final[one], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(alone.draft, together.draft[one], atol=1e-5, rtol=0)


def test_masks_of_other_regions_than_the_tables_are_refused() -> None:
    masks = Masks(halves(1).data, ("hair", "background"), (False, False))
    detector = PerturbationDetector(ToyGenerator(), toy_table())
    with pytest.raises(ValueError, match="regions"):
        detector.inspect(pictures(1), masks, torch.zeros(1, 1))


def test_no_image_of_an_inspection_is_blurred_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    blur, blurred = criteria._blur, []

    def counted(image: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
        blurred.append(len(image))
        return blur(image, window)

    monkeypatch.setattr(criteria, "_blur", counted)
    table = toy_table()
    inspect(table)
    copies = len(table.transforms)
    images, pairs = copies + 3, copies + 4
    assert sum(blurred) == (2 * images + pairs) * 2

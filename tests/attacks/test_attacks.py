"""What every attack must hold: one list of cases, one body for each rule."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from magdr_video.attacks.defence import Defence
from magdr_video.attacks.lab import SCALE, to_lab
from magdr_video.attacks.problem import Goal, Options, Perturbed, Problem, squared_error
from magdr_video.attacks.registry import ATTACKS, attack
from magdr_video.attacks.signed import blurs
from magdr_video.errors import SettingsError
from tests.toys import ToyGenerator, pictures


class OpenToy(ToyGenerator):
    """A toy that shows its inner layer."""

    def activations(self, crops: Tensor, condition: Tensor, layer: int) -> Tensor:
        return torch.tanh(torch.nn.functional.conv2d(crops - 0.5, self._first, padding=1))


def blur_path(images: Tensor, seed: int) -> Tensor:
    return blurs(images, seed % 2)


GENERATE = OpenToy()
CONDITIONS = torch.tensor([[[0.0], [0.5], [1.0]], [[-1.0], [-0.5], [-2.0]]])
DEFENCE = Defence(paths=(lambda images, seed: images, blur_path))


@dataclass(frozen=True)
class Case:
    """An attack, shortened so that the family stays fast."""

    name: str
    options: Options = Options()  # noqa: RUF009 - a frozen value
    grows: bool = True
    """It follows the loss, so that it must do more harm than it begins with."""

    def run(self, problem: Problem, **changes: object) -> Perturbed:
        return attack(self.name, problem, replace(self.options, **changes))  # type: ignore[arg-type]


CASES = [
    Case("fgsm"),
    Case("ifgsm"),
    Case("pgd"),
    Case("momentum"),
    Case("cw", Options(steps=20)),
    Case("iterated"),
    Case("joint"),
    Case("feature"),
    Case("blur-eot", Options(steps=3)),
    Case("lab", Options(steps=30, step_size=2e-3)),
    Case("adaptive", Options(steps=3, samples=2, restarts=2)),
    Case("spsa", Options(steps=3, samples=64)),
    Case("uniform", grows=False),
    Case("sign", grows=False),
]

all_cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Smooth pictures with black and white areas, so that the range matters too."""
    images = pictures(3, 16)
    images[..., :4] = 0
    images[..., -4:] = 1
    return Problem(GENERATE, images, CONDITIONS, defence=DEFENCE)


def damage(images: Tensor, problem: Problem) -> Tensor:
    with torch.no_grad():
        return Goal(problem).joint(images)


def chroma_change(images: Tensor, problem: Problem) -> Tensor:
    return (to_lab(images) - to_lab(problem.images))[:, 1:].abs() / SCALE


def test_every_attack_is_tried() -> None:
    assert [case.name for case in CASES] == list(ATTACKS)


@all_cases
@pytest.mark.parametrize("epsilon", [0.01, 0.05])
def test_the_bound_and_the_range_hold_exactly(case: Case, epsilon: float, problem: Problem) -> None:
    got = case.run(problem, epsilon=epsilon).images
    assert got.shape == problem.images.shape and not got.requires_grad
    assert got.min() >= 0 and got.max() <= 1
    if case.name == "lab":
        inside = (got > 0.02).all(dim=1) & (got < 0.98).all(dim=1)
        change = chroma_change(got, problem).amax(dim=1)[inside]
        assert 0.5 * epsilon < float(change.max()) <= epsilon + 1e-3
    else:
        change = (got.double() - problem.images.double()).abs()
        assert 0.45 * epsilon < float(change.max()) <= epsilon / 2


@all_cases
def test_the_loss_grows(case: Case, problem: Problem) -> None:
    if case.grows:
        start = case.run(problem, steps=0).images if case.name != "fgsm" else problem.images
        end = case.run(problem).images
        if case.name == "blur-eot":  # its loss lies behind the blur
            start, end = blurs(start, 0), blurs(end, 0)
        assert (damage(end, problem) > damage(start, problem)).all()
    else:
        noisy = damage(case.run(problem).images, problem)
        assert (noisy < damage(attack("pgd", problem).images, problem) / 2).all()


@all_cases
def test_one_seed_gives_one_result(case: Case, problem: Problem) -> None:
    first, again, other = (case.run(problem, seed=seed).images for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@all_cases
def test_a_face_does_not_depend_on_its_batch(case: Case, problem: Problem) -> None:
    together = case.run(problem).images
    alone = [case.run(problem.piece(slice(at, at + 1))).images for at in range(3)]
    # Convolutions round differently in batches, and some signs and Adam's steps turn on that.
    apart = (torch.cat(alone) - together).abs().mean()
    assert apart < 0.05 * (together - problem.images).abs().mean()


@all_cases
def test_the_callers_random_numbers_are_left_alone(case: Case, problem: Problem) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    case.run(problem, steps=1)
    assert torch.equal(torch.get_rng_state(), before)


@all_cases
def test_a_target_is_approached(case: Case, problem: Problem) -> None:
    target = pictures(3, 16, seed=9)
    towards = replace(problem, condition=CONDITIONS[0], target=target)
    got = case.run(towards).images
    if case.name == "feature":
        goal = [GENERATE.activations(x, CONDITIONS[0], -1) for x in (got, problem.images, target)]
    else:
        goal = [*(GENERATE(x, CONDITIONS[0]) for x in (got, problem.images)), target]
    closer = squared_error(goal[0], goal[2]) < squared_error(goal[1], goal[2])
    assert closer.all() or not case.grows


@all_cases
def test_no_faces_are_no_work(case: Case) -> None:
    none = Problem(GENERATE, torch.zeros(0, 3, 16, 16), torch.zeros(2, 0, 1), defence=DEFENCE)
    assert case.run(none).images.shape == (0, 3, 16, 16)


@pytest.mark.parametrize("name", ["pgd", "ifgsm", "momentum", "adaptive"])
def test_points_along_the_way_are_those_of_shorter_attacks(name: str, problem: Problem) -> None:
    known = replace(problem, defence=DEFENCE) if name == "adaptive" else problem
    options = Options(steps=5, samples=2, restarts=1)
    along = attack(name, known, options, chunk=2).along
    assert sorted(along) == [1, 2, 5]
    for steps, images in along.items():
        shorter = attack(name, known, replace(options, steps=steps))
        assert torch.equal(images, shorter.images)


def test_competing_restarts_have_no_way_of_their_own(problem: Problem) -> None:
    assert attack("pgd", problem, Options(steps=2, restarts=2)).along == {}


def test_fewer_trade_offs_are_fewer_passes(problem: Problem) -> None:
    passes = []
    for trade_offs in (1, 3):
        calls: list[int] = []

        def counted(images: Tensor, condition: Tensor, calls: list[int] = calls) -> Tensor:
            calls.append(len(images))
            return GENERATE(images, condition)

        asked = Options(steps=4, trade_offs=trade_offs)
        attack("cw", replace(problem, generate=counted), asked)
        passes.append(len(calls))
    # Each trade-off takes its steps and looks at the last point.
    assert passes[1] - passes[0] == 2 * (4 + 1)


def test_more_restarts_never_do_less(problem: Problem) -> None:
    one = replace(problem, condition=CONDITIONS[0])
    harm = [damage(attack("pgd", one, Options(steps=3, restarts=n)).images, one) for n in (1, 2, 4)]
    assert (harm[1] >= harm[0]).all() and (harm[2] >= harm[1]).all()
    assert (harm[2] > harm[0]).any()


def test_joining_conditions_breaks_all_of_them_better_than_one(problem: Problem) -> None:
    other = ToyGenerator(seed=5)

    def generate(images: Tensor, condition: Tensor) -> Tensor:
        """Another network for negative conditions."""
        first = condition[:, :1, None, None] < 0
        return torch.where(first, other(images, condition), GENERATE(images, condition))

    split = replace(problem, generate=generate)
    joint, single = (attack(name, split).images for name in ("joint", "pgd"))
    assert damage(joint, split).sum() > 1.1 * damage(single, split).sum()


def test_iterating_visits_every_condition(problem: Problem) -> None:
    """With one step only the first condition counts, with two the second as well."""
    for steps, same in ((1, True), (2, False)):
        single, iterated = (
            attack(name, problem, Options(steps=steps)).images for name in ("pgd", "iterated")
        )
        assert torch.equal(single, iterated) is same


def test_carlini_wagner_reports_what_it_found_before_clipping(problem: Problem) -> None:
    got = attack("cw", replace(problem, condition=CONDITIONS[0]), Options(steps=60, epsilon=0.01))
    assert got.unbounded is not None and got.found is not None and got.found.all()
    broken = squared_error(
        GENERATE(got.unbounded, CONDITIONS[0]), GENERATE(problem.images, CONDITIONS[0])
    )
    assert (broken > 0.05).all()
    assert (got.unbounded - problem.images).abs().max() > 0.005
    assert (damage(got.images, problem) < damage(got.unbounded, problem)).all()


def test_chroma_only_leaves_lightness_alone(problem: Problem) -> None:
    got = attack("lab", problem, Options(steps=30, step_size=2e-3)).images
    inside = (got > 0.02).all(dim=1) & (got < 0.98).all(dim=1)
    apart = (to_lab(got) - to_lab(problem.images))[:, 0][inside]
    assert apart.abs().max() < 0.05  # of 100


def test_the_adaptive_attack_beats_the_blind_one_behind_the_defence(problem: Problem) -> None:
    """All paths blur: what survives them must have been made with them in mind."""
    blurring = replace(problem, condition=CONDITIONS[0], defence=Defence(paths=(blur_path,)))
    options = Options(samples=2, restarts=2)

    def left(images: Tensor) -> float:
        return float(
            damage(blurs(images, 0), blurring).sum() + damage(blurs(images, 1), blurring).sum()
        )

    clean = left(problem.images)
    blind = left(attack("pgd", blurring).images) - clean
    knowing = left(attack("adaptive", blurring, options).images) - clean
    assert knowing > 1.5 * max(blind, 0)


def test_the_adaptive_attack_evades_a_detector_that_it_is_told_of(problem: Problem) -> None:
    def score(images: Tensor, condition: Tensor) -> Tensor:
        """High where neighbouring pixels differ: any noise raises it."""
        return (images[..., 1:] - images[..., :-1]).square().flatten(1).mean(dim=1) * 1000

    single = replace(problem, condition=CONDITIONS[0])
    held = replace(single, defence=Defence(paths=(lambda images, seed: images,), score=score))
    options = Options(samples=1, restarts=2)
    caught = attack("adaptive", held, replace(options, evasion=0.0)).images
    hidden = attack("adaptive", held, options).images
    assert (score(hidden, CONDITIONS[0]) < 0.95 * score(caught, CONDITIONS[0])).all()
    assert (damage(hidden, held) > 0).all()


def test_spsa_agrees_with_the_gradient(problem: Problem) -> None:
    single = replace(problem, condition=CONDITIONS[0])
    blind = attack("spsa", single, Options(samples=256, steps=5)).images
    seeing = attack("pgd", single, Options(steps=5)).images
    random = attack("uniform", single).images
    assert (damage(blind, single) > 1.2 * damage(random, single)).all()
    assert (damage(blind, single) < damage(seeing, single)).all()


def test_chunks_do_not_show(problem: Problem) -> None:
    whole, pieces = (attack("pgd", problem, chunk=chunk).images for chunk in (16, 2))
    assert ((whole - pieces).abs() > 1e-3).float().mean() < 2e-3


@pytest.mark.parametrize(
    ("name", "changes", "word"),
    [
        ("pdg", {}, "pgd"),
        ("adaptive", {"defence": None}, "defence"),
        ("feature", {"generate": ToyGenerator()}, "layers"),
    ],
)
def test_what_cannot_be_done_is_said(
    name: str, changes: dict[str, object], word: str, problem: Problem
) -> None:
    with pytest.raises(SettingsError) as caught:
        attack(name, replace(problem, **changes))  # type: ignore[arg-type]
    assert word in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("wrong", [{"epsilon": 0.0}, {"steps": -1}, {"restarts": 0}])
def test_impossible_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"above 0|possible"):
        Options(**wrong)  # type: ignore[arg-type]


def test_shapes_that_disagree_are_refused() -> None:
    images = pictures(2, 16)
    with pytest.raises(ValueError, match="condition has shape"):
        Problem(GENERATE, images, torch.zeros(3, 1))
    with pytest.raises(ValueError, match="target holds 1"):
        Problem(GENERATE, images, torch.zeros(2, 1), target=images[:1])

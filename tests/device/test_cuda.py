"""The same answers on a CUDA device as on the CPU, and the same rules."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from magdr_video.attacks.pgd import pgd
from magdr_video.attacks.problem import Options, Problem
from magdr_video.attacks.registry import ATTACKS, attack
from magdr_video.demo import portrait, write_source
from magdr_video.detection.detector import PerturbationDetector
from magdr_video.device import in_usual_sizes
from magdr_video.faces.parsing import parse
from magdr_video.faces.regions import region_masks
from magdr_video.loading import Models, load_models
from magdr_video.runs import detect_clip, translate_clip
from magdr_video.settings import TASKS, Settings, load_settings
from magdr_video.training.clean_faces import CLEAN
from magdr_video.transforms import BANK, apply_transform, differentiable_chain
from magdr_video.types import TransformChoice
from magdr_video.video.colour import batch_to_rgb
from magdr_video.video.reader import ClipReader

EXACT_FOR_A_VIEWER = 1e-3
"""Of [0, 1]: float32 sums in another order."""

FLAGS = {
    "edit": {"condition.attributes": "Black_Hair"},
    "reenact": {"condition.expression": "happy"},
    "replace": {},
}


def settings_of(task: str, device: str) -> Settings:
    flags = {"run.device": device, "run.precision": "full", "output.preset": "ultrafast"}
    return load_settings(task=task, flags={**flags, **FLAGS[task]})


@cache
def models_of(task: str, device: str) -> Models:
    return load_models(settings_of(task, device))


@cache
def faces() -> Tensor:
    """The portrait in four cuts, (4, 3, 128, 128)."""
    cuts = [
        portrait()[top : top + 192, left : left + 192] for top in (10, 30) for left in (110, 130)
    ]
    stacked = torch.from_numpy(np.stack(cuts)).permute(0, 3, 1, 2).float() / 255
    return torch.nn.functional.interpolate(stacked, (128, 128), mode="area")


def condition_of(models: Models) -> Tensor:
    return models.translator.condition(models.condition, len(faces()))


def both(task: str) -> tuple[Models, Models]:
    return models_of(task, "cpu"), models_of(task, "cuda")


@pytest.mark.parametrize("task", TASKS)
def test_a_generator_gives_what_it_gives_on_the_cpu(task: str, cuda: torch.device) -> None:
    outputs = [
        models.translator.translate(faces().to(models.device), condition_of(models)).detach()
        for models in both(task)
    ]
    assert outputs[1].device == cuda
    torch.testing.assert_close(outputs[1].cpu(), outputs[0], atol=EXACT_FOR_A_VIEWER, rtol=0)


def test_the_parser_gives_the_masks_that_it_gives_on_the_cpu(cuda: torch.device) -> None:
    maps = [
        parse(faces().to(models.device), models.parser, models.parser_size)
        for models in both("edit")
    ]
    assert maps[1].device == cuda
    torch.testing.assert_close(maps[1].cpu(), maps[0], atol=5 * EXACT_FOR_A_VIEWER, rtol=0)


@pytest.mark.parametrize("task", TASKS)
def test_pgd_holds_bound_and_range_and_a_seed_gives_the_same_again(
    task: str, cuda: torch.device
) -> None:
    models = models_of(task, "cuda")
    clean, condition = faces().to(cuda), condition_of(models)
    made = [
        pgd(models.translator.translate, clean, condition, epsilon=0.05, steps=5, seed=seed)
        for seed in (3, 3, 4)
    ]
    assert float((made[0].double() - clean.double()).abs().max()) <= 0.025
    assert float(made[0].min()) >= 0 and float(made[0].max()) <= 1
    # A generator that warps adds its gradients up in an order that no seed decides.
    alike = (made[0] == made[1]).float().mean()
    assert float(alike) > 0.99
    assert float((made[0] == made[2]).float().mean()) < 0.9


@pytest.mark.parametrize("method", ["pgd", "cw"])
def test_an_attack_with_coarse_slopes_is_as_strong(method: str, cuda: torch.device) -> None:
    reached = []
    for models in both("edit"):
        clean, condition = faces().to(models.device), condition_of(models)
        options = Options(epsilon=0.05, steps=8, trade_offs=2 if method == "cw" else None)
        made = attack(method, Problem(models.translator, clean, condition), options).images
        with torch.no_grad():
            before, after = (models.translator(held, condition) for held in (clean, made))
        reached.append(float((after - before).square().mean()))
    assert not torch.backends.cudnn.allow_tf32
    assert reached[1] == pytest.approx(reached[0], rel=0.05)


def test_rows_are_filled_up_and_only_their_own_results_come_back(cuda: torch.device) -> None:
    seen = []

    def call(rows: Tensor, more: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(len(rows))
        return rows + more, rows - more

    rows, more = torch.rand(5, 2, device=cuda), torch.rand(5, 1, device=cuda)
    total, rest = in_usual_sizes(call, rows, more)
    assert seen == [8]
    assert torch.equal(total, rows + more) and torch.equal(rest, rows - more)
    empty = torch.zeros(5, 0, device=cuda)
    assert torch.equal(in_usual_sizes(lambda held, _: held, rows, empty), rows)


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_that_needs_no_defence_runs_there(name: str, cuda: torch.device) -> None:
    if name == "adaptive":
        pytest.skip("it needs a defence; the benchmark's test has one")
    models = models_of("edit", "cuda")
    clean = faces()[:2].to(cuda)
    condition = condition_of(models)[:2]
    several = torch.stack([condition, 1 - condition])
    problem = Problem(
        models.translator, clean, several if name in ("iterated", "joint") else condition
    )
    steps = None if name in ("fgsm", "sign", "uniform") else 2
    samples = 4 if name == "spsa" else None
    made = attack(name, problem, Options(epsilon=0.05, steps=steps, samples=samples)).images
    assert made.device == cuda
    assert made.isfinite().all() and float(made.min()) >= 0 and float(made.max()) <= 1
    assert not torch.equal(made, clean)


@pytest.mark.parametrize("name", [name for name in BANK if name != "super_resolution"])
def test_a_transform_gives_what_it_gives_on_the_cpu(name: str, cuda: torch.device) -> None:
    choice = TransformChoice(name, tuple(BANK[name].grid[0].items()))
    here, there = (apply_transform(faces().to(place), choice) for place in ("cpu", cuda))
    assert there.device == cuda
    # A level that is rounded the other way moves a pixel by a level, not the picture.
    assert float((there.cpu() - here).abs().mean()) < 2e-4
    given = faces().to(cuda).requires_grad_(True)
    differentiable_chain(given, [choice]).sum().backward()
    assert given.grad is None or given.grad.isfinite().all()


@pytest.mark.parametrize("kind", CLEAN)
def test_a_kind_of_clean_face_stays_on_the_device(kind: str, cuda: torch.device) -> None:
    here, there = (CLEAN[kind](faces().to(place)) for place in ("cpu", cuda))
    assert there.device == cuda
    assert float((there.cpu() - here).abs().mean()) < 1e-3


@pytest.mark.parametrize("task", TASKS)
def test_a_verdict_is_that_of_the_cpu(task: str, cuda: torch.device) -> None:
    found = []
    for models in both(task):
        assert models.table is not None
        crops = faces().to(models.device)
        masks = region_masks(parse(crops, models.parser, models.parser_size), task)
        with torch.no_grad():
            detector = PerturbationDetector(models.translator.translate, models.table)
            found.append(detector.inspect(crops, masks, condition_of(models)))
    assert found[1].s_final.device == cuda
    torch.testing.assert_close(found[1].s_final.cpu(), found[0].s_final, atol=0.02, rtol=0.02)
    torch.testing.assert_close(found[1].perturbed.cpu(), found[0].perturbed)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The moving portrait, 12 frames."""
    path = tmp_path_factory.mktemp("clip") / "portrait.mp4"
    write_source(path, 0.48, overwrite=True)
    return path


def frames_of(path: Path) -> np.ndarray:
    with ClipReader(path) as reader:
        return np.concatenate([batch_to_rgb(batch, 160, 160) for batch in reader]).astype(float)


@pytest.mark.parametrize("task", TASKS)
def test_a_clip_comes_out_as_on_the_cpu(
    task: str, clip: Path, tmp_path: Path, cuda: torch.device
) -> None:
    films, reports = [], []
    for device in ("cpu", "cuda"):
        target = tmp_path / f"{device}.mkv"
        held = models_of(task, device)
        report = translate_clip(clip, target, settings_of(task, device), models=held)
        reports.append(report["run"])
        films.append(frames_of(target))
    assert reports[1]["faces"] == reports[0]["faces"] == 12
    assert reports[1]["failures"] == [] and reports[1]["frames_passed_through"] == 0
    assert reports[1]["faces_perturbed"] == reports[0]["faces_perturbed"]
    assert np.abs(films[1] - films[0]).mean() < 0.5
    assert np.abs(films[1] - frames_of(clip)).mean() > 0.5


def test_a_clip_is_judged_there(clip: Path, cuda: torch.device) -> None:
    found = detect_clip(clip, settings_of("edit", "cuda"), models=models_of("edit", "cuda"))["run"]
    assert found["faces"] == 12
    assert found["failures"] == []

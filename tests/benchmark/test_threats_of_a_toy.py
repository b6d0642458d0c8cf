"""Figure 3 and the purifiers end to end on a generator of two convolutions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from magdr_video.benchmark import adaptive, purifiers, repairs
from magdr_video.benchmark.judges import MAGDR
from magdr_video.benchmark.known_defence import decision, known_defence
from magdr_video.benchmark.tables import adaptive_tables, purifier_tables
from tests.benchmark.toy_subject import ToySubject, toy_scene
from tests.toys import halves, pictures


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = {name: repairs.BANK[name] for name in ("identity", "gaussian")}
    monkeypatch.setattr(repairs, "BANK", bank)
    monkeypatch.setattr(repairs, "available_layers", lambda: (tuple(bank),))
    monkeypatch.setattr(repairs, "RECONSTRUCTORS", {})
    fitted = {"noise estimate": adaptive.FITTED["noise estimate"]}
    monkeypatch.setattr(adaptive, "FITTED", fitted)
    monkeypatch.setattr(repairs, "FIXED_CHAINS", ("gaussian(sigma=0.7) > jpeg(quality=75)",))


def test_each_attack_and_number_of_steps_has_its_points(tmp_path: Path) -> None:
    rows = adaptive.rows(
        [toy_scene(tmp_path, adaptive_faces=2, adaptive_steps=4)], lambda text: None
    )
    whole = {(kind, steps) for kind in ("oblivious", "adaptive") for steps in (1, 2)}
    for name in (MAGDR, "noise estimate"):
        points = {(row["attack"], row["steps"]) for row in rows if row["detector"] == name}
        assert points == whole, name
    assert all(row["attacked"] == 2 and row["clean"] == 4 for row in rows)
    (table,) = adaptive_tables(rows)
    assert {len(line) for line in table.rows} == {len(table.head)}


def test_the_decision_is_that_of_the_detector_and_has_a_gradient() -> None:
    subject, images = ToySubject(), pictures(2, noise=0.02)
    condition = subject.conditions(2)
    masks = halves(2, target=(True, False))
    images.requires_grad_(True)
    score = decision(subject, images, masks, condition)  # type: ignore[arg-type]
    seen = subject.detector().inspect(images.detach(), masks, condition)
    assert torch.allclose(score.detach(), seen.score, atol=1e-4)
    (gradient,) = torch.autograd.grad(score.sum(), images)
    assert gradient.abs().max() > 0


def test_a_piece_of_the_known_defence_is_that_of_its_faces() -> None:
    subject, images = ToySubject(), pictures(3, noise=0.02)
    condition = subject.conditions(3)
    whole = known_defence(subject, images, condition)  # type: ignore[arg-type]
    part = whole.piece(slice(1, 3))
    assert whole.score is not None
    assert part.score is not None
    expected = whole.score(images, condition)[1:]
    assert torch.allclose(part.score(images[1:], condition[1:]), expected, atol=1e-5)


def test_every_purifier_meets_every_attack(tmp_path: Path) -> None:
    scene = toy_scene(tmp_path)
    rows = purifiers.rows([scene], ("fgsm", "sign"), lambda text: None)
    (table,) = purifier_tables(rows)
    assert table.head == ("row", "fgsm", "sign", purifiers.WORST)
    for line in table.rows:
        assert float(line[3]) <= min(float(line[1]), float(line[2])) + 0.1
    names = [line[0] for line in table.rows]
    assert names[0] == repairs.NOTHING
    assert repairs.SEARCH not in names
    assert all(row["faces"] == 2 for row in rows)

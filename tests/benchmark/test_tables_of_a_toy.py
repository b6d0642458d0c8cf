"""Table 1 and Table 2 end to end on a generator of two convolutions and drawn faces."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from magdr_video.baselines.registry import BASELINES
from magdr_video.benchmark import (
    attacked,
    bank_limits,
    detection,
    judged_faces,
    reconstruction,
    repairs,
    trained,
    trials,
)
from magdr_video.benchmark.judges import ALWAYS, MAGDR
from magdr_video.benchmark.scene import Scene
from magdr_video.benchmark.tables import (
    codec_detection_tables,
    detection_tables,
    full_tables,
    hard_detection_tables,
    reconstruction_tables,
)
from magdr_video.training import clean_faces, framed_faces
from tests.benchmark.toy_subject import toy_scene


@pytest.fixture(scope="module", autouse=True)
def few_rows() -> object:
    """The harness is under test, not the whole bank and every baseline."""
    with pytest.MonkeyPatch.context() as patch:
        bank = {name: repairs.BANK[name] for name in ("identity", "gaussian")}
        patch.setattr(repairs, "BANK", bank)
        patch.setattr(repairs, "available_layers", lambda: (tuple(bank),))
        patch.setattr(repairs, "RECONSTRUCTORS", {"jpeg": repairs.RECONSTRUCTORS["jpeg"]})
        patch.setattr(repairs, "FIXED_CHAINS", ("gaussian(sigma=0.7) > jpeg(quality=75)",))
        fitted = {"noise estimate": detection.FITTED["noise estimate"]}
        patch.setattr(detection, "FITTED", fitted)
        yield patch


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, few_rows: object) -> Scene:
    return toy_scene(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def detected(scene: Scene) -> list[dict]:
    return detection.rows([scene], lambda text: None)


@pytest.fixture(scope="module")
def restored(scene: Scene) -> list[dict]:
    return reconstruction.rows([scene], lambda text: None, codecs=(28,))


def of(rows: list[dict], name: str, kind: str = "pgd") -> dict:
    return next(r for r in rows if r.get("row") == name and r["input"] == kind)


def test_every_detector_has_a_row(detected: list[dict]) -> None:
    names = [row["detector"] for row in detected]
    assert {ALWAYS, "DD", "CD", MAGDR, "noise estimate"} <= set(names)
    assert len(names) == len(set(names))
    assert all(row["clean"] == row["attacked"] == 4 for row in detected)


def test_the_detector_that_always_says_yes_has_an_f1_of_two_thirds(detected: list[dict]) -> None:
    row = next(row for row in detected if row["detector"] == ALWAYS)
    assert row["f1"] == pytest.approx(2 / 3)
    assert row["auroc"]["mean"] == 0.5
    assert row["hard_false_positives"]["mean"] == 1.0


def test_negatives_of_all_kinds_are_photographs_and_hard_ones(detected: list[dict]) -> None:
    for row in detected:
        held = row["all"]
        assert held["clean"] == row["clean"] + row["hard"] == 4 + 4 * 2
        shares = (row["false_positive_rate"] * 4 + row["hard_false_positives"]["mean"] * 8) / 12
        assert held["false_positives"]["mean"] == pytest.approx(shares)
    always = next(row for row in detected if row["detector"] == ALWAYS)["all"]
    assert always["auroc"]["mean"] == 0.5 and always["f1_at_1"]["mean"] == 0.0


def test_each_carrier_of_the_codec_has_faces_of_its_own(scene: Scene, detected: list[dict]) -> None:
    kinds = judged_faces.judged_faces(scene)
    crops = {
        carrier: kinds[judged_faces.coded_name("pgd", carrier)].make().crops
        for carrier in judged_faces.CARRIERS
    }
    assert all(held.shape == (2, 3, 32, 32) for held in crops.values())
    assert len({held.sum().item() for held in crops.values()}) == 3
    assert all(set(row["codecs"]) == set(crops) for row in detected)


def test_an_attack_that_knows_of_the_frame_survives_it_better(tmp_path: Path) -> None:
    scene = toy_scene(tmp_path, side_faces=4, steps=10)
    framed = scene.in_frame("pgd")
    assert framed.address != scene.under(scene.threat("pgd")).address
    clean = scene.clean

    def harm(crops: torch.Tensor) -> float:
        shown = framed_faces.framed(crops, clean_faces.USUAL_RATE)
        output = scene.subject.generate(shown, clean.condition)
        calm = scene.subject.generate(
            framed_faces.framed(clean.crops, clean_faces.USUAL_RATE), clean.condition
        )
        return float((output - calm).square().mean())

    assert harm(framed.images(scene.store)) > 1.1 * harm(scene.attacked("pgd").crops)


def test_the_noise_estimate_sees_a_perturbation_of_smooth_faces(detected: list[dict]) -> None:
    row = next(row for row in detected if row["detector"] == "noise estimate")
    assert row["auroc"]["mean"] > 0.9


def test_the_row_without_a_defence_holds_the_bound_on_the_input(restored: list[dict]) -> None:
    columns = of(restored, repairs.NOTHING)["columns"]
    assert 0 < columns["i|rmse255"]["mean"] <= 6.375
    assert columns["untouched"]["mean"] == 1.0


def test_a_row_on_clean_faces_without_a_defence_costs_nothing(restored: list[dict]) -> None:
    columns = of(restored, repairs.NOTHING, "clean")["columns"]
    assert columns["o|psnr"]["mean"] == 60.0
    assert columns["damage"]["mean"] == 0.0


def test_an_oracle_is_never_below_a_row_of_its_chains(restored: list[dict]) -> None:
    best = of(restored, bank_limits.CLASSICAL_ORACLE)["columns"]["o|psnr"]["mean"]
    ours = [of(restored, name) for name in (repairs.NOTHING, bank_limits.BEST_CLASSICAL)]
    assert best >= max(row["columns"]["o|psnr"]["mean"] for row in ours)
    assert not [r for r in restored if r["kind"] == "oracle" and r["input"] != "pgd"]


def test_searches_and_oracles_are_shown_for_every_attack_and_random_ones_for_the_first(
    tmp_path: Path,
) -> None:
    scene = toy_scene(tmp_path, attacks=("pgd", "fgsm"))
    every = {kind: reconstruction.shown_repairs(scene, kind) for kind in ("pgd", "fgsm", "clean")}
    names = {kind: {repair.name for repair in held} for kind, held in every.items()}
    assert repairs.SEARCH in names["pgd"] & names["fgsm"] and repairs.SEARCH not in names["clean"]
    assert "random search, no masks" not in names["fgsm"]
    chosen = {bank_limits.BEST_SINGLE, bank_limits.BEST_CLASSICAL, repairs.BEST_CHAIN}
    assert all(chosen <= held for held in names.values())


def test_the_lead_is_the_difference_of_the_rows(scene: Scene, restored: list[dict]) -> None:
    found = {(one["row"], one["over"]): one["psnr"] for one in reconstruction.lead([scene])}
    apart = [of(restored, name)["columns"]["o|psnr"]["mean"] for name in ("MagDR", "no defence")]
    assert found["MagDR", "no defence"]["mean"] == pytest.approx(apart[0] - apart[1], abs=1e-4)
    assert found["search", "no defence"]["count"] == 2 < found["MagDR", "no defence"]["count"]
    assert found["MagDR", bank_limits.CLASSICAL_ORACLE]["mean"] <= 0


def test_searches_get_fewer_faces(restored: list[dict]) -> None:
    assert of(restored, repairs.SEARCH)["faces"] == 2
    assert of(restored, repairs.MAGDR)["faces"] == 4


def test_the_codec_alone_is_a_row_of_its_own(restored: list[dict]) -> None:
    alone = of(restored, repairs.NOTHING, "pgd, h264 crf 28")["columns"]
    assert alone["i|psnr"]["mean"] != of(restored, repairs.NOTHING)["columns"]["i|psnr"]["mean"]


def test_a_second_run_computes_nothing(scene: Scene, restored: list[dict]) -> None:
    made = scene.store.made
    assert reconstruction.rows([scene], lambda text: None, codecs=(28,)) == restored
    assert scene.store.made == made


def test_tables_have_a_cell_under_every_head(detected: list[dict], restored: list[dict]) -> None:
    tables = [*detection_tables(detected), *hard_detection_tables(detected)]
    tables += [*codec_detection_tables(detected)]
    tables += [*reconstruction_tables(restored), *full_tables(restored)]
    assert {table.title for table in tables} >= {
        "Detection, edit",
        "Reconstruction, edit, pgd",
        "Reconstruction, edit, pgd, h264 crf 28",
    }
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.head)}
        assert len(table.markdown().splitlines()) == len(table.rows) + 4
        assert table.latex().count(r"\\") == len(table.rows) + 1


def test_the_grid_shows_input_and_output_of_each_row(scene: Scene, restored: list[dict]) -> None:
    lines = reconstruction.grid([scene])
    assert [title for title, _ in lines] == ["edit: input", "edit: output"]
    names = [name for name, _ in lines[0][1]]
    assert names[:2] == ["clean", repairs.NOTHING]
    assert repairs.MAGDR in names
    assert all(picture.dtype == torch.uint8 for _, held in lines for _, picture in held)


def test_a_face_is_attacked_once_however_many_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attacked, "BLOCK", 2)
    few, more = toy_scene(tmp_path, faces=2), toy_scene(tmp_path, faces=5)
    pgd = few.threat("pgd")
    images = few.under(pgd).images(few.store)
    whole = more.under(pgd).images(more.store)
    assert torch.equal(images, whole[:2])
    assert (more.store.found, more.store.made) == (1, 2)


def test_other_faces_are_other_cells(tmp_path: Path) -> None:
    few, more = toy_scene(tmp_path, faces=2), toy_scene(tmp_path, faces=3)
    other = toy_scene(tmp_path, faces=2, seed=1)
    pgd = few.threat("pgd")
    assert few.under(pgd).address != more.under(pgd).address
    assert few.under(pgd).address != other.under(pgd).address


def test_blocks_that_are_attacked_together_are_those_attacked_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attacked, "BLOCK", 2)
    alone = toy_scene(tmp_path / "alone", faces=5)
    expected = alone.under(alone.threat("pgd")).images(alone.store)
    passes = alone.subject.translator.generator.passes
    monkeypatch.setattr(attacked, "_faces_at_once", lambda device: 4)
    together = toy_scene(tmp_path / "together", faces=5)
    made = together.under(together.threat("pgd"))
    assert torch.equal(made.images(together.store), expected)
    assert together.subject.translator.generator.passes == passes
    assert together.store.made == len(made.cells) == 3


def test_baselines_that_are_left_out_have_neither_rows_nor_trainings(tmp_path: Path) -> None:
    scene = toy_scene(tmp_path, skipped=BASELINES)
    found = trials.expected_settings(scene)
    kinds = [repair.kind for repair in repairs.repairs(scene, found)]
    assert "baseline" not in kinds and {"single", "own"} <= set(kinds)
    assert trained.untaught(scene) == [] and trained.learning_reconstructors(scene) == []
    assert "baseline" in [r.kind for r in repairs.repairs(toy_scene(tmp_path), found)]

"""The page of results: it says what it is, where MagDR leads and where not, and shows figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from magdr_video.baselines.registry import BASELINES
from magdr_video.benchmark.judged_faces import CARRIERS
from magdr_video.benchmark.plan import Plan, counts, for_gpu
from magdr_video.benchmark.results import read_documents, results_page, write_results
from magdr_video.benchmark.tables import reconstruction_tables
from magdr_video.errors import InputError

PLAN = Plan(data=Path(), out=Path())


def interval(mean: float) -> dict:
    return {"mean": mean, "low": mean - 1, "high": mean + 1, "count": 4}


def detector(name: str, auroc: float) -> dict:
    numbers = dict.fromkeys(
        ("precision", "recall", "macro_f1", "accuracy", "tpr_at_1", "tpr_at_5"), 0.5
    )
    return {
        "task": "edit",
        "attack": "pgd",
        "detector": name,
        "clean": 4,
        "attacked": 4,
        **numbers,
        "f1": 0.5,
        "f1_interval": interval(0.5),
        "auroc": interval(auroc),
        "hard_false_positives": interval(0.0),
        "hard_auroc": interval(0.5),
        "all": {
            "clean": 12,
            "auroc": interval(0.875),
            "f1_at_1": interval(0.8),
            "tpr_at_1": 0.75,
            "f1_interval": interval(0.625),
            "recall": interval(0.5),
            "false_positives": interval(0.25),
        },
        "codecs": {carrier: coded(0.7 - 0.1 * at) for at, carrier in enumerate(CARRIERS)},
    }


def coded(auroc: float) -> dict:
    return {
        "crf": 23,
        "faces": 4,
        "recall": 0.25,
        "precision": 1.0,
        "f1_interval": interval(0.4),
        "auroc": interval(auroc),
        "alone_flagged": 0.125,
        "alone_auroc": interval(0.6),
    }


def document(rows: list[dict], *, quick: bool = False) -> dict:
    return {
        "benchmark": "detection",
        "quick": quick,
        "plan": {
            "epsilon": 0.05,
            "seed": 7,
            "faces": 4,
            "attacks": ["pgd"],
            "side_faces": 4,
            "fitting_faces": 8,
            "baseline_share": 0.25,
        },
        "threat_models": [{"attack": "pgd", "faces": 4}],
        "subjects": {"edit": {"generator": "toy", "crop": 32, "sha256": {"generator": "ab" * 32}}},
        "faces": {"edit": {"held out": {"count": 4, "sha256": "cd" * 32}}},
        "libraries": {"torch": "2.14"},
        "machine": {"cpu": "Test CPU", "cores": 2},
        "commit": "0123",
        "rows": rows,
        "sanity": [],
        "strength": [],
    }


def test_the_page_says_where_magdr_leads_and_where_it_does_not() -> None:
    ahead = results_page({"detection": document([detector("otd", 0.6), detector("MagDR", 0.9)])})
    behind = results_page({"detection": document([detector("otd", 0.9), detector("MagDR", 0.6)])})
    assert "MagDR F1 0.50, AUROC 0.90" in ahead
    assert "best baseline by AUROC 'otd' 0.60 (below)" in ahead
    assert "best baseline by AUROC 'otd' 0.90 (above MagDR)" in behind
    assert "the paper's two detectors" not in behind
    union = results_page({"detection": document([detector("DD", 0.6), detector("MagDR", 0.9)])})
    assert "the paper's two detectors, F1: DD 0.50" in union


def test_the_page_says_how_few_faces_the_columns_beside_rest_on() -> None:
    held = document([detector("MagDR", 0.9)])
    held["plan"]["side_faces"] = 3
    assert "faces after a codec are 3 a task" in results_page({"detection": held})


def test_a_missed_face_is_laid_to_the_threshold_only_where_the_score_ranks_it() -> None:
    ranked = results_page({"detection": document([detector("MagDR", 0.99)])})
    unranked = results_page({"detection": document([detector("MagDR", 0.6)])})
    assert "misses 50% of the attacked faces though it ranks them" in ranked
    assert "misses 50% of the attacked faces, whose score is that of clean ones" in unranked


def test_checks_that_were_not_made_are_missed() -> None:
    held = document([detector("MagDR", 0.9)])
    passed = {"task": "edit", "check": "a", "found": "b", "passed": True, "else": "c"}
    assert "were not made in this run" in results_page({"detection": held})
    page = results_page({"detection": held | {"sanity": [passed]}})
    assert "were not made" not in page
    assert "is a warning, not a verdict" not in page
    failed = passed | {"passed": False}
    assert "is a warning, not a verdict" in results_page({"detection": held | {"sanity": [failed]}})


def test_the_papers_figures_stand_beside_with_what_cannot_be_compared() -> None:
    page = results_page({"detection": document([detector("MagDR", 0.9)])})
    assert "39.92" in page
    assert "0.95 / 1.00 / 0.97" in page
    assert 'Its column "MSE" is not a mean squared error' in page
    assert "epsilon 0.05 (6.375/255)" in page


def test_a_quick_run_warns_that_its_figures_mean_nothing() -> None:
    rows = [detector("MagDR", 0.9)]
    assert "mean nothing" in results_page({"detection": document(rows, quick=True)})
    assert "mean nothing" not in results_page({"detection": document(rows)})


def test_figures_are_copied_small_and_linked(tmp_path: Path) -> None:
    held = json.dumps(document([detector("MagDR", 0.9)]))
    (tmp_path / "detection.json").write_text(held)
    Image.effect_noise((3000, 300), 50).convert("RGB").save(tmp_path / "detection-roc.png")
    page = tmp_path / "docs" / "RESULTS.md"
    page.parent.mkdir()
    write_results(tmp_path, page)
    assert "](results/detection-roc.png)" in page.read_text()
    with Image.open(page.parent / "results" / "detection-roc.png") as figure:
        assert figure.width == 1600


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no results"):
        read_documents(tmp_path)
    (tmp_path / "detection.json").write_text("{")
    with pytest.raises(InputError, match="no document"):
        read_documents(tmp_path)


def repair(name: str, kind: str, psnr: float, faces: int = 4) -> dict:
    columns = dict.fromkeys(
        [
            f"{side}|{name}"
            for side in "io"
            for name in ("psnr", "ssim", "mse255", "rmse255", "l2", "fsim", "features")
        ],
        interval(1.0),
    )
    none = ("disrupted", "disrupted, masked", "damage", "untouched")
    columns |= dict.fromkeys(none, interval(0.0))
    columns["o|psnr"] = interval(psnr)
    return {
        "task": "edit",
        "input": "pgd",
        "row": name,
        "kind": kind,
        "faces": faces,
        "columns": columns,
    }


def test_reconstructors_are_compared_on_equally_many_faces() -> None:
    rows = [
        repair("no defence", "none", 20.0),
        repair("median", "single", 28.0),
        repair("jpeg (baseline)", "baseline", 25.0),
        repair("slow one", "baseline", 40.0, faces=2),
        repair("MagDR", "own", 27.0),
    ]
    held = document(rows) | {"benchmark": "reconstruction", "clips": []}
    page = results_page({"reconstruction": held})
    assert (
        "edit, pgd: MagDR 27.00, no defence 20.00, best baseline 'jpeg (baseline)' 25.00 (below), "
        "best fixed transform 'median' 28.00 (above MagDR)"
    ) in page


def test_each_carrier_of_a_codec_has_its_own_row_and_its_own_verdict() -> None:
    rows = [detector("otd", 0.6), detector("MagDR", 0.9)]
    rows[0]["codecs"]["a frame"] = coded(0.9)
    page = results_page({"detection": document(rows)})
    assert "Detection after H.264 crf 23, edit" in page
    assert "| MagDR | codec alone, a file | 4 | 0.12 | - | - | 0.60 [-0.40, 1.60] |" in page
    line = "| 4+4 | 0.25 | 1.00 | 0.40 [-0.60, 1.40] |"
    assert f"| MagDR | pgd, a file {line} 0.70 [-0.30, 1.70] |" in page
    assert f"| MagDR | pgd, a frame, protected in it {line} 0.50 [-0.50, 1.50] |" in page
    assert (
        "After H.264 crf 23: a file F1 0.40, AUROC 0.70, best baseline 'otd' 0.70 (level); "
        "a frame F1 0.40, AUROC 0.60, best baseline 'otd' 0.90 (above MagDR)"
    ) in page


def test_hard_negatives_count_among_the_clean_faces_in_a_table_and_a_sentence() -> None:
    page = results_page({"detection": document([detector("MagDR", 0.9)])})
    assert "Detection with hard negatives, edit" in page
    assert "| MagDR | pgd | 12+4 | 0.875 [-0.125, 1.875] | 0.800 [-0.200, 1.800] | 0.75 |" in page
    assert (
        "With hard negatives: AUROC 0.875, F1 0.800 at 1 % false positives and 0.625 as fitted, "
        "where 25.0% of the 12 clean faces are flagged"
    ) in page


def test_what_the_codec_does_to_clean_faces_stands_above_the_attacked_ones() -> None:
    kinds = ("pgd", "clean", "pgd, h264 crf 23", "clean, h264 crf 23")
    rows = [
        repair(name, kind, psnr) | {"input": kind_of}
        for psnr, kind_of in enumerate(kinds, 20)
        for name, kind in (("no defence", "none"), ("MagDR", "own"))
    ]
    _, table = reconstruction_tables(rows)
    assert table.title == "Reconstruction, edit, pgd, h264 crf 23"
    assert [line[0] for line in table.rows] == ["codec alone, clean faces", "no defence", "MagDR"]
    assert [line[4].split()[0] for line in table.rows] == ["23.0", "22.0", "22.0"]


def test_counts_that_are_not_the_devices_own_are_part_of_the_command() -> None:
    usual = {name: getattr(PLAN, name) for name in counts()}
    held = document([detector("MagDR", 0.9)]) | {"device": "cpu (2 threads)"}
    held["plan"] |= usual | {"adaptive_steps": 7}
    page = results_page({"detection": held})
    assert "--seed 1234 --count adaptive_steps=7`" in page
    large = {name: getattr(for_gpu(PLAN), name) for name in counts()}
    held = held | {"device": "cuda:0 (a GPU)", "plan": held["plan"] | large}
    page = results_page({"detection": held})
    assert "--seed 1234 --device cuda`" in page
    assert "networks on cuda:0 (a GPU)" in page


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [(200, "C&W ran its full schedule (5 trade-offs of 200"), (20, "takes 10 times as long")],
)
def test_the_page_says_how_long_the_slow_attack_was(steps: int, sentence: str) -> None:
    held = document([detector("MagDR", 0.9)])
    slow = {"attack": "cw", "faces": 4, "settings": {"trade_offs": 5, "steps": steps}}
    held["threat_models"] = [slow]
    assert sentence in results_page({"detection": held})


def test_a_page_without_baselines_says_so_in_its_command_and_names_none() -> None:
    held = document([detector("MagDR", 0.9)])
    held["plan"]["skipped"] = ["otd"]
    page = results_page({"detection": held})
    assert "--skip otd --baseline-training 0.25 --seed 7" in page and "Left out: otd." in page
    held["plan"]["skipped"] = list(BASELINES)
    page = results_page({"detection": held})
    assert "--skip baselines --seed 7" in page and "Baselines were left out." in page
    assert "steps of their recipes" not in page

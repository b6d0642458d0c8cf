"""What the bank alone could do: the choice on training faces, the chains of oracles, the lead."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from magdr_video.benchmark import bank_limits, margins
from magdr_video.benchmark.repair_tables import margin_table
from magdr_video.benchmark.repairs import singles
from magdr_video.benchmark.tables import reconstruction_tables
from magdr_video.transforms import parse_chain
from tests.benchmark.toy_subject import ToySubject, toy_scene

GENTLE, BLUR, JPEG, LEARNED = (
    parse_chain(text)
    for text in (
        "gaussian(sigma=0.5)",
        "median(size=5)",
        "jpeg(quality=50)",
        "purifier(strength=1)",
    )
)


def test_settings_are_those_of_rec_nets_table_ranked_on_training_faces(tmp_path: Path) -> None:
    subject = ToySubject()
    layers = ((*BLUR, *GENTLE), JPEG)
    subject.recnet = dataclasses.replace(subject.recnet, layers=layers)
    scene = toy_scene(tmp_path, subject)
    settings = bank_limits.bank_settings(scene, {})
    assert settings == [BLUR, GENTLE, JPEG]
    values = scene.store.get(bank_limits.ranking_cell(scene, {}))["psnr"]
    best_first = bank_limits.ranked(scene, {})
    assert best_first == [settings[at] for at in values.argsort(descending=True).tolist()]
    assert best_first != settings, "the table's own order says nothing across layers"
    found = {name: -torch.arange(len(held)).float() for name, held in singles().items()}
    untabled = bank_limits.bank_settings(toy_scene(tmp_path), found)
    assert untabled == [held[0] for held in singles().values()]


def test_the_purifier_is_in_no_classical_chain_and_in_every_other() -> None:
    best_first = [LEARNED, GENTLE, JPEG]
    classical = bank_limits.classical_chains(best_first)
    assert classical == [(), GENTLE, JPEG, GENTLE + JPEG, JPEG + GENTLE]
    fitted = [LEARNED + BLUR, BLUR, GENTLE + LEARNED]
    learned = bank_limits.learned_chains(best_first, fitted)
    assert set(learned) == {
        LEARNED, LEARNED + GENTLE, GENTLE + LEARNED, LEARNED + JPEG, JPEG + LEARNED, LEARNED + BLUR,
    }  # fmt: skip
    assert len(learned) == len(set(learned))


def test_the_chosen_transforms_are_the_best_and_the_best_without_the_purifier() -> None:
    first, second = bank_limits.chosen_repairs([LEARNED, JPEG, GENTLE])
    assert (first.name, first.about["chain"]) == ("best single transform", str(LEARNED[0]))
    assert (second.name, second.about["chain"]) == ("best classical transform", str(JPEG[0]))


def columns(*rows: list[float]) -> dict[str, torch.Tensor]:
    psnr = torch.tensor(rows)
    return {"o|psnr": psnr, "i|psnr": psnr + 10}


def test_an_oracle_takes_each_face_from_its_best_chain_and_says_of_how_many() -> None:
    classical, learned = columns([20.0, 30.0], [25.0, 10.0]), columns([24.0, 31.0])
    (low, alone), (high, both) = bank_limits.oracles(classical, learned)
    assert alone["o|psnr"].tolist() == [25.0, 30.0] and alone["i|psnr"].tolist() == [35.0, 40.0]
    assert both["o|psnr"].tolist() == [25.0, 31.0]
    assert (low["about"]["chains"], high["about"]["chains"]) == (2, 3)
    assert bank_limits.oracles(classical, {})[1][1]["o|psnr"].tolist() == [25.0, 30.0]


def test_the_lead_of_all_tasks_counts_each_task_alike_and_only_faces_of_both_rows() -> None:
    one = {
        "MagDR": torch.tensor([30.0, 32.0, 90.0]),
        "best fixed chain": torch.tensor([29.0, 30.0]),
    }
    two = {"MagDR": torch.tensor([30.0]), "best fixed chain": torch.tensor([26.0])}
    found = margins.margins({("edit", "pgd"): one, ("replace", "pgd"): two})
    means = {row["task"]: (row["psnr"]["mean"], row["psnr"]["count"]) for row in found}
    assert means == {"edit": (1.5, 2), "replace": (4.0, 1), "all tasks": (2.5, 2)}
    table = margin_table(found)
    assert {len(line) for line in table.rows} == {len(table.head)}
    line = dict(zip(table.head, table.rows[-1], strict=True))
    assert line["over best fixed chain"].startswith("2.50") and line["over no defence"] == "-"


def test_rows_name_the_chain_that_was_chosen_and_the_chains_of_an_oracle() -> None:
    held = {"mean": 1.0, "low": 0.0, "high": 2.0, "count": 4}
    shown = ("i|psnr", "i|ssim", "o|psnr", "o|ssim", "disrupted", "disrupted, masked")
    about = {"task": "edit", "input": "pgd", "faces": 4, "columns": dict.fromkeys(shown, held)}
    rows = [
        about | {"row": "best single transform", "kind": "chosen", "about": {"chain": "a(b=1)"}},
        about | {"row": "oracle of the bank", "kind": "oracle", "about": {"chains": 48}},
    ]
    (table,) = reconstruction_tables(rows)
    assert [line[0] for line in table.rows] == [
        "best single transform: a(b=1)",
        "oracle of the bank (48 chains)",
    ]

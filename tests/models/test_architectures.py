"""Our networks against an independent reading of the published tables."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from layout_tables import (
    CASES,
    Case,
    junyanz_table,
    random_tensors,
    read_cyclegan,
    read_generator,
    read_parser,
    stargan_trunk,
    table_of,
    with_debug_duplicates,
    with_running_statistics,
)

from magdr_video.models.architecture import canonical_names, recognise
from magdr_video.models.bisenet import BiSeNet
from magdr_video.models.checkpoint import assemble, build, canonical_tensors

GENERATORS = [case for case in CASES if case.layout != "zllrunning"]


def tiny(case: Case) -> Case:
    return dataclasses.replace(case, width=4, blocks=2)


def names(cases: list[Case] | tuple[Case, ...]) -> list[str]:
    return [case.layout for case in cases]


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_a_full_network_has_the_published_keys_shapes_and_parameters(case: Case) -> None:
    table = table_of(case)
    assert len(table) == case.keys
    blueprint = recognise(table)
    assert (blueprint.layout, blueprint.width) == (case.layout, 64)
    with torch.device("meta"):
        module = build(blueprint)
    assert {name: tuple(v.shape) for name, v in module.state_dict().items()} == table
    assert sum(p.numel() for p in module.parameters()) == case.parameters
    ours = [math.prod(shape) for name, shape in table.items() if ".running" not in name]
    batches = [name for name in table if name.endswith("num_batches_tracked")]
    assert sum(ours) - len(batches) == case.parameters


@pytest.mark.parametrize("case", GENERATORS, ids=names(GENERATORS))
def test_a_generator_computes_what_the_tables_say(case: Case) -> None:
    case = tiny(case)
    tensors = random_tensors(table_of(case))
    x, c = torch.rand(3, 3, 32, 32) * 2 - 1, torch.rand(3, case.condition)
    module = assemble(tensors, where="test")
    torch.testing.assert_close(
        module(x, c), read_generator(case, tensors, x, c), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("case", GENERATORS, ids=names(GENERATORS))
def test_an_image_is_translated_the_same_alone_and_in_a_batch(case: Case) -> None:
    case = tiny(case)
    module = assemble(random_tensors(table_of(case)), where="test")
    x, c = torch.rand(4, 3, 32, 32) * 2 - 1, torch.rand(4, case.condition)
    alone = torch.cat([module(x[i : i + 1], c[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(module(x, c), alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(module.train()(x, c), alone, rtol=1e-4, atol=1e-5)


def test_the_parser_computes_what_the_tables_say_in_all_three_heads() -> None:
    tensors = random_tensors(table_of(Case("zllrunning", width=4)))
    x = torch.randn(2, 3, 64, 96)
    module = assemble(tensors, where="test")
    for got, wanted in zip(module(x), read_parser(tensors, x), strict=True):
        assert got.shape == (2, 19, 64, 96)
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_the_parser_asks_for_no_weights_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the constructor fetched something")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    assert len(BiSeNet(width=2).state_dict()) == 191


@pytest.mark.parametrize("blocks", [6, 9])
def test_the_number_of_blocks_is_read_from_the_keys(blocks: int) -> None:
    case = Case("junyanz", width=4, blocks=blocks)
    assert recognise(table_of(case)).blocks == blocks
    for layout in ("yunjey", "donydchen"):
        assert recognise(table_of(Case(layout, 4, blocks, 5))).blocks == blocks


def test_a_cyclegan_with_dropout_is_told_by_its_keys() -> None:
    tensors = random_tensors(junyanz_table(4, 2, second=6))
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(
        assemble(tensors, where="test")(x), read_cyclegan(tensors, x, 2, second=6),
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_running_statistics_of_a_generator_are_dropped() -> None:
    case = Case("yunjey", condition=5)
    given = with_running_statistics({k: torch.empty(s) for k, s in table_of(case).items()})
    assert len(given) == 103
    assert sorted(canonical_names(given).values()) == sorted(table_of(case))


def test_debug_duplicates_are_ignored() -> None:
    case = Case("vipermu", condition=17)
    held = with_running_statistics({k: torch.empty(s) for k, s in table_of(case).items()})
    given = with_debug_duplicates(held, case.blocks)
    assert len(given) == 320
    assert len(canonical_names(given)) == 53


def test_statistics_that_would_ruin_the_output_do_not_reach_it() -> None:
    case = tiny(Case("vipermu", condition=17))
    tensors = random_tensors(table_of(case))
    given = canonical_tensors(with_debug_duplicates(with_running_statistics(tensors), 2))
    x, c = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 17)
    wanted = read_generator(case, tensors, x, c)
    torch.testing.assert_close(assemble(given, where="test")(x, c), wanted, rtol=1e-4, atol=1e-5)


def test_the_parsers_running_statistics_are_kept() -> None:
    table = table_of(Case("zllrunning", width=4))
    assert list(canonical_names(table)) == list(table)


def test_an_attention_guided_stargan_is_told_from_ganimation_by_its_metadata() -> None:
    table = stargan_trunk(4, 2, 8)
    table |= {"im_reg.0.weight": (3, 4, 7, 7), "im_att.0.weight": (1, 4, 7, 7)}
    assert recognise(table).architecture == "ganimation"
    ours = recognise(table, claimed="stargan")
    assert (ours.architecture, ours.layout, ours.condition) == ("stargan", "attention", 5)
    tensors = random_tensors(table)
    x, c = torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 5)
    one = assemble(tensors, where="test", claimed="stargan")(x, c)
    torch.testing.assert_close(one, assemble(tensors, where="test")(x, c), rtol=0, atol=0)


def test_features_end_after_the_last_residual_block() -> None:
    for case in map(tiny, GENERATORS):
        module = assemble(random_tensors(table_of(case)), where="test")
        found = module.features(torch.rand(2, 3, 32, 32), torch.rand(2, case.condition))
        assert found.shape == (2, 16, 8, 8), case.layout
        assert (found < 0).any(), f"{case.layout}: a ReLU follows the last block"

"""Any other generator: one small network in each form that is taken, and what is refused."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from magdr_video.attacks.problem import Problem
from magdr_video.attacks.registry import attack
from magdr_video.errors import MagdrError, SettingsError, WeightsError
from magdr_video.loading import declaration_of
from magdr_video.models.foreign import Declaration, is_foreign, load_foreign
from magdr_video.settings import load_settings
from magdr_video.stages.generator import chunk_for
from magdr_video.translation import Translator, condition_values, load_translator

DECLARED = Declaration(task="edit", size=32, alignment="box", conditions=("warmth", "depth"))
FORMS = ("torchscript", "export", "export-of-one", "callable", "instance")


class Tint(nn.Module):
    """Darkens by the first number, in whatever range it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.eye_(self.mix.weight.view(3, 3))

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        out: Tensor = self.mix(images) * (1 - condition[:, :1, None, None])
        return out


def expected(images: Tensor, condition: Tensor) -> Tensor:
    return images * (1 - condition[:, :1, None, None])


@pytest.fixture(params=FORMS)
def named(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name by which the generator is asked for."""
    form, example = request.param, (torch.zeros(2, 3, 32, 32), torch.zeros(2, 2))
    if form == "torchscript":
        path = tmp_path / "tint.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.trace(Tint(), example).save(str(path))
        return str(path)
    if form.startswith("export"):
        path = tmp_path / "tint.pt2"
        faces = torch.export.Dim("faces")
        every = {"images": {0: faces}, "condition": {0: faces}}
        one = tuple(part[:1] for part in example)
        program = (
            torch.export.export(Tint(), one)
            if form == "export-of-one"
            else torch.export.export(Tint(), example, dynamic_shapes=every)
        )
        torch.export.save(program, str(path))
        return str(path)
    monkeypatch.chdir(tmp_path)
    name = f"tint_{form}"
    source = "from tests.models.test_foreign import Tint\n"
    source += "model = Tint()\n" if form == "instance" else "def model():\n    return Tint()\n"
    (tmp_path / f"{name}.py").write_text(source)
    return f"{name}:model"


def test_every_form_translates_and_has_gradients(named: str) -> None:
    assert is_foreign(named)
    translator = load_translator(named, declared=DECLARED)
    crops = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    condition = torch.tensor([[0.0, 0.0], [0.25, 0.0], [0.5, 9.0]])
    out = translator(crops, condition)
    torch.testing.assert_close(out, (expected(crops * 2 - 1, condition) + 1) / 2)
    torch.testing.assert_close(translator(crops[:1], condition[:1]), out[:1])
    held = crops.clone().requires_grad_(True)
    translator(held, condition).sum().backward()
    assert held.grad is not None
    torch.testing.assert_close(held.grad[2], torch.full((3, 32, 32), 0.5))


def test_a_program_of_one_face_is_told_and_gets_no_rows_that_only_fill(
    named: str, request: pytest.FixtureRequest
) -> None:
    translator = load_translator(named, declared=DECLARED)
    is_of_one = request.node.callspec.params["named"] == "export-of-one"
    assert translator.takes_one_face == is_of_one
    gpu = torch.device("cuda")
    assert (chunk_for(gpu, one_by_one=translator.takes_one_face) == 1) == is_of_one


def test_every_form_can_be_attacked_and_has_a_record(named: str) -> None:
    translator = load_translator(named, declared=DECLARED)
    record = translator.record
    assert (record.task, record.size, record.alignment) == ("edit", 32, "box")
    assert len(record.sha256) == 64 and record.conditions == ("warmth", "depth")
    crops = torch.rand(1, 3, 32, 32)
    target = torch.zeros_like(crops)
    got = attack("pgd", Problem(translator, crops, torch.zeros(1, 2), target)).images
    assert got.mean() < crops.mean()
    with pytest.raises(SettingsError, match="layers"):
        translator.features(crops, torch.zeros(1, 2))


def model() -> Tint:
    return Tint()


def dark(images: Tensor) -> Tensor:
    return images * 0


def darkening() -> object:
    return dark


def shrinking() -> object:
    return lambda images: images[..., ::2]


HERE = __name__


def test_values_from_0_to_1_are_given_and_taken_as_such() -> None:
    unit = replace(DECLARED, value_range="0..1", conditions=())
    translator = load_translator(f"{HERE}:darkening", declared=unit)
    assert translator.record.parameters == 0
    out = translator(torch.rand(2, 3, 32, 32), torch.zeros(2, 0))
    assert out.abs().max() == 0  # black in [0, 1], where it would be grey in [-1, 1]


def test_the_settings_declare_what_the_file_does_not_tell() -> None:
    settings = load_settings(
        task="replace",
        overrides=[
            "model.size=64", "model.alignment=celeba", "model.value_range=0..1",
            "model.conditions=age, mood",
        ],
    )  # fmt: skip
    declared = declaration_of(settings)
    assert declared == Declaration(
        task="replace", size=64, alignment="celeba", value_range="0..1", conditions=("age", "mood")
    )


def test_a_condition_may_be_given_as_numbers() -> None:
    record, _ = load_foreign(f"{HERE}:model", DECLARED)
    assert condition_values(record, values="0.2, 1") == (0.2, 1.0)
    with pytest.raises(SettingsError, match="takes 2 numbers"):
        condition_values(record, values="0.2")
    assert condition_values(replace(record, conditions=())) == ()


@pytest.mark.parametrize(
    ("name", "changes", "kind", "word"),
    [
        (f"{HERE}:model", {"size": 0}, SettingsError, "model.size"),
        (f"{HERE}:model", {"alignment": "boxed"}, SettingsError, "box"),
        (f"{HERE}:model", {"conditions": ()}, WeightsError, "model.conditions"),
        (f"{HERE}:shrinking", {"conditions": ()}, WeightsError, "expected"),
        (f"{HERE}:missing", {}, SettingsError, "no 'missing'"),
        ("no_such_module_at_all:model", {}, SettingsError, "imported"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(
    name: str, changes: dict[str, object], kind: type[MagdrError], word: str
) -> None:
    with pytest.raises(kind) as caught:
        load_foreign(name, replace(DECLARED, **changes))  # type: ignore[arg-type]
    assert word in f"{caught.value} {caught.value.hint}"


def test_other_names_and_files_are_not_foreign(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1)}, tmp_path / "weights.pth")
    (tmp_path / "x.safetensors").write_bytes(b"no archive")
    for name in (
        "stargan-synthetic",
        str(tmp_path / "weights.pth"),
        str(tmp_path / "x.safetensors"),
    ):
        assert not is_foreign(name)


def test_a_translator_lies_where_its_foreign_model_does() -> None:
    translator = Translator(*load_foreign(f"{HERE}:darkening", replace(DECLARED, conditions=())))
    assert translator.device == torch.device("cpu")

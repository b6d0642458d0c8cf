"""One call over the three generators."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from magdr_video.errors import SettingsError
from magdr_video.models import zoo
from magdr_video.models.bisenet import BiSeNet
from magdr_video.models.cyclegan import CycleGAN
from magdr_video.models.ganimation import GANimation
from magdr_video.models.stargan import StarGAN
from magdr_video.translation import (
    Translator,
    condition_values,
    load_translator,
)

FORMS = {
    "stargan": lambda: StarGAN(width=4, blocks=1),
    "stargan-attention": lambda: StarGAN(width=4, blocks=1, attention=True),
    "ganimation": lambda: GANimation(width=4, blocks=1),
    "donydchen": lambda: GANimation(width=4, blocks=1, layout="donydchen"),
    "cyclegan": lambda: CycleGAN(width=4, blocks=1),
    "cyclegan-attention": lambda: CycleGAN(width=4, blocks=1, attention=True),
}
ATTENTIVE = {"stargan-attention", "ganimation", "donydchen", "cyclegan-attention"}


def saved(form: str, folder: Path, name: str = "x", **facts: str) -> Path:
    torch.manual_seed(0)
    module: nn.Module = FORMS[form]()
    path = folder / f"{name}.safetensors"
    metadata = {"architecture": form.split("-")[0], **facts}
    save_file(module.state_dict(), str(path), metadata=metadata)
    return path


@pytest.fixture(params=list(FORMS))
def translator(request: pytest.FixtureRequest, tmp_path: Path) -> Translator:
    return load_translator(str(saved(request.param, tmp_path)))


def random_crops(faces: int) -> torch.Tensor:
    return torch.rand(faces, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_a_translation_is_the_networks_output_moved_to_0_to_1(translator: Translator) -> None:
    crops = random_crops(3)
    condition = translator.condition([0.5] * len(translator.record.conditions), 3)
    out = translator(crops, condition)
    assert out.shape == crops.shape
    assert out.min() >= 0
    assert out.max() <= 1
    wanted = (translator.module(crops * 2 - 1, condition) + 1) / 2
    torch.testing.assert_close(out, wanted)


@pytest.mark.parametrize("form", list(FORMS))
def test_a_draft_holds_attention_exactly_where_the_network_has_it(
    form: str, tmp_path: Path
) -> None:
    translator = load_translator(str(saved(form, tmp_path)))
    condition = translator.condition([0.5] * len(translator.record.conditions), 2)
    draft = translator.draft(random_crops(2), condition)
    assert translator.has_attention is (form in ATTENTIVE)
    assert (draft.attention is not None) is (form in ATTENTIVE)
    assert (translator.attention(random_crops(2), condition) is None) is (form not in ATTENTIVE)


def test_attention_one_keeps_the_input(tmp_path: Path) -> None:
    translator = load_translator(str(saved("ganimation", tmp_path)))
    with torch.no_grad():
        # All features at the last ReLU are 0 or more: huge positive weights give attention 1.
        translator.module.get_submodule("im_att")[0].weight.fill_(1e6)
    crops = random_crops(2)
    draft = translator.draft(crops, translator.condition([1.0] * 17, 2))
    assert draft.attention is not None
    kept = (draft.attention > 0.999).expand_as(crops)
    assert kept.float().mean() > 0.9
    torch.testing.assert_close(draft.images[kept], crops[kept], atol=2e-3, rtol=0)


def test_no_faces_pass_through_every_call(translator: Translator) -> None:
    condition = translator.condition([0.0] * len(translator.record.conditions), 0)
    draft = translator.draft(random_crops(0), condition)
    assert draft.images.shape == (0, 3, 32, 32)
    assert draft.attention is None or draft.attention.shape == (0, 1, 32, 32)
    assert translator.passes == 0


def test_passes_count_faces(translator: Translator) -> None:
    condition = translator.condition([0.0] * len(translator.record.conditions), 2)
    translator(random_crops(2), condition)
    translator.draft(random_crops(2), condition)
    translator.features(random_crops(2), condition)
    assert translator.passes == 6


def test_gradients_reach_the_crops(translator: Translator) -> None:
    crops = random_crops(1).requires_grad_(True)
    condition = translator.condition([0.5] * len(translator.record.conditions), 1)
    translator(crops, condition).square().sum().backward()
    assert crops.grad is not None
    assert crops.grad.abs().max() > 0


def test_shapes_that_disagree_are_refused_with_both_sides(tmp_path: Path) -> None:
    translator = load_translator(str(saved("stargan", tmp_path)))
    condition = translator.condition([0, 1, 0, 1, 1], 2)
    with pytest.raises(ValueError, match=r"condition has shape \(2, 5\), expected \(3, 5\)"):
        translator(random_crops(3), condition)
    with pytest.raises(ValueError, match=r"\(2, 3, 30, 30\)"):
        translator(torch.rand(2, 3, 30, 30), condition)
    with pytest.raises(ValueError, match=r"\(2, 1, 32, 32\)"):
        translator(torch.rand(2, 1, 32, 32), condition)


def test_a_parser_is_no_generator(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(BiSeNet(width=2).state_dict(), str(path))
    with pytest.raises(SettingsError, match="task parse"):
        load_translator(str(path))


def test_settings_become_the_condition_of_each_task(tmp_path: Path) -> None:
    edit = zoo.find(saved("stargan", tmp_path, "edit"))
    assert condition_values(edit, attributes="Blond_Hair,Old") == (0, 1, 0, 0.5, 0)
    reenact = zoo.find(saved("ganimation", tmp_path, "reenact"))
    asked = condition_values(reenact, expression="AU12=0.8", strength=0.5)
    assert dict(zip(reenact.conditions, asked, strict=True))["AU12"] == 0.8
    assert condition_values(zoo.find(saved("cyclegan", tmp_path, "replace"))) == ()
    with pytest.raises(SettingsError, match="needs attributes"):
        condition_values(edit)
    with pytest.raises(SettingsError, match="needs an expression"):
        condition_values(reenact)

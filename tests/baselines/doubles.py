"""A translator over a small random StarGAN, and faces to fit baselines on."""

from __future__ import annotations

from pathlib import Path

import torch

from magdr_video.baselines.protocol import Material, Samples, State, translated
from magdr_video.models.record import ModelRecord
from magdr_video.models.stargan import StarGAN
from magdr_video.translation import Translator
from tests.toys import pictures

CONDITIONS = ("Black_Hair", "Blond_Hair")


def toy_translator(*, seed: int = 0) -> Translator:
    torch.manual_seed(seed)
    record = ModelRecord(
        name="toy",
        path=Path("toy.safetensors"),
        task="edit",
        architecture="stargan",
        layout="attention",
        size=32,
        alignment="ffhq",
        parameters=0,
        data="",
        licence="",
        sha256=f"{seed:064d}",
        conditions=CONDITIONS,
        shipped=False,
    )
    net = StarGAN(width=4, blocks=1, condition=len(CONDITIONS), attention=True)
    return Translator(record, net.eval())


def toy_condition(count: int) -> torch.Tensor:
    return torch.eye(2).repeat(count, 1)[:count]


def toy_samples(translator: Translator, crops: torch.Tensor) -> Samples:
    return translated(translator.translate, crops, toy_condition(len(crops)))


def signs(like: torch.Tensor, *, epsilon: float = 0.1, seed: int = 0) -> torch.Tensor:
    """A pattern of +-epsilon / 2, the shape that a sign attack has."""
    draw = torch.Generator().manual_seed(seed)
    pattern = torch.randint(0, 2, like.shape, generator=draw) * 2.0 - 1
    return (like + pattern * epsilon / 2).clamp(0, 1)


def toy_material(
    translator: Translator, *, count: int = 12, size: int = 32, epsilon: float = 0.1
) -> Material:
    crops = pictures(count, size, seed=5)
    clean = toy_samples(translator, crops)
    attacked = toy_samples(translator, signs(crops, epsilon=epsilon))
    return Material(clean, attacked, faces=pictures(count, 2 * size, seed=6))


def as_filed(state: State) -> State:
    """A state as a file gives it back: copies, in the order of their names."""
    return {name: state[name].clone() for name in sorted(state)}

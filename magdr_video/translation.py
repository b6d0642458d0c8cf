"""One call over the three generators: crops and a condition to translated crops.

Values between rooms are in [0, 1]; the generators work in [-1, 1], and this is where the two
meet. Gradients flow through, because attacks need them: callers that do not, switch them off.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn

from magdr_video.device import in_usual_sizes
from magdr_video.errors import SettingsError
from magdr_video.models.conditions import (
    ACTION_UNITS,
    ATTRIBUTES,
    EXPRESSIONS,
    condition_for_edit,
    condition_for_expression,
)
from magdr_video.models.foreign import ARCHITECTURE as FOREIGN
from magdr_video.models.foreign import Declaration, is_foreign, load_foreign
from magdr_video.models.record import ModelRecord
from magdr_video.models.trunk import blend_by_attention, from_model_range, to_model_range
from magdr_video.models.zoo import find, load

GENERATOR_TASKS = ("edit", "reenact", "replace")


@dataclass(frozen=True)
class Draft:
    """What one pass through a generator gives."""

    images: Tensor
    """(F, 3, S, S) in [0, 1]."""
    attention: Tensor | None
    """(F, 1, S, S) in [0, 1]; 1 keeps the input pixel. None where the network has no such head."""


class Translator:
    """A generator with the facts that its callers need.

    Attributes:
        record: what is known of its weights: size, alignment, names of its condition.
        module: the network, in [-1, 1].
        passes: faces translated so far, drafts and proxies included.
    """

    def __init__(self, record: ModelRecord, module: nn.Module) -> None:
        """Wrap a loaded network.

        Raises:
            SettingsError: the weights are no generator's.
        """
        if record.task not in GENERATOR_TASKS:
            raise SettingsError(
                f"'{record.name}' is for the task {record.task}, expected a generator",
                hint=f"generators are for {', '.join(GENERATOR_TASKS)}",
            )
        self.record = record
        self.module = module
        self.passes = 0

    @property
    def has_attention(self) -> bool:
        """True when the network tells which pixels it keeps."""
        return self.record.architecture == "ganimation" or self.record.layout in (
            "attention",
            "warped",
        )

    @property
    def takes_one_face(self) -> bool:
        """True where the network goes through the faces one by one, whatever it is given."""
        return bool(getattr(self.module, "one_by_one", False))

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(chain(self.module.parameters(), self.module.buffers())).device

    def to(self, device: torch.device | str) -> Translator:
        """A copy on a device, which has translated nothing yet."""
        return Translator(self.record, copy.deepcopy(self.module).to(device))

    def condition(self, values: Sequence[float] | Tensor, faces: int) -> Tensor:
        """One condition for every face: (C,) or (F, C) to (F, C) on the network's device."""
        given = torch.as_tensor(values, dtype=torch.float32, device=self.device)
        return given.expand(faces, -1) if given.ndim == 1 else given

    def draft(self, crops: Tensor, condition: Tensor) -> Draft:
        """Translation and attention of one pass.

        Args:
            crops: (F, 3, S, S) float32 in [0, 1]; S a multiple of 4, any F, also 0.
            condition: (F, C), as `condition` makes it.

        Raises:
            ValueError: the shapes do not fit each other or the network.
        """
        self._check(crops, condition)
        if len(crops) == 0:
            return Draft(crops, crops[:, :1] if self.has_attention else None)
        self.passes += len(crops)
        images = to_model_range(crops)
        if not self.has_attention:
            return Draft(from_model_range(self.module(images, condition)), None)
        heads = cast(Any, self.module).heads
        attention, colour = heads(images, condition)
        return Draft(from_model_range(blend_by_attention(images, attention, colour)), attention)

    def translate(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Translated crops (F, 3, S, S) in [0, 1]; arguments and errors as of `draft`."""
        return self.draft(crops, condition).images

    __call__ = translate

    def attention(self, crops: Tensor, condition: Tensor) -> Tensor | None:
        """The pixels that are kept, (F, 1, S, S) in [0, 1]; None without such a head."""
        return self.draft(crops, condition).attention if self.has_attention else None

    def features(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Output of the last residual block, (F, 4 width, S/4, S/4): Phi of METHOD 5.1.

        Raises:
            SettingsError: the generator is a foreign one, whose layers are not known.
        """
        if self.record.architecture == FOREIGN:
            raise SettingsError(f"the layers of '{self.record.name}' are not known")
        self._check(crops, condition)
        self.passes += len(crops)
        out: Tensor = cast(Any, self.module).features(to_model_range(crops), condition)
        return out

    def activations(self, crops: Tensor, condition: Tensor, layer: int) -> Tensor:
        """Output (F, C, h, w) of one layer of the trunk, by its index; -1 as `features`.

        Raises:
            SettingsError: the network has no such layer.
        """
        if layer == -1:
            return self.features(crops, condition)
        trunk = next(self.module.children())
        if not isinstance(trunk, nn.Sequential) or not 0 <= layer < len(trunk):
            raise SettingsError(f"'{self.record.name}' has no layer {layer} in its trunk")
        self._check(crops, condition)
        self.passes += len(crops)
        caught: list[Tensor] = []
        hook = trunk[layer].register_forward_hook(lambda module, given, out: caught.append(out))
        try:
            self.module(to_model_range(crops), condition)
        finally:
            hook.remove()
        return caught[0]

    def _check(self, crops: Tensor, condition: Tensor) -> None:
        faces, wanted = crops.shape[0], (crops.shape[0], len(self.record.conditions))
        square = crops.ndim == 4 and crops.shape[1] == 3 and crops.shape[2] == crops.shape[3]
        if not square or crops.shape[2] % 4:
            raise ValueError(
                f"crops have shape {tuple(crops.shape)}, expected ({faces}, 3, S, S), S % 4 = 0"
            )
        if tuple(condition.shape) != wanted:
            raise ValueError(f"condition has shape {tuple(condition.shape)}, expected {wanted}")


@torch.no_grad()
def translate_in_pieces(
    translate: Callable[[Tensor, Tensor], Tensor], crops: Tensor, condition: Tensor, most: int
) -> Tensor:
    """Translations (F, 3, S, S) of any number of crops, without gradients.

    Args:
        translate: the generator; see `Translator.translate`.
        condition: (F, C).
        most: faces a pass; on a GPU they come in few sizes (`device.in_usual_sizes`).
    """
    pieces = zip(torch.split(crops, most), torch.split(condition, most), strict=True)
    return torch.cat([in_usual_sizes(translate, *piece, most=most) for piece in pieces])


def load_translator(
    name_or_path: str,
    device: torch.device | str = "cpu",
    *,
    declared: Declaration | None = None,
) -> Translator:
    """The named generator, ready to translate.

    Args:
        name_or_path: of weights, a file of TorchScript or `torch.export`, or
            `package.module:factory`.
        declared: what is known of a generator that does not tell itself.

    Raises:
        WeightsError: not found, damaged, or not as recorded.
        SettingsError: the weights are no generator's, or not enough is declared.
    """
    if is_foreign(name_or_path):
        return Translator(*load_foreign(name_or_path, declared or Declaration(task=""), device))
    record = find(name_or_path)
    return Translator(record, load(record, device))


def condition_values(
    record: ModelRecord,
    *,
    attributes: str = "",
    expression: str = "",
    strength: float = 1.0,
    values: str = "",
) -> tuple[float, ...]:
    """What the settings ask of a generator, (C,): attributes of `edit`, expression of `reenact`.

    Args:
        values: the C numbers themselves, comma-separated, in place of all names.

    Raises:
        SettingsError: a name is unknown, or nothing was asked of a generator that needs it.
    """
    if values:
        return _numbers(values, record)
    if not record.conditions:
        return ()
    if record.task == "edit":
        if not attributes:
            raise SettingsError("edit needs attributes", hint="such as Blond_Hair,Young")
        return condition_for_edit(attributes, attributes=record.conditions)
    if not expression:
        raise SettingsError("reenact needs an expression", hint="such as happy or AU12=0.8")
    return condition_for_expression(expression, strength=strength, units=record.conditions)


def _numbers(text: str, record: ModelRecord) -> tuple[float, ...]:
    try:
        given = tuple(float(part) for part in text.split(","))
    except ValueError:
        given = ()
    if len(given) != len(record.conditions):
        raise SettingsError(
            f"condition.values = '{text}', '{record.name}' takes {len(record.conditions)} numbers",
            hint=f"in this order: {', '.join(record.conditions) or 'none at all'}",
        )
    return given


def condition_set(record: ModelRecord, asked: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """What an attack on several conditions covers, (L, C): what was asked, then all other kinds.

    The other kinds are the attributes one by one for `edit` and the named expressions for
    `reenact`; generators whose conditions have no such names are attacked under the one asked.
    """
    known: list[tuple[float, ...]] = [tuple(asked)]
    if record.task == "edit" and set(record.conditions) <= set(ATTRIBUTES):
        known += [condition_for_edit(n, attributes=record.conditions) for n in record.conditions]
    if record.task == "reenact" and set(record.conditions) <= set(ACTION_UNITS):
        known += [condition_for_expression(n, units=record.conditions) for n in EXPRESSIONS]
    return tuple(dict.fromkeys(known))

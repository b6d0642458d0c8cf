"""The networks and tables that settings name, loaded once for many clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from magdr_video.detection.calibration import Calibration, load_calibration
from magdr_video.device import choose_device, set_threads
from magdr_video.errors import SettingsError
from magdr_video.faces.regions import TARGET
from magdr_video.models import zoo
from magdr_video.models.foreign import Declaration
from magdr_video.models.precision import Precision, choose_precision
from magdr_video.reconstruction.composer import Chain
from magdr_video.reconstruction.fitted import RecNetTable, load_recnet, unfitted
from magdr_video.settings import Settings, preset_folder
from magdr_video.transforms import guided
from magdr_video.transforms.purify import MOTION_WEIGHTS as MOTION_PURIFIER
from magdr_video.transforms.purify import WEIGHTS as PURIFIER
from magdr_video.translation import Translator, condition_values, load_translator

DENOISE = 3e-3
"""Epsilon of the guided filter before the attention, as before the parser."""


@dataclass(frozen=True)
class Models:
    """The networks of a run, loaded once and shared by all its clips."""

    device: torch.device
    translator: Translator
    parser: torch.nn.Module
    parser_size: int
    table: Calibration | None
    """What is normal for the generator; None where nothing is judged."""
    recnet: RecNetTable
    """What Rec-Net's pre-training found for the generator."""
    condition: tuple[float, ...]
    weights: Mapping[str, str]
    """SHA-256 by name."""
    precision: Precision = field(default_factory=Precision)
    """Which of them compute in half precision."""
    notes: tuple[str, ...] = field(default=())
    by_attention: bool = False
    """The generator's attention tells the target region (`detection.targets`)."""

    def target_attention(self, crops: Tensor, condition: Tensor) -> Tensor | None:
        """Where the generator keeps its input, (F, 1, S, S) in [0, 1]; one pass a crop.

        On 12 held-out faces the AUROC of the distortion detector is 0.78 with attention and 0.26
        with the regions for `reenact`, 0.99 and 1.00 for `replace`; that of eq. 6 is 0.97 and 0.88,
        1.00 and 0.66; that of S_final, which chooses repairs, is 1.00 with both. The combined score
        finds them all either way, so regions, which cost no pass, are the default.

        The crops are lightly denoised first: a perturbation that moved the attention would hide
        behind it. None where the target regions go by their names.

        Args:
            crops: (F, 3, S, S) in [0, 1].
            condition: (F, C).
        """
        if not self.by_attention:
            return None
        with torch.no_grad():
            return self.translator.attention(guided(crops, eps=DENOISE), condition)


def load_models(settings: Settings) -> Models:
    """Load what the settings name.

    Raises:
        DeviceError: the device asked for is not there.
        WeightsError: weights are missing or not what they claim to be.
        SettingsError: weights of another task, an unknown condition, no calibration table.
    """
    device = choose_device(settings.run.device)
    set_threads(device=device)
    precision = choose_precision(settings.run.precision, device)
    translator = load_translator(
        settings.model.generator, device, declared=declaration_of(settings)
    )
    if translator.record.task != settings.task:
        raise SettingsError(
            f"'{translator.record.name}' is for the task {translator.record.task}, "
            f"the settings say {settings.task}",
            hint="name weights of this task in model.generator",
        )
    about = settings.condition
    condition = condition_values(
        translator.record,
        attributes=about.attributes,
        expression=about.expression,
        strength=about.strength,
        values=about.values,
    )
    parser = zoo.find_for(settings.model.parser, "parse", "model.parser")
    table, notes = _calibration(settings, translator)
    recnet = unfitted(settings.task, ())
    more: tuple[str, ...] = ()
    if table is not None and settings.reconstruction.enabled:
        recnet, more = find_recnet(settings, translator.record.sha256, table.recipe)
    weights = {record.name: record.sha256 for record in (translator.record, parser)}
    return Models(
        device=device,
        translator=translator,
        parser=zoo.load(parser, device),
        parser_size=parser.size,
        table=table,
        recnet=recnet,
        condition=condition,
        weights=weights,
        precision=precision,
        notes=notes + more,
        by_attention=_by_attention(settings, translator, table),
    )


def _by_attention(settings: Settings, translator: Translator, table: Calibration | None) -> bool:
    """Whether attention tells the target; the generator must have one, the table be fitted so."""
    wanted = settings.detection.targets == "attention"
    if wanted and not translator.has_attention:
        raise SettingsError(
            f"detection.targets is attention, and '{translator.record.name}' has none",
            hint="set detection.targets to regions",
        )
    if table is not None and (TARGET in table.regions) != wanted:
        had = "regions" if wanted else "attention"
        raise SettingsError(
            f"detection.targets is {settings.detection.targets}, the calibration table was fitted "
            f"with {had}",
            hint="fit one: magdr-video train calibrate --preset with these settings, and name it "
            "in detection.table",
        )
    return wanted


def declaration_of(settings: Settings) -> Declaration:
    """What the settings say of a generator that does not tell itself."""
    held = settings.model
    names = tuple(name.strip() for name in held.conditions.split(",") if name.strip())
    return Declaration(
        task=settings.task,
        size=held.size,
        alignment=held.alignment,
        value_range=held.value_range,
        conditions=names,
    )


def _calibration(
    settings: Settings, translator: Translator
) -> tuple[Calibration | None, tuple[str, ...]]:
    if not settings.detection.enabled:
        return None, ()
    named = settings.detection.table
    path = Path(named) if named else preset_folder() / "tables" / f"{settings.task}.toml"
    table = load_calibration(path)
    return table, _unlike(table, path, settings, translator.record.sha256)


def find_recnet(
    settings: Settings, generator: str, chain: Chain
) -> tuple[RecNetTable, tuple[str, ...]]:
    """The Rec-Net table that the settings name, and what a user should know of it.

    Args:
        generator: SHA-256 of the generator's weights.
        chain: what there is without the task's own table.

    Raises:
        SettingsError: the table named is not usable, or with `run.strict` of other weights.
    """
    named = settings.reconstruction.table
    path = Path(named) if named else preset_folder() / "tables" / f"recnet-{settings.task}.toml"
    if not named and not path.exists():
        return unfitted(settings.task, chain), (f"no {path.name}: one chain for all faces",)
    fitted = load_recnet(path)
    return fitted, _unlike(fitted, path, settings, generator)


def _unlike(
    table: Calibration | RecNetTable, path: Path, settings: Settings, generator: str
) -> tuple[str, ...]:
    """Which weights a table was not fitted with, a line; with `run.strict` that is an error.

    A table of an older version tells no purifier. It may well be the right one, so that this alone
    ends no run.
    """
    other = []
    if table.model != generator:
        other.append(f"other weights than {settings.model.generator}")
    if table.purifier and table.purifier != zoo.find(PURIFIER).sha256:
        other.append("another purifier")
    moving = table.motion_purifier if isinstance(table, RecNetTable) else ""
    if moving and moving != zoo.find(MOTION_PURIFIER).sha256:
        other.append("another motion purifier")
    if not other:
        silent = f"table {path.name} does not say which purifier it was fitted with"
        return () if table.purifier else (silent,)
    message = f"table {path.name} was fitted with {' and '.join(other)}"
    if settings.run.strict:
        kind = "calibrate" if isinstance(table, Calibration) else "recnet"
        raise SettingsError(message, hint=f"run: magdr-video train {kind} --task {settings.task}")
    return (message,)

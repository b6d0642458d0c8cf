"""From 19 classes to the region masks of the paper (3.2.1), and which of them a task may change."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from magdr_video.errors import SettingsError, nearest
from magdr_video.types import Masks

CLASS_NAMES = (
    "background",
    "skin",
    "l_brow",
    "r_brow",
    "l_eye",
    "r_eye",
    "eyeglasses",
    "l_ear",
    "r_ear",
    "earring",
    "nose",
    "mouth",
    "u_lip",
    "l_lip",
    "neck",
    "necklace",
    "cloth",
    "hair",
    "hat",
)
"""The 19 classes in the BiSeNet order."""

REGIONS: dict[str, tuple[str, ...]] = {
    "hair": ("hair", "hat"),
    "skin": ("skin", "l_ear", "r_ear", "earring"),
    "brows": ("l_brow", "r_brow"),
    "eyes": ("l_eye", "r_eye", "eyeglasses"),
    "nose": ("nose",),
    "mouth": ("mouth", "u_lip", "l_lip"),
    "neck_cloth": ("neck", "necklace", "cloth"),
    "background": ("background",),
}
"""The default N = 8 regions; every class lies in exactly one."""

TARGET = "target"
"""The region that attention makes, or that the united targets are."""

_EDIT_TARGETS: dict[str, tuple[str, ...]] = {
    "black_hair": ("hair",),
    "blond_hair": ("hair",),
    "brown_hair": ("hair",),
    "male": ("skin", "brows", "mouth", "hair"),
    "female": ("skin", "brows", "mouth", "hair"),
    "young": ("skin", "hair", "eyes"),
    "old": ("skin", "hair", "eyes"),
}
_TASK_TARGETS: dict[str, tuple[str, ...]] = {
    "reenact": ("mouth", "brows", "eyes", "skin"),
    "replace": ("skin", "brows", "eyes", "nose", "mouth"),
}
TASKS = ("edit", *_TASK_TARGETS)


def target_regions(task: str, conditions: Sequence[str] = ()) -> tuple[str, ...]:
    """Regions that a task is meant to change.

    Args:
        task: 'edit', 'reenact' or 'replace'.
        conditions: attributes asked for, edit only, case and '-' or '_' alike; with several, the
            union. None named is the union over all attributes.

    Returns:
        Names in the order of `REGIONS`.

    Raises:
        SettingsError: unknown task or attribute.
    """
    if task in _TASK_TARGETS:
        wanted = set(_TASK_TARGETS[task])
    elif task == "edit":
        wanted = set()
        for name in conditions or tuple(_EDIT_TARGETS):
            wanted |= set(_edit_target(name))
    else:
        raise SettingsError(f"task '{task}' is unknown", hint=nearest(task, TASKS))
    return tuple(region for region in REGIONS if region in wanted)


def known_attributes(names: Sequence[str]) -> tuple[str, ...]:
    """Those of the names whose regions are known; a foreign generator may have others."""
    return tuple(name for name in names if name.lower().replace("-", "_") in _EDIT_TARGETS)


def _edit_target(name: str) -> tuple[str, ...]:
    key = name.lower().replace("-", "_")
    if key not in _EDIT_TARGETS:
        raise SettingsError(f"attribute '{name}' is unknown", hint=nearest(key, _EDIT_TARGETS))
    return _EDIT_TARGETS[key]


def region_masks(
    probabilities: Tensor,
    task: str,
    condition_names: Sequence[str] = (),
    attention: Tensor | None = None,
) -> Masks:
    """Sum class probabilities within each region and say which regions are the target.

    All eight regions are kept, whatever the task, so that statistics of one condition fit the
    next; `merge_target` makes the single M_c of the paper. With attention, M_c = 1 - attention
    becomes a ninth region 'target', the only one flagged, and the others are multiplied by the
    attention: what the model itself says it edits takes the place of the table.

    Args:
        probabilities: (F, 19, S, S), summing to 1.
        task: 'edit', 'reenact' or 'replace'.
        condition_names: attributes asked for (edit).
        attention: (F, 1, S, S) in [0, 1], 1 where the model keeps the input.

    Returns:
        Masks that sum to 1.

    Raises:
        SettingsError: unknown task or attribute.
        ValueError: not 19 classes.
    """
    if probabilities.shape[1] != len(CLASS_NAMES):
        raise ValueError(f"{probabilities.shape[1]} classes given, expected {len(CLASS_NAMES)}")
    target = target_regions(task, condition_names)
    index = {name: place for place, name in enumerate(CLASS_NAMES)}
    groups = [[index[name] for name in members] for members in REGIONS.values()]
    data = torch.stack([probabilities[:, group].sum(1) for group in groups], dim=1)
    names = tuple(REGIONS)
    if attention is None:
        return Masks(data, names, tuple(name in target for name in names))
    data = torch.cat([1 - attention, attention * data], dim=1)
    return Masks(data, (TARGET, *names), (True, *(False for _ in names)))


def merge_target(masks: Masks) -> Masks:
    """M_c: the target regions become one region 'target', the first; the others stay single.

    Masks without a target region come back as they are.
    """
    flagged = [place for place, is_target in enumerate(masks.target) if is_target]
    if not flagged:
        return masks
    rest = [place for place, is_target in enumerate(masks.target) if not is_target]
    united = masks.data[:, flagged].sum(1, keepdim=True)
    names = (TARGET, *(masks.regions[place] for place in rest))
    return Masks(torch.cat([united, masks.data[:, rest]], 1), names, (True, *(False for _ in rest)))

"""Tells from the names and shapes of tensors which network they belong to. Loads no torch.

The facts are those of METHOD, section 3: the key layouts of the public checkpoints. A file name
is never consulted. Where a key set fits two networks (an attention-guided StarGAN and GANimation
differ in meaning only) the metadata of our own files decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from magdr_video.errors import WeightsError
from magdr_video.models.conditions import ACTION_UNITS

Shapes = Mapping[str, tuple[int, ...]]

RUNNING_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")

_WRAPPERS = ("module.", "_orig_mod.")
_DEBUG = re.compile(r"debug\d*\.")
_RENAMED_PARSER = (
    (re.compile(r"^fpn\."), "cp."),
    (re.compile(r"^cp\.backbone\."), "cp.resnet."),
    (re.compile(r"\.attention\.0\."), ".conv_atten."),
    (re.compile(r"\.attention\.1\."), ".bn_atten."),
    (re.compile(r"^(conv_out\d*)\.conv\.(weight)$"), r"\1.conv_out.\2"),
    (re.compile(r"^ffm\.conv_block\."), "ffm.convblk."),
    (re.compile(r"\.conv_block\."), ".conv."),
    (re.compile(r"\.norm\."), ".bn."),
)
"""From yakhyo/face-parsing's names to those of zllrunning and facexlib, in this order."""


@dataclass(frozen=True)
class Blueprint:
    """All that must be known to build a network."""

    architecture: str
    """stargan, ganimation, cyclegan, bisenet, au-estimator, purifier or motion-purifier."""
    layout: str
    """Whose key names these are: yunjey, vipermu, pumarola, donydchen, junyanz, zllrunning;
    attention for the attention-guided forms, warped for the forms that move pixels before they
    paint, magdr for networks of our own."""
    width: int
    blocks: int = 0
    condition: int = 0
    classes: int = 0
    dropout: bool = False

    @property
    def attention(self) -> bool:
        """True when the network says which pixels it keeps."""
        return self.architecture == "ganimation" or self.layout in ("attention", "warped")


def canonical_names(names: Iterable[str]) -> dict[str, str]:
    """Given names to the names of our modules; names that are to be dropped are left out.

    Dropped: `debugN.` duplicates of the trunk (vipermu), and the running statistics of
    InstanceNorm (METHOD, section 3.1). BatchNorm's, in a parser, are kept; of a parser the unused
    classifier `fc` of its ResNet is dropped, and renamed keys get their original names.
    """
    bare = {name: _unwrapped(name) for name in names}
    is_parser = any(name.startswith(("cp.", "fpn.")) for name in bare.values())
    if is_parser:
        renamed = any(name.startswith("fpn.") for name in bare.values())
        out = {given: _parser_name(name) if renamed else name for given, name in bare.items()}
        return {k: v for k, v in out.items() if not v.startswith("cp.resnet.fc.")}
    return {given: name for given, name in bare.items() if not _is_surplus(name)}


def _is_surplus(name: str) -> bool:
    """True for what a generator does not need; only generators keep tensors under these heads."""
    of_generator = name.startswith(("main.", "model."))
    return bool(_DEBUG.match(name)) or (of_generator and name.endswith(RUNNING_STATISTICS))


def _unwrapped(name: str) -> str:
    for prefix in _WRAPPERS:
        while name.startswith(prefix):
            name = name[len(prefix) :]
    return name


def _parser_name(name: str) -> str:
    for pattern, replacement in _RENAMED_PARSER:
        name = pattern.sub(replacement, name)
    return name


def _count_blocks(names: Iterable[str], pattern: str) -> int:
    """How many different numbers the first group of a pattern takes."""
    found = (re.match(pattern, name) for name in names)
    return len({match.group(1) for match in found if match})


def _stargan_like(shapes: Shapes, claimed: str) -> Blueprint:
    width, inputs = shapes["main.0.weight"][:2]
    blocks = _count_blocks(shapes, r"main\.(\d+)\.main\.")
    if "img_reg.0.weight" in shapes:
        return Blueprint("ganimation", "pumarola", width, blocks, inputs - 3)
    if "im_reg.0.weight" not in shapes:
        return Blueprint("stargan", "yunjey", width, blocks, inputs - 3)
    if claimed == "stargan":
        return Blueprint("stargan", "attention", width, blocks, inputs - 3)
    return Blueprint("ganimation", "vipermu", width, blocks, inputs - 3)


def _warped(shapes: Shapes, claimed: str) -> Blueprint:
    """Both tasks share this network; without metadata the length of the condition tells."""
    condition = shapes["reader.head.4.weight"][0]
    told = "ganimation" if condition == len(ACTION_UNITS) else "stargan"
    architecture = claimed if claimed in ("stargan", "ganimation") else told
    blocks = _count_blocks(shapes, r"blocks\.(\d+)\.")
    return Blueprint(architecture, "warped", shapes["stem.0.weight"][0], blocks, condition)


def _cyclegan(shapes: Shapes) -> Blueprint:
    dropout = any(re.match(r"model\.\d+\.conv_block\.6\.", name) for name in shapes)
    return Blueprint(
        "cyclegan",
        "attention" if "im_att.1.weight" in shapes else "junyanz",
        shapes["model.1.weight"][0],
        _count_blocks(shapes, r"model\.(\d+)\.conv_block\."),
        dropout=dropout,
    )


def recognise(shapes: Shapes, *, claimed: str = "") -> Blueprint:
    """Which network has tensors of these (canonical) names and shapes.

    Args:
        shapes: name to shape.
        claimed: the architecture that the file's metadata name, if any.

    Raises:
        WeightsError: none of the known networks has such keys.
    """
    try:
        if "cp.resnet.conv1.weight" in shapes:
            classes = shapes["conv_out.conv_out.weight"][0]
            width = shapes["cp.resnet.conv1.weight"][0]
            return Blueprint("bisenet", "zllrunning", width, classes=classes)
        if "blocks.0.film.weight" in shapes:
            return _warped(shapes, claimed)
        if "main.0.weight" in shapes:
            return _stargan_like(shapes, claimed)
        if "color_top.0.weight" in shapes:
            width, inputs = shapes["model.0.weight"][:2]
            blocks = _count_blocks(shapes, r"model\.(\d+)\.conv_block\.")
            return Blueprint("ganimation", "donydchen", width, blocks, inputs - 3)
        if "model.1.weight" in shapes and len(shapes["model.1.weight"]) == 4:
            return _cyclegan(shapes)
        if "body.0.weight" in shapes and "head.2.weight" in shapes:
            width = shapes["body.0.weight"][0]
            return Blueprint("au-estimator", "magdr", width, condition=shapes["head.4.weight"][0])
        if "enter.weight" in shapes and "gate.0.weight" in shapes:
            blocks = _count_blocks(shapes, r"deep\.(\d+)\.")
            return Blueprint("purifier", "magdr", shapes["enter.weight"][0], blocks)
        if "enter.weight" in shapes and "leave.weight" in shapes:
            blocks = _count_blocks(shapes, r"deep\.(\d+)\.")
            return Blueprint("motion-purifier", "magdr", shapes["enter.weight"][0], blocks)
    except (KeyError, ValueError) as error:
        raise WeightsError(f"the checkpoint lacks or misshapes a tensor: {error}") from error
    first = ", ".join(sorted(shapes)[:4]) or "none"
    raise WeightsError(
        f"no known network has these tensors: {first}, ... ({len(shapes)} in all)",
        hint="known: StarGAN, GANimation, CycleGAN (resnet) and BiSeNet generators' state_dicts",
    )

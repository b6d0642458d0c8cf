"""The key tables of the public checkpoints, and a plain reading of each network from them.

Written from the published tables alone, without the package: names and shapes as data, and the
forward passes with `torch.nn.functional`. Parity tests hold the package against this reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Case:
    """One public layout: its published sizes and counts."""

    layout: str
    width: int = 64
    blocks: int = 6
    condition: int = 0
    keys: int = 0
    parameters: int = 0


CASES = (
    Case("yunjey", condition=5, keys=52, parameters=8_430_528),
    Case("vipermu", condition=17, keys=53, parameters=8_471_296),
    Case("pumarola", condition=17, keys=53, parameters=8_471_296),
    Case("donydchen", condition=17, keys=36, parameters=8_467_584),
    Case("junyanz", blocks=9, keys=48, parameters=11_378_179),
    Case("zllrunning", keys=191, parameters=13_300_416),
)

HEADS = {
    "vipermu": ("im_reg.0", "im_att.0"),
    "pumarola": ("img_reg.0", "attetion_reg.0"),
    "donydchen": ("color_top.0", "au_top.0"),
}
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def _norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def stargan_trunk(width: int, blocks: int, inputs: int) -> dict[str, tuple[int, ...]]:
    w2, w4, up = 2 * width, 4 * width, 9 + blocks
    table = {"main.0.weight": (width, inputs, 7, 7), **_norm("main.1", width)}
    table |= {"main.3.weight": (w2, width, 4, 4), **_norm("main.4", w2)}
    table |= {"main.6.weight": (w4, w2, 4, 4), **_norm("main.7", w4)}
    for n in range(9, up):
        for conv, norm in ((0, 1), (3, 4)):
            table[f"main.{n}.main.{conv}.weight"] = (w4, w4, 3, 3)
            table |= _norm(f"main.{n}.main.{norm}", w4)
    table |= {f"main.{up}.weight": (w4, w2, 4, 4), **_norm(f"main.{up + 1}", w2)}
    return table | {f"main.{up + 3}.weight": (w2, width, 4, 4), **_norm(f"main.{up + 4}", width)}


def donydchen_table(width: int, blocks: int, inputs: int) -> dict[str, tuple[int, ...]]:
    w2, w4, up = 2 * width, 4 * width, 9 + blocks
    convs = {
        "model.0": (width, inputs, 7, 7), "model.3": (w2, width, 4, 4), "model.6": (w4, w2, 4, 4),
        f"model.{up}": (w4, w2, 4, 4), f"model.{up + 3}": (w2, width, 4, 4),
    }  # fmt: skip
    for n in range(9, up):
        convs |= {f"model.{n}.conv_block.{i}": (w4, w4, 3, 3) for i in (0, 3)}
    table = {f"{name}.weight": shape for name, shape in convs.items()}
    for name, shape in convs.items():
        transposed = name in (f"model.{up}", f"model.{up + 3}")
        table[f"{name}.bias"] = (shape[1] if transposed else shape[0],)
    return table


def junyanz_table(width: int, blocks: int, second: int = 5) -> dict[str, tuple[int, ...]]:
    w2, w4, up = 2 * width, 4 * width, 10 + blocks
    shapes = {
        "model.1": (width, 3, 7, 7), "model.4": (w2, width, 3, 3), "model.7": (w4, w2, 3, 3),
        f"model.{up}": (w4, w2, 3, 3), f"model.{up + 3}": (w2, width, 3, 3),
        f"model.{up + 7}": (3, width, 7, 7),
    }  # fmt: skip
    for n in range(10, up):
        shapes |= {f"model.{n}.conv_block.{i}": (w4, w4, 3, 3) for i in (1, second)}
    table = {f"{name}.weight": shape for name, shape in shapes.items()}
    for name, shape in shapes.items():
        transposed = name in (f"model.{up}", f"model.{up + 3}")
        table[f"{name}.bias"] = (shape[1] if transposed else shape[0],)
    return table


def _batch_norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    held = {f"{name}.{key}": (channels,) for key in ("weight", "bias", *BUFFERS[:2])}
    return held | {f"{name}.num_batches_tracked": ()}


def parser_table(width: int, classes: int = 19) -> dict[str, tuple[int, ...]]:
    table: dict[str, tuple[int, ...]] = {}

    def conv(name: str, norm: str, out: int, inside: int, size: int) -> None:
        table[f"{name}.weight"] = (out, inside, size, size)
        table.update(_batch_norm(norm, out))

    net, inside = "cp.resnet", width
    conv(f"{net}.conv1", f"{net}.bn1", width, 3, 7)
    for layer in (1, 2, 3, 4):
        out = width * 2 ** (layer - 1)
        for block in (0, 1):
            at = f"{net}.layer{layer}.{block}"
            conv(f"{at}.conv1", f"{at}.bn1", out, inside if block == 0 else out, 3)
            conv(f"{at}.conv2", f"{at}.bn2", out, out, 3)
            if block == 0 and layer > 1:
                conv(f"{at}.downsample.0", f"{at}.downsample.1", out, inside, 1)
        inside = out
    w2, w4, w8 = 2 * width, 4 * width, 8 * width
    for arm, channels in (("arm16", w4), ("arm32", w8)):
        conv(f"cp.{arm}.conv.conv", f"cp.{arm}.conv.bn", w2, channels, 3)
        conv(f"cp.{arm}.conv_atten", f"cp.{arm}.bn_atten", w2, w2, 1)
    for head in ("conv_head32", "conv_head16"):
        conv(f"cp.{head}.conv", f"cp.{head}.bn", w2, w2, 3)
    conv("cp.conv_avg.conv", "cp.conv_avg.bn", w2, w8, 1)
    conv("ffm.convblk.conv", "ffm.convblk.bn", w4, w4, 1)
    table |= {"ffm.conv1.weight": (width, w4, 1, 1), "ffm.conv2.weight": (w4, width, 1, 1)}
    for head, channels, middle in (
        ("conv_out", w4, w4), ("conv_out16", w2, width), ("conv_out32", w2, width)
    ):  # fmt: skip
        conv(f"{head}.conv.conv", f"{head}.conv.bn", middle, channels, 3)
        table[f"{head}.conv_out.weight"] = (classes, middle, 1, 1)
    return table


def table_of(case: Case) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a layout, without the tensors that a loader drops."""
    width, blocks, inputs = case.width, case.blocks, 3 + case.condition
    if case.layout == "junyanz":
        return junyanz_table(width, blocks)
    if case.layout == "zllrunning":
        return parser_table(width)
    if case.layout == "donydchen":
        table = donydchen_table(width, blocks, inputs)
    else:
        table = stargan_trunk(width, blocks, inputs)
    if case.layout == "yunjey":
        return table | {f"main.{15 + blocks}.weight": (3, width, 7, 7)}
    colour, attention = HEADS[case.layout]
    return table | {
        f"{colour}.weight": (3, width, 7, 7),
        f"{attention}.weight": (1, width, 7, 7),
    }


def random_tensors(table: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Random values of sensible size; variances positive, counters whole."""
    torch.manual_seed(seed)
    out = {}
    for name, shape in table.items():
        if name.endswith("num_batches_tracked"):
            out[name] = torch.tensor(7)
        elif name.endswith("running_var"):
            out[name] = torch.rand(shape) + 0.5
        else:
            out[name] = torch.randn(shape) * 0.1
    return out


def with_running_statistics(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As a generator whose InstanceNorm tracked statistics saves them."""
    out = dict(tensors)
    for name, value in tensors.items():
        if name.endswith(".bias") and value.ndim == 1:
            stem = name.removesuffix(".bias")
            out[f"{stem}.running_mean"] = torch.randn_like(value)
            out[f"{stem}.running_var"] = torch.rand_like(value) + 0.5
            out[f"{stem}.num_batches_tracked"] = torch.tensor(200_000)
    return out


def with_debug_duplicates(tensors: dict[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """As the vipermu code saves it: four nested beginnings of the trunk, once more."""
    out = dict(tensors)
    for number, last in ((1, 2), (2, 8), (3, 8 + blocks), (4, 14 + blocks)):
        for name, value in tensors.items():
            if name.startswith("main.") and int(name.split(".")[1]) <= last:
                out[f"debug{number}.{name.removeprefix('main.')}"] = value
    return out


def _instance(x: Tensor, tensors: dict[str, Tensor], name: str) -> Tensor:
    mean = x.mean(dim=(2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=(2, 3), keepdim=True)
    x = (x - mean) / torch.sqrt(variance + 1e-5)
    if f"{name}.weight" in tensors:
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        x = x * weight[None, :, None, None] + bias[None, :, None, None]
    return x


def read_trunk(t: dict[str, Tensor], x: Tensor, blocks: int, head: str, block: str) -> Tensor:
    """Layers 0 to 14 + blocks of the StarGAN table, with or without biases and norms."""

    def conv(name: str, x: Tensor, stride: int, padding: int) -> Tensor:
        return F.conv2d(x, t[f"{name}.weight"], t.get(f"{name}.bias"), stride, padding)

    # Norms without parameters have no keys; the index after a convolution is then unused.
    affine = f"{head}.1.weight" in t
    norms = t if affine else {}
    for index, stride, padding in ((0, 1, 3), (3, 2, 1), (6, 2, 1)):
        x = conv(f"{head}.{index}", x, stride, padding)
        x = torch.relu(_instance(x, norms, f"{head}.{index + 1}"))
    for n in range(9, 9 + blocks):
        at = f"{head}.{n}.{block}"
        inner = torch.relu(_instance(conv(f"{at}.0", x, 1, 1), norms, f"{at}.1"))
        x = x + _instance(conv(f"{at}.3", inner, 1, 1), norms, f"{at}.4")
    for index in (9 + blocks, 12 + blocks):
        weight, bias = t[f"{head}.{index}.weight"], t.get(f"{head}.{index}.bias")
        x = F.conv_transpose2d(x, weight, bias, 2, 1)
        x = torch.relu(_instance(x, norms, f"{head}.{index + 1}"))
    return x


def read_generator(case: Case, t: dict[str, Tensor], x: Tensor, c: Tensor) -> Tensor:
    """Output of a generator in [-1, 1], from its tensors."""
    if case.layout == "junyanz":
        return read_cyclegan(t, x, case.blocks)
    planes = c[:, :, None, None].repeat(1, 1, x.shape[2], x.shape[3])
    joined = torch.cat([x, planes], dim=1)
    head, block = ("model", "conv_block") if case.layout == "donydchen" else ("main", "main")
    features = read_trunk(t, joined, case.blocks, head, block)
    if case.layout == "yunjey":
        return torch.tanh(F.conv2d(features, t[f"main.{15 + case.blocks}.weight"], padding=3))
    colour_key, attention_key = HEADS[case.layout]
    colour = torch.tanh(F.conv2d(features, t[f"{colour_key}.weight"], padding=3))
    attention = torch.sigmoid(F.conv2d(features, t[f"{attention_key}.weight"], padding=3))
    return attention * x + (1 - attention) * colour


def read_cyclegan(t: dict[str, Tensor], x: Tensor, blocks: int, second: int = 5) -> Tensor:
    """The junyanz table: reflection padding, biases, norms without parameters."""

    def conv(name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return F.conv2d(x, t[f"{name}.weight"], t[f"{name}.bias"], stride, padding)

    def reflect(x: Tensor, by: int) -> Tensor:
        return F.pad(x, (by, by, by, by), mode="reflect")

    x = torch.relu(_instance(conv("model.1", reflect(x, 3)), {}, ""))
    for index in (4, 7):
        x = torch.relu(_instance(conv(f"model.{index}", x, 2, 1), {}, ""))
    for n in range(10, 10 + blocks):
        at = f"model.{n}.conv_block"
        inner = torch.relu(_instance(conv(f"{at}.1", reflect(x, 1)), {}, ""))
        x = x + _instance(conv(f"{at}.{second}", reflect(inner, 1)), {}, "")
    for index in (10 + blocks, 13 + blocks):
        weight, bias = t[f"model.{index}.weight"], t[f"model.{index}.bias"]
        x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
        x = torch.relu(_instance(x, {}, ""))
    return torch.tanh(conv(f"model.{17 + blocks}", reflect(x, 3)))


def read_parser(t: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The BiSeNet table: three logit maps of the input's size."""

    def norm(name: str, x: Tensor) -> Tensor:
        mean, var = t[f"{name}.running_mean"], t[f"{name}.running_var"]
        scale = t[f"{name}.weight"] / torch.sqrt(var + 1e-5)
        return x * scale[:, None, None] + (t[f"{name}.bias"] - mean * scale)[:, None, None]

    def conv(name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return F.conv2d(x, t[f"{name}.weight"], None, stride, padding)

    def unit(name: str, x: Tensor, padding: int) -> Tensor:
        return torch.relu(norm(f"{name}.bn", conv(f"{name}.conv", x, 1, padding)))

    def refine(name: str, x: Tensor) -> Tensor:
        x = unit(f"{name}.conv", x, 1)
        mean = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(norm(f"{name}.bn_atten", conv(f"{name}.conv_atten", mean)))

    size = x.shape[2:]
    taps = {}
    x = torch.relu(norm("cp.resnet.bn1", conv("cp.resnet.conv1", x, 2, 3)))
    x = F.max_pool2d(x, 3, 2, 1)
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            at = f"cp.resnet.layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            kept = x
            if stride == 2:
                kept = norm(f"{at}.downsample.1", conv(f"{at}.downsample.0", x, 2))
            inner = torch.relu(norm(f"{at}.bn1", conv(f"{at}.conv1", x, stride, 1)))
            x = torch.relu(kept + norm(f"{at}.bn2", conv(f"{at}.conv2", inner, 1, 1)))
        taps[layer] = x
    whole = unit("cp.conv_avg", taps[4].mean(dim=(2, 3), keepdim=True), 0)
    deep = refine("cp.arm32", taps[4]) + F.interpolate(whole, taps[4].shape[2:], mode="nearest")
    deep = unit("cp.conv_head32", F.interpolate(deep, taps[3].shape[2:], mode="nearest"), 1)
    fine = refine("cp.arm16", taps[3]) + deep
    fine = unit("cp.conv_head16", F.interpolate(fine, taps[2].shape[2:], mode="nearest"), 1)
    joined = unit("ffm.convblk", torch.cat([taps[2], fine], dim=1), 0)
    weight = torch.relu(conv("ffm.conv1", joined.mean(dim=(2, 3), keepdim=True)))
    joined = joined + joined * torch.sigmoid(conv("ffm.conv2", weight))
    heads = []
    for name, feature in (("conv_out", joined), ("conv_out16", fine), ("conv_out32", deep)):
        logits = conv(f"{name}.conv_out", unit(f"{name}.conv", feature, 1))
        heads.append(F.interpolate(logits, size, mode="bilinear", align_corners=True))
    return heads[0], heads[1], heads[2]

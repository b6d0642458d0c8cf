"""The tables of the benchmark of speed, made from its document."""

from __future__ import annotations

from magdr_video.benchmark.table import Row, Table, number


def speed_tables(held: Row) -> list[Table]:
    """Ratios first, then passes, stages and runs of each clip."""
    out = []
    for clip in held["clips"]:
        name = f"{clip['clip']}, {held['task']}, {clip['frames']} frames, {clip['faces']} faces"
        pairs = [(key, number(value)) for key, value in clip["ratios"].items()]
        pairs += [(key, number(value, 3)) for key, value in clip["passes"].items()]
        errors = clip["landmarks"]
        pairs += [
            (f"landmark error over eye distance, {key}", number(errors[key], 4))
            for key in ("mean", "p95")
            if errors
        ]
        memory = clip["memory"]
        slope = number(memory["slope_mib_per_1000_frames"], 1)
        pairs += [("peak memory, MiB", number(memory["peak_mib"], 0))]
        pairs += [("memory, MiB a 1000 frames (second half)", slope)]
        first = clip["runs"]["defended"]["first_frame_seconds"]
        pairs += [("first frame after the weights, s", number(first))]
        core = clip["runs"]["defended"]["first_frame_core_seconds"]
        pairs += [("the same in core-seconds", number(core))]
        pairs += [
            (f"face stages alone, faces a second, {key}", number(value, 1))
            for key, value in clip["faces_per_second"].items()
        ]
        copied = clip["runs"]["defended"]["bytes_copied_per_frame"] / 1e6
        pairs += [("host bytes copied a frame, MB", number(copied))]
        out.append(Table(f"Ratios and counts: {name}", ("what", "value"), tuple(pairs)))
        parts = {f"{key}, alone": row for key, row in clip["stages"].items()} | clip["runs"]
        lines = tuple(_cost_line(key, row) for key, row in parts.items())
        head = (
            "stage or run", "frames a second", "warm", "core-ms a frame", "wall ms a frame",
        )  # fmt: skip
        out.append(Table(f"On {held['machine']['cpu']}: {name}", head, lines))
        if clip.get("device"):
            out += _device_tables(clip, held["device"])
        if clip.get("shortcuts"):
            out.append(_shortcut_table(clip))
    return out


PRECISION_HEAD = (
    "network", "ms a crop, full", "ms a crop, half", "PSNR of results, dB", "largest difference",
)  # fmt: skip


def _device_tables(clip: Row, name: str) -> list[Table]:
    """How busy the device is, and with which kernels."""
    held = clip["device"]
    parts = {f"{key}, alone": row for key, row in held["stages"].items()}
    parts["whole run"] = held["whole run"]
    keys = ("utilisation", "busy_ms_per_frame", "copying_ms_per_frame", "kernels_per_frame")
    lines = tuple(
        (part, *(number(row[key], 1 if key == "kernels_per_frame" else 3) for key in keys))
        for part, row in parts.items()
    )
    head = (
        "stage or run",
        "busy share",
        "busy ms a frame",
        "copying ms a frame",
        "kernels a frame",
    )
    where = f"{name}: {clip['clip']}, {held['frames']} frames"
    costs = tuple(
        (net, *(number(row[key], 4) for key in ("full_ms", "half_ms", "psnr", "most")))
        for net, row in held["precision"].items()
    )
    kernels = tuple(
        (kernel, number(value, 4))
        for kernel, value in held["whole run"]["dearest_ms_per_frame"].items()
    )
    return [
        Table(f"What the device does, {where}", head, lines),
        Table(f"Half precision, {where}", PRECISION_HEAD, costs),
        Table(f"Dearest kernels, {where}", ("kernel", "ms a frame"), kernels),
    ]


SHORTCUT_HEAD = {
    "psnr_o": "PSNR(O), dB",
    "psnr_o_without": "PSNR(O) without, dB",
    "psnr": "PSNR to the film without, dB",
    "flicker": "flicker, levels",
    "flicker_without": "flicker without",
}


def _shortcut_table(clip: Row) -> Table:
    lines = tuple(
        (name, *(number(row[key]) for key in SHORTCUT_HEAD))
        for name, row in clip["shortcuts"].items()
    )
    head = ("shortcut", *SHORTCUT_HEAD.values())
    return Table(f"What the shortcuts cost: {clip['clip']}", head, lines)


def _cost_line(name: str, row: Row) -> tuple[str, ...]:
    return (
        name,
        number(row["frames_per_second"], 1),
        number(row.get("frames_per_second_warm"), 1),
        number(row["core_ms_per_frame"], 1),
        number(row["wall_ms_per_frame"], 1),
    )

"""The tables of the benchmarks on faces, made from their documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from magdr_video.benchmark.judged_faces import FILE, FRAME
from magdr_video.benchmark.table import Row, Table, interval, mean, number

STRENGTH_HEAD = (
    "task",
    "attack",
    "faces",
    "rms change",
    "PSNR (I)",
    "PSNR (O) [95 %]",
    "MSE (O)",
    "disrupted",
    "masked",
    "pulled in",
)


def strength_table(rows: Sequence[Row]) -> Table:
    """What the attacks reach without a defence."""
    lines = tuple(
        (
            row["task"],
            f"{row['attack']}, {row['stage']}" if row["attack"] == "cw" else row["attack"],
            str(row["faces"]),
            mean(row["rms"], 4),
            mean(row["psnr_in"], 1),
            interval(row["psnr_out"], 1),
            mean(row["damage"], 4),
            mean(row["disrupted"]),
            mean(row["masked"]),
            number(row["pulled_in"]),
        )
        for row in rows
    )
    return Table("What the attacks reach without a defence", STRENGTH_HEAD, lines)


DETECTION_HEAD = (
    "detector", "attack", "n", "P", "R", "F1 [95 %]", "macro F1", "acc.", "AUROC [95 %]",
    "TPR at 1 %", "TPR at 5 %", "FPR hard", "AUROC hard",
)  # fmt: skip


def detection_tables(rows: Sequence[Row]) -> list[Table]:
    """Table 1, one a task."""
    out = []
    for task in _in_order(rows, "task"):
        held = [row for row in rows if row["task"] == task]
        lines = tuple(_detection_line(row) for row in held)
        out.append(Table(f"Detection, {task}", DETECTION_HEAD, lines))
    return out


def _detection_line(row: Row) -> tuple[str, ...]:
    return (
        row["detector"],
        row["attack"],
        f"{row['clean']}+{row['attacked']}",
        number(row["precision"]),
        number(row["recall"]),
        interval(row["f1_interval"]),
        number(row["macro_f1"]),
        number(row["accuracy"]),
        interval(row["auroc"]),
        number(row["tpr_at_1"]),
        number(row["tpr_at_5"]),
        mean(row["hard_false_positives"]),
        mean(row["hard_auroc"]),
    )


ALL_HEAD = (
    "detector", "attack", "n", "AUROC [95 %]", "F1 at 1 % [95 %]", "R at 1 %", "F1 [95 %]", "R",
    "FPR [95 %]",
)  # fmt: skip


def hard_detection_tables(rows: Sequence[Row]) -> list[Table]:
    """Table 1 against clean photographs and hard negatives together, one a task."""
    out = []
    for task in _in_order(rows, "task"):
        lines = tuple(_against_all_line(row) for row in rows if row["task"] == task)
        out.append(Table(f"Detection with hard negatives, {task}", ALL_HEAD, lines))
    return out


def _against_all_line(row: Row) -> tuple[str, ...]:
    held = row["all"]
    return (
        row["detector"],
        row["attack"],
        f"{held['clean']}+{row['attacked']}",
        interval(held["auroc"], 3),
        interval(held["f1_at_1"], 3),
        number(held["tpr_at_1"]),
        interval(held["f1_interval"], 3),
        mean(held["recall"]),
        interval(held["false_positives"], 3),
    )


CODEC_HEAD = ("detector", "input", "n", "flagged", "P", "F1 [95 %]", "AUROC [95 %]")


def codec_detection_tables(rows: Sequence[Row]) -> list[Table]:
    """Table 1 after a codec, one a task; what the codec does alone has rows of its own."""
    out = []
    for task in _in_order(rows, "task"):
        held = [row for row in rows if row["task"] == task]
        lines: list[tuple[str, ...]] = []
        for name in _in_order(held, "detector"):
            ours = [row for row in held if row["detector"] == name]
            lines += [_codec_alone(ours[0], carrier) for carrier in (FILE, FRAME)]
            lines += [_codec_line(row, carrier) for row in ours for carrier in row["codecs"]]
        crf = held[0]["codecs"][FRAME]["crf"]
        title = f"Detection after H.264 crf {crf}, {task}"
        out.append(Table(title, CODEC_HEAD, tuple(lines)))
    return out


def _codec_alone(row: Row, carrier: str) -> tuple[str, ...]:
    codec = row["codecs"][carrier]
    shown = (str(codec["faces"]), number(codec["alone_flagged"]), "-", "-")
    name = f"codec alone, {carrier}"
    return (row["detector"], name, *shown, interval(codec["alone_auroc"]))


def _codec_line(row: Row, carrier: str) -> tuple[str, ...]:
    codec = row["codecs"][carrier]
    return (
        row["detector"],
        f"{row['attack']}, {carrier}",
        f"{codec['faces']}+{codec['faces']}",
        number(codec["recall"]),
        number(codec["precision"]),
        interval(codec["f1_interval"]),
        interval(codec["auroc"]),
    )


RECONSTRUCTION_HEAD = (
    "row", "n", "PSNR (I)", "SSIM (I)", "PSNR (O) [95 %]", "SSIM (O)", "disrupted",
    "masked", "clean PSNR (O)", "clean untouched",
)  # fmt: skip
FULL_HEAD = (
    "row", "MSE255 (I)", "RMSE255 (I)", "L2 (I)", "FSIM (I)", "cos (I)",
    "MSE255 (O)", "RMSE255 (O)", "L2 (O)", "FSIM (O)", "cos (O)", "MSE [-1, 1] (O)",
)  # fmt: skip

NOTHING = "no defence"
OTHER_COLUMNS = {"mse255": 1, "rmse255": 1, "l2": 1, "fsim": 3, "features": 3}
"""The image measures of `FULL_HEAD` and their digits."""


def reconstruction_tables(rows: Sequence[Row]) -> list[Table]:
    """Table 2: one of the main columns for each task and attack."""
    return [
        Table(title, RECONSTRUCTION_HEAD, tuple(_reconstruction_line(row, cost) for row in held))
        for title, held, cost in _by_input(rows, "Reconstruction")
    ]


def full_tables(rows: Sequence[Row]) -> list[Table]:
    """The other columns of Table 2."""
    return [
        Table(title, FULL_HEAD, tuple(_full_line(row) for row in held))
        for title, held, _ in _by_input(rows, "Reconstruction, other columns")
    ]


def _by_input(rows: Sequence[Row], title: str) -> list[tuple[str, list[Row], dict[str, Row]]]:
    out = []
    for task in _in_order(rows, "task"):
        ours = [row for row in rows if row["task"] == task]
        for kind in _in_order(ours, "input"):
            if kind.startswith("clean"):
                continue
            # Clean cost through the same codec, where there is one.
            codec = kind.partition(",")[2]
            clean = f"clean,{codec}" if codec else "clean"
            cost = {row["row"]: row for row in ours if row["input"] == clean}
            held = [row for row in ours if row["input"] == kind]
            if codec and NOTHING in cost:
                held = [{**cost[NOTHING], "row": "codec alone, clean faces"}, *held]
            out.append((f"{title}, {task}, {kind}", held, cost))
    return out


def _reconstruction_line(row: Row, cost: Mapping[str, Row]) -> tuple[str, ...]:
    columns = row["columns"]
    clean = cost.get(row["row"], {}).get("columns", {})
    return (
        _shown_name(row),
        str(row["faces"]),
        mean(columns["i|psnr"], 1),
        mean(columns["i|ssim"], 3),
        interval(columns["o|psnr"], 1),
        mean(columns["o|ssim"], 3),
        mean(columns["disrupted"]),
        mean(columns["disrupted, masked"]),
        mean(clean.get("o|psnr"), 1),
        mean(clean.get("untouched")),
    )


def _shown_name(row: Row) -> str:
    """The row's name, with the chains that an oracle takes from and the one that was chosen."""
    about = row.get("about", {})
    if row["kind"] == "oracle":
        return f"{row['row']} ({about['chains']} chains)"
    return f"{row['row']}: {about['chain']}" if row["kind"] == "chosen" else row["row"]


def _full_line(row: Row) -> tuple[str, ...]:
    held = row["columns"]
    parts = [
        [mean(held.get(f"{side}|{name}"), digits) for name, digits in OTHER_COLUMNS.items()]
        for side in "io"
    ]
    return (row["row"], *parts[0], *parts[1], mean(held["damage"], 4))


def _in_order(rows: Sequence[Row], column: str) -> list[str]:
    return list(dict.fromkeys(row[column] for row in rows))


ADAPTIVE_HEAD = (
    "detector", "attack", "steps", "n", "F1 [95 %]", "recall", "MSE (O)", "disrupted",
    "MSE (O) behind the defence", "disrupted behind",
)  # fmt: skip


def adaptive_tables(rows: Sequence[Row]) -> list[Table]:
    """The points of Figure 3, one table a task."""
    out = []
    for task in _in_order(rows, "task"):
        held = [row for row in rows if row["task"] == task]
        lines = tuple(_adaptive_line(row) for row in held)
        out.append(Table(f"Attacks that know the defence, {task}", ADAPTIVE_HEAD, lines))
    return out


def _adaptive_line(row: Row) -> tuple[str, ...]:
    return (
        row["detector"],
        row["attack"],
        str(row["steps"]),
        f"{row['clean']}+{row['attacked']}",
        interval(row["f1_interval"]),
        number(row["recall"]),
        mean(row["damage"], 4),
        number(row["disrupted"]),
        mean(row["damage_behind"], 4),
        number(row["disrupted_behind"]),
    )


def purifier_tables(rows: Sequence[Row]) -> list[Table]:
    """PSNR (O) of each purifier under each attack, one table a task."""
    out = []
    for task in _in_order(rows, "task"):
        ours = [row for row in rows if row["task"] == task]
        attacks = _in_order(ours, "attack")
        held = {(row["row"], row["attack"]): row for row in ours}
        lines = tuple(
            (name, *(mean(held[name, attack]["psnr"], 1) for attack in attacks))
            for name in _in_order(ours, "row")
        )
        count = ours[0]["faces"]
        title = f"PSNR (O) in dB of each purifier under each attack, {task}, {count} faces"
        out.append(Table(title, ("row", *attacks), lines))
    return out


def sanity_table(checks: Sequence[Row]) -> Table:
    """The checks of METHOD 9.3; a failed one says so in words."""
    lines = tuple(
        (check["task"], check["check"], check["found"], "ok" if check["passed"] else check["else"])
        for check in checks
    )
    return Table("Sanity checks", ("task", "check", "found", "verdict"), lines)

"""The page of results: all tables found in a folder, beside the paper's own figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from magdr_video.attacks.carlini_wagner import SEARCH_STEPS, STEPS
from magdr_video.baselines.registry import ALL, BASELINES
from magdr_video.benchmark import paper
from magdr_video.benchmark.clip_tables import clip_command, clip_lead
from magdr_video.benchmark.encoded import CRF, before_codec
from magdr_video.benchmark.pages import PAGES
from magdr_video.benchmark.plan import Plan, counts, for_gpu
from magdr_video.benchmark.table import Table, number
from magdr_video.benchmark.verdicts import LINES
from magdr_video.errors import InputError, OutputError

Document = Mapping[str, Any]


def read_documents(folder: Path) -> dict[str, Document]:
    """Every benchmark's document in a folder, by name.

    Raises:
        InputError: there is none, or one is damaged.
    """
    out = {}
    for name in PAGES:
        path = folder / f"{name}.json"
        if path.is_file():
            try:
                out[name] = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise InputError(f"{path} is no document of a benchmark: {error}") from error
    if not out:
        raise InputError(f"{folder} holds no results", hint="run magdr-video benchmark all first")
    return out


FIGURES = ("detection-roc", "reconstruction-psnr", "reconstruction-faces", "adaptive-f1")
"""What is shown on the page, by the name that each benchmark writes."""
PHOTOGRAPHS = ("reconstruction-faces",)
WIDEST = 1600
"""Pixels; wider figures are reduced."""


def shrink(source: Path, folder: Path) -> Path:
    """A small copy of a figure: photographs as JPEG, curves as PNG of few colours."""
    with Image.open(source) as held:
        picture = held.convert("RGB")
    if picture.width > WIDEST:
        height = round(picture.height * WIDEST / picture.width)
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    if source.stem in PHOTOGRAPHS:
        target = folder / f"{source.stem}.jpg"
        picture.save(target, quality=78, optimize=True)
    else:
        target = folder / f"{source.stem}.png"
        picture.quantize(64).save(target, optimize=True)
    return target


def write_results(folder: Path, page: Path) -> None:
    """Write the page, and small copies of its figures into a folder `results` beside it.

    Raises:
        InputError: the folder holds no results.
        OutputError: the page cannot be written.
    """
    documents = read_documents(folder)
    beside = page.parent / "results"
    try:
        beside.mkdir(parents=True, exist_ok=True)
        drawn = [folder / f"{name}.png" for name in FIGURES]
        figures = [shrink(path, beside) for path in drawn if path.is_file()]
        text = results_page(documents, [f"results/{path.name}" for path in figures])
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {page}: {error.strerror}") from error


def results_page(documents: Mapping[str, Document], figures: Sequence[str] = ()) -> str:
    """The page as Markdown."""
    parts = ["# Results", _head(documents)]
    for name, held in documents.items():
        parts += [f"## {TITLES[name]}", _sample(held), *_body(name, held)]
        parts += [f"![{Path(f).stem}]({f})" for f in figures if Path(f).stem.startswith(name)]
    parts += ["## The paper's own figures", *(table.markdown() for table in paper_tables())]
    parts += ["What can be compared, and what cannot:"]
    parts += ["\n".join(f"* {sentence}" for sentence in paper.RESERVATIONS)]
    parts += ["## How it was measured", _made_on(documents)]
    return "\n\n".join(parts) + "\n"


TITLES = {
    "detection": "Detection (Table 1)",
    "reconstruction": "Reconstruction (Table 2)",
    "adaptive": "Attackers who know the defence (Figure 3)",
    "purifiers": "Purifiers against other attacks",
    "clips": "Clips",
}
LEAD = {
    "detection": (
        "P, R, F1 and accuracy take clean and attacked faces as equally frequent; F1 is that "
        "of the class 'disrupted'. 'Hard' negatives are clean faces with camera noise, "
        "sharpened, JPEG 75 and H.264 crf 23. Thresholds were fixed on clean faces of other "
        "identities; where n is small no false positive may be let through for 'TPR at 1 %'. "
        "The tables 'with hard negatives' take photographs and all hard negatives as the clean "
        "faces: 'F1 at 1 %' at the threshold that lets 1 % of these through, 'F1', 'R' and 'FPR' "
        "at each detector's own. "
        "After a codec attacked faces are judged against clean ones after the same: 'a file' is "
        "the crop itself, encoded; 'a frame' shows the crop, attacked before, is encoded, and the "
        "face is cut out again; 'protected in it' says that the attack knew of the frame, as "
        "`protect` does. In the rows 'codec alone' clean faces after it are judged against clean "
        "photographs ('flagged' is then a false alarm). The ablations: DD and CD are the paper's "
        "distortion and consistency detectors alone, 'fitted: noise' and 'noise estimate' cues of "
        "noise alone, 'fitted: no masks' the whole face as one region."
    ),
    "reconstruction": (
        "(I) compares the reconstructed crop with the clean one, (O) their translations. "
        "'disrupted' is the share with an output MSE above 0.05 in [-1, 1] units, 'masked' "
        "the same over the pixels that the generator changes. 'clean PSNR (O)' is what the "
        "row costs on unattacked faces (capped at 60 dB), 'clean untouched' the share "
        "returned bit-identical. Settings of single transforms were chosen on attacked "
        "training faces; 'best single transform' and 'best classical transform' (without the "
        "purifier) are those of Rec-Net's table that did best there, 'best fixed chain' is the "
        "table's default on the whole face, the best of the chains that were tried there. An "
        "oracle knows the clean face and takes for each the chain with the best PSNR (O): of the "
        "classical bank alone, which is every classical setting of the table and the ordered "
        "pairs of the best few, or of these and chains with the purifier. The table of "
        "differences takes the same faces on both sides. In the table of clean input a loss is "
        "told where the input differs from the photograph whose translation is the reference. "
        "Inputs named after a codec were encoded inside a frame; their first row is what "
        "the codec does to clean faces, and everything is compared with clean faces before it."
    ),
    "adaptive": (
        "The attack sees detector and reconstructor and differentiates through both (BPDA, "
        "EOT over the paths of the defence), with the detector's score in its loss. 'oblivious' "
        "is PGD on the generator alone. A curve is one run of each attack, read after 1, 2, 5, ... "
        "iterations. It takes both paths of the defence each step, from one start and with one "
        "step size; a full one has five starts and a sweep: the curves are an upper bound of what "
        "holds. Baselines look at the same faces: their curves against the attacker who knows "
        "MagDR say what such faces do to a detector that the attacker does not know, nothing of "
        "attackers who know the baseline."
    ),
    "purifiers": "PSNR (O) in dB of each row against each attack, mean over faces.",
}


def _head(documents: Mapping[str, Document]) -> str:
    quick = any(held["quick"] for held in documents.values())
    warning = (
        "\n\n**A quick run on a handful of faces: it shows that the commands work, its figures "
        "mean nothing.**"
        if quick
        else ""
    )
    commands = " and ".join(f"`{_command(held)}`" for held in documents.values())
    return (
        f"Written by {commands}, the last with `--write-results docs/RESULTS.md`; not edited by "
        "hand. Figures in brackets are 95 % bootstrap intervals over faces. They state "
        "purification efficacy under the threat models named below, on small generators trained on "
        "synthetic faces: not robustness, and nothing about other generators." + warning
    )


def _command(held: Document) -> str:
    """The command that measured a document."""
    plan = held["plan"]
    if held["benchmark"] == "clips":
        return clip_command(held)
    parts = [f"magdr-video benchmark {held['benchmark']} --faces {plan['faces']}"]
    if held["benchmark"] in ("detection", "reconstruction"):
        parts.append(f"--attacks {','.join(plan['attacks'])}")
    if held["benchmark"] == "reconstruction":
        factors = {before_codec(row["input"])[1] for row in held["rows"]}
        found = sorted(crf for crf in factors if crf is not None)
        parts += [] if found == [CRF] else [f"--codecs '{','.join(map(str, found))}'"]
    skipped = _left_out(plan)
    parts += [f"--skip {','.join(skipped)}"] if skipped else []
    if skipped != [ALL]:
        parts.append(f"--baseline-training {plan['baseline_share']:g}")
    parts.append(f"--seed {plan['seed']}")
    return " ".join([*parts, *_other_counts(held)])


def _left_out(plan: Mapping[str, Any]) -> list[str]:
    """What `--skip` named."""
    skipped = list(plan.get("skipped", []))
    return [ALL] if set(BASELINES) <= set(skipped) else skipped


def _other_counts(held: Document) -> list[str]:
    """Options of the counts that are not the device's own; none for a quick run, which has its."""
    if held["quick"]:
        return ["--quick"]
    usual = Plan(data=Path(), out=Path())
    cuda = held.get("device", "cpu").startswith("cuda")
    usual, plan = for_gpu(usual) if cuda else usual, held["plan"]
    shown = [name for name in counts() if name not in ("faces", "seed") and name in plan]
    out = [f"--count {name}={plan[name]}" for name in shown if plan[name] != getattr(usual, name)]
    return [*out, "--device cuda"] if cuda else out


def _sample(held: Document) -> str:
    plan = held["plan"]
    if held["benchmark"] == "clips":
        return clip_lead(held)
    attacks = {(t["attack"], t["faces"]) for t in held["threat_models"]}
    sizes = ", ".join(f"{name} {count}" for name, count in sorted(attacks))
    learning = (
        f" Baselines that learn had {plan['fitting_faces']} attacked training faces and "
        f"{plan['baseline_share']:.0%} of the steps of their recipes."
    )
    if _left_out(plan) == [ALL]:
        learning = " Baselines were left out."
    elif plan.get("skipped"):
        learning += f" Left out: {', '.join(plan['skipped'])}."
    few = min(plan["side_faces"], plan["faces"])
    side = (
        f" Each kind of hard negative and the faces after a codec are {few} a task."
        if held["benchmark"] == "detection"
        else ""
    )
    return (
        f"{LEAD[held['benchmark']]} Held-out faces a task: {sizes}; epsilon {plan['epsilon']:g} "
        f"({plan['epsilon'] * 127.5:.3f}/255), seed {plan['seed']}.{side}{learning}"
        f"{_shortened(held)}"
    )


def _shortened(held: Document) -> str:
    """How much shorter than its recipe C&W was, where it was run."""
    settings = [t["settings"] for t in held["threat_models"] if t["attack"] == "cw"]
    if not settings:
        return ""
    trade_offs, steps = settings[0]["trade_offs"], settings[0]["steps"]
    if trade_offs * steps >= SEARCH_STEPS * STEPS:
        return (
            f" C&W ran its full schedule ({trade_offs} trade-offs of {steps} Adam steps each), and "
            "its result was clipped to the bound."
        )
    return (
        f" C&W ran {trade_offs} trade-offs of {steps} Adam steps each, and its result was clipped "
        f"to the bound; its full schedule ({SEARCH_STEPS} of {STEPS}) takes "
        f"{SEARCH_STEPS * STEPS / (trade_offs * steps):.0f} times as long and was not measured."
    )


def _body(name: str, held: Document) -> list[str]:
    tables = PAGES[name](held)
    main = [table for table in tables if "other columns" not in table.title]
    rest = [table for table in tables if "other columns" in table.title]
    out = [*_leaders(name, held), *(table.markdown() for table in main)]
    if "sanity" in held and not held["sanity"]:
        out.append(UNCHECKED)
    if any(not check["passed"] for check in held.get("sanity", ())):
        out.append(WARNED)
    if rest:
        inside = "\n\n".join(table.markdown() for table in rest)
        summary = "<summary>MSE, RMSE, L2 norm, FSIM and feature cosine</summary>"
        out.append(f"<details>{summary}\n\n{inside}\n\n</details>")
    return out


UNCHECKED = (
    "**The checks of the attacks' strength (`benchmark/sanity.py`) were not made in this run**: "
    "it was stopped before."
)


WARNED = (
    "A check that fails is a warning, not a verdict. Where a generator changes little, no epsilon "
    "breaks all faces by the global criterion; and what breaks one task's generator need not harm "
    "another's more than noise does. A gradient that is masked would show in the other "
    "checks: a single step or a gradient-free attack would then do as well as PGD."
)


def _leaders(name: str, held: Document) -> list[str]:
    """Where MagDR leads its table and where it does not, in words."""
    if name not in LINES:
        return []
    what, lines = LINES[name]
    rows = [row for row in held["rows"] if not row.get("input", "").startswith("clean")]
    text = "\n".join([what, "", *lines(rows)])
    return [text, GATED] if name == "reconstruction" else [text]


GATED = (
    "MagDR repairs only the faces that its detector flags: a face that it misses stays broken, and "
    "a clean one stays bit-identical. Its default recipe and all fixed rows and baselines change "
    "every face, clean ones too. The purifier is part of MagDR's own bank."
)


def paper_tables() -> list[Table]:
    """Tables 1 (own rows) and 2 of the paper, as printed there."""
    head = ("detector", "attack", *(f"{task} P / R / F1" for task in paper.TASKS))
    rows = tuple(
        (*name, *(" / ".join(number(v) for v in cell) for cell in cells))
        for name, cells in paper.TABLE_1.items()
    )
    second = tuple(
        (name, *(number(value) for value in values)) for name, values in paper.TABLE_2.items()
    )
    return [
        Table("The paper's Table 1, its own rows", head, rows),
        Table("The paper's Table 2", ("metric", *paper.COLUMNS_2), second),
    ]


def _made_on(documents: Mapping[str, Document]) -> str:
    held = next(iter(documents.values()))
    commits = sorted({one["commit"] or "unknown" for one in documents.values()})
    lines = [
        f"* Source commit {', '.join(commits)}",
        f"* Machine: {held['machine']['cpu']}, {held['machine']['cores']} cores; networks on "
        f"{held.get('device', 'cpu')}",
        "* Libraries: " + ", ".join(f"{k} {v}" for k, v in held["libraries"].items()),
    ]
    for task, subject in held["subjects"].items():
        hashes = ", ".join(f"{name} {value[:12]}" for name, value in subject["sha256"].items())
        line = f"* {task}: {subject['generator']}, {subject['crop']} px; SHA-256 {hashes}"
        if "faces" in held:
            faces = held["faces"][task]["held out"]
            line += f"; list of {faces['count']} held-out faces {faces['sha256'][:12]}"
        lines.append(line)
    return "\n".join(lines)

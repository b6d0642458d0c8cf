"""Whole runs of a clip from file to file, clean and protected, as `defend` makes them.

All are compared with the undefended run of the clean lossless clip. Runs of the clean clip, as it
is and after each codec, are compared with the undefended run of the same file as well: a defence
should return clean faces as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from magdr_video.benchmark.clip_cuts import LOSSLESS, ClipPair, Cuts
from magdr_video.benchmark.measures import flicker
from magdr_video.benchmark.statistics import estimate
from magdr_video.benchmark.whole_runs import undefended
from magdr_video.criteria import psnr_db
from magdr_video.loading import Models
from magdr_video.runs import translate_clip
from magdr_video.settings import Settings

Say = Callable[[str], None]
COUNTERS = ("faces", "searches", "recipe_hits", "faces_unresolved")


@dataclass(frozen=True)
class Run:
    """One whole run."""

    psnr: Tensor
    """(F,) dB, of the output's crops against those of the undefended clean clip."""
    flicker: float
    report: Mapping[str, Any]

    def about(self, name: str) -> dict[str, Any]:
        """What a table shows of it; `faces_perturbed` is None where no face was inspected."""
        held = self.report
        return {
            "run": name,
            "psnr": _estimate(self.psnr),
            "flicker": self.flicker,
            "passes a face": held["generator_passes"] / max(held["faces"], 1),
            "choices": len(held["choices"]),
            "faces_perturbed": held.get("faces_perturbed"),
            **{counter: held[counter] for counter in COUNTERS},
        }

    def beside(self, uncached: Run) -> dict[str, Any]:
        """What the cache saves and costs: the share of choices, and dB lost frame by frame."""
        most = len(uncached.report["choices"])
        return {
            "choices_saved": 1 - len(self.report["choices"]) / most if most else None,
            "behind_no_cache": _estimate(uncached.psnr - self.psnr),
        }


@dataclass(frozen=True)
class Unharmed:
    """What a defended run made of a clean clip, beside the undefended run of the same file."""

    apart: Tensor
    """(F,) largest difference of a sample in the face's frame; 0 is returned bit-identical."""
    psnr: Tensor
    """(F,) dB, of the one's crops against the other's; 60 at most."""
    lost: Tensor | None
    """(F,) dB of PSNR(O) that the defence costs; None where the undefended run is what is wanted,
    so that nothing is finite to lose from."""

    def about(self) -> dict[str, Any]:
        """Counts, and means over the faces that were changed; None where there are none."""
        changed = self.apart > 0
        some = bool(changed.any())
        lost = self.lost
        return {
            "compared": len(changed),
            "identical": int((~changed).sum()),
            "changed_by": int(self.apart.max()) if some else None,
            "changed_psnr": _estimate(self.psnr[changed]) if some else None,
            "changed_lost": _estimate(lost[changed]) if some and lost is not None else None,
        }


def _estimate(values: Tensor) -> dict[str, Any]:
    return dataclasses.asdict(estimate(values))


@dataclass(frozen=True)
class Runs:
    """The runs of one clip: what they are made with, and what they are compared with."""

    settings: Settings
    models: Models
    cuts: Cuts
    folder: Path
    wanted: Tensor
    """(F, 3, S, S), crops of the undefended run of the clean lossless clip."""

    def measured(self, clip: Path, settings: Settings, models: Models) -> Run:
        """A run of a clip; its film is `self.film` until the next one."""
        report = run_whole(clip, self.film, settings, models)
        got = self.cuts.crops(self.film)
        return Run(psnr_db(got, self.wanted), flicker(got, self.wanted), report)

    @property
    def film(self) -> Path:
        """Where runs write what they make."""
        return self.folder / "run.mkv"

    def clean(self, clip: Path, plain: Path, *, is_wanted: bool) -> tuple[Run, Unharmed]:
        """The defended run of a clean clip.

        Args:
            plain: the film of the undefended run of this clip.
            is_wanted: that film is what all are compared with.
        """
        run = self.measured(clip, self.settings, self.models)
        alone = self.wanted if is_wanted else self.cuts.crops(plain)
        lost = None if is_wanted else psnr_db(alone, self.wanted) - run.psnr
        near = psnr_db(self.cuts.crops(self.film), alone)
        return run, Unharmed(self.cuts.apart(self.film, plain), near, lost)


def run_whole(clip: Path, target: Path, settings: Settings, models: Models) -> dict[str, Any]:
    """Run the pipeline on a clip and write it without loss; the report's `run`."""
    output = dataclasses.replace(settings.output, crf=LOSSLESS, provenance="none")
    lossless = dataclasses.replace(settings, output=output)
    run: dict[str, Any] = translate_clip(clip, target, lossless, models=models, overwrite=True)[
        "run"
    ]
    return run


def uncached(settings: Settings) -> Settings:
    """The same with a choice for every frame."""
    reconstruction = dataclasses.replace(settings.reconstruction, cache=False)
    return dataclasses.replace(settings, reconstruction=reconstruction)


def whole_runs(
    settings: Settings,
    models: Models,
    cuts: Cuts,
    pairs: Mapping[int, ClipPair],
    folder: Path,
    say: Say,
) -> list[dict[str, Any]]:
    """Rows of the clean clip after each codec, and of the lossless protected one.

    Args:
        pairs: by rate factor, the lossless pair among them.
        folder: for films; there are at most three of them at a time.
    """
    plain, bare = undefended(settings, models)
    wanted, alone = folder / "wanted.mkv", folder / "undefended.mkv"
    run_whole(pairs[LOSSLESS].clean, wanted, plain, bare)
    held = Runs(settings, models, cuts, folder, cuts.crops(wanted))
    rows = []
    for crf, pair in pairs.items():
        film = wanted if crf == LOSSLESS else alone
        if crf != LOSSLESS:
            run_whole(pair.clean, alone, plain, bare)
        run, unharmed = held.clean(pair.clean, film, is_wanted=crf == LOSSLESS)
        rows.append(run.about(clean_name(crf)) | {"crf": crf} | unharmed.about())
        say(f"  {_said(rows[-1])}, {rows[-1]['identical']} of {rows[-1]['compared']} identical")
    attacked = pairs[LOSSLESS].protected
    runs = {
        "undefended": held.measured(attacked, plain, bare),
        "defended": held.measured(attacked, settings, models),
        "defended, no cache": held.measured(attacked, uncached(settings), models),
    }
    for name, run in runs.items():
        rows.append(run.about(name))
        say(f"  {_said(rows[-1])}")
    cost = runs["defended"].beside(runs["defended, no cache"])
    return [row | cost if row["run"] == "defended" else row for row in rows]


def clean_name(crf: int) -> str:
    """The row of the clean clip at a rate factor."""
    return "clean clip, lossless" if crf == LOSSLESS else f"clean clip, crf {crf}"


def _said(row: Mapping[str, Any]) -> str:
    return f"{row['run']}: {row['psnr']['mean']:.2f} dB"

"""The rows of Table 2: every way to reconstruct a crop before it is translated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from magdr_video.baselines.protocol import ReconstructorBaseline
from magdr_video.baselines.registry import RECONSTRUCTORS
from magdr_video.benchmark.cells import rooms_in, source_hash
from magdr_video.benchmark.scene import Scene, Seen
from magdr_video.benchmark.trained import (
    OTHER_TRAINING,
    TRAINING,
    learning_reconstructors,
    trained_reconstructor,
)
from magdr_video.criteria import psnr_db
from magdr_video.models import zoo
from magdr_video.reconstruction.composer import compose
from magdr_video.reconstruction.recnet import take
from magdr_video.stages.chooser import Chooser, Faces
from magdr_video.transforms import BANK, apply_chain, available_layers, parse_chain
from magdr_video.types import RunReport, TransformChoice

LEARNED_ROOM = "transforms/purify"
TRANSFORM_ROOMS = rooms_in("transforms", without=(LEARNED_ROOM, "transforms/__init__"))
FIXED_ROOMS = (
    *TRANSFORM_ROOMS,
    "criteria",
    "benchmark/measures",
    "benchmark/outcome",
    "benchmark/encoded",
    "training/clean_faces",
)
"""Of classical transforms; what the learned purifier does is keyed by its weights as well."""
BASELINE_ROOMS = (*FIXED_ROOMS, "baselines")
ROOMS = (
    *FIXED_ROOMS,
    LEARNED_ROOM,
    "detection",
    "reconstruction",
    "stages/chooser",
    "faces/parsing",
    "faces/regions",
    "benchmark/repairs",
)
"""Whose source decides what a repair gives."""

Chain = tuple[TransformChoice, ...]
Work = Callable[[Seen], Tensor]
"""Crops, as seen, to reconstructed crops (F, 3, S, S)."""

MANY_DRAWS = 4
"""Generator passes a face above which a baseline is given fewer faces."""
PURIFIER = "purifier"
NOTHING = "no defence"
MAGDR = "MagDR"
DEFAULT = "default recipe"
SEARCH = "search"
BEST_CHAIN = "best fixed chain"
"""The default of Rec-Net's table on the whole crop: the best of all chains on training faces."""


@dataclass(frozen=True)
class Repair:
    """One row."""

    name: str
    kind: str
    """'none', 'single', 'chosen', 'chain', 'own', 'ablation' or 'baseline'."""
    work: Work
    about: Mapping[str, Any] = field(default_factory=dict)
    """Parameters: part of the key of the row's cells."""
    passes: float = 1.0
    """Cost a face beside the translation, in generator passes."""
    slow: bool = False
    """Given fewer faces."""
    preparation: float = 0.0
    """Cost before the first face, such as a training, in generator passes."""
    translate: Work | None = None
    """Its own way through the generator, where that is not one pass over its crops."""


def depends_on(scene: Scene, repair: Repair) -> dict[str, Any]:
    """What a row's cells depend on beside the attacked faces: part of their keys.

    Fixed transforms and baselines know neither parser nor table, and stay valid when these change.
    """
    identity = scene.subject.identity
    if repair.kind in ("own", "ablation"):
        source = source_hash((*ROOMS, *scene.subject.rooms))
        return {**identity, "source": source}
    rooms = BASELINE_ROOMS if repair.kind == "baseline" else FIXED_ROOMS
    source = source_hash((*rooms, *scene.subject.rooms))
    return {"generator": identity["generator"], "source": source}


def learned_weights(chains: Sequence[Chain]) -> dict[str, str]:
    """SHA-256 of the weights that chains use; none for classical filters."""
    used = any(choice.category == PURIFIER for chain in chains for choice in chain)
    return {PURIFIER: _purifier_hash(), "by": source_hash((LEARNED_ROOM,))} if used else {}


@lru_cache(maxsize=1)
def _purifier_hash() -> str:
    return zoo.find(PURIFIER).sha256


def chain_repair(name: str, kind: str, chain: Chain) -> Repair:
    """The same transforms for the whole of every crop."""
    about = {"chain": " > ".join(map(str, chain)) or "identity", **learned_weights([chain])}
    return Repair(name, kind, lambda seen: apply_chain(seen.crops, chain), about)


def singles() -> dict[str, list[Chain]]:
    """Every category of the bank that is to be had, with all its settings."""
    names = {name for layer in available_layers() for name in layer} - {"identity"}
    return {
        name: [(TransformChoice(name, tuple(held.items())),) for held in category.grid]
        for name, category in BANK.items()
        if name in names
    }


def best_settings(found: Mapping[str, Tensor]) -> dict[str, Chain]:
    """Of each category the setting with the best PSNR(O) on training faces (see `trial`)."""
    return {name: held[int(found[name].argmax())] for name, held in singles().items()}


FIXED_CHAINS = (
    "nlm(strength=1) > gaussian(sigma=0.7)",
    "nlm(strength=1) > jpeg(quality=75)",
    "guided(eps=0.003) > jpeg(quality=75)",
    "gaussian(sigma=0.7) > jpeg(quality=75)",
    "tv(weight=0.03) > jpeg(quality=75)",
)
"""Chains that did well on other generators (METHOD 12)."""


def trial(scene: Scene, chains: Sequence[Chain]) -> Tensor:
    """PSNR(O) of each chain on the attacked training faces, mean over faces, in dB."""
    clean, attacked = scene.trial
    out = []
    for chain in chains:
        output = scene.subject.generate(apply_chain(attacked.crops, chain), attacked.condition)
        out.append(psnr_db(output, clean.draft).mean())
    return torch.stack(out)


def fixed_repairs(found: Mapping[str, Tensor]) -> list[Repair]:
    """Each category at its best setting on training faces, and the fixed chains."""
    best = best_settings(found).items()
    out = [chain_repair(category, "single", chain) for category, chain in best]
    out += [chain_repair(text, "chain", parse_chain(text)) for text in FIXED_CHAINS]
    return out


def default_recipe(seen: Seen) -> Tensor:
    """The table's default recipes on every crop, ungated."""
    recipes = seen.subject.recnet.single.recipes(seen.masks.regions)
    return compose(seen.crops, seen.masks, recipes)


def default_chain(seen: Seen) -> Tensor:
    """The default chain on the whole crop, whatever fitted its regions better."""
    return apply_chain(seen.crops, seen.subject.recnet.single.default)


def chosen(seen: Seen, rows: Sequence[int], scores: Sequence[float], budget: int) -> Tensor:
    """Crops with those in `rows` as the outer loop repairs them, where that lowers S_final.

    Args:
        scores: S_final of the crops in `rows` as they are.
        budget: generator passes that a search may spend on one face.
    """
    out = seen.crops.clone()
    if not rows:
        return out
    held, masks = seen.crops[list(rows)], take(seen.masks, rows)
    condition = seen.condition[list(rows)]
    chooser = Chooser(seen.subject.detector(), seen.subject.recnet, budget, RunReport())
    faces = Faces(held, held, masks, condition, scores, averaged=False)
    for place, choice in enumerate(chooser.choose(faces)):
        if choice.accepted:
            out[rows[place]] = choice.apply(held[place : place + 1], take(masks, [place]))[0]
    return out


def search(budget: int) -> Work:
    """Algorithm 1 from the default recipes on, where their score is high, ungated."""

    def work(seen: Seen) -> Tensor:
        count = len(seen.crops)
        return chosen(seen, range(count), [float("inf")] * count, budget)

    return work


def random_search(budget: int, seed: int) -> Work:
    """As many random chains as a search may score, one for the whole crop; the lowest S_final."""

    def work(seen: Seen) -> Tensor:
        detector = seen.subject.detector()
        draw = torch.Generator().manual_seed(seed)
        choices: list[Chain] = [(), *(chain for held in singles().values() for chain in held)]
        best = seen.crops.clone()
        lowest = detector.inspect(seen.crops, seen.masks, seen.condition, seen.draft).s_final
        for _ in range(budget // (1 + detector.passes_per_face)):
            picked = torch.randint(len(choices), (2,), generator=draw).tolist()
            candidate = apply_chain(seen.crops, choices[picked[0]] + choices[picked[1]])
            score = detector.inspect(candidate, seen.masks, seen.condition).s_final
            lower = (score < lowest) & (psnr_db(candidate, seen.crops) >= 26.0)
            best[lower], lowest = candidate[lower], torch.where(lower, score, lowest)
        return best

    return work


def magdr(seen: Seen) -> Tensor:
    """The whole defence as a run has it on single frames: judged first, kept where it helps."""
    found = seen.subject.detector().inspect(seen.crops, seen.masks, seen.condition, seen.draft)
    rows = found.perturbed.nonzero()[:, 0].tolist()
    scores = found.s_final[rows].tolist()
    budget = seen.subject.settings.reconstruction.search_budget
    return chosen(seen, rows, scores, budget)


def own_repairs(scene: Scene) -> list[Repair]:
    """MagDR, its parts and its ablations."""
    budget, table = scene.plan.search_budget, scene.subject.table
    inspections = 2.0 * (1 + len(table.transforms)) + 4
    settings = scene.subject.settings.reconstruction
    decide = scene.subject.settings.detection.decide
    about = {**scene.subject.identity, "budget": settings.search_budget, "decide": decide}
    limited = about | {"budget": budget}
    return [
        Repair(DEFAULT, "own", default_recipe, about),
        Repair(SEARCH, "own", search(budget), limited, budget, slow=True),
        Repair(BEST_CHAIN, "ablation", default_chain, about),
        Repair(
            "random search, no masks",
            "ablation",
            random_search(budget, scene.plan.seed),
            limited | {"seed": scene.plan.seed},
            budget,
            slow=True,
        ),
        Repair(MAGDR, "own", magdr, about, inspections + settings.search_budget),
    ]


def baseline_repairs(scene: Scene) -> list[Repair]:
    """The reconstructors that the paper compares with."""

    def repair(name: str) -> Repair:
        @lru_cache(maxsize=1)
        def prepared() -> ReconstructorBaseline:
            return trained_reconstructor(scene, name)

        def translate(seen: Seen) -> Tensor:
            with torch.no_grad():
                return prepared().translate(seen.subject.generate, seen.crops, seen.condition)

        about: dict[str, Any] = {
            "baseline": dict(built[name].parameters),
            "paper": built[name].paper,
        }
        if name in learning:
            share = scene.plan.baseline_share
            about |= {"fitted on": scene.fitting_under.address, "share": share}
        work: Work = lambda seen: prepared().reconstruct(seen.crops)  # noqa: E731
        passes = float(built[name].parameters.get("draws", 1))
        slow = passes > MANY_DRAWS
        first = TRAINING.get(name, OTHER_TRAINING) * scene.plan.baseline_share
        shown = f"{name} (baseline)" if name in BANK else name
        return Repair(
            shown,
            "baseline",
            work,
            about,
            passes,
            slow=slow,
            translate=translate,
            preparation=first if name in learning else 0.0,
        )

    translator = scene.subject.translator
    kept = scene.plan.kept(RECONSTRUCTORS)
    built = {name: RECONSTRUCTORS[name](translator) for name in kept}
    learning = learning_reconstructors(scene)
    return [repair(name) for name in built]


def repairs(scene: Scene, found: Mapping[str, Tensor]) -> list[Repair]:
    """All rows in the order of the table."""
    nothing = Repair(NOTHING, "none", lambda seen: seen.crops, passes=0)
    return [nothing, *fixed_repairs(found), *baseline_repairs(scene), *own_repairs(scene)]

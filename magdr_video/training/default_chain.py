"""The reconstructor's default chain: which transforms repair attacked faces best."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from magdr_video.criteria import psnr_db
from magdr_video.transforms import apply_chain, parse_chain

CHAINS = (
    "jpeg(quality=75)",
    "jpeg(quality=50)",
    "gaussian(sigma=0.7)",
    "gaussian(sigma=1)",
    "down_up(scale=0.5)",
    "guided(eps=0.003)",
    "guided(eps=0.01)",
    "bilateral(colour=0.1, space=1.5)",
    "tv(weight=0.05)",
    "nlm(strength=1)",
    "guided(eps=0.003) > jpeg(quality=75)",
    "guided(eps=0.01) > jpeg(quality=75)",
    "tv(weight=0.03) > jpeg(quality=75)",
    "bilateral(colour=0.1, space=1.5) > jpeg(quality=75)",
    "nlm(strength=1) > jpeg(quality=75)",
    "nlm(strength=1) > gaussian(sigma=0.7)",
    "gaussian(sigma=0.7) > jpeg(quality=75)",
    "jpeg(quality=50) > guided(eps=0.003)",
)


def rank_chains(
    generate: Callable[[Tensor, Tensor], Tensor],
    attacked: Tensor,
    condition: Tensor,
    wanted: Tensor,
    chains: Sequence[str] = CHAINS,
) -> list[tuple[float, str]]:
    """Chains with their mean PSNR(O) in dB, the distance that eq. 8 names, best first.

    Args:
        attacked: (F, 3, S, S) in [0, 1].
        condition: (F, C).
        wanted: the translations of the clean faces, (F, 3, S, S).
    """
    scores = []
    for text in chains:
        output = generate(apply_chain(attacked, parse_chain(text)), condition)
        scores.append((float(psnr_db(output, wanted).mean()), text))
    return sorted(scores, reverse=True)

"""How a protected clip is encoded, and how it may be encoded later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from magdr_video.errors import SettingsError
from magdr_video.settings import ProtectionSettings, Settings
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.target import default_encoder, muxer_of
from magdr_video.video.writer import ClipWriter

LOSSLESS: Mapping[str, Mapping[str, str]] = {
    "libx264": {"qp": "0"},
    "libx265": {"x265-params": "lossless=1"},
    "libvpx-vp9": {"lossless": "1"},
}
"""Options by which our default encoders lose nothing."""

WORST_CRF = 51


@dataclass(frozen=True)
class Encoding:
    """One way to encode; its name is that of a row in reports."""

    name: str
    vcodec: str
    crf: int | None
    preset: str | None = None
    pix_fmt: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ".mkv"

    def writer(
        self,
        target: Path,
        info: ClipInfo,
        source: Path | None,
        *,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool = False,
    ) -> ClipWriter:
        """A writer that encodes so."""
        return ClipWriter(
            target,
            info,
            source=source,
            vcodec=self.vcodec,
            crf=self.crf,
            preset=self.preset,
            pix_fmt=self.pix_fmt,
            options=self.options,
            metadata=metadata or {},
            overwrite=overwrite,
        )


def chosen_encoding(
    target: Path, info: ClipInfo, settings: Settings, options: Mapping[str, str]
) -> Encoding:
    """Without loss where `protection.lossless` says so, else as `output.*` and the options say.

    Raises:
        SettingsError: the target's container takes no encoder of ours that loses nothing.
    """
    held, usual = settings.output, default_encoder(muxer_of(target), info.bits)
    if not settings.protection.lossless:
        vcodec = held.vcodec or usual
        rate = ", ".join(f"{k}={v}" for k, v in options.items()) or f"crf {held.crf}"
        return Encoding(
            f"{vcodec} {rate}", vcodec, held.crf, held.preset or None, held.pix_fmt or None,
            options, target.suffix,
        )  # fmt: skip
    if usual not in LOSSLESS:
        raise SettingsError(
            f"{target.suffix} with {info.bits} bits would be encoded by {usual}, which loses",
            hint="name an .mkv or .mp4, or say --crf to accept the loss",
        )
    preset = "veryfast" if usual.startswith("libx") else None
    return Encoding(
        f"{usual}, lossless", usual, None, preset, None, LOSSLESS[usual], target.suffix
    )  # fmt: skip


def later_encodings(held: ProtectionSettings) -> tuple[Encoding, ...]:
    """H.264 at the qualities of `protection.later_crf`.

    Raises:
        SettingsError: one is no number from 0 to 51.
    """
    numbers = [part.strip() for part in held.later_crf.split(",") if part.strip()]
    wrong = [part for part in numbers if not (part.isdecimal() and int(part) <= WORST_CRF)]
    if wrong:
        raise SettingsError(
            f"protection.later_crf = '{held.later_crf}': '{wrong[0]}' is no quality of H.264",
            hint=f"give numbers from 0 to {WORST_CRF}, such as 18,23,28",
        )
    return tuple(Encoding(f"H.264 crf {crf}", "libx264", int(crf)) for crf in numbers)

"""The tables of each benchmark's document, as its files and the terminal show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from magdr_video.benchmark.clip_tables import clip_tables
from magdr_video.benchmark.repair_tables import clean_table, margin_table
from magdr_video.benchmark.table import Table
from magdr_video.benchmark.tables import (
    adaptive_tables,
    codec_detection_tables,
    detection_tables,
    full_tables,
    hard_detection_tables,
    purifier_tables,
    reconstruction_tables,
    sanity_table,
    strength_table,
)


def _adaptive_pages(held: Mapping[str, Any]) -> list[Table]:
    return adaptive_tables(held["rows"])


def _purifier_pages(held: Mapping[str, Any]) -> list[Table]:
    return purifier_tables(held["rows"])


def _detection_pages(held: Mapping[str, Any]) -> list[Table]:
    rows = held["rows"]
    tables = [
        *detection_tables(rows),
        *hard_detection_tables(rows),
        *codec_detection_tables(rows),
    ]
    return [*tables, strength_table(held["strength"]), *_sanity_pages(held)]


def _reconstruction_pages(held: Mapping[str, Any]) -> list[Table]:
    rows = held["rows"]
    # Documents of earlier versions have neither.
    beside = [margin_table(held["margins"])] if held.get("margins") else []
    beside += [clean_table(held["clean"])] if held.get("clean") else []
    tables = [*reconstruction_tables(rows), *beside, *full_tables(rows)]
    return [*tables, *_sanity_pages(held)]


def _sanity_pages(held: Mapping[str, Any]) -> list[Table]:
    return [sanity_table(held["sanity"])] if held["sanity"] else []


def _clip_pages(held: Mapping[str, Any]) -> list[Table]:
    return clip_tables(held["rows"])


PAGES: Mapping[str, Callable[[Mapping[str, Any]], list[Table]]] = {
    "detection": _detection_pages,
    "reconstruction": _reconstruction_pages,
    "adaptive": _adaptive_pages,
    "purifiers": _purifier_pages,
    "clips": _clip_pages,
}
"""The tables of each benchmark's document."""

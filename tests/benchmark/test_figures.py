"""Figures: what is drawn, not how it looks."""

from __future__ import annotations

from typing import Any

import pytest

from magdr_video.benchmark import figures

pytest.importorskip("matplotlib")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that would have been saved."""
    held: list[Any] = []
    monkeypatch.setattr(figures, "_save", lambda figure, path: held.append(figure))
    return held


def test_figure_3_has_a_panel_for_each_attack_and_task_with_the_baselines(
    drawn: list[Any], tmp_path: Any
) -> None:
    rows = [
        {"task": task, "attack": attack, "detector": name, "steps": steps, "f1": 0.5}
        for task in ("edit", "replace")
        for attack in ("oblivious", "adaptive")
        for name in ("MagDR", "otd", "CD, sigma alone")
        for steps in (1, 5, 20)
    ]
    figures.attack_curve(rows, tmp_path / "figure.png")
    (figure,) = drawn
    panels = figure.axes
    assert len(panels) == 4
    for panel in panels:
        lines = {line.get_label(): line for line in panel.get_lines()}
        assert set(lines) == {"MagDR", "otd"}
        assert lines["MagDR"].get_linewidth() > lines["otd"].get_linewidth()
        assert list(lines["otd"].get_xdata()) == [1, 5, 20]
    assert "MagDR" in panels[-1].get_title()

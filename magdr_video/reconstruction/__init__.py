"""Undo a perturbation, region by region."""

"""Perturbations that break a generator's output."""

"""Fits parser, generators and tables."""

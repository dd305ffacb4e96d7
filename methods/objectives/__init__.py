"""Objectives: alignment, retention, style clustering."""

"""Rendering files: planning, segments, resuming, recipes."""

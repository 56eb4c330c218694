"""Trainers, schedules, presets, and the one seam between backends."""

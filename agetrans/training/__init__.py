"""Trainers, schedules, presets, and the one seam between backends."""

STATE = "state.weights.h5"
"""File in a run's folder that the run goes on from."""

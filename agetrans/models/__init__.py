"""Generators and their parts: Keras layers only, no files."""

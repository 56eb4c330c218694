"""Presets: Python files, each a documented run. `python train.py --preset NAME`, or the path of a file like these."""

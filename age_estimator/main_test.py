"""Estimates the ages of the faces in a folder, as AgeTransGAN's program of this name does.

python age_estimator/main_test.py --pred_path FOLDER --outcsv FILE
"""

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    try:
        from agetrans.cli import estimate
    except ModuleNotFoundError as error:
        print(
            f"main_test.py: this Python has no {error.name}; pip install -e {REPOSITORY} installs all that is needed.",
            file=sys.stderr,
        )
        sys.exit(2)
    estimate.console()

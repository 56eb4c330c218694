"""Shows the face in front of the camera at another age, as AgeTransGAN's program of this name does, and live.

python demo/main.py --img_size 1024 --group 10 --batch_size 16 --snapshot agetrans_10group
"""

import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent

if __name__ == "__main__":
    try:
        from agetrans.cli import camera
    except ModuleNotFoundError as error:
        print(
            f"main.py: this Python has no {error.name}; ./demo/run_10group.sh installs all that is needed on Linux and "
            f"macOS, pip install -e {HOME.parent} everywhere.",
            file=sys.stderr,
        )
        sys.exit(2)
    camera.console(HOME)

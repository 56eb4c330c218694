"""Ages the person in a photograph through all age groups, as AgeTransGAN's program of this name does.

python test/main.py --img_size 1024 --group 10 --batch_size 16 --snapshot agetrans_10group --file img/1.jpg
"""

import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent

if __name__ == "__main__":
    try:
        from agetrans.cli import classic
    except ModuleNotFoundError as error:
        print(
            f"main.py: this Python has no {error.name}; ./test/run_10group.sh installs all that is needed on Linux and "
            f"macOS, pip install -e {HOME.parent} everywhere.",
            file=sys.stderr,
        )
        sys.exit(2)
    classic.console(HOME)

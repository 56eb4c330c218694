"""`python -m agetrans` is the `agetrans` command."""

from agetrans.cli import console

if __name__ == "__main__":
    console()

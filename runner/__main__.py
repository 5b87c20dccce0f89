"""`python -m runner`: the same as `duestream runner`."""

import sys

from duestream.cli import app

if __name__ == "__main__":
    app(["runner", *sys.argv[1:]], prog_name="python -m")

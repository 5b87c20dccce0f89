"""`python -m projector`: the same as `duestream projector`."""

from duestream.options import process
from projector.main import run

if __name__ == "__main__":
    process("projector", run)

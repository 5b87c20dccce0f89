"""`python -m scheduler`: the same as `duestream scheduler`."""

from duestream.options import process
from scheduler.main import run

if __name__ == "__main__":
    process("scheduler", run)

"""`python -m api`: the same as `duestream api`."""

from api.main import run
from duestream.options import process

if __name__ == "__main__":
    process("api", run)

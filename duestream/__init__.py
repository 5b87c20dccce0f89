"""What the processes of Duestream share: the domain, the journal, and everything that must not differ."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("duestream")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

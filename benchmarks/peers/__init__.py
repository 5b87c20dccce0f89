"""Other queues to compare payload jobs with, each in an environment of its own.

The programs run under the peers' own interpreters and import from here: this module imports nothing.
"""

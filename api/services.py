"""What an API process has: its connection, the journal's writing side, the read models, the event hub."""

import msgspec

from api.hub import Hub
from api.metrics import Metrics
from duestream.job_reading import Jobs
from duestream.journal import Journal
from duestream.keys import Keys
from duestream.reading import Tasks
from duestream.server import Server
from duestream.settings import Settings
from duestream.turn_reading import Turns
from duestream.turns import Desk


class Services(msgspec.Struct, frozen=True):
    """Made once, when the process starts, and handed to all that needs it."""

    settings: Settings
    server: Server
    task_journal: Journal
    tasks: Tasks
    job_journal: Journal
    jobs: Jobs
    desk: Desk
    turns: Turns
    hub: Hub
    metrics: Metrics

    @property
    def shards(self) -> list[Keys]:
        return self.task_journal.shards

"""Every Redis key, whole. All keys of a shard share a hash tag, so they live in one Cluster slot."""

from typing import Literal

Kind = Literal["tasks", "jobs", "tokens"]
KINDS: tuple[Kind, ...] = ("tasks", "jobs", "tokens")


def shard_of(kind: Kind, id: str, shards: int) -> int:
    """The shard in which an entity lives: tasks are numbered so, jobs end in 32 bits of chance, turns have one."""
    if kind == "tokens":
        return 0
    return (int(id) if kind == "tasks" else int(id[-8:], 16)) % shards


class Keys:
    """The keys of one shard."""

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self._tag = f"ds:{{{shard}}}"

    # --- the journal, and what only `append` changes ---

    def journal(self, kind: Kind) -> str:  # STREAM: the events of a kind
        return f"{self._tag}:{kind}"

    def heads(self, kind: Kind) -> str:  # HASH: entity id -> "<revision> <status>[ <attempt>[ <ready entry>]]"
        return f"{self._tag}:{kind}:heads"

    def ids(self, kind: Kind) -> str:
        # HASH: last (number given); cleared (highest id of a clear), unswept (heads that it covers and that are still
        # there), clears (how many), clear (the last one's call and answer)
        return f"{self._tag}:{kind}:ids"

    def once(self, digest: str) -> str:  # STRING: what an idempotency key was answered, JSON; 24 h
        return f"{self._tag}:once:{digest}"

    def lane(self, kind: Kind, process: str) -> str:  # STRING: "<call number> <answers>" of a process's last append
        return f"{self._tag}:lane:{kind}:{process}"

    def uniques(self, kind: Kind) -> str:  # HASH: unique key -> the entity that has it while it lives
        return f"{self._tag}:{kind}:unique"

    def ready(self, queue: str) -> str:  # STREAM: jobs that a runner may start: id, attempt (to begin), work (JSON)
        return f"{self._tag}:ready:{queue}"

    def halt(self, kind: Kind) -> str:  # STREAM: entities on which those who work must not go on: id, status, attempt
        return f"{self._tag}:halt:{kind}"

    def batch(self, batch: str) -> str:  # HASH: a batch too large for one script call, and how far it has come
        return f"{self._tag}:batch:{batch}"

    # --- queues, which only `turn` changes ---

    def queue(self, queue: str) -> str:
        # HASH: rev, data (its settings), claim_ms, serve_ms, counters, codes, most, ban_ms; last (number given), made
        # (labels made), turns (ms of the last ones)
        return f"{self._tag}:queue:{queue}"

    def line(self, queue: str) -> str:  # ZSET: label that waits -> its token's number
        return f"{self._tag}:line:{queue}"

    def records(self, queue: str) -> str:
        # HASH: label -> "<number> <revision> <status> <taken> <called> <deadline> <code>" of its last token (ms)
        return f"{self._tag}:records:{queue}"

    def free(self, queue: str) -> str:  # ZSET: label that is free -> its place in the order of labels
        return f"{self._tag}:free:{queue}"

    def out(self, queue: str) -> str:  # ZSET: label that is called or served -> ms of its deadline
        return f"{self._tag}:out:{queue}"

    def bans(self) -> str:  # HASH: address -> "<ms of the end, 0: none> <number> <reason>"
        return f"{self._tag}:bans"

    def takes(self) -> str:  # ZSET: address -> ms until which its takings are paid for, at so many a minute
        return f"{self._tag}:takes"

    # --- read models ---

    def task(self, task: str) -> str:  # HASH: one task, its revision, and the stream id of each of its events
        return f"{self._tag}:task:{task}"

    def job(self, job: str) -> str:  # HASH: one job, its revision, attempts, and the stream id of each of its events
        return f"{self._tag}:job:{job}"

    def turn(self, id: str) -> str:  # HASH: one token, queue or ban, its revision, and the stream id of each event
        return f"{self._tag}:turn:{id}"

    def listed(self, kind: Kind, place: str = "list") -> str:
        # ZSET: entity id -> its number, in the order that lists show; of jobs one for each status, 0 for a number,
        # since their ids sort by the time at which they were made; of turns "queues", "bans", and "<queue>:<status>"
        # for the tokens, the deadline for a number of those who are called or served
        return f"{self._tag}:{kind}:{place}"

    def log(self, job: str) -> str:  # STREAM: what a job's containers put out: attempt, stream, stamp, text
        return f"{self._tag}:log:{job}"

    def view(self, kind: Kind) -> str:  # HASH: cleared (highest id of a clear that was projected)
        return f"{self._tag}:{kind}:view"

    def progress(self, kind: Kind) -> str:
        # HASH: through (entry up to which the journal is applied), count (how many those are); beyond a gap: first
        # entry of a stretch that is applied -> "<last entry> <how many>"
        return f"{self._tag}:{kind}:progress"

    # --- what falls due: member -> ms since epoch at which somebody must act ---

    def due_tasks(self) -> str:  # ZSET: task id -> when to give notice
        return f"{self._tag}:due:tasks"

    def due_jobs(self) -> str:  # ZSET: job id -> when to queue it, to give it up, or to forget it
        return f"{self._tag}:due:jobs"

    def due_tokens(self) -> str:  # ZSET: token -> when it lapses or has been served; ban -> its end
        return f"{self._tag}:due:tokens"

    def due_batches(self) -> str:  # ZSET: batch id -> when its maker must be taken for dead
        return f"{self._tag}:due:batches"

    def due_sweeps(self) -> str:  # ZSET: kind -> when to remove what a clear left behind
        return f"{self._tag}:due:sweeps"

    def due_webhooks(self, endpoint: str) -> str:  # ZSET: entry id of a notice -> when to send it there (again)
        return f"{self._tag}:due:webhooks:{endpoint}"

    # --- signals: streams of one entry, so that nobody who blocks on them can miss one ---

    def wake_due(self) -> str:  # STREAM: something became due earlier than all that was there
        return f"{self._tag}:wake:due"

    def wake_applied(self) -> str:  # STREAM: the projector applied a batch
        return f"{self._tag}:wake:applied"

    # --- the rest ---

    def dead(self) -> str:  # STREAM: entries that the projector could not understand, with the reason
        return f"{self._tag}:dead"

    def dead_webhooks(self) -> str:  # STREAM: deliveries given up, with the reason
        return f"{self._tag}:dead:webhooks"

    def webhook_attempts(self, endpoint: str) -> str:  # HASH: entry id of a notice -> failed attempts
        return f"{self._tag}:webhooks:attempts:{endpoint}"

    def stats(self) -> str:  # HASH: counters that belong to no single process
        return f"{self._tag}:stats"


def meta() -> str:  # HASH: shards, the number that this data was written with; deployment, by which engines know it
    return "ds:{0}:meta"


def processes() -> str:  # ZSET: "<role>@<host>:<pid>:<nonce>" -> ms of its last sign of life
    return "ds:{0}:processes"


def engines() -> str:  # HASH: name of a runner -> why it cannot run containers
    return "ds:{0}:engines"

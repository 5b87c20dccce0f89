"""The peers, pinned, and where each keeps its results."""

from collections.abc import Mapping

from benchmarks.peers.environments import Environment
from benchmarks.peers.peer import Peer
from benchmarks.peers.results import Completed, Each, Hash

_ALL = (
    Peer(
        Environment(
            "taskiq",
            (
                "taskiq==0.13.0",
                "taskiq-redis==1.2.4",
                "redis==8.1.0",
                "hiredis==3.5.0",
                "uvloop==0.23.0",
                "orjson==3.13.0",
            ),
        ),
        "taskiq_peer.py",
        Each("*", b'"is_err":false', database=1),
    ),
    Peer(
        Environment(
            "saq",
            (
                "saq==0.26.4",
                "redis==7.4.1",
                "hiredis==3.5.0",
                "uvloop==0.23.0",
                "orjson==3.13.0",
                "typing-extensions==4.16.0",
            ),
        ),
        "saq_peer.py",
        Each("saq:job:default:*", b'"status":"complete"', left="saq:default:incomplete"),
    ),
    Peer(
        Environment("arq", ("arq==0.28.0", "redis==5.3.1", "hiredis==3.5.0", "uvloop==0.23.0")),
        "arq_peer.py",
        Each("arq:result:*", b'"s": true', left="arq:queue"),
    ),
    Peer(
        Environment("huey", ("huey==3.5.4", "redis==8.1.0", "hiredis==3.5.0", "gevent==26.9.0")),
        "huey_peer.py",
        Hash("huey.results.peer", b"Kb"),  # 98, pickled
    ),
    Peer(
        Environment("celery", ("celery[redis]==5.7.0", "redis==8.1.0", "hiredis==3.5.0", "gevent==26.9.0")),
        "celery_peer.py",
        Each("celery-task-meta-*", b'"status": "SUCCESS"', database=1),
    ),
    Peer(
        Environment("bullmq", ("bullmq@6.7.0", "ioredis@6.0.0")),
        "bullmq_peer.mjs",
        Completed("bull:peer:completed"),
    ),
)

PEERS: Mapping[str, Peer] = {peer.name: peer for peer in _ALL}

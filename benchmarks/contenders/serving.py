"""Runs a contender with the uvicorn settings of our API process."""

import os
from typing import Any

import uvicorn


def serve(app: Any) -> None:
    """Serve an ASGI application at BENCHMARK_PORT until a signal."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["BENCHMARK_PORT"]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=2048,
    )

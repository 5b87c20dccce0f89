"""FastAPI as one would write it first: a model that validates the body, and one XADD per request."""

import itertools
import os
from datetime import UTC, datetime
from typing import Annotated

from fastapi import FastAPI
from pydantic import BaseModel, Field
from redis.asyncio import Redis

from benchmarks.contenders.serving import serve

STREAM = "contender:tasks"


class NewTask(BaseModel):
    model_config = {"extra": "forbid"}

    title: Annotated[str, Field(min_length=1, max_length=50)]
    description: Annotated[str, Field(max_length=65_536)] | None = None
    expiry_dt: datetime | None = None


class Task(NewTask):
    id: int
    create_dt: datetime
    update_dt: datetime


redis = Redis.from_url(os.environ["BENCHMARK_REDIS_URL"])
numbers = itertools.count(1)


async def create(new: NewTask) -> Task:
    now = datetime.now(UTC)
    task = Task(id=next(numbers), create_dt=now, update_dt=now, **new.model_dump())
    await redis.xadd(STREAM, {"type": "task.created", "id": task.id, "data": new.model_dump_json()})
    return task


app = FastAPI()
app.add_api_route("/v1/tasks", create, methods=["POST"], status_code=201, response_model=Task)

if __name__ == "__main__":
    serve(app)

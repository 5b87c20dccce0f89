"""Tasks over HTTP, from the call to what is read back, on each sort of store."""

from tests.running import Service


async def test_a_created_task_is_read_back_whole(service: Service) -> None:
    created = await service.http.post("/v1/tasks", json={"title": "water the plants"})

    assert created.status_code == 201
    read = await service.http.get(created.headers["location"])
    assert read.json() == created.json()
    assert read.headers["etag"] == created.headers["etag"] == '"1"'

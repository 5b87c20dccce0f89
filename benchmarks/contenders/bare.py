"""Starlette that does nothing: it gives the JSON of a task, whatever is asked, and stores nothing."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.contenders.serving import serve
from benchmarks.samples import ANSWER


async def create(request: Request) -> Response:
    return JSONResponse(ANSWER, 201)


async def read(request: Request) -> Response:
    return JSONResponse(ANSWER)


app = Starlette(
    routes=[Route("/v1/tasks", create, methods=["POST"]), Route("/v1/tasks/{id}", read, methods=["GET"])],
)

if __name__ == "__main__":
    serve(app)

"""/openapi.json, and /docs to browse it by Swagger UI, which comes with the package."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from api.openapi import document
from api.resources import Resource

STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Duestream API</title>
<link rel="icon" href="docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
<div id="docs"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/assets/start.js"></script>
</html>
"""


def docs(resources: Sequence[Resource]) -> list[BaseRoute]:
    """The routes that document some resources."""
    described = msgspec.json.encode(document(resources))

    async def openapi(request: Request) -> Response:
        request.scope["duestream.route"] = "/openapi.json"
        return Response(described, media_type="application/json")

    async def page(request: Request) -> Response:
        request.scope["duestream.route"] = "/docs"
        return Response(PAGE, media_type="text/html", headers={"content-security-policy": POLICY})

    return [
        Route("/openapi.json", openapi),
        Route("/docs", page),
        Mount("/docs/assets", StaticFiles(directory=STATIC / "docs")),
    ]

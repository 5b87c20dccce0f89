"""How the API is served."""

import uvicorn

from api.main import configured
from duestream.settings import Settings

PROXIES = 60  # seconds for which most of them keep an idle connection


async def nothing(*_: object) -> None: ...


def test_the_service_is_not_the_first_to_close_an_idle_connection() -> None:
    config = configured(nothing, Settings())

    assert isinstance(config, uvicorn.Config)
    assert config.timeout_keep_alive > PROXIES

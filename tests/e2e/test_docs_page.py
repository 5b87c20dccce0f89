"""/docs in a browser: the whole API, to be read and tried, and nothing from any other host."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, expect

from tests import stores
from tests.e2e.browsers import chromium
from tests.serving import served

DEADLINE = 30_000  # ms


class Visit:
    """A page, what it asked for and what it complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", self._on_request)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _on_request(self, request: Request) -> None:
        self.asked.append(request.url)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture
def visit() -> Iterator[Visit]:
    with stores.valkey() as store, served(store) as url, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(DEADLINE)
        yield Visit(page, url)


def test_the_api_is_read_and_tried_without_any_other_host(visit: Visit) -> None:
    page = visit.page

    page.goto(f"{visit.url}/docs")

    expect(page.get_by_role("heading", name="Duestream")).to_be_visible()
    for path in ("/v1/tasks", "/v1/tasks/{id}", "/v1/events", "/metrics"):
        expect(page.locator(f'[data-path="{path}"]').first).to_be_visible()

    page.locator("#operations-tasks-post-v1-tasks").get_by_role("button").first.click()
    operation = page.locator("#operations-tasks-post-v1-tasks")
    operation.locator("textarea").first.fill('{"title": "from the page"}')
    operation.get_by_role("button", name="Execute").click()

    answer = operation.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("201")
    expect(answer).to_contain_text("from the page")
    assert [url for url in visit.asked if not url.startswith((visit.url, "data:"))] == []
    assert visit.complaints == []

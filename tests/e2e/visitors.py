"""Visitors of the page in browsers of their own, on one service."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
from playwright.sync_api import ConsoleMessage, Dialog, Locator, Page, Request, expect

from tests.e2e.browsers import chromium, standing

DEADLINE = 20_000  # ms
WIDE = {"width": 1280, "height": 900}


class Visitor:
    """One browser: its page, what that asked for, and what it complained of but for the service's refusals."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", self._on_request)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._on_dialog)

    def visit(self, view: str) -> "Visitor":
        """Go to a view and wait until it is live."""
        self.page.goto(f"{self.url}/#{view}")
        try:
            expect(self["link"]).to_have_text("live")
        except AssertionError as error:
            error.add_note(f"asked for: {self.asked}\n{standing(self.page)}")
            raise
        return self

    def __getitem__(self, id: str) -> Locator:
        return self.page.locator(f"#{id}")

    @property
    def line(self) -> Locator:
        """The tokens that wait."""
        return self.page.locator("#places li")

    def take(self) -> str:
        """Take a token; its label."""
        self["take"].click()
        expect(self["token"]).to_be_visible()
        return self["token-text"].inner_text()

    def claim(self, token: str, code: str = "") -> None:
        """Ask for the picture of a token."""
        self["claim-token"].fill(token)
        if code:
            self["claim-code"].fill(code)
        self["claim-go"].click()

    def _on_request(self, request: Request) -> None:
        self.asked.append(request.url)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    def _on_dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()


class Town:
    """Where visitors come from. `http` is the one without a browser."""

    def __init__(self, browser: Any, url: str, http: httpx.Client) -> None:
        self._browser = browser
        self.url = url
        self.http = http
        self.visitors: list[Visitor] = []
        self._queues = 0

    def visitor(self, *, url: str = "", scripts: Sequence[str] = (), **options: Any) -> Visitor:
        """Somebody with a browser of his own."""
        context = self._browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce", **options})
        for script in scripts:
            context.add_init_script(script)
        page = context.new_page()
        page.set_default_timeout(DEADLINE)
        visitor = Visitor(page, url or self.url)
        self.visitors.append(visitor)
        return visitor

    def queue(self, **settings: Any) -> str:
        """A queue that is nobody else's; its name."""
        self._queues += 1
        name = f"q{self._queues}"
        self.http.put(f"/v1/queues/{name}", json=settings).raise_for_status()
        return name

    def take(self, queue: str) -> dict[str, Any]:
        """Take a token without a browser."""
        taken = self.http.post(f"/v1/queues/{queue}/tokens").raise_for_status()
        return dict(taken.json())

    def leave(self) -> None:
        """All visitors go home."""
        for visitor in self.visitors:
            visitor.page.context.close()
        self.visitors.clear()


@contextlib.contextmanager
def town(url: str) -> Iterator[Town]:
    """A browser program, and a client without one, for a service."""
    expect.set_options(timeout=DEADLINE)
    with httpx.Client(base_url=url, timeout=DEADLINE / 1000) as http, chromium() as browser:
        yield Town(browser, url, http)

"""Chromium for tests, its files in memory as those of the stores are: a page must not wait for a disk that is busy."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests import requires, stores

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser program; the test is skipped, or fails, where there is none."""
    program = requires.chromium()
    with stores.folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        with sync_playwright() as playwright:
            browser: Any = playwright.chromium.launch(executable_path=program, args=ARGS)
            yield browser
            browser.close()


def standing(page: Page) -> str:
    """What a page has loaded so far, for whoever must find out why it does not go on."""
    found = page.evaluate(
        """() => ({
            hidden: document.hidden,
            ready: document.readyState,
            resources: performance.getEntriesByType("resource").map((each) =>
                [each.name, each.startTime, each.responseStart, each.responseEnd, each.responseStatus].join(" ")),
        })"""
    )
    return f"hidden: {found['hidden']}, {found['ready']}, loaded:\n" + "\n".join(found["resources"])

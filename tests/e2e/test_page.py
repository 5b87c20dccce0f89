"""The page of a queue, in several browsers at once: everybody sees the same line move by itself."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests import stores
from tests.e2e.commands import STARTING, Running, answers
from tests.e2e.visitors import Town, town
from tests.serving import served
from tests.stores import Store, eventually, free_port

HEARS = """
window.notes = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...given) { window.notes += 1; return start.apply(this, given); };
"""


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with stores.valkey() as store:
        yield store


@pytest.fixture(scope="module")
def service(store: Store) -> Iterator[Town]:
    with served(store, takes_per_minute=0) as url, town(url) as here:
        yield here


@pytest.fixture
def here(service: Town) -> Iterator[Town]:
    yield service
    complaints = [complaint for visitor in service.visitors for complaint in visitor.complaints]
    service.leave()
    assert complaints == []


@contextmanager
def api(store: Store, port: int, folder: Path) -> Iterator[None]:
    """An API process of its own, killed at the end."""
    running = Running(folder, module="api", redis_url=store.url, port=port)
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{port}"), "the API answers", STARTING)
        yield
    finally:
        running.discard()


def test_browsers_get_the_page_under_a_strict_policy_and_everybody_else_the_jobs(here: Town) -> None:
    page = here.http.get("/", headers={"accept": "text/html,*/*;q=0.8"})
    again = here.http.get("/", headers={"accept": "text/html", "if-none-match": page.headers["etag"]})
    module = here.http.get("/page/main.js")
    other = here.http.get("/")

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert module.headers["content-security-policy"] == policy
    assert module.headers["content-type"].startswith("text/javascript")
    assert (again.status_code, again.content) == (304, b"")
    assert other.is_redirect
    assert other.headers["location"] == "/jobs"
    assert here.http.get("/page/..%2fpage.py").status_code == 404


def test_a_token_taken_by_one_is_seen_by_all(here: Town) -> None:
    queue = here.queue()
    ann, bob = here.visitor().visit(f"queue/{queue}"), here.visitor().visit(f"queue/{queue}")
    expect(bob["turn-text"]).to_have_text("Nobody is waiting.")

    ann.take()
    expect(bob["turn-text"]).to_have_text("It is A00’s turn.")
    bob.take()
    here.take(queue)

    board = here.http.get(f"/v1/queues/{queue}").json()
    assert ([each["token"] for each in board["called"]], board["waiting"]) == (["A00"], ["A01", "A02"])
    for visitor in (ann, bob):
        expect(visitor.line).to_have_text(["A01", "A02"])
    expect(ann["turn-text"]).to_have_text("It is your turn.")
    expect(bob.page.locator("#places .own")).to_have_text("A01")
    expect(bob["turn-mine"]).to_have_text(re.compile("^1 visitor is before you"))
    assert all(url.startswith(here.url) for url in (*ann.asked, *bob.asked))


def test_who_is_called_hears_it_and_gets_a_kitten_to_take_home(here: Town) -> None:
    queue = here.queue()
    here.take(queue)
    ann, bob = (here.visitor(scripts=[HEARS]).visit(f"queue/{queue}") for _ in range(2))
    ann.take()
    bob.take()
    assert ann.page.evaluate("window.notes") == 0
    here.http.delete(f"/v1/queues/{queue}/tokens/A00").raise_for_status()

    expect(ann["turn-text"]).to_have_text("It is your turn.")
    expect(ann.page).to_have_title(re.compile("Your turn!"))
    ann.page.wait_for_function("window.notes > 0")
    ann["claim-go"].click()

    expect(ann["turn-text"]).to_have_text("Your kitten is here.")
    expect(ann["picture"]).to_have_attribute("alt", re.compile("kitten"))
    ann.page.wait_for_function("document.getElementById('picture').naturalWidth > 0")
    expect(ann["served-left"]).to_have_text(re.compile(r"^(1:00|0:[345]\d)$"))
    expect(bob["turn-text"]).to_have_text("It is A01’s turn.")
    assert bob.page.evaluate("window.notes") == 0

    with ann.page.expect_download() as svg:
        ann["download"].click()
    with ann.page.expect_download() as png:
        ann["download-png"].click()
    assert svg.value.suggested_filename == "kitten-A01.svg"
    assert Path(svg.value.path()).read_bytes().startswith(b"<svg")
    assert Path(png.value.path()).read_bytes().startswith(b"\x89PNG")

    ann["finish"].click()

    expect(ann["picture"]).to_be_hidden()
    expect(ann["take"]).to_be_visible()
    expect(bob["turn-text"]).to_have_text("It is your turn.")


def test_who_does_not_come_lapses_and_the_next_is_called(here: Town) -> None:
    queue = here.queue()
    here.take(queue)
    ann, bob = here.visitor().visit(f"queue/{queue}"), here.visitor().visit(f"queue/{queue}")
    ann.take()
    bob.take()
    here.http.put(f"/v1/queues/{queue}", json={"claim_seconds": 0.5}).raise_for_status()

    here.http.delete(f"/v1/queues/{queue}/tokens/A00").raise_for_status()

    for visitor, token in ((ann, "A01"), (bob, "A02")):
        expect(visitor["token-note"]).to_have_text(
            f"Your token {token} was called, and not claimed in time. Take another one to stand in line again."
        )
        expect(visitor["take"]).to_be_visible()
        expect(visitor["turn-text"]).to_have_text("Nobody is waiting.")


def test_a_kitten_goes_when_its_time_is_up_and_the_next_is_called(here: Town) -> None:
    queue = here.queue(serve_seconds=1)
    ann, bob = here.visitor().visit(f"queue/{queue}"), here.visitor().visit(f"queue/{queue}")
    ann.take()
    bob.take()

    ann["claim-go"].click()

    expect(ann["picture-note"]).to_have_text(re.compile("^That was your kitten"))
    expect(ann["picture"]).to_be_hidden()
    expect(bob["turn-text"]).to_have_text("It is your turn.")
    expect(bob["turn-left"]).to_have_text(re.compile(r"^(1:00|0:[345]\d)$"))


def test_a_token_is_copied_by_a_click_and_hidden_after_15_seconds(here: Town) -> None:
    queue = here.queue()
    here.take(queue)
    ann = here.visitor(permissions=["clipboard-read", "clipboard-write"])
    ann.page.clock.install()
    ann.visit(f"queue/{queue}")
    token = ann.take()

    ann["token"].click()

    expect(ann["token-copied"]).to_have_text("Copied.")
    assert ann.page.evaluate("navigator.clipboard.readText()") == token
    ann.page.clock.fast_forward(5_000)
    expect(ann["token"]).to_be_visible()

    ann.page.clock.fast_forward(10_000)

    expect(ann["token"]).to_be_hidden()
    expect(ann["token-hidden"]).to_be_visible()
    ann["token-show"].click()
    expect(ann["token"]).to_be_visible()


def test_times_are_by_the_clock_of_the_service(here: Town) -> None:
    queue = here.queue()
    here.take(queue)
    ann = here.visitor()
    ann.page.clock.install(time=datetime.now(UTC) + timedelta(hours=3))

    ann.visit(f"queue/{queue}")

    expect(ann["turn-left"]).to_have_text(re.compile(r"^(1:00|0:[345]\d)$"))


def test_after_a_refresh_all_is_as_it_was(here: Town) -> None:
    queue = here.queue()
    first = here.take(queue)
    ann = here.visitor().visit(f"queue/{queue}")
    ann.take()

    ann.page.reload()

    expect(ann.page.locator("#places .own")).to_have_text("A01")
    expect(ann["turn-mine"]).to_have_text(re.compile("^1 visitor is before you"))
    here.http.delete(f"/v1/queues/{queue}/tokens/{first['token']}")
    expect(ann["turn-text"]).to_have_text("It is your turn.")

    ann.page.reload()

    expect(ann["turn-text"]).to_have_text("It is your turn.")
    ann["claim-go"].click()
    expect(ann["picture"]).to_be_visible()

    ann.page.reload()

    expect(ann["picture"]).to_be_visible()
    expect(ann["served-left"]).to_have_text(re.compile(r"^(1:00|0:[345]\d)$"))


def test_a_label_that_is_anothers_by_now_is_not_taken_for_ones_own(here: Town) -> None:
    queue = here.queue()
    here.take(queue)
    ann = here.visitor().visit(f"queue/{queue}")
    token = ann.take()
    ann.page.goto("about:blank")
    here.http.delete(f"/v1/queues/{queue}/tokens/{token}")
    assert here.take(queue)["token"] == token

    ann.visit(f"queue/{queue}")

    expect(ann["token-note"]).to_have_text(re.compile(f"^Your token {token} has ended"))
    expect(ann["take"]).to_be_visible()
    expect(ann.line).to_have_text([token])


def test_64_are_shown_and_the_rest_is_counted_and_moves_in(here: Town) -> None:
    queue = here.queue()
    for _ in range(67):
        here.take(queue)
    ann = here.visitor(reduced_motion="no-preference").visit(f"queue/{queue}")
    expect(ann.line).to_have_count(64)
    expect(ann["rest"]).to_have_text("and 2 more tokens, moving in as places free up")
    expect(ann.line.last).to_have_text("A64")

    here.http.delete(f"/v1/queues/{queue}/tokens/A10")

    expect(ann.line.last).to_have_text("A65")
    expect(ann.line).to_have_count(64)
    expect(ann["rest"]).to_have_text("and 1 more token, moving in as places free up")
    expect(ann.page.locator("#places [data-key=A10]")).to_have_count(0)


def test_refusals_are_told_in_place(here: Town) -> None:
    queue = here.queue()
    ann = here.visitor().visit(f"queue/{queue}")

    ann.claim("A00")
    expect(ann["picture-note"]).to_have_text("The queue is empty: nobody waits, and nobody was called.")

    here.take(queue)
    here.take(queue)
    here.take(queue)
    ann.claim("a02")
    expect(ann["picture-note"]).to_have_text(re.compile("^It is not the turn of A02 yet: 2"))

    here.http.delete(f"/v1/queues/{queue}/tokens/A02")
    ann.claim("A02")
    expect(ann["picture-note"]).to_have_text("This token was given back; take another one.")

    ann.claim("")
    expect(ann["picture-note"]).to_have_text("Type the token whose turn it is.")


def test_where_tokens_have_codes_a_guess_gets_no_kitten(here: Town) -> None:
    queue = here.queue(codes=True)
    ann, bob = here.visitor().visit(f"queue/{queue}"), here.visitor().visit(f"queue/{queue}")
    token = ann.take()
    expect(ann["token-code"]).to_have_text(re.compile("^[0-9A-Z]{6}$"))

    bob.claim(token, "GUESS2")
    expect(bob["picture-note"]).to_have_text("Code: this is not the code of this token.")
    ann["claim-go"].click()

    expect(ann["picture"]).to_be_visible()
    ann.page.reload()
    expect(ann["picture"]).to_be_visible()
    ann["finish"].click()
    expect(ann["picture"]).to_be_hidden()


def test_who_makes_up_a_token_is_banned_and_told_so(here: Town) -> None:
    queue = here.queue(ban="forever")
    here.take(queue)
    ann = here.visitor().visit(f"queue/{queue}")
    try:
        ann.claim("Z99")

        expect(ann["turn-text"]).to_have_text("This address is banned.")
        expect(ann["turn-mine"]).to_contain_text("claimed")
        expect(ann["take"]).to_be_disabled()
        ann.page.reload()
        expect(ann["turn-text"]).to_have_text("This address is banned.")
    finally:
        here.http.delete("/v1/bans/127.0.0.1").raise_for_status()

    ann.page.reload()
    expect(ann["take"]).to_be_enabled()


def test_a_queue_with_a_hostile_name_is_only_a_name(here: Town) -> None:
    ann = here.visitor()

    ann.page.goto(f"{here.url}/#queue/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")

    expect(ann["turn-text"]).to_have_text("There is no queue <img src=x onerror=alert(1)>.")
    expect(ann.page.locator("#turn img")).to_have_count(0)


def test_who_loses_the_api_goes_on_where_he_was_and_misses_nothing(here: Town, store: Store, tmp_path: Path) -> None:
    queue = here.queue()
    port = free_port()
    ann = here.visitor(url=f"http://127.0.0.1:{port}")
    with api(store, port, tmp_path):
        ann.visit(f"queue/{queue}")
        here.take(queue)
        here.take(queue)
        expect(ann.line).to_have_text(["A01"])

    expect(ann["link"]).to_have_text("connection lost")
    expect(ann["turn-note"]).to_contain_text("This page goes on by itself")
    ann["take"].click()
    expect(ann["token-note"]).to_have_text("The service cannot be reached just now.")
    here.take(queue)
    here.http.delete(f"/v1/queues/{queue}/tokens/A00")

    with api(store, port, tmp_path):
        expect(ann["link"]).to_have_text("live")
        expect(ann["turn-text"]).to_have_text("It is A01’s turn.")
        expect(ann.line).to_have_text(["A02"])
        expect(ann["turn-note"]).to_be_hidden()
        here.take(queue)
        expect(ann.line).to_have_text(["A02", "A00"])


@pytest.mark.parametrize("part", ["main.js", "turn.js", "page.css"])
def test_what_could_not_be_loaded_is_loaded_again(here: Town, part: str) -> None:
    """As where the network changes while the page is loaded: Chromium ends all requests that are under way then."""
    ann = here.visitor()
    asked: list[Route] = []

    def twice_in_vain(route: Route) -> None:
        asked.append(route)
        if len(asked) <= 2:
            route.abort("failed")
        else:
            route.continue_()

    ann.page.route(f"**/page/{part}", twice_in_vain)
    ann.visit("queue")

    expect(ann.page.locator("body")).to_have_css("display", "flex")
    expect(ann["link"]).to_have_text("live")
    ann.page.wait_for_load_state("load")
    assert len(asked) == 3
    assert ann.page.evaluate("() => sessionStorage.getItem('duestream.again')") is None


def test_it_fits_a_phone_and_is_worked_by_keys_alone(here: Town) -> None:
    queue = here.queue()
    ann = here.visitor(viewport={"width": 360, "height": 740}).visit(f"queue/{queue}")
    assert ann.page.evaluate("document.documentElement.scrollWidth") == 360

    ann["take"].focus()
    ann.page.keyboard.press("Enter")
    expect(ann["token"]).to_be_focused()
    expect(ann["said"]).to_have_text(re.compile("^It is your turn."))
    ann["claim-token"].focus()
    ann.page.keyboard.press("Enter")

    expect(ann["picture"]).to_be_visible()
    assert ann.page.evaluate("document.documentElement.scrollWidth") == 360


def test_who_asks_while_the_store_is_away_is_told_so_and_gets_one_token_later(here: Town, store: Store) -> None:
    queue = here.queue()
    ann = here.visitor().visit(f"queue/{queue}")

    store.nodes[0].kill()
    try:
        ann["take"].click()
        expect(ann["token-note"]).to_have_text(re.compile("^The service is away just now."))
    finally:
        store.nodes[0].start()
    eventually(lambda: answers(here.url), "the service is back")
    ann["take"].click()

    expect(ann["token-text"]).to_have_text("A00")
    expect(ann["turn-text"]).to_have_text("It is your turn.")
    board = here.http.get(f"/v1/queues/{queue}").json()
    assert ([each["token"] for each in board["called"]], board["waiting"]) == (["A00"], [])

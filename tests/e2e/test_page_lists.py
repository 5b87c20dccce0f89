"""Tasks and jobs on the page: lists that follow what happens, forms, notices; with an API key where there are keys."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests import stores
from tests.e2e.visitors import Town, Visitor, town
from tests.serving import served

SECRET = "ann-secret"
HOSTILE = "<img src=x onerror=alert(1)>"
KNOWN = f"sessionStorage.setItem('duestream.key', '{SECRET}')"


@pytest.fixture(scope="module")
def service() -> Iterator[Town]:
    with (
        stores.valkey() as store,
        served(store, api_keys=f"ann={SECRET}", public_queues=True) as url,
        town(url) as here,
    ):
        here.http.headers["authorization"] = f"Bearer {SECRET}"
        yield here


@pytest.fixture
def here(service: Town) -> Iterator[Town]:
    yield service
    complaints = [complaint for visitor in service.visitors for complaint in visitor.complaints]
    service.leave()
    assert complaints == []


def friend(here: Town, view: str) -> Visitor:
    """Somebody who has a key, at a view."""
    return here.visitor(scripts=[KNOWN]).visit(view)


def test_strangers_may_queue_but_lists_ask_for_a_key(here: Town) -> None:
    ann = here.visitor().visit("queue")
    expect(ann["key"]).to_be_hidden()

    ann.page.get_by_role("link", name="Tasks").click()
    expect(ann["key"]).to_be_visible()
    ann["key-text"].fill("not-the-secret")
    ann["key-text"].press("Enter")

    expect(ann["key-note"]).to_have_text("This key is not one of this service’s.")
    ann["key-text"].fill(SECRET)
    ann["key-text"].press("Enter")
    expect(ann["key"]).to_be_hidden()
    expect(ann["link"]).to_have_text("live")
    expect(ann["task-empty"]).to_be_visible()
    ann.page.reload()
    expect(ann["task-empty"]).to_be_visible()
    assert SECRET not in "".join(ann.asked)


def test_tasks_come_and_go_in_all_browsers_and_what_they_say_is_only_text(here: Town) -> None:
    ann, bob = friend(here, "tasks"), friend(here, "tasks")

    ann["task-title"].fill(HOSTILE)
    ann["task-description"].fill("<script>alert(2)</script>")
    ann["task-title"].press("Enter")

    for visitor in (ann, bob):
        expect(visitor["task-list"].locator(".name")).to_have_text([HOSTILE])
        expect(visitor["task-list"].locator(".more")).to_have_text(["<script>alert(2)</script>"])
        expect(visitor.page.locator("#view-tasks img, #view-tasks script")).to_have_count(0)
    id = here.http.get("/v1/tasks").json()["tasks"][0]["id"]
    here.http.patch(f"/v1/tasks/{id}", json={"title": "water the plants"}).raise_for_status()
    expect(bob["task-list"].locator(".name")).to_have_text(["water the plants"])

    bob.page.get_by_role("button", name="Delete").click()

    for visitor in (ann, bob):
        expect(visitor["task-empty"]).to_be_visible()
    assert here.http.get("/v1/tasks").json()["tasks"] == []


def test_a_task_that_is_refused_says_why_in_place(here: Town) -> None:
    ann = friend(here, "tasks")

    ann["task-form"].get_by_role("button").click()

    expect(ann["task-note"]).to_have_text("A task needs a title.")
    expect(ann["task-title"]).to_be_focused()


def test_notices_come_to_everybody_who_looks(here: Town) -> None:
    ann, bob = friend(here, "tasks"), friend(here, "jobs")
    soon = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()

    here.http.post("/v1/tasks", json={"title": HOSTILE, "expiry_dt": soon}).raise_for_status()

    for view in (ann.page.locator("#view-tasks"), bob.page.locator("#view-jobs")):
        expect(view.get_by_role("log").locator("li span")).to_have_text([f"{HOSTILE} expires in 10 minutes."])
    expect(ann["task-list"].locator(".item.soon")).to_have_count(1)


def test_jobs_are_made_run_and_end_before_ones_eyes(here: Town) -> None:
    ann, bob = friend(here, "jobs"), friend(here, "jobs")
    create = ann["job-form"].get_by_role("button", name="Create")

    ann["job-payload"].fill('{"text": "hello", "seconds": 600}')
    create.click()

    expect(bob["jobs-live"].locator(".status")).to_have_text(["running"])
    bob["jobs-live"].get_by_role("button", name="Cancel").click()
    expect(ann["jobs-live-empty"]).to_be_visible()
    expect(ann["jobs-over"].locator(".status")).to_have_text(["canceled"])

    ann["job-payload"].fill('{"text": "hello", "seconds": 0}')
    create.click()

    expect(bob["jobs-over"].locator(".status")).to_have_text(["succeeded", "canceled"])
    expect(bob["jobs-over"].locator(".more").first).to_have_text("→ 5")
    expect(ann.page.locator("#view-jobs").get_by_role("log")).to_contain_text("length has succeeded.")


def test_a_job_for_later_is_canceled_and_run_again(here: Town) -> None:
    ann = friend(here, "jobs")
    over = ann["jobs-over"].locator(".item").first
    ann["job-handler"].fill("nobody-has-this")
    ann["job-payload"].fill("")
    ann["job-form"].get_by_role("radio", name="In a while").check()
    ann["job-delay"].fill("1h30m")

    ann["job-form"].get_by_role("button", name="Create").click()

    expect(ann["jobs-live"].locator(".status")).to_have_text(["scheduled"])
    expect(ann["jobs-live"].locator("time")).to_have_text(re.compile("^runs in (1|2) hours?$"))
    ann["jobs-live"].get_by_role("button", name="Cancel").click()
    expect(ann["jobs-live"].locator(".item")).to_have_count(0)
    expect(over.locator(".status")).to_have_text("canceled")

    over.get_by_role("button", name="Run nobody-has-this again").click()

    expect(over.locator(".status")).to_have_text("failed")
    expect(over.locator(".more")).to_contain_text("there is no handler 'nobody-has-this'")


def test_a_container_is_asked_for_as_one_would_type_it(here: Town) -> None:
    ann = friend(here, "jobs")
    ann["job-form"].get_by_role("radio", name="Container").check()
    ann["job-image"].fill("busybox")
    ann["job-command"].fill("sh -c 'echo \"hello there\"; exit 3'")
    ann["job-form"].get_by_role("radio", name="At a time").check()
    ann["job-time"].fill("2035-12-24T18:30")

    ann["job-form"].get_by_role("button", name="Create").click()

    expect(ann["jobs-live"].locator(".what")).to_have_text(["busybox"])
    job = here.http.get("/v1/jobs", params={"status": "scheduled"}).json()["jobs"][0]
    assert job["command"] == ["sh", "-c", 'echo "hello there"; exit 3']
    assert job["run_at"].startswith("2035-12-2")


def test_a_job_that_is_refused_says_why_in_place(here: Town) -> None:
    ann = friend(here, "jobs")
    create = ann["job-form"].get_by_role("button", name="Create")

    ann["job-payload"].fill("hello")
    create.click()
    expect(ann["job-note"]).to_have_text('The payload is not JSON: a text needs quotes around it, as "hello".')

    ann["job-payload"].fill("1")
    ann["job-form"].get_by_role("radio", name="In a while").check()
    ann["job-delay"].fill("soon")
    create.click()
    expect(ann["job-note"]).to_have_text(re.compile("^Delay: "))

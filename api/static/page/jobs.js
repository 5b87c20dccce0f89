// The view of jobs: what waits and runs, what is over, and a form.

import { ask, Refusal, send } from "./api.js";
import { now } from "./clock.js";
import { by, keep, make, note, show, write } from "./dom.js";
import { say } from "./log.js";
import { split } from "./shell.js";
import { dateTime, fromNow } from "./words.js";

const LIVE = "scheduled,queued,running,retrying,canceling";
const OVER = "succeeded,failed,canceled";
const PAGE = 50;
const BREATH = 150; // ms from an event to the lists that show it
const PAUSE = 1_000; // ms between two questions while much happens
const ENDS = {
  "job.succeeded": "has succeeded.",
  "job.failed": "has failed",
  "job.missed": "was not started in time",
  "job.canceled": "was canceled.",
  "job.stopped": "was stopped and canceled.",
  "job.retrying": "has failed and is tried again",
};

export class Jobs {
  #seen = false;
  #stale = false;
  #loading = false;
  #loadedAt = -Infinity;
  #waiting = 0;
  #names = new Map(); // id -> what it runs
  #refused;

  constructor({ feed, refused }) {
    this.#refused = refused;
    feed.on({ opened: () => this.#soon(), event: (event) => this.#event(event) });
    by("job-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#create();
    });
    by("job-form").addEventListener("change", arrange);
    setInterval(() => this.#seen && refreshTimes(), 10_000);
    arrange();
  }

  see(seen) {
    this.#seen = seen;
    if (seen && this.#stale) this.#soon();
  }

  #event({ kind, type, id, at, data }) {
    if (kind !== "jobs") return;
    if (type === "job.scheduled" || type === "job.submitted") this.#names.set(id, nameOf(data.container ?? data));
    if (type in ENDS) {
      const reason = data.error ? `: ${data.error}` : "";
      say(at, { name: this.#names.get(id) ?? `Job ${id.slice(-6)}` }, ` ${ENDS[type]}${reason}`);
    }
    this.#soon();
  }

  #soon() {
    this.#stale = true;
    if (!this.#seen || this.#waiting || this.#loading) return;
    const since = performance.now() - this.#loadedAt;
    this.#waiting = setTimeout(() => ((this.#waiting = 0), this.#load()), Math.max(BREATH, PAUSE - since));
  }

  async #load() {
    this.#loading = true;
    this.#stale = false;
    try {
      const pages = await Promise.all([LIVE, OVER].map((status) => ask("GET", `v1/jobs?limit=${PAGE}&status=${status}`)));
      ["jobs-live", "jobs-over"].forEach((list, index) => this.#draw(list, pages[index]));
      note(by("job-list-note"), "");
    } catch (error) {
      this.#complain(by("job-list-note"), error);
    } finally {
      this.#loading = false;
      this.#loadedAt = performance.now();
    }
    if (this.#stale) this.#soon();
  }

  #draw(list, { data, headers }) {
    const more = (headers.get("link") ?? "").includes('rel="next"');
    data.jobs.forEach((job) => this.#names.set(job.id, nameOf(job)));
    keep(by(list), data.jobs, { key: (job) => job.id, create: (job) => this.#item(job), update: (item, job) => this.#fill(item, job) });
    write(by(`${list}-count`), data.jobs.length ? `${data.jobs.length}${more ? " newest" : ""}` : "");
    show(by(`${list}-empty`), !data.jobs.length);
  }

  async #create() {
    const place = by("job-note");
    let body;
    try {
      body = asked();
    } catch (error) {
      return note(place, error.message);
    }
    note(place, "");
    try {
      await ask("POST", "v1/jobs", body);
      note(by("job-list-note"), "");
    } catch (error) {
      this.#complain(place, error);
    }
  }

  async #act(button, method, path) {
    button.disabled = true;
    try {
      await ask(method, path);
      note(by("job-list-note"), "");
      this.#soon();
    } catch (error) {
      this.#complain(by("job-list-note"), error);
    }
    button.disabled = false;
  }

  async #log(id, element) {
    write(element, "…");
    try {
      const text = await (await send(`v1/jobs/${id}/log`, { headers: { accept: "text/plain" } })).text();
      write(element, text || "It has said nothing.");
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      write(element, error.message);
    }
  }

  #complain(place, error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401) this.#refused(error);
    else note(place, error.message);
  }

  #item(job) {
    const { id } = job;
    const name = nameOf(job);
    const path = `v1/jobs/${id}`;
    const button = (act, label, method, at) => {
      const look = { type: "button", class: "quiet small", "data-act": act, "aria-label": label };
      const made = make("button", { ...look, onclick: () => this.#act(made, method, at) }, act);
      return made;
    };
    const cancel = button("Cancel", `Cancel ${name}`, "DELETE", path);
    const again = button("Run again", `Run ${name} again`, "POST", `${path}/retry`);
    const output = make("pre", { tabindex: "0", "aria-label": `Output of ${name}` });
    const opened = () => log.open && this.#log(id, output);
    const log = make("details", { class: "output", ontoggle: opened }, make("summary", {}, "Output"), output);
    return make(
      "li", { class: "item" },
      make(
        "div", { class: "grow" },
        make("p", { class: "name" }, make("span", { class: "what" }, name), make("span", { class: "status" })),
        make("p", { class: "more" }),
        make("p", { class: "when" }, make("time"), make("code", { title: id }, id.slice(-8))),
        log,
      ),
      cancel, again,
    );
  }

  #fill(item, job) {
    const over = OVER.includes(job.status);
    item.dataset.status = job.status;
    write(item.querySelector(".status"), job.status);
    const more = item.querySelector(".more");
    write(more, detail(job));
    show(more, Boolean(more.textContent));
    const [verb, at] = moment(job);
    Object.assign(item.querySelector("time"), { dateTime: at, title: dateTime(at) }).dataset.verb = verb;
    write(item.querySelector("time"), `${verb} ${fromNow(Date.parse(at), now())}`);
    show(item.querySelector("[data-act=Cancel]"), !over && job.status !== "canceling");
    show(item.querySelector('[data-act="Run again"]'), over);
    show(item.querySelector("details"), Boolean(job.image) && job.attempts.length > 0);
  }
}

function nameOf({ handler, image }) {
  return image || handler || "";
}

// What came of a job, or how far it is, in a line.
function detail(job) {
  const command = job.command?.length ? job.command.join(" ") : "";
  if (job.status === "succeeded") {
    if (job.image) return [command, "exit code 0"].filter(Boolean).join(" — ");
    return job.result === null ? "" : `→ ${short(JSON.stringify(job.result))}`;
  }
  if (job.status === "failed" || job.status === "retrying") return job.error ?? "";
  if (job.status === "running" && job.progress !== null) return `${Math.round(job.progress * 100)} %${job.note ? ` — ${job.note}` : ""}`;
  return command || (job.payload === undefined || job.payload === null ? "" : short(JSON.stringify(job.payload)));
}

function moment(job) {
  if (OVER.includes(job.status)) return [job.status, job.end_dt ?? job.update_dt];
  if (job.status === "running" || job.status === "canceling") return ["started", job.start_dt ?? job.update_dt];
  if (job.status === "retrying") return ["again", job.retry_at ?? job.update_dt];
  return job.status === "scheduled" ? ["runs", job.run_at] : ["queued", job.update_dt];
}

function short(text) {
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}

function refreshTimes() {
  for (const time of document.querySelectorAll("#view-jobs .item time")) {
    write(time, `${time.dataset.verb} ${fromNow(Date.parse(time.dateTime), now())}`);
  }
}

function chosen(name) {
  return by("job-form").elements[name].value;
}

function arrange() {
  show(by("job-handler-fields"), chosen("job-kind") === "handler");
  show(by("job-container-fields"), chosen("job-kind") === "container");
  show(by("job-delay-field"), chosen("job-when") === "delay");
  show(by("job-time-field"), chosen("job-when") === "time");
}

// What the form asks for. Throws an error with a sentence.
function asked() {
  const body = {};
  if (chosen("job-kind") === "handler") {
    body.handler = by("job-handler").value.trim();
    if (!body.handler) throw new Error("Say which handler is to run.");
    const payload = by("job-payload").value.trim();
    try {
      if (payload) body.payload = JSON.parse(payload);
    } catch {
      throw new Error("The payload is not JSON: a text needs quotes around it, as \"hello\".");
    }
  } else {
    body.image = by("job-image").value.trim();
    if (!body.image) throw new Error("Say which image is to run.");
    const command = split(by("job-command").value);
    if (command.length) body.command = command;
  }
  if (chosen("job-when") === "delay") {
    body.delay = by("job-delay").value.trim();
    if (!body.delay) throw new Error("Say how long it is to wait, as 2m.");
  }
  if (chosen("job-when") === "time") {
    const at = new Date(by("job-time").value);
    if (Number.isNaN(at.getTime())) throw new Error("Say when it is to run: a whole date and time.");
    body.run_at = at.toISOString();
  }
  return body;
}

// The view of tasks: a list that follows what happens, and a form.

import { ask, Refusal } from "./api.js";
import { now } from "./clock.js";
import { by, keep, make, note, show, write } from "./dom.js";
import { say } from "./log.js";
import { dateTime, fromNow } from "./words.js";

const PAGE = 500;
const BREATH = 100; // ms between two drawings while much happens

export class Tasks {
  #tasks = new Map(); // id -> task
  #deleted = new Set(); // while the list is being asked for
  #more = ""; // where the list goes on
  #loaded = false;
  #loading = false;
  #drawing = 0;
  #refused;

  constructor({ feed, refused }) {
    this.#refused = refused;
    feed.on({ opened: () => this.#load(), event: (event) => this.#event(event) });
    by("task-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#create();
    });
    by("task-more").addEventListener("click", () => this.#page(this.#more));
    setInterval(() => this.#loaded && this.#draw(), 20_000);
  }

  async #load() {
    this.#loading = true;
    this.#deleted.clear();
    const before = this.#tasks;
    this.#tasks = new Map();
    if (!(await this.#page(`v1/tasks?limit=${PAGE}`))) this.#tasks = before;
    this.#loading = false;
  }

  async #page(path) {
    try {
      const { data, headers } = await ask("GET", path);
      for (const task of data.tasks) {
        const known = this.#tasks.get(task.id);
        const newer = known && Date.parse(known.update_dt) > Date.parse(task.update_dt);
        if (!newer && !this.#deleted.has(task.id)) this.#tasks.set(task.id, task);
      }
      this.#more = /<\/?([^>]*)>;\s*rel="next"/.exec(headers.get("link") ?? "")?.[1] ?? "";
      this.#loaded = true;
      note(by("task-list-note"), "");
      this.#draw();
      return true;
    } catch (error) {
      this.#complain(by("task-list-note"), error);
      return false;
    }
  }

  #event({ kind, type, id, at, data }) {
    if (kind !== "tasks") return;
    if (type === "tasks.cleared") {
      for (const each of [...this.#tasks.keys()]) if (each <= data.through) this.#tasks.delete(each);
    } else if (type === "task.deleted") {
      this.#tasks.delete(Number(id));
      if (this.#loading) this.#deleted.add(Number(id));
    } else {
      const known = this.#tasks.get(Number(id));
      const { title, description = null, expiry_dt = null } = data;
      if (!known || Date.parse(known.update_dt) <= Date.parse(at)) {
        const update_dt = type === "task.expiring" ? data.update_dt : at;
        this.#tasks.set(Number(id), { id: Number(id), title, description, expiry_dt, create_dt: known?.create_dt ?? at, update_dt });
      }
      if (type === "task.expiring") {
        const when = Date.parse(expiry_dt) > now() ? "expires" : "expired";
        say(at, { name: title }, ` ${when} ${fromNow(Date.parse(expiry_dt), now())}.`);
      }
    }
    if (!this.#loading) this.#soon();
  }

  async #create() {
    const place = by("task-note");
    const [title, description, expiry] = ["task-title", "task-description", "task-expiry"].map((id) => by(id).value.trim());
    if (!title) {
      note(place, "A task needs a title.");
      by("task-title").focus();
      return;
    }
    if (by("task-expiry").validity.badInput) return note(place, "That is not a whole date and time.");
    note(place, "");
    const body = { title };
    if (description) body.description = description;
    if (expiry) body.expiry_dt = new Date(expiry).toISOString();
    try {
      await ask("POST", "v1/tasks", body);
      by("task-form").reset();
      by("task-title").focus();
    } catch (error) {
      this.#complain(place, error);
    }
  }

  async #delete(id, button) {
    button.disabled = true;
    try {
      await ask("DELETE", `v1/tasks/${id}`);
      note(by("task-list-note"), "");
    } catch (error) {
      if (!(error instanceof Refusal && error.status === 404)) this.#complain(by("task-list-note"), error);
      button.disabled = false;
    }
  }

  #complain(place, error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401) this.#refused(error);
    else note(place, error.message);
  }

  #soon() {
    this.#drawing ||= setTimeout(() => ((this.#drawing = 0), this.#draw()), BREATH);
  }

  #draw() {
    const tasks = [...this.#tasks.values()].sort((one, other) => other.id - one.id);
    keep(by("task-list"), tasks, { key: (task) => task.id, create: (task) => this.#item(task), update: fill });
    write(by("task-count"), tasks.length ? `${tasks.length.toLocaleString("en")}${this.#more ? " of more" : ""}` : "");
    show(by("task-empty"), this.#loaded && !tasks.length);
    show(by("task-more"), Boolean(this.#more));
  }

  #item({ id, title }) {
    const remove = make("button", { type: "button", class: "quiet small", onclick: () => this.#delete(id, remove) }, "Delete");
    remove.setAttribute("aria-label", `Delete ${title}`);
    return make(
      "li", { class: "item" },
      make("div", { class: "grow" }, make("p", { class: "name" }), make("p", { class: "more" }), make("p", { class: "when" }, make("time"))),
      remove,
    );
  }
}

function fill(item, { title, description, expiry_dt, create_dt }) {
  write(item.querySelector(".name"), title);
  write(item.querySelector(".more"), description ?? "");
  show(item.querySelector(".more"), Boolean(description));
  const time = item.querySelector("time");
  const at = Date.parse(expiry_dt ?? create_dt);
  const verb = expiry_dt === null ? "created" : at < now() ? "expired" : "expires";
  const soon = expiry_dt !== null && at > now() && at - now() < 15 * 60 * 1000;
  item.classList.toggle("soon", soon);
  item.classList.toggle("past", verb === "expired");
  time.dateTime = expiry_dt ?? create_dt;
  time.title = dateTime(at);
  write(time, `${verb} ${fromNow(at, now())}`);
}

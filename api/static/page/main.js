// The page: which view is seen, whether the service is there, and a key where it asks for one.

import { ask, key, Refusal } from "./api.js";
import { by, note, show, write } from "./dom.js";
import { Feed } from "./feed.js";
import { Jobs } from "./jobs.js";
import { Queue } from "./queue.js";
import { Tasks } from "./tasks.js";

const FIRST = "cats";
const LINKS = {
  connecting: "connecting", live: "live", lost: "connection lost", away: "service away", locked: "needs a key", refused: "closed",
};
const TITLES = { queue: "Queue", tasks: "Tasks", jobs: "Jobs" };

let view = "queue";
let called = ""; // what the queue has to say in the title
const links = { queue: "connecting", feed: "connecting" };

const [, queueName] = /^#queue\/(.+)$/.exec(location.hash) ?? [];
const name = decoded(queueName) ?? FIRST;
if (queueName) for (const each of document.querySelectorAll('a[href="#queue"]')) each.hash = `#queue/${queueName}`;

const queue = new Queue(name, {
  link: (state) => link("queue", state),
  title: (words) => {
    called = words;
    title();
  },
  locked: () => lock(true),
});
const feed = new Feed({ link: (state) => link("feed", state), refused: locked });
new Tasks({ feed, refused: locked });
const jobs = new Jobs({ feed, refused: locked });

function locked(refusal) {
  if (refusal.status !== 401) return;
  if (key.get()) note(by("key-note"), "This key is not one of this service’s.");
  lock(true);
}

// Ask for a key instead of what it opens.
function lock(locked) {
  show(by("key"), locked);
  by("main").dataset.locked = String(locked);
}

by("key").addEventListener("submit", async (event) => {
  event.preventDefault();
  key.set(by("key-text").value.trim());
  note(by("key-note"), "");
  try {
    await ask("GET", "v1/tasks?limit=1");
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401) key.set("");
    note(by("key-note"), error.status === 401 ? "This key is not one of this service’s." : error.message);
    return;
  }
  by("key").reset();
  lock(false);
  feed.see(view !== "queue");
  queue.again();
  by("main").focus();
});

function go() {
  const [wanted, other] = location.hash.slice(1).split("/");
  if (wanted === "queue" && (decoded(other) || FIRST) !== name) return location.reload();
  if (wanted && !(wanted in TITLES)) return;
  view = wanted || "queue";
  for (const each of Object.keys(TITLES)) show(by(`view-${each}`), each === view);
  for (const each of document.querySelectorAll("nav a")) {
    if (each.dataset.view === view) each.setAttribute("aria-current", "page");
    else each.removeAttribute("aria-current");
  }
  lock(false);
  feed.see(view !== "queue");
  queue.see(view === "queue");
  jobs.see(view === "jobs");
  link();
  title();
}

function link(which, state) {
  if (which) links[which] = state;
  const now = links[view === "queue" ? "queue" : "feed"];
  by("link").dataset.state = now;
  write(by("link-text"), LINKS[now]);
}

function title() {
  const urgent = view === "queue" || /turn|kitten/.test(called);
  const words = [urgent ? called : "", view === "queue" ? "" : TITLES[view], "Duestream"].filter(Boolean).join(" · ");
  if (document.title !== words) document.title = words;
}

function decoded(text) {
  try {
    return text && decodeURIComponent(text);
  } catch {
    return text;
  }
}

by("skip").addEventListener("click", (event) => {
  event.preventDefault();
  by("main").focus();
});
addEventListener("hashchange", go);
go();

// A queue, as one browser follows it: what comes by events, and what its visitor does.
//
//   what may happen                             what keeps it right
//   events come while the board is asked for    they wait, and only those after the board's last one count
//   the connection is lost                      the stream goes on after its last event, and the board is asked for
//   places free up beyond those that are known  the board is asked for
//   what should have come by the clock does not the same
//   the visitor's label is another's by now     tokens have numbers that are never given again

import { Refusal } from "./api.js";
import { Board } from "./board.js";
import { now, until } from "./clock.js";
import { Desk } from "./desk.js";
import { by, note, write } from "./dom.js";
import { Mine } from "./mine.js";
import { keepPng } from "./picture.js";
import { prefill, render, times } from "./queue_view.js";
import * as sound from "./sound.js";
import { Stream } from "./stream.js";
import { titleOf } from "./turn.js";
import { count } from "./words.js";

const ENDS = ["token.served", "token.lapsed", "token.left"];
const SOON = 250; // ms from an event to the question that it causes, and as much again by chance: all browsers hear it
const RARELY = 10_000; // the same, where only the estimate depends on it
const OVERDUE = 1_500; // ms after which what should have come is asked for
const ASK_AGAIN = 30_000; // ms between questions of one who is banned
const TICK = 200; // ms

export class Queue {
  #desk;
  #stream;
  #told; // link(state), title(words), locked(refusal): for the page around it
  #state;
  #visible = false;
  #boardAt = ""; // the event up to which the board knows
  #held = null; // events that came while the board is being asked for
  #loads = 0; // of the board: only the last one counts
  #asking = { board: 0, ticket: 0 };
  #wasCalled = false;
  #leaving = 0; // the number of the token that the visitor gives back

  constructor(name, told) {
    this.#told = told;
    this.#desk = new Desk(name);
    const settings = { claim_seconds: 60, serve_seconds: 60, codes: false };
    this.#state = { name, board: new Board(), mine: new Mine(name), refusal: null, lost: 0, settings };
    this.#state.mine.onchange(() => {
      this.#listen();
      this.#render();
    });
    this.#stream = new Stream(this.#desk.path("/events"), {
      opened: () => this.#opened(),
      event: (event) => this.#event(event),
      lost: (refusal) => this.#onLost(refusal),
      refused: (refusal) => this.#onRefused(refusal),
    });
    this.#wire();
    setInterval(() => this.#tick(), TICK);
    addEventListener("visibilitychange", () => {
      if (!document.hidden && this.#state.refusal?.status === 403) this.#state.refusal = null;
      this.#listen();
    });
  }

  // Whether this view is the one that is seen.
  see(visible) {
    this.#visible = visible;
    if (visible && this.#state.refusal?.status === 401) this.#told.locked(this.#state.refusal);
    this.#listen();
    this.#render();
  }

  // There is a new key.
  again() {
    this.#state.refusal = null;
    this.#listen();
    this.#render();
  }

  // A browser has few connections to one host: this one is kept only where it is of use.
  #listen() {
    const wanted = this.#state.mine.any || (this.#visible && !document.hidden);
    if (!wanted) this.#stream.stop();
    else if (!this.#state.refusal) this.#stream.start();
  }

  // --- what comes ---

  async #opened() {
    this.#held ??= [];
    try {
      await this.#load();
    } catch (error) {
      this.#held = null;
      if (!(error instanceof Refusal)) throw error;
      if (!error.passing) return this.#onRefused(error);
      this.#onLost(error);
      this.#stream.stop();
      setTimeout(() => this.#listen(), 1_000);
    }
  }

  // The board as it is now, then what came since.
  async #load() {
    const load = ++this.#loads;
    const board = await this.#desk.board();
    if (load !== this.#loads) return;
    this.#state.board.fill(board);
    this.#state.settings = board;
    this.#boardAt = board.event;
    this.#state.lost = 0;
    this.#state.refusal = null;
    this.#release();
    this.#told.link("live");
    await this.#askTicket();
    this.#render();
  }

  async #reload() {
    if (!this.#stream.started || this.#held) return;
    this.#held = [];
    try {
      await this.#load();
    } catch (error) {
      this.#release();
      if (!(error instanceof Refusal)) throw error;
      if (!error.passing) this.#onRefused(error);
    }
  }

  #release() {
    const held = this.#held ?? [];
    this.#held = null;
    held.forEach((event) => this.#apply(event));
  }

  #event({ type, id, data }) {
    if (type === "queue.configured") this.#soon("board", () => this.#reload());
    if (!type.startsWith("token.")) return;
    const event = { type, id, ...eventOf(data) };
    if (this.#held) return this.#held.push(event);
    this.#apply(event);
    this.#render();
  }

  #apply(event) {
    if (!isAfter(event.id, this.#boardAt)) return;
    const { board, mine } = this.#state;
    const fits = board.apply(event);
    if (!fits || !board.enough) this.#soon("board", () => this.#reload());
    if (mine.served?.number === event.number && ENDS.includes(event.type)) this.#endService();
    if (mine.ticket?.number === event.number) this.#ofMine(event);
    else if (mine.ticket?.status === "waiting" && event.type !== "token.taken") {
      this.#soon("ticket", () => this.#askTicket(), board.ahead(mine.ticket.token) === null ? SOON : RARELY);
    }
  }

  #ofMine({ type, expiresAt }) {
    if (type === "token.called") this.#state.mine.called(expiresAt);
    else if (type === "token.claimed") this.#soon("ticket", () => this.#askTicket());
    else if (ENDS.includes(type)) this.#ended(type.slice("token.".length));
  }

  // The visitor's own token has ended: served, lapsed or left; "": nobody knows any more how.
  #ended(how) {
    const { token, number } = this.#state.mine.ticket;
    this.#state.mine.endTicket();
    if (how === "served" || number === this.#leaving) return;
    const reason = { lapsed: "was called, and not claimed in time", left: "has left the queue" }[how] ?? "has ended";
    note(by("token-note"), `Your token ${token} ${reason}. Take another one to stand in line again.`);
  }

  #onLost(refusal) {
    this.#state.lost ||= Date.now();
    this.#told.link(refusal?.status ? "away" : "lost");
    this.#render();
  }

  #onRefused(refusal) {
    this.#stream.stop();
    this.#state.refusal = refusal;
    this.#told.link(refusal.status === 401 ? "locked" : "refused");
    if (refusal.status === 401) this.#told.locked(refusal);
    if (refusal.status === 403) setTimeout(() => this.#state.refusal === refusal && this.again(), ASK_AGAIN);
    this.#render();
  }

  #soon(what, act, delay = SOON) {
    const ask = () => ((this.#asking[what] = 0), act());
    this.#asking[what] ||= setTimeout(ask, delay * (1 + Math.random()));
  }

  // How it stands with the visitor's own token, as the service sees it.
  async #askTicket() {
    const { mine } = this.#state;
    const { token, number, status } = mine.ticket ?? {};
    if (!token) return;
    try {
      const answer = await this.#desk.read(token);
      if (mine.ticket?.number !== number || mine.ticket.status !== status) return; // an event was faster
      if (answer.number !== number) this.#ended(""); // the label is another's by now
      else if (answer.status === "serving") this.#serve(answer);
      else mine.standing(answer);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.kind === "banned") this.#onRefused(error);
      else if ([404, 410].includes(error.status) && mine.ticket?.number === number) {
        this.#ended(error.problem.token_status ?? "");
      }
    } finally {
      this.#render();
    }
  }

  // --- what the visitor does ---

  #wire() {
    const { mine } = this.#state;
    this.#onclick("take", "token-note", () => this.#take());
    this.#onclick("token-leave", "token-note", () => this.#leave());
    this.#onclick("finish", "picture-note", () => this.#finish());
    this.#onclick("download-png", "picture-note", () => keepPng(mine.served.token));
    by("claim").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#act(by("claim-go"), by("picture-note"), () => this.#claim());
    });
    by("token").addEventListener("click", () => copy(mine.ticket.token));
    by("token-code").addEventListener("click", () => copy(mine.ticket.code));
    by("token-show").addEventListener("click", () => {
      mine.look(mine.ticket.seen <= now());
      write(by("token-copied"), "Click it to copy.");
      this.#render();
    });
    by("sound").addEventListener("click", () => {
      sound.wanted.set(!sound.wanted.get());
      this.#render();
    });
    for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, sound.allow, { capture: true });
  }

  #onclick(button, place, act) {
    by(button).addEventListener("click", (event) => {
      event.preventDefault();
      this.#act(by(button), by(place), act);
    });
  }

  // Do something once at a time; where it is refused, say so in place.
  async #act(button, place, act) {
    if (button.getAttribute("aria-disabled") === "true") return;
    note(place, "");
    button.setAttribute("aria-disabled", "true");
    try {
      await act();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.status === 401 || error.kind === "banned") this.#onRefused(error);
      else note(place, advice(error));
      if (error.kind === "cheater") this.#soon("board", () => this.#reload()); // banned or not: the board tells
    } finally {
      button.removeAttribute("aria-disabled");
      this.#render();
    }
  }

  async #take() {
    const { board, mine } = this.#state;
    const answer = await this.#desk.take();
    mine.took(answer);
    const called = board.called.get(answer.token);
    if (called) mine.called(called); // the event was faster than the answer
    note(by("picture-note"), "");
    write(by("token-copied"), "Click it to copy.");
    this.#listen();
    this.#render();
    by("token").focus({ preventScroll: true });
  }

  async #leave() {
    const { ticket } = this.#state.mine;
    this.#leaving = ticket.number;
    await unlessOver(this.#desk.leave(ticket));
    this.#state.mine.endTicket();
    this.#render();
    by("take").focus({ preventScroll: true });
  }

  async #claim() {
    const token = by("claim-token").value.trim().toUpperCase();
    const code = by("claim-code").value.trim();
    if (!token) {
      by("claim-token").focus();
      throw new Refusal(422, "Type the token whose turn it is.");
    }
    this.#serve({ ...(await this.#desk.claim(token, code)), code });
    prefill(null);
    by("frame").focus({ preventScroll: true });
  }

  async #finish() {
    await unlessOver(this.#desk.finish(this.#state.mine.served));
    this.#endService();
  }

  #serve(answer) {
    const { mine } = this.#state;
    const code = answer.code || (mine.ticket?.number === answer.number ? mine.ticket.code : "");
    mine.serve({ ...answer, code, picture: answer.picture || this.#desk.picture(answer.token, code) });
    note(by("picture-note"), "");
    this.#render();
  }

  #endService() {
    if (!this.#state.mine.served) return;
    this.#state.mine.endService();
    note(by("picture-note"), "That was your kitten. Take another token to meet the next one.");
  }

  // --- what is seen ---

  #render() {
    const { ticket } = this.#state.mine;
    const called = ticket?.status === "called";
    if (called !== this.#wasCalled) prefill(called ? ticket : null);
    if (called && !this.#wasCalled) {
      note(by("picture-note"), "");
      sound.chime();
    }
    this.#wasCalled = called;
    render(this.#state);
    this.#told.title(titleOf(this.#state));
  }

  #tick() {
    const { board, mine, lost } = this.#state;
    if (mine.served && isOverdue(mine.served.expires_at)) {
      this.#endService();
      this.#render();
    }
    const deadlines = [...board.called.values(), ...board.serving.values()];
    if (!lost && deadlines.some(isOverdue)) this.#soon("board", () => this.#reload());
    times(this.#state);
    this.#told.title(titleOf(this.#state));
  }
}

// The token that an event is about, until when its next step may take, and how many wait after it.
function eventOf(text) {
  const { id, data } = JSON.parse(text);
  return { number: Number(id.split("/")[2]), token: data.label, expiresAt: data.expires_at ?? null, waiting: data.waiting };
}

// Whether an event's id (`ms-number`) is after another.
function isAfter(one, other) {
  const [[ms, n], [otherMs, otherN]] = [one, other].map((id) => id.split("-").map(Number));
  return ms !== otherMs ? ms > otherMs : n > otherN;
}

function isOverdue(expiresAt) {
  return until(expiresAt) === 0 && Date.parse(expiresAt) + OVERDUE < now();
}

// What was to be ended may have ended by itself meanwhile.
async function unlessOver(request) {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof Refusal) || ![404, 409, 410].includes(error.status)) throw error;
  }
}

function advice({ message, retryAfter, status }) {
  return retryAfter && status !== 409 ? `${message} Try again in ${count(retryAfter, "second")}.` : message;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    write(by("token-copied"), "Copied.");
  } catch {
    getSelection()?.selectAllChildren(by("token-text")); // no clipboard without https: but it can be copied by hand
    write(by("token-copied"), "Selected: copy it by hand.");
  }
}

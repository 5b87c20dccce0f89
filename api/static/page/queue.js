// The view of a queue: whose turn it is, your token, who waits, and your kitten.

import { ask, Refusal } from "./api.js";
import { Board } from "./board.js";
import { now, until } from "./clock.js";
import { by, note, show, write } from "./dom.js";
import { Mine } from "./mine.js";
import * as picture from "./picture.js";
import { draw } from "./places.js";
import * as sound from "./sound.js";
import { Stream } from "./stream.js";
import { about, count, figure, timeOfDay } from "./words.js";

const SHOWN = 15_000; // ms that a token is shown
const SOON = 250; // ms between an event and what is asked because of it
const OVERDUE = 1_500; // ms after which what should have come is asked for
const ASK_AGAIN = 30_000; // ms between questions of one who is banned

export class Queue {
  #name;
  #board = new Board();
  #mine;
  #stream;
  #link; // tells the page's head: live, lost, …
  #title = () => {};
  #visible = false;
  #lost = false; // since when (ms)
  #refusal = null; // why nothing can be done here: banned, no key, no such queue
  #boardAt = ""; // the event up to which the board knows
  #waitingEvents = null; // events that came while the board is being asked for
  #asking = { board: 0, ticket: 0 };
  #takeKey = "";
  #said = "";
  #wasCalled = false;
  #limits = { claim: 60, serve: 60 };

  constructor(name, { link, title, locked }) {
    this.#name = name;
    this.#link = link;
    this.#title = title;
    this.locked = locked;
    this.#mine = new Mine(name);
    this.#mine.onchange(() => this.#render());
    this.#stream = new Stream(this.#path("/events"), {
      opened: () => this.#opened(),
      event: (event) => this.#event(event),
      lost: (refusal) => this.#onLost(refusal),
      refused: (refusal) => this.#onRefused(refusal),
    });
    this.#wire();
    setInterval(() => this.#tick(), 200);
    addEventListener("visibilitychange", () => this.#listen());
  }

  // Whether this view is the one that is seen.
  see(visible) {
    this.#visible = visible;
    if (visible && this.#refusal?.status === 401) this.locked(this.#refusal);
    this.#listen();
    this.#render();
  }

  // There is a new key.
  again() {
    this.#refusal = null;
    this.#listen();
    this.#render();
  }

  #path(rest = "") {
    return `v1/queues/${encodeURIComponent(this.#name)}${rest}`;
  }

  // A browser has few connections to one host: this one is kept only where it is of use.
  #listen() {
    const wanted = this.#mine.ticket || this.#mine.served || (this.#visible && !document.hidden);
    if (!wanted) this.#stream.stop();
    else if (!this.#refusal) this.#stream.start();
  }

  // --- what comes ---

  async #opened() {
    this.#waitingEvents = [];
    try {
      await this.#load();
    } catch (error) {
      this.#waitingEvents = null;
      if (!(error instanceof Refusal)) throw error;
      if (error.passing) {
        this.#onLost(error);
        this.#stream.stop();
        setTimeout(() => this.#listen(), 1_000);
      } else this.#onRefused(error);
    }
  }

  // The board as it is now, then what came since.
  async #load() {
    const { data } = await ask("GET", this.#path());
    this.#board.fill(data);
    this.#boardAt = data.event ?? "";
    this.#limits = { claim: data.claim_seconds ?? 60, serve: data.serve_seconds ?? 60 };
    show(by("claim-code-field"), Boolean(data.codes));
    const waiting = this.#waitingEvents ?? [];
    this.#waitingEvents = null;
    waiting.forEach((event) => this.#apply(event));
    this.#lost = false;
    this.#refusal = null;
    this.#link("live");
    await this.#askTicket();
    this.#render();
  }

  #event({ type, id, data }) {
    if (type === "queue.configured") this.#soon("board", () => this.#reload());
    if (!type.startsWith("token.")) return;
    const event = { type, id, ...eventOf(data) };
    if (event.queue !== this.#name) return;
    if (this.#waitingEvents) this.#waitingEvents.push(event);
    else {
      this.#apply(event);
      this.#render();
    }
  }

  #apply(event) {
    if (event.id && this.#boardAt && !later(event.id, this.#boardAt)) return;
    const fits = this.#board.apply(event);
    const { ticket, served } = this.#mine;
    if (served?.number === event.number && ENDS.includes(event.type)) this.#endService();
    if (ticket?.number === event.number) this.#ofMine(event);
    else if (ticket?.status === "waiting") this.#soon("ticket", () => this.#askTicket());
    if (!fits || !this.#board.enough) this.#soon("board", () => this.#reload());
  }

  #ofMine({ type, expiresAt }) {
    const { ticket } = this.#mine;
    if (type === "token.called") Object.assign(ticket, { status: "called", ahead: 0, expires_at: expiresAt });
    else if (type === "token.claimed") this.#soon("ticket", () => this.#askTicket());
    else if (ENDS.includes(type)) this.#ended(type.slice("token.".length));
    this.#mine.write();
  }

  // The visitor's own token has ended: served, lapsed or left; "": nobody knows any more how.
  #ended(how) {
    const { token, status } = this.#mine.ticket;
    this.#mine.ticket = null;
    this.#mine.write();
    if (how === "served" || (how === "left" && status === "leaving")) return;
    const reason = { lapsed: "was called, and not claimed in time", left: "has left the queue" }[how] ?? "has ended";
    note(by("token-note"), `Your token ${token} ${reason}. Take another one to stand in line again.`);
  }

  #onLost(refusal) {
    this.#lost ||= Date.now();
    this.#link(refusal && refusal.status ? "away" : "lost");
    this.#render();
  }

  #onRefused(refusal) {
    this.#stream.stop();
    this.#refusal = refusal;
    if (refusal.status === 401) {
      this.#link("locked");
      this.locked(refusal);
    } else this.#link("refused");
    if (refusal.status === 403) {
      setTimeout(() => this.#refusal === refusal && ((this.#refusal = null), this.#listen()), ASK_AGAIN);
    }
    this.#render();
  }

  async #reload() {
    if (!this.#stream.started || this.#waitingEvents) return;
    this.#waitingEvents = [];
    try {
      await this.#load();
    } catch (error) {
      const waiting = this.#waitingEvents ?? [];
      this.#waitingEvents = null;
      if (!(error instanceof Refusal)) throw error;
      waiting.forEach((event) => this.#apply(event));
      if (!error.passing) this.#onRefused(error);
    }
  }

  #soon(what, act) {
    this.#asking[what] ||= setTimeout(() => ((this.#asking[what] = 0), act()), SOON * (1 + Math.random()));
  }

  // How it stands with the visitor's own token, as the service sees it.
  async #askTicket() {
    const { ticket } = this.#mine;
    if (!ticket) return;
    try {
      const { data } = await ask("GET", this.#path(`/tokens/${encodeURIComponent(ticket.token)}`));
      if (this.#mine.ticket?.token !== ticket.token) return;
      if (data.number !== ticket.number) return this.#ended(""); // another's by now
      if (ENDS.includes(`token.${data.status}`)) return this.#ended(data.status);
      if (data.status === "serving") this.#serve(data);
      Object.assign(this.#mine.ticket ?? {}, fromAnswer(data));
      this.#mine.write();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.status === 404 || error.status === 410) this.#ended(endOf(error));
      else if (error.kind === "banned") this.#onRefused(error);
    } finally {
      this.#render();
    }
  }

  // --- what the visitor does ---

  #wire() {
    by("take").addEventListener("click", () => this.#act(by("take"), by("token-note"), () => this.#take()));
    by("token").addEventListener("click", () => this.#copy(this.#mine.ticket.token));
    by("token-code").addEventListener("click", () => this.#copy(this.#mine.ticket.code));
    by("token-show").addEventListener("click", () => this.#toggleToken());
    by("token-leave").addEventListener("click", () => this.#act(by("token-leave"), by("token-note"), () => this.#leave()));
    by("claim").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#act(by("claim-go"), by("picture-note"), () => this.#claim());
    });
    by("finish").addEventListener("click", () => this.#act(by("finish"), by("picture-note"), () => this.#finish()));
    by("download-png").addEventListener("click", (event) => {
      event.preventDefault();
      this.#act(by("download-png"), by("picture-note"), () => picture.keepPng(this.#mine.served.token));
    });
    by("sound").addEventListener("click", () => {
      sound.wanted.set(!sound.wanted.get());
      sound.allow();
      this.#render();
    });
    addEventListener("pointerdown", sound.allow, { capture: true });
    addEventListener("keydown", sound.allow, { capture: true });
  }

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
    this.#takeKey ||= crypto.randomUUID?.() ?? String(Math.random()).slice(2);
    const { data } = await ask("POST", this.#path("/tokens"), undefined, { "idempotency-key": this.#takeKey });
    this.#takeKey = "";
    const ticket = { token: data.token, number: data.number, code: data.code ?? "", seen: now() + SHOWN };
    this.#mine.ticket = { ...ticket, status: "waiting", ...fromAnswer(data) };
    note(by("picture-note"), "");
    this.#mine.write();
    this.#listen();
    this.#render();
    by("token").focus({ preventScroll: true });
  }

  async #copy(text) {
    let copied = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      copied = chosen(by("token-text")); // no clipboard without https: at least it can be copied by hand
    }
    write(by("token-copied"), copied ? "Copied." : "Selected: copy it by hand.");
  }

  #toggleToken() {
    const { ticket } = this.#mine;
    ticket.seen = ticket.seen > now() ? 0 : now() + SHOWN;
    write(by("token-copied"), "Click it to copy.");
    this.#mine.write();
    this.#render();
  }

  async #leave() {
    const { token, code } = this.#mine.ticket;
    this.#mine.ticket.status = "leaving";
    try {
      await ask("DELETE", this.#path(`/tokens/${encodeURIComponent(token)}${withCode(code)}`));
    } catch (error) {
      if (!(error instanceof Refusal) || ![404, 410].includes(error.status)) throw error;
    }
    this.#mine.ticket = null;
    this.#mine.write();
    this.#render();
    by("take").focus({ preventScroll: true });
  }

  async #claim() {
    const token = by("claim-token").value.trim().toUpperCase();
    if (!token) {
      by("claim-token").focus();
      throw new Refusal(422, "Type the token whose turn it is.");
    }
    const code = by("claim-code").value.trim();
    const path = this.#path(`/tokens/${encodeURIComponent(token)}`);
    const { data } = await ask("POST", `${path}/claim`, code ? { code } : undefined);
    this.#serve({ ...data, code });
    by("claim-token").value = "";
    by("claim-code").value = "";
  }

  async #finish() {
    const { token, code } = this.#mine.served;
    try {
      await ask("POST", this.#path(`/tokens/${encodeURIComponent(token)}/finish`), code ? { code } : undefined);
    } catch (error) {
      if (!(error instanceof Refusal) || ![404, 409, 410].includes(error.status)) throw error;
    }
    this.#endService();
  }

  #serve({ token, number, expires_at, picture: path, code }) {
    const { ticket } = this.#mine;
    const own = ticket?.number === number;
    const secret = code || (own ? ticket.code : "");
    const place = path || this.#path(`/tokens/${token}/picture${withCode(secret)}`);
    this.#mine.served = { token, number, expires_at, picture: place, code: secret };
    if (own) Object.assign(ticket, { status: "serving", expires_at });
    this.#mine.write();
    note(by("picture-note"), "");
    this.#render();
  }

  #endService() {
    const { served, ticket } = this.#mine;
    if (ticket?.number === served?.number) this.#mine.ticket = null;
    this.#mine.served = null;
    this.#mine.write();
    picture.close();
    note(by("picture-note"), "That was your kitten. Take another token to meet the next one.");
  }

  // --- what is seen ---

  #tick() {
    const { served, ticket } = this.#mine;
    if (served && until(served.expires_at) === 0 && late(served.expires_at)) {
      this.#endService();
      this.#render();
    }
    if (ticket?.expires_at && late(ticket.expires_at)) this.#soon("ticket", () => this.#askTicket());
    const due = [...this.#board.called.values(), ...this.#board.serving.values()];
    if (due.some(late) && !this.#lost) this.#soon("board", () => this.#reload());
    this.#times();
  }

  #times() {
    const { ticket, served } = this.#mine;
    const seen = ticket ? (ticket.seen - now()) / 1000 : 0;
    show(by("token-shown"), seen > 0);
    show(by("token-hidden"), seen <= 0);
    write(by("token-show"), seen > 0 ? "Hide it" : "Show it again");
    if (seen > 0) {
      write(by("token-left"), `${Math.ceil(seen)} s`);
      drain(by("token-bar"), seen / (SHOWN / 1000));
    }
    const left = served ? until(served.expires_at) : null;
    if (left !== null) {
      write(by("served-left"), figure(left));
      drain(by("served-bar"), left / this.#limits.serve);
    }
    const first = this.#turn();
    const rest = first ? until(first.expires) : null;
    show(by("turn-left"), rest !== null);
    write(by("turn-left"), rest === null ? "" : figure(rest));
    this.#title(this.#words());
  }

  // Whose turn it is: the visitor's own if it is, else the one who is called, else who is served.
  #turn() {
    if (this.#refusal) return null;
    const { ticket, served } = this.#mine;
    const { called, serving } = this.#board;
    if (served) return { token: served.token, expires: served.expires_at, own: true, serving: true };
    if (ticket?.status === "called") return { token: ticket.token, expires: ticket.expires_at, own: true, serving: false };
    for (const [token, expires] of called) return { token, expires, own: false, serving: false };
    for (const [token, expires] of serving) return { token, expires, own: false, serving: true };
    return null;
  }

  #words() {
    const turn = this.#turn();
    if (turn?.own && turn.serving) return `${figure(until(turn.expires) ?? 0)} · Your kitten`;
    if (turn?.own) return `${figure(until(turn.expires) ?? 0)} · Your turn!`;
    const ahead = this.#ahead();
    return ahead === null ? "" : ahead === 0 ? "You are next" : `${ahead} before you`;
  }

  #ahead() {
    const { ticket } = this.#mine;
    if (!ticket || ticket.status !== "waiting") return null;
    return this.#board.ahead(ticket.token) ?? ticket.ahead ?? null;
  }

  #render() {
    const { ticket, served } = this.#mine;
    const usable = !this.#refusal;
    show(by("token-none"), !ticket);
    show(by("token-mine"), Boolean(ticket));
    if (ticket) {
      write(by("token-text"), ticket.token);
      by("token").setAttribute("aria-label", `Your token is ${ticket.token}. Copy it`);
      write(by("token-code"), ticket.code ?? "");
      show(by("token-code-line"), Boolean(ticket.code));
      show(by("token-leave"), ticket.status === "waiting" || ticket.status === "called");
    }
    by("take").disabled = !usable;
    by("claim-go").disabled = !usable;
    by("sound").setAttribute("aria-pressed", String(sound.wanted.get()));
    this.#renderTurn();
    this.#renderPicture(ticket, served);
    draw(this.#board, ticket?.token);
    by("parts").dataset.own = String(Boolean(served) || ticket?.status === "called");
    by("view-queue").dataset.stale = String(Boolean(this.#lost) || !usable);
    this.#times();
  }

  #renderPicture(ticket, served) {
    show(by("served"), Boolean(served));
    show(by("claim"), !served);
    if (served) {
      write(by("served-text"), `${served.token}: yours for another`);
      picture.open(served.picture, served.token).catch((error) => {
        if (error instanceof Refusal) note(by("picture-note"), error.message);
      });
    } else picture.close();
    const called = ticket?.status === "called";
    by("claim").classList.toggle("yours", called);
    by("claim-go").className = called ? "primary" : "quiet";
    write(by("claim-go"), called ? "Claim your kitten" : "Claim");
    if (called && !this.#wasCalled) {
      by("claim-token").value = ticket.token;
      by("claim-code").value = ticket.code ?? "";
      note(by("picture-note"), "");
      sound.chime();
    }
    if (!called && this.#wasCalled) by("claim").reset();
    this.#wasCalled = called;
  }

  #renderTurn() {
    const turn = this.#turn();
    const [state, text, mine] = this.#refusal ? this.#refused() : this.#told(turn);
    by("turn").dataset.state = state;
    write(by("turn-text"), text);
    write(by("turn-mine"), mine);
    show(by("turn-mine"), Boolean(mine));
    note(by("turn-note"), this.#lost ? this.#lostSentence() : "");
    const said = [text, turn?.own || this.#ahead() !== null ? mine : ""].filter(Boolean).join(" ");
    if (state !== "loading" && said !== this.#said) write(by("said"), (this.#said = said));
  }

  #told(turn) {
    if (!this.#board.loaded) return ["loading", "Looking at the queue …", ""];
    if (turn?.own && turn.serving) return ["own", "Your kitten is here.", "Take it with you before the time is up."];
    if (turn?.own) return ["own", "It is your turn.", `${turn.token} is called: claim it before the time is up.`];
    const mine = this.#mineSentence();
    if (turn) return ["other", `It is ${turn.token}’s turn.`, mine || (turn.serving ? "A kitten is being looked at." : `${turn.token} is called.`)];
    if (this.#board.total) return ["other", "The next one is being called.", mine];
    return ["empty", "Nobody is waiting.", mine || "Take a token, and it is your turn."];
  }

  #mineSentence() {
    const ahead = this.#ahead();
    if (ahead === null) return "";
    const { eta } = this.#mine.ticket;
    const before = ahead === 0 ? "You are next" : `${count(ahead, "visitor is", "visitors are")} before you`;
    return eta ? `${before}: ${about(eta)}.` : `${before}.`;
  }

  #refused() {
    const { status, message } = this.#refusal;
    if (status === 401) return ["refused", "The queue is closed to strangers.", "With an API key of this service it opens."];
    if (status === 403) return ["banned", "This address is banned.", message];
    if (status === 404) return ["refused", `There is no queue ${this.#name}.`, message];
    return ["refused", "This queue cannot be shown.", message];
  }

  #lostSentence() {
    const since = timeOfDay(this.#lost);
    return `The connection was lost at ${since}. This page goes on by itself as soon as the service is back; your place in the queue is kept there.`;
  }
}

const ENDS = ["token.served", "token.lapsed", "token.left"];

// The token that an event is about, until when its next step may take, and how many wait after it.
function eventOf(text) {
  const { id, data } = JSON.parse(text);
  const [queue, , number] = id.split("/");
  return { queue, number: Number(number), token: data.label, expiresAt: data.expires_at ?? null, waiting: data.waiting };
}

function fromAnswer(data) {
  return { status: data.status ?? "waiting", ahead: data.ahead ?? null, eta: data.eta_seconds ?? null, expires_at: data.expires_at ?? null };
}

// Whether an event id (`ms-number`) is after another.
function later(one, other) {
  const [a, b] = [one, other].map((id) => id.split(":").pop().split("-").map(Number));
  return a[0] !== b[0] ? a[0] > b[0] : (a[1] ?? 0) > (b[1] ?? 0);
}

function late(expiresAt) {
  return Date.parse(expiresAt) + OVERDUE < now();
}

function advice(refusal) {
  if (!refusal.retryAfter || refusal.status === 409) return refusal.message;
  return `${refusal.message} Try again in ${count(refusal.retryAfter, "second")}.`;
}

function withCode(code) {
  return code ? `?code=${encodeURIComponent(code)}` : "";
}

function drain(bar, share) {
  bar.style.transform = `scaleX(${Math.max(0, Math.min(1, share)).toFixed(3)})`;
}

function chosen(element) {
  getSelection()?.selectAllChildren(element);
  return false;
}

// How a token ended, as a refusal (410) tells it.
function endOf({ problem }) {
  return [problem.ended, problem.status].find((each) => typeof each === "string") ?? "";
}

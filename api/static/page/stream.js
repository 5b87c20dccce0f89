// Server-sent events by fetch, which can carry a key and sees why it is refused. Resumed after the last event.
//
//   what may happen                          what comes of it
//   the connection ends or gives no sign     it is opened again, after a pause that grows, from the last event on
//   the service refuses for the time being   the same, not before it says
//   the service refuses for good             `refused`; it is not tried again until `start`
//   the service says `reset`                 it is opened again, from the last event on

import { Refusal, send } from "./api.js";

const SILENCE = 40_000; // ms; the service gives a sign every 15 s
const FIRST_PAUSE = 500; // ms
const LONGEST_PAUSE = 8_000;

export class Stream {
  #path;
  #told; // what to tell: opened(), event({type, id, data}), lost(refusal), refused(refusal)
  #running = null;

  constructor(path, told) {
    this.#path = path;
    this.#told = told;
    this.last = "";
    addEventListener("online", () => this.#running?.hurry());
    addEventListener("visibilitychange", () => document.hidden || this.#running?.hurry());
  }

  get started() {
    return this.#running !== null;
  }

  start() {
    if (this.#running) return;
    const running = (this.#running = { stopped: false, abort: null, hurry: () => {} });
    this.#run(running);
  }

  stop() {
    if (!this.#running) return;
    const running = this.#running;
    this.#running = null;
    running.stopped = true;
    running.abort?.abort();
    running.hurry();
  }

  async #run(running) {
    let pause = FIRST_PAUSE;
    while (!running.stopped) {
      let refusal = null;
      try {
        await this.#listen(running, () => (pause = FIRST_PAUSE));
      } catch (error) {
        refusal = error instanceof Refusal ? error : null;
      }
      if (running.stopped) return;
      if (refusal && !refusal.passing) {
        this.#running = null;
        this.#told.refused(refusal);
        return;
      }
      this.#told.lost(refusal);
      const least = (refusal?.retryAfter ?? 0) * 1000;
      await new Promise((resolve) => {
        const waiting = setTimeout(resolve, Math.max(least, pause * (0.75 + Math.random() / 2)));
        running.hurry = () => (clearTimeout(waiting), resolve());
      });
      running.hurry = () => {};
      pause = Math.min(LONGEST_PAUSE, pause * 2);
    }
  }

  async #listen(running, opened) {
    const abort = (running.abort = new AbortController());
    const headers = { accept: "text/event-stream", ...(this.last ? { "last-event-id": this.last } : {}) };
    let silence = setTimeout(() => abort.abort(), SILENCE);
    try {
      const response = await send(this.#path, { headers, signal: abort.signal });
      if (running.stopped) return;
      opened();
      this.#told.opened();
      const parser = new Parser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || running.stopped) return;
        clearTimeout(silence);
        silence = setTimeout(() => abort.abort(), SILENCE);
        for (const event of parser.parse(value)) {
          if (event.type === "reset") return;
          if (event.id) this.last = event.id;
          this.#told.event(event);
        }
      }
    } finally {
      clearTimeout(silence);
      abort.abort();
    }
  }
}

class Parser {
  #rest = "";
  #event = { type: "message", id: "", data: [] };

  *parse(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        const { type, id, data } = this.#event;
        this.#event = { type: "message", id: "", data: [] };
        if (data.length) yield { type, id, data: data.join("\n") };
        continue;
      }
      const colon = line.indexOf(":");
      if (colon === 0) continue;
      const [name, value] = colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
      if (name === "event") this.#event.type = value;
      else if (name === "id") this.#event.id = value;
      else if (name === "data") this.#event.data.push(value);
    }
  }
}

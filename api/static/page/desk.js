// What one can ask of a queue, over HTTP. All throw Refusal.

import { ask } from "./api.js";
import { PLACES } from "./board.js";

const KNOWN = 2 * PLACES; // tokens that are asked for, so that there are some to move in

export class Desk {
  #name;
  #once = ""; // repeats the same request where its answer was lost

  constructor(name) {
    this.#name = name;
  }

  path(rest = "") {
    return `v1/queues/${encodeURIComponent(this.#name)}${rest}`;
  }

  async board() {
    return (await ask("GET", this.path(`?limit=${KNOWN}`))).data;
  }

  async take() {
    this.#once ||= crypto.randomUUID?.() ?? String(Math.random()).slice(2);
    const { data } = await ask("POST", this.path("/tokens"), undefined, { "idempotency-key": this.#once });
    this.#once = "";
    return data;
  }

  async read(token) {
    return (await ask("GET", this.#token(token))).data;
  }

  async claim(token, code) {
    return (await ask("POST", `${this.#token(token)}/claim`, code ? { code } : undefined)).data;
  }

  async finish({ token, code }) {
    await ask("POST", `${this.#token(token)}/finish`, code ? { code } : undefined);
  }

  async leave({ token, code }) {
    await ask("DELETE", this.#token(token) + query(code));
  }

  picture(token, code) {
    return `${this.#token(token)}/picture${query(code)}`;
  }

  #token(token) {
    return this.path(`/tokens/${encodeURIComponent(token)}`);
  }
}

function query(code) {
  return code ? `?code=${encodeURIComponent(code)}` : "";
}

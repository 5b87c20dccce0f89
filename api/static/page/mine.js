// What a browser remembers of its visitor, by queue: the token that is his, and the one whose picture he has.
//
// ticket: {token, number, code, seen: until when it is shown (ms), status, ahead, eta, expires_at}
// served: {token, number, code, expires_at, picture}

import { now } from "./clock.js";

export const SHOWN = 15_000; // ms that a token is shown

export class Mine {
  #name;
  ticket = null;
  served = null;

  constructor(queue) {
    this.#name = `duestream.mine.${queue}`;
    this.#read();
  }

  // Call back when another tab of this browser has changed it.
  onchange(changed) {
    addEventListener("storage", (event) => {
      if (event.key !== this.#name && event.key !== null) return;
      this.#read();
      changed();
    });
  }

  get any() {
    return Boolean(this.ticket || this.served);
  }

  took({ token, number, code = "", ...answer }) {
    this.ticket = { token, number, code };
    this.standing(answer);
    this.look(true);
  }

  // How it stands with the token.
  standing({ status, ahead = null, eta_seconds: eta = null, expires_at = null }) {
    Object.assign(this.ticket, { status, ahead, eta, expires_at });
    this.#write();
  }

  called(expires_at) {
    Object.assign(this.ticket, { status: "called", ahead: 0, expires_at });
    this.#write();
  }

  // Show the token for a while, or hide it.
  look(shown) {
    this.ticket.seen = shown ? now() + SHOWN : 0;
    this.#write();
  }

  serve({ token, number, code, expires_at, picture }) {
    this.served = { token, number, code, expires_at, picture };
    if (this.ticket?.number === number) Object.assign(this.ticket, { status: "serving", expires_at });
    this.#write();
  }

  endService() {
    if (this.ticket?.number === this.served?.number) this.ticket = null;
    this.served = null;
    this.#write();
  }

  endTicket() {
    this.ticket = null;
    this.#write();
  }

  #read() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(this.#name));
    } catch {
      // another's writing: as if nothing were there
    }
    this.ticket = kept?.ticket ?? null;
    this.served = kept?.served ?? null;
  }

  #write() {
    if (this.any) localStorage.setItem(this.#name, JSON.stringify({ ticket: this.ticket, served: this.served }));
    else localStorage.removeItem(this.#name);
  }
}

// What a browser remembers of its visitor: the token that is his, and the one whose picture he has. By queue.

export class Mine {
  #name;

  constructor(queue) {
    this.#name = `duestream.mine.${queue}`;
    this.read();
  }

  // ticket: {token, code, seen: until when it is shown (ms), status, ahead, eta, expires_at, since}
  // served: {token, expires_at, picture}
  read() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(this.#name));
    } catch {
      // another's writing: as if nothing were there
    }
    this.ticket = kept?.ticket ?? null;
    this.served = kept?.served ?? null;
  }

  write() {
    if (this.ticket || this.served) {
      localStorage.setItem(this.#name, JSON.stringify({ ticket: this.ticket, served: this.served }));
    } else localStorage.removeItem(this.#name);
  }

  // Call back when another tab of this browser has changed it.
  onchange(changed) {
    addEventListener("storage", (event) => {
      if (event.key !== this.#name && event.key !== null) return;
      this.read();
      changed();
    });
  }
}

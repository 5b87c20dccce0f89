// A queue as it stands, and what each event makes of it.

export const PLACES = 64;

export class Board {
  constructor() {
    this.loaded = false;
    this.serving = new Map(); // token -> when that ends
    this.called = new Map(); // token -> until when it may be claimed
    this.waiting = []; // the first tokens, in order; all of them where there are no more
    this.total = 0; // how many wait
  }

  // As the service tells it.
  fill({ serving = [], called = [], waiting = [], counts = {} }) {
    this.serving = new Map(serving.map((each) => [each.token, each.expires_at]));
    this.called = new Map(called.map((each) => [each.token, each.expires_at]));
    this.waiting = waiting.map((each) => (typeof each === "string" ? each : each.token));
    this.total = Math.max(counts.waiting ?? 0, this.waiting.length);
    this.loaded = true;
  }

  get whole() {
    return this.waiting.length === this.total;
  }

  // Whether the tokens that are to be shown are all known.
  get enough() {
    return this.waiting.length >= Math.min(PLACES, this.total);
  }

  // waiting: how many wait after the event. False where it does not fit: the board knew of it, or knows too little.
  apply({ type, token, expiresAt, waiting }) {
    const whole = this.whole;
    this.called.delete(token);
    this.serving.delete(token);
    const index = this.waiting.indexOf(token);
    const fits = type !== "token.taken" || index < 0;
    if (type === "token.taken") {
      if (index < 0 && whole) this.waiting.push(token);
    } else if (index >= 0) this.waiting.splice(index, 1);
    if (type === "token.called") this.called.set(token, expiresAt);
    if (type === "token.claimed") this.serving.set(token, expiresAt);
    this.total = Math.max(waiting, this.waiting.length);
    return fits && waiting >= this.waiting.length;
  }

  // How many have to be served before a token that waits; null where that is not known.
  ahead(token) {
    const index = this.waiting.indexOf(token);
    return index < 0 ? null : index + this.called.size + this.serving.size;
  }
}

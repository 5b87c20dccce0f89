// Everything that happens, for the views of tasks and jobs, while one of them is seen.

import { Stream } from "./stream.js";

const KEPT = 5 * 60 * 1000; // ms after which it is not gone on with, but begun anew

export class Feed {
  #stream;
  #viewed = false;
  #left = 0;
  #listeners = [];

  constructor({ link, refused }) {
    this.#stream = new Stream("v1/events", {
      opened: () => {
        link("live");
        this.#tell("opened");
      },
      event: ({ type, data }) => this.#tell("event", { ...JSON.parse(data), type }),
      lost: (refusal) => link(refusal?.status ? "away" : "lost"),
      refused: (refusal) => {
        link(refusal.status === 401 ? "locked" : "refused");
        refused(refusal);
      },
    });
    addEventListener("visibilitychange", () => this.#listen());
  }

  // {opened(), event(event)}: opened says that lists are to be asked for, as events may be missed.
  on(listener) {
    this.#listeners.push(listener);
  }

  see(viewed) {
    this.#viewed = viewed;
    this.#listen();
  }

  #listen() {
    if (this.#viewed && !document.hidden) {
      if (this.#left && Date.now() - this.#left > KEPT) this.#stream.last = "";
      this.#left = 0;
      this.#stream.start();
    } else {
      this.#left ||= Date.now();
      this.#stream.stop();
    }
  }

  #tell(what, event) {
    this.#listeners.forEach((listener) => listener[what]?.(event));
  }
}

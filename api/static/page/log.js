// Notices, as they come: a quiet list, the newest first, the same in each view that has one.

import { make, show } from "./dom.js";
import { timeOfDay } from "./words.js";

const MOST = 50;

export function say(at, ...words) {
  for (const list of document.querySelectorAll("[data-log]")) {
    list.prepend(make("li", {}, make("time", { datetime: at }, timeOfDay(at)), make("span", {}, ...words.map(word))));
    while (list.childElementCount > MOST) list.lastElementChild.remove();
    show(list.parentElement.querySelector("[data-log-empty]"), false);
  }
}

function word(each) {
  return typeof each === "string" ? each : make("b", {}, each.name);
}

// The queue as it is seen: four columns of 16 places, filled from the top of the first. Tokens move up as places free.

import { PLACES } from "./board.js";
import { by, keep, make, show, write } from "./dom.js";
import { count } from "./words.js";

const MOVE = { duration: 320, easing: "cubic-bezier(.2, .7, .2, 1)" };
const still = matchMedia("(prefers-reduced-motion: reduce)");

by("seats").append(...Array.from({ length: PLACES }, () => make("span")));

export function draw(board, mine) {
  const list = by("places");
  const moving = !still.matches && !document.hidden && list.childElementCount > 0;
  const before = moving ? places(list) : null;
  keep(list, board.waiting.slice(0, PLACES), {
    key: (token) => token,
    create: (token) => make("li", {}, make("span", {}, token)),
    update: (place, token) => {
      const own = token === mine;
      if (place.classList.toggle("own", own)) place.setAttribute("aria-label", `${token}, yours`);
      else place.removeAttribute("aria-label");
    },
  });
  if (before) move(list, before);
  const rest = board.total - Math.min(PLACES, board.waiting.length);
  show(by("rest"), rest > 0);
  write(by("rest"), rest > 0 ? `and ${count(rest, "more token")}, moving in as places free up` : "");
  write(by("waiting-count"), board.loaded && board.total ? board.total.toLocaleString("en") : "");
}

function places(list) {
  return new Map([...list.children].map((place) => [place.dataset.key, [place.offsetLeft, place.offsetTop]]));
}

function move(list, before) {
  for (const [token, [left, top]] of places(list)) {
    const place = list.querySelector(`[data-key="${CSS.escape(token)}"]`);
    const old = before.get(token);
    if (!old) place.animate([{ opacity: 0, transform: "scale(.8)" }, { opacity: 1, transform: "none" }], MOVE);
    else if (old[0] !== left || old[1] !== top) {
      const from = `translate(${old[0] - left}px, ${old[1] - top}px)`;
      place.animate([{ transform: from }, { transform: "none" }], MOVE);
    }
  }
}

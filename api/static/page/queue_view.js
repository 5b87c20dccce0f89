// How a queue is seen. State: {name, board, mine, refusal, lost, settings}.

import { Refusal } from "./api.js";
import { now, until } from "./clock.js";
import { by, note, show, write } from "./dom.js";
import { SHOWN } from "./mine.js";
import * as picture from "./picture.js";
import { draw } from "./places.js";
import * as sound from "./sound.js";
import { aheadOf, lostSentence, told, turnOf } from "./turn.js";
import { count, figure } from "./words.js";

let said = "";

export function render(state) {
  const { board, mine, refusal, lost, settings } = state;
  const usable = !refusal;
  by("take").disabled = by("claim-go").disabled = !usable;
  by("view-queue").dataset.stale = String(Boolean(lost) || !usable);
  by("parts").dataset.own = String(Boolean(mine.served) || mine.ticket?.status === "called");
  by("sound").setAttribute("aria-pressed", String(sound.wanted.get()));
  show(by("claim-code-field"), settings.codes);
  write(by("claim-time"), count(settings.claim_seconds, "second"));
  renderTurn(state);
  renderTicket(mine.ticket);
  renderPicture(mine);
  draw(board, mine.ticket?.token);
  times(state);
}

// What changes as time goes by.
export function times(state) {
  const { ticket, served } = state.mine;
  const seen = ticket ? (ticket.seen - now()) / 1000 : 0;
  show(by("token-shown"), seen > 0);
  show(by("token-hidden"), seen <= 0);
  write(by("token-show"), seen > 0 ? "Hide it" : "Show it");
  if (seen > 0) {
    write(by("token-left"), `${Math.ceil(seen)} s`);
    drain(by("token-bar"), seen / (SHOWN / 1000));
  }
  const left = until(served?.expires_at);
  if (left !== null) {
    write(by("served-left"), figure(left));
    drain(by("served-bar"), left / state.settings.serve_seconds);
  }
  const rest = until(turnOf(state)?.expires);
  show(by("turn-left"), rest !== null);
  write(by("turn-left"), rest === null ? "" : figure(rest));
}

// Fill in what the visitor is to claim with; null: nothing any more.
export function prefill(ticket) {
  by("claim-token").value = ticket?.token ?? "";
  by("claim-code").value = ticket?.code ?? "";
}

function renderTurn(state) {
  const [look, text, mine] = told(state);
  by("turn").dataset.state = look;
  write(by("turn-text"), text);
  write(by("turn-mine"), mine);
  show(by("turn-mine"), Boolean(mine));
  note(by("turn-note"), state.lost ? lostSentence(state.lost) : "");
  const own = turnOf(state)?.own || aheadOf(state) !== null;
  const words = [text, own ? mine : ""].filter(Boolean).join(" ");
  if (look !== "loading" && words !== said) write(by("said"), (said = words));
}

function renderTicket(ticket) {
  show(by("token-none"), !ticket);
  show(by("token-mine"), Boolean(ticket));
  if (!ticket) return;
  write(by("token-text"), ticket.token);
  by("token").setAttribute("aria-label", `Your token is ${ticket.token}. Copy it`);
  write(by("token-code"), ticket.code);
  show(by("token-code-line"), Boolean(ticket.code));
  show(by("token-leave"), ticket.status === "waiting" || ticket.status === "called");
}

function renderPicture({ ticket, served }) {
  show(by("served"), Boolean(served));
  show(by("claim"), !served);
  const called = ticket?.status === "called";
  by("claim").classList.toggle("yours", called);
  by("claim-go").className = called ? "primary" : "quiet";
  write(by("claim-go"), called ? "Claim your kitten" : "Claim");
  if (!served) return picture.close();
  write(by("served-text"), `${served.token}: yours for another`);
  picture.open(served.picture, served.token).catch((error) => {
    if (!(error instanceof Refusal)) throw error;
    note(by("picture-note"), error.message);
  });
}

function drain(bar, share) {
  bar.style.transform = `scaleX(${Math.max(0, Math.min(1, share)).toFixed(3)})`;
}

// Whose turn it is in a queue, as one visitor sees it, and how that is said. All of it follows from what is known:
// {name, board, mine: {ticket, served}, refusal, lost}.

import { until } from "./clock.js";
import { about, count, figure, timeOfDay } from "./words.js";

// {tokens, expires, own, serving}: the visitor's own turn if it is his, else who is called, else who is served; or null.
export function turnOf({ board, mine: { ticket, served }, refusal }) {
  if (refusal) return null;
  if (served) return { tokens: [served.token], expires: served.expires_at, own: true, serving: true };
  if (ticket?.status === "called") return { tokens: [ticket.token], expires: ticket.expires_at, own: true, serving: false };
  const [others, serving] = board.called.size ? [board.called, false] : [board.serving, true];
  if (!others.size) return null;
  return { tokens: [...others.keys()], expires: [...others.values()].sort()[0], own: false, serving };
}

// How many come before the visitor; null where he does not wait.
export function aheadOf({ board, mine: { ticket } }) {
  if (ticket?.status !== "waiting") return null;
  return board.ahead(ticket.token) ?? ticket.ahead;
}

// For the window's title.
export function titleOf(state) {
  const turn = turnOf(state);
  if (turn?.own) return `${figure(until(turn.expires) ?? 0)} · ${turn.serving ? "Your kitten" : "Your turn!"}`;
  const ahead = aheadOf(state);
  if (ahead === null) return "";
  return ahead === 0 ? "You are next" : `${ahead} before you`;
}

// [how it looks, whose turn it is, what that means for the visitor]
export function told(state) {
  const { board, refusal } = state;
  if (refusal) return refused(state);
  if (!board.loaded) return ["loading", "Looking at the queue …", ""];
  const turn = turnOf(state);
  if (turn?.own && turn.serving) return ["own", "Your kitten is here.", "Take it with you before the time is up."];
  if (turn?.own) return ["own", "It is your turn.", `${turn.tokens[0]} is called: claim it before the time is up.`];
  const mine = place(state);
  if (turn) return ["other", whose(turn.tokens), mine || (turn.serving ? "A kitten is being looked at." : "Nobody has come yet.")];
  if (board.total) return ["other", "The next one is being called.", mine];
  return ["empty", "Nobody is waiting.", mine || "Take a token, and it is your turn."];
}

export function lostSentence(since) {
  const rest = "This page goes on by itself as soon as the service is back; your place in the queue is kept there.";
  return `The connection was lost at ${timeOfDay(since)}. ${rest}`;
}

function whose(tokens) {
  if (tokens.length === 1) return `It is ${tokens[0]}’s turn.`;
  return `It is the turn of ${new Intl.ListFormat("en-GB").format(tokens)}.`;
}

function place(state) {
  const ahead = aheadOf(state);
  if (ahead === null) return "";
  const { eta } = state.mine.ticket;
  const before = ahead === 0 ? "You are next" : `${count(ahead, "visitor is", "visitors are")} before you`;
  return eta ? `${before}: ${about(eta)}.` : `${before}.`;
}

function refused({ name, refusal: { status, message } }) {
  if (status === 401) return ["refused", "The queue is closed to strangers.", "With an API key of this service it opens."];
  if (status === 403) return ["banned", "This address is banned.", message];
  if (status === 404) return ["refused", `There is no queue ${name}.`, message];
  return ["refused", "This queue cannot be shown.", message];
}

// Numbers and times, in words.

export function count(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

// `0:42` of seconds.
export function figure(seconds) {
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// `less than a minute`, `2 to 4 minutes`, `about an hour`: of how long somebody may have to wait.
export function about({ low, high }) {
  const [from, to] = [low, high].map((seconds) => Math.round(seconds / 60));
  if (to < 1) return "less than a minute";
  if (from >= 90) return range(Math.round(low / 3600), Math.round(high / 3600), "hour");
  return range(from, to, "minute");
}

function range(from, to, unit) {
  if (from === to) return `about ${count(to, unit)}`;
  if (from === 0) return `up to ${count(to, unit)}`;
  return `about ${from.toLocaleString("en")} to ${count(to, unit)}`;
}

const STEPS = [[60, "second"], [3600, "minute"], [86400, "hour"], [Infinity, "day"]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

// `in 15 minutes`, `2 hours ago`: of a time (ms), seen from another.
export function fromNow(at, now) {
  const seconds = (at - now) / 1000;
  let size = 1;
  for (const [limit, unit] of STEPS) {
    if (Math.abs(Math.round(seconds / size)) * size < limit) return relative.format(Math.round(seconds / size), unit);
    size = limit;
  }
  return "";
}

const shown = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const hour = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export function dateTime(at) {
  return shown.format(new Date(at));
}

export function timeOfDay(at) {
  return hour.format(new Date(at));
}

export function sentence(text) {
  const said = String(text).trim();
  if (!said) return "";
  return said[0].toUpperCase() + said.slice(1) + (/[.!?…]$/.test(said) ? "" : ".");
}

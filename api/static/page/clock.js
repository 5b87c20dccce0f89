// The server's clock, as far as its answers tell it: this machine's own may be wrong by hours.

const TRUSTED = 5 * 60 * 1000; // ms after which a worse measurement replaces a better one

let offset = 0;
let doubt = Infinity; // half of the time that the best answer took
let measured = 0;

// An answer that was asked for and came at these times (performance.now()) said what the server's time was.
export function learn(serverTime, asked, came) {
  const said = Date.parse(serverTime);
  if (Number.isNaN(said)) return;
  const half = (came - asked) / 2;
  if (half > doubt && came - measured < TRUSTED) return;
  doubt = half;
  measured = came;
  offset = said + half - (performance.timeOrigin + came);
}

// ms since the epoch, by the server's clock.
export function now() {
  return performance.timeOrigin + performance.now() + offset;
}

// Seconds until a time (RFC 3339), never less than 0; null where there is none.
export function until(time) {
  const at = Date.parse(time ?? "");
  return Number.isNaN(at) ? null : Math.max(0, (at - now()) / 1000);
}

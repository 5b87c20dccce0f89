// The service over HTTP: what it answers, or a refusal with a sentence that can be shown.

import { learn } from "./clock.js";
import { sentence } from "./words.js";

const KEY = "duestream.key";
const PATIENCE = 20_000; // ms
const PLAINLY = {
  // what the service says to programs, for people
  unavailable: "The service is away just now.",
  behind: "The service is catching up just now.",
};

export class Refusal extends Error {
  constructor(status, message, { kind = "", problem = {}, retryAfter = 0 } = {}) {
    super(message);
    this.status = status; // 0: there was no answer
    this.kind = kind; // the last part of the problem's type
    this.problem = problem;
    this.retryAfter = retryAfter; // seconds
  }

  // Whether asking again later may help, without anything changed here.
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
};

// Send a request; the answer's status, headers and JSON. Throws Refusal.
export async function ask(method, path, body, headers = {}) {
  const sent = body === undefined ? {} : { "content-type": "application/json" };
  const response = await send(path, {
    method,
    headers: { accept: "application/json", ...sent, ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE),
  });
  const type = response.headers.get("content-type") ?? "";
  const data = response.status !== 204 && type.includes("json") ? await response.json() : null;
  return { status: response.status, headers: response.headers, data };
}

// Send a request; its answer once it begins. Throws Refusal.
export async function send(path, { headers = {}, ...options } = {}) {
  const asked = performance.now();
  let response;
  try {
    const access = key.get() ? { authorization: `Bearer ${key.get()}` } : {};
    response = await fetch(path, { cache: "no-store", credentials: "omit", ...options, headers: { ...headers, ...access } });
  } catch (error) {
    if (options.signal?.aborted && options.signal.reason?.name === "AbortError") throw error;
    throw new Refusal(0, "The service cannot be reached just now.", { kind: "away" });
  }
  if (!response.ok) throw await refusalOf(response, asked);
  if ((response.headers.get("content-type") ?? "").includes("json")) await learnFrom(response.clone(), asked);
  return response;
}

async function learnFrom(response, asked) {
  const came = performance.now();
  const data = await response.json().catch(() => null);
  if (data?.server_time) learn(data.server_time, asked, came);
  return data;
}

async function refusalOf(response, asked) {
  const problem = (await learnFrom(response, asked)) ?? {};
  const kind = String(problem.type ?? "").split(":").pop();
  const retryAfter = Number(response.headers.get("retry-after")) || 0;
  const message = PLAINLY[kind] ?? sentence(problem.detail || problem.title || `The service answered with ${response.status}`);
  return new Refusal(response.status, message, { kind, problem, retryAfter });
}

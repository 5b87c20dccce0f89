// BullMQ, with a concurrency of 100 and the command line of program.py.
//
// Submissions go by addBulk, 1,000 at a time. Finished jobs stay, with their results. Locks last 30 s and stalled jobs
// are looked for every 30 s, its defaults, of which its manual advises against shorter ones.

import { appendFileSync } from "node:fs";
import { createRequire } from "node:module";
import { performance } from "node:perf_hooks";

const require = createRequire(`${process.env.PEER_MODULES}/`);
const { Queue, Worker } = require("bullmq");

const CONCURRENCY = 100;
const BULK = 1000;
const PAYLOAD = "x".repeat(98); // 100 characters of JSON text
const WARMING = 2000; // also what compiles the hot paths
const AHEAD = 1.5; // seconds before the first of timed jobs is due
const NAME = "peer";

const [command, url, count, seconds, within] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
const now = () => (performance.timeOrigin + performance.now()) / 1000;

let noted = false;

function note(due = 0) {
  noted = true;
  appendFileSync(process.env.PEER_STARTS, `${now().toFixed(6)} ${due.toFixed(6)}\n`);
}

async function process_(job) {
  if (job.name === "length") {
    if (!noted) note();
    return job.data.length;
  }
  note(job.data.due);
  if (job.data.seconds) await new Promise((resolve) => setTimeout(resolve, job.data.seconds * 1000));
  return job.data.payload.length;
}

function jobs(count, seconds, within) {
  const begin = now() + AHEAD;
  return Array.from({ length: count }, (_, number) => {
    if (within) {
      const due = begin + (within * number) / count;
      return { name: "timed", data: { payload: PAYLOAD, due }, opts: { delay: Math.round((due - now()) * 1000) } };
    }
    if (seconds) return { name: "sleeper", data: { payload: PAYLOAD, seconds } };
    return { name: "length", data: PAYLOAD };
  });
}

async function put(queue, count, seconds = 0, within = 0) {
  const started = performance.now();
  const all = jobs(count, seconds, within);
  for (let at = 0; at < all.length; at += BULK) await queue.addBulk(all.slice(at, at + BULK));
  return (performance.now() - started) / 1000;
}

if (command === "work") {
  new Worker(NAME, process_, { connection, concurrency: Number(count) || CONCURRENCY });
} else {
  const queue = new Queue(NAME, { connection });
  await queue.waitUntilReady();
  if (command === "submit") await put(queue, WARMING);
  console.log(Number(count) / (await put(queue, Number(count), Number(seconds), Number(within))));
  await queue.close();
}

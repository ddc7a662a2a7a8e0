// What the peers in JavaScript have in common: twenty thousand jobs, two workers, each in a thread of its own, and a
// clock that runs from the first job's start until no job is left in the database.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

import pg from "pg";

const JOBS = 100_000;
const WORKERS = 2;
/** 200 bytes of JSON. */
const PAYLOAD = { text: "x".repeat(189) };

/**
 * Measures a peer and prints its jobs per second. `file` is run again in the thread of each worker.
 *
 * `schema`: what the peer's tables are in; dropped before and after.
 * `prepare(url, payloads)`: makes the tables and fills the queue.
 * `table`: the jobs, for VACUUM; `left`: a query with a row as long as a job has not ended.
 * `work(url, ran)`: starts a worker that calls `ran(n)` for n jobs; returns the function that stops it.
 */
export async function peer(file, options) {
  await (isMainThread ? measure(file, options) : work(options));
}

async function measure(file, { schema, prepare, table, left }) {
  const url = process.argv[2];
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await prepare(url, Array(JOBS).fill(PAYLOAD));
  await client.query(`VACUUM ANALYZE ${table}`);

  const shared = new SharedArrayBuffer(16);
  const { start, runs } = counters(shared);
  const workers = Array.from({ length: WORKERS }, () => new Worker(file, { workerData: { url, shared } }));
  for (const worker of workers) {
    worker.on("error", (error) => {
      console.error(error);
      process.exit(1);
    });
  }
  // All threads have loaded their code before the first may take a job.
  await Promise.all(workers.map((worker) => once(worker, "message")));
  workers.forEach((worker) => worker.postMessage("go"));

  while (Atomics.load(runs, 0) < JOBS || (await client.query(left)).rowCount > 0) {
    await sleep(1);
  }
  const seconds = Number(process.hrtime.bigint() - Atomics.load(start, 0)) / 1e9;
  if (Atomics.load(runs, 0) !== JOBS) {
    throw new Error(`${Atomics.load(runs, 0)} runs of ${JOBS} jobs`);
  }
  console.log(Math.round(JOBS / seconds));

  const ends = workers.map((worker) => once(worker, "exit"));
  workers.forEach((worker) => worker.postMessage("stop"));
  await Promise.all(ends);
  await client.query(`DROP SCHEMA ${schema} CASCADE`);
  await client.end();
}

async function work({ work }) {
  const { url, shared } = workerData;
  const { start, runs } = counters(shared);
  const ran = (jobs) => {
    Atomics.compareExchange(start, 0, 0n, process.hrtime.bigint());
    Atomics.add(runs, 0, jobs);
  };
  const go = once(parentPort, "message");
  parentPort.postMessage("ready");
  await go;
  const stop = await work(url, ran);
  await once(parentPort, "message");
  await stop();
  process.exit(0);
}

/** When the first job started, in nanoseconds of the process' clock, and how many have run. */
function counters(shared) {
  return { start: new BigInt64Array(shared, 0, 1), runs: new Int32Array(shared, 8, 1) };
}

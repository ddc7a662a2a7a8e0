// pg-boss as its page on workers describes it for a backlog: batches, and no pause while they are full:
// https://pgboss.io/api/workers

import { fileURLToPath } from "node:url";

import { PgBoss } from "pg-boss";

import { peer } from "./peers.mjs";

const schema = "peers_boss";
const queue = "no-op";

async function start(connectionString) {
  const boss = new PgBoss({ connectionString, schema });
  boss.on("error", console.error);
  await boss.start();
  return boss;
}

await peer(fileURLToPath(import.meta.url), {
  schema,
  table: `${schema}.job`,
  left: `SELECT 1 FROM ${schema}.job WHERE name = '${queue}' AND state < 'completed' LIMIT 1`,

  async prepare(url, payloads) {
    const boss = await start(url);
    await boss.createQueue(queue);
    await boss.insert(
      queue,
      payloads.map((data) => ({ data })),
    );
    await boss.stop();
  },

  async work(url, ran) {
    const boss = await start(url);
    await boss.work(queue, { batchSize: 2000, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }, async (jobs) => {
      ran(jobs.length);
    });
    return () => boss.stop();
  },
});

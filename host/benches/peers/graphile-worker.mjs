// graphile-worker with the settings that its page on performance gives for its own benchmark:
// https://worker.graphile.org/docs/performance

import { fileURLToPath } from "node:url";

import { Logger, makeWorkerUtils, run } from "graphile-worker";

import { peer } from "./peers.mjs";

const schema = "peers_graphile_node";
const logger = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});

await peer(fileURLToPath(import.meta.url), {
  schema,
  table: `${schema}._private_jobs`,
  left: `SELECT 1 FROM ${schema}._private_jobs LIMIT 1`,

  async prepare(connectionString, payloads) {
    const utils = await makeWorkerUtils({ connectionString, schema, logger });
    await utils.migrate();
    await utils.addJobs(payloads.map((payload) => ({ identifier: "no_op", payload })));
    await utils.release();
  },

  async work(connectionString, ran) {
    const runner = await run({
      preset: {
        worker: {
          connectionString,
          schema,
          logger,
          concurrentJobs: 24,
          maxPoolSize: 25,
          localQueue: { size: 500 },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        },
      },
      taskList: { no_op: async () => ran(1) },
      noHandleSignals: true,
    });
    return () => runner.stop();
  },
});

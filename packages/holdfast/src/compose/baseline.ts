import { prepareBaseline, type ScoreRows, type TableColumns } from '../monitoring/index.ts';
import {
  type BaselineRequest,
  isTabular,
  type PreparedBaseline,
  rowsToTensors,
  tensorsToColumns,
} from '../rollout/index.ts';
import { connectRunner, type Runner, type RunnerPool } from '../runtime/index.ts';
import type { RemoteServers } from '../serving/index.ts';

const hangTimeoutMs = 60_000;
let scorers = 0;

/** Where a candidate's rows are scored. */
export interface ScoringRunners {
  readonly pool: RunnerPool;
  readonly remotes: RemoteServers;
}

/** A runner of the candidate, started when the first row has to be scored. */
class Scorer implements AsyncDisposable {
  readonly #request: BaselineRequest;
  readonly #runners: ScoringRunners;
  /** No model has this name, so a candidate's runner never stands in for a serving one. */
  readonly #name = `~scorer-${++scorers}`;
  #runner: Promise<Runner> | undefined;

  constructor(request: BaselineRequest, runners: ScoringRunners) {
    this.#request = request;
    this.#runners = runners;
  }

  readonly score: ScoreRows = async (rows: number, inputs: TableColumns) => {
    this.#runner ??= this.#start();
    const runner = await this.#runner;
    const { signature } = this.#request;
    const { outputs } = await runner.run(rowsToTensors(signature, inputs, 0, rows));
    return tensorsToColumns(signature, outputs);
  };

  async #start(): Promise<Runner> {
    const { modelPath, signature, remote } = this.#request;
    const { pool, remotes } = this.#runners;
    if (remote !== undefined) return remotes.connect(remote, { model: this.#name, hangTimeoutMs, signature });
    const sockets = await pool.start(
      { model: this.#name, version: 0, modelPath, signature, threads: 1, hangTimeoutMs },
      1,
    );
    return connectRunner(sockets[0] ?? '', { model: this.#name, hangTimeoutMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#runner === undefined) return;
    await this.#runner.then(
      runner => runner[Symbol.asyncDispose](),
      () => {},
    );
    if (this.#request.remote === undefined) await this.#runners.pool.stop(this.#name, 0);
  }
}

/** Reads a candidate's baseline; the candidate itself scores the rows when the file has no outputs. */
export async function prepareModelBaseline(
  request: BaselineRequest,
  runners: ScoringRunners,
): Promise<PreparedBaseline> {
  await using scorer = new Scorer(request, runners);
  const { path, format, signature, truthColumn, timeColumn } = request;
  const profile = await prepareBaseline({
    path,
    format,
    signature,
    truthColumn,
    timeColumn,
    score: isTabular(signature) ? scorer.score : undefined,
  });
  return { json: JSON.stringify(profile), rows: profile.rows };
}

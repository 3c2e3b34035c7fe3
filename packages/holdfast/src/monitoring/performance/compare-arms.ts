import type { Signature } from '@holdfast/api';
import { emptyMoments, pushMoment } from '@holdfast/stats';
import type { ScoredWindow, ScoredWindowQuery } from '../../predlog/index.ts';
import { type RowLosses, rowLosses } from './arm-losses.ts';
import { scoredRows, taskColumns } from './scored-rows.ts';

/** Two versions that answer requests of the same time. */
export interface ArmsQuery {
  readonly model: string;
  /** The release that their predictions are tagged with. */
  readonly release: string;
  readonly champion: number;
  readonly challenger: number;
  /** Received since then, ms since epoch. */
  readonly sinceMs: number;
}

interface Loss {
  readonly count: number;
  readonly mean: number;
  readonly m2: number;
}

/** Their losses against the ground truth that has arrived, each by itself and row by row where both answered a request. */
export interface ComparedArms {
  readonly loss: RowLosses['loss'];
  readonly champion: { readonly predictions: number; readonly loss: Loss };
  readonly challenger: { readonly predictions: number; readonly loss: Loss };
  /** Loss of the challenger minus that of the champion. */
  readonly paired: Loss;
}

type ReadWindow = (query: ScoredWindowQuery) => Promise<ScoredWindow>;

/** All event times. */
const anyTime = { fromMs: -8.64e15, toMs: 8.64e15 };

interface Arm {
  readonly predictions: number;
  readonly losses: RowLosses;
  readonly ids: readonly string[];
}

async function readArm(
  read: ReadWindow,
  query: ArmsQuery,
  version: number,
  signature: Signature,
): Promise<Arm | undefined> {
  const { model, release, sinceMs: receivedFromMs } = query;
  const columns = taskColumns(signature.task);
  const window = await read({ model, version, ...anyTime, columns, arm: { release, receivedFromMs } });
  const losses = rowLosses(signature.task, scoredRows(window));
  return losses && { predictions: window.predictions, losses, ids: window.ids };
}

function momentsOf(values: Iterable<number>): Loss {
  const moments = emptyMoments();
  for (const value of values) pushMoment(moments, value);
  const { count, mean, m2 } = moments;
  return { count, mean, m2 };
}

/** Undefined when the task has no loss. */
export async function compareArms(
  read: ReadWindow,
  query: ArmsQuery,
  signatureOf: (version: number) => Signature | undefined,
): Promise<ComparedArms | undefined> {
  const arms: Arm[] = [];
  for (const version of [query.champion, query.challenger]) {
    const signature = signatureOf(version);
    const arm = signature && (await readArm(read, query, version, signature));
    if (arm === undefined) return undefined;
    arms.push(arm);
  }
  const [champion, challenger] = arms;
  if (champion === undefined || challenger === undefined || champion.losses.loss !== challenger.losses.loss) {
    return undefined;
  }
  const lossOf = new Map(champion.ids.map((id, row) => [id, champion.losses.values[row]!]));
  const differences = challenger.ids.map((id, row) => challenger.losses.values[row]! - (lossOf.get(id) ?? Number.NaN));
  const describe = ({ predictions, losses }: Arm) => ({ predictions, loss: momentsOf(losses.values) });
  return {
    loss: champion.losses.loss,
    champion: describe(champion),
    challenger: describe(challenger),
    paired: momentsOf(differences),
  };
}

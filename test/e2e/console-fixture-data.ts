import {
  type Alert,
  alertSchema,
  type DriftCell,
  type DriftDetail,
  driftCellSchema,
  driftDetailSchema,
  type ModelDetail,
  type ModelSummary,
  modelDetailSchema,
  modelSummarySchema,
  type PerformanceResponse,
  type PredictionRecord,
  performanceResponseSchema,
  predictionRecordSchema,
  type TrafficResponse,
  trafficResponseSchema,
  type Verdict,
  verdictSchema,
} from '@holdfast/api';
import { z } from 'zod';

// Invented answers of a control server, shaped by the schemas, for tests of the page alone.

const dayMs = 86_400_000;
export const spanStartMs = Date.UTC(2024, 0, 1);
export const days = 90;
export const spanEndMs = spanStartMs + days * dayMs;
/** From this day on version 2 answers, and `income` has moved. */
const switchDay = 40;
const driftDay = 62;

/** A name from a user that would be a script, if any page took it for markup. */
export const hostileColumn = "<img src=x onerror=document.title='pwn'>";

const numeric = ['income', 'age', 'balance', 'tenure_months', 'calls_last_week', hostileColumn];
const categorical = ['region', 'plan'];
export const inputColumns: readonly string[] = [...numeric, ...categorical];

/** A fixed sequence between 0 and 1. */
export function sequence(index: number): number {
  const x = Math.sin(index * 12.9898 + 4.1) * 43758.5453;
  return x - Math.floor(x);
}

export interface Range {
  readonly fromMs: number;
  readonly toMs: number;
}

const versionOf = (day: number): number => (day < switchDay ? 1 : 2);

export function summaryOf(name: string, champion: number | null, requestsPerSecond: number): ModelSummary {
  const isWatched = name === 'credit-risk';
  return modelSummarySchema.parse({
    name,
    champion,
    state: champion === null ? 'unloaded' : 'ready',
    task: 'binary',
    versions: 2,
    traffic: {
      requestsPerSecond,
      rowsPerSecond: requestsPerSecond * 4,
      errorsPerSecond: isWatched ? requestsPerSecond * 0.002 : 0,
      p50Ms: requestsPerSecond > 0 ? 1.84 : null,
      p99Ms: requestsPerSecond > 0 ? 7.31 : null,
    },
    drift: isWatched ? 'breached' : 'unwatched',
    driftedColumns: isWatched ? ['income', hostileColumn] : [],
    performance: isWatched ? 'breached' : 'unwatched',
    leadingMetric: isWatched ? { name: 'roc_auc', value: 0.8123, baseline: 0.8614 } : null,
    firingAlerts: isWatched ? 2 : 0,
  });
}

export function detailOf(summary: ModelSummary, aliasMoves: readonly { to: number; reason: string }[]): ModelDetail {
  const versionBase = {
    model: summary.name,
    bytes: 184_320,
    signature: {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 8] }],
      outputs: [{ name: 'p', datatype: 'FP32', shape: [-1, 1] }],
      columns: [],
      task: { kind: 'binary', score: 'p' },
    },
    baselineRows: 24_000,
  };
  const moves = [{ to: 1, reason: 'first deploy' }, { to: 2, reason: 'retrained on May' }, ...aliasMoves];
  return modelDetailSchema.parse({
    summary,
    versions: [1, 2].map(version => ({
      ...versionBase,
      version,
      digest: `sha256:${String(version).repeat(64)}`,
      state: 'ready',
      aliases: summary.champion === version ? ['champion'] : [],
      provenance: { fileName: `credit-risk-${version}.onnx`, producer: 'skl2onnx 1.18' },
      createdAtMs: spanStartMs + version * dayMs,
    })),
    history: moves
      .map((move, index) => ({
        alias: 'champion',
        fromVersion: index === 0 ? null : moves[index - 1]!.to,
        toVersion: move.to,
        generation: index + 1,
        atMs: spanStartMs + index * dayMs,
        actor: 'ana',
        reason: move.reason,
      }))
      .reverse(),
    span: { fromMs: spanStartMs, toMs: spanEndMs },
    clock: summary.name === 'credit-risk' ? 'event' : 'wall',
  });
}

export function trafficOf({ fromMs, toMs }: Range, points: number): TrafficResponse {
  const stepMs = Math.max(60_000, Math.ceil((toMs - fromMs) / points / 60_000) * 60_000);
  const steps = [];
  for (let startMs = fromMs; startMs < toMs; startMs += stepMs) {
    const day = (startMs - spanStartMs) / dayMs;
    const daily = 1 + 0.5 * Math.sin((day % 1) * 2 * Math.PI - 1.5) + 0.12 * sequence(Math.floor(day * 24));
    const rows = Math.round((daily * 4000 * stepMs) / 3_600_000);
    const slow = sequence(Math.floor(day * 8) + 7) > 0.97 ? 3 : 1;
    steps.push({
      startMs,
      version: versionOf(day),
      requests: Math.ceil(rows / 4),
      rows,
      errors: day > 70 && day < 71 ? Math.ceil(rows / 150) : 0,
      p50Ms: 1.6 + 0.4 * daily + 0.2 * sequence(startMs / 1e5),
      p90Ms: 3.1 + 0.8 * daily + 0.6 * sequence(startMs / 1e5 + 1),
      p99Ms: (6.2 + daily + 1.5 * sequence(startMs / 1e5 + 2)) * slow,
    });
  }
  return trafficResponseSchema.parse({ stepMs, points: steps });
}

function inside(day: number, { fromMs, toMs }: Range): boolean {
  const startMs = spanStartMs + day * dayMs;
  return startMs + dayMs > fromMs && startMs < toMs;
}

function aucOf(day: number): number {
  return 0.858 + 0.008 * (sequence(day) - 0.5) - (day > driftDay ? 0.045 : 0);
}

export function performanceOf(range: Range): PerformanceResponse {
  const points = Array.from({ length: days }, (_, day) => ({
    version: versionOf(day),
    windowStartMs: spanStartMs + day * dayMs,
    windowEndMs: spanStartMs + (day + 1) * dayMs,
    predictions: 96_000,
    labelled: Math.round(96_000 * Math.min(0.94, (days - day) / 14)),
    metrics: { roc_auc: aucOf(day), accuracy: aucOf(day) - 0.05, log_loss: 1.2 - aucOf(day) },
    revision: day % 3,
  })).filter((_, day) => inside(day, range));
  return performanceResponseSchema.parse({ baseline: { roc_auc: 0.8614, accuracy: 0.812, log_loss: 0.34 }, points });
}

function verdictOf(parts: Partial<Verdict> & { readonly id: number; readonly day: number }): Verdict {
  const { day, ...rest } = parts;
  return verdictSchema.parse({
    model: 'credit-risk',
    version: versionOf(day),
    monitor: 'data-drift',
    subject: 'income',
    windowStartMs: spanStartMs + day * dayMs,
    windowEndMs: spanStartMs + (day + 1) * dayMs,
    outcome: 'breached',
    test: 'two-sample KS',
    statistic: 0.182,
    pValue: 0.00000012,
    effectName: 'KS distance',
    effect: 0.182,
    threshold: 0.061,
    baselineRows: 24_000,
    windowRows: 96_000,
    falseAlarmRate: 0.01,
    sentence:
      'income drifted: half of the values are now above 51,200 where 42,700 was the middle of the baseline (KS distance 0.182, more than 0.061 is an alarm); such an alarm is raised in at most 1 % of quiet windows.',
    revision: 0,
    judgedAtMs: spanStartMs,
    ...rest,
  });
}

export function performanceVerdictsOf(range: Range): readonly Verdict[] {
  return Array.from({ length: days }, (_, day) => day)
    .filter(day => inside(day, range))
    .map(day =>
      verdictOf({
        id: day + 1,
        day,
        monitor: 'performance',
        subject: 'roc_auc',
        outcome: day > driftDay ? 'breached' : 'stable',
        statistic: aucOf(day),
        effectName: 'loss against the baseline',
        effect: 0.8614 - aucOf(day),
        threshold: 0.02,
      }),
    );
}

function effectOf(column: string, day: number): number {
  const index = [...inputColumns, 'probability'].indexOf(column);
  const quiet = 0.012 + 0.03 * sequence(index * 97 + day);
  if (column === 'income' && day >= driftDay) return quiet + 0.06 + 0.006 * (day - driftDay);
  if (column === hostileColumn && day >= 75) return quiet + 0.08;
  if (column === 'probability' && day >= driftDay + 3) return quiet + 0.03;
  return quiet;
}

export function driftOf(range: Range): readonly DriftCell[] {
  const columns = [
    ...inputColumns.map(column => ({ column, role: 'input' })),
    { column: 'probability', role: 'output' },
  ];
  const cells = columns.flatMap(({ column, role }) =>
    Array.from({ length: days }, (_, day) => day)
      .filter(day => inside(day, range))
      .map(day => {
        const isUndecided = day % 29 === 11;
        const effect = isUndecided ? null : effectOf(column, day);
        return {
          column,
          role,
          windowStartMs: spanStartMs + day * dayMs,
          windowEndMs: spanStartMs + (day + 1) * dayMs,
          version: versionOf(day),
          outcome: effect === null ? 'undecided' : effect > 0.061 ? 'breached' : 'stable',
          effect,
          threshold: isUndecided ? null : 0.061,
          rows: isUndecided ? 40 : 96_000,
        };
      }),
  );
  return z.array(driftCellSchema).parse(cells);
}

function bell(bins: number, middle: number, rows: number): number[] {
  const weights = Array.from({ length: bins }, (_, bin) => Math.exp(-((bin - middle) ** 2) / 22));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map(weight => Math.round((weight / total) * rows));
}

export function driftDetailOf(column: string, windowStartMs: number, windowEndMs: number): DriftDetail {
  const day = Math.round((windowStartMs - spanStartMs) / dayMs);
  const isNumeric = !categorical.includes(column);
  const isBreached = effectOf(column, day) > 0.061;
  const side = (rows: number, middle: number) => ({
    rows,
    missing: Math.round(rows * 0.012),
    mean: isNumeric ? 36_000 + middle * 900 : null,
    standardDeviation: isNumeric ? 14_210.4 : null,
    minimum: isNumeric ? 0 : null,
    maximum: isNumeric ? 412_000 : null,
    binCounts: isNumeric ? bell(24, middle, rows) : [],
    categories: isNumeric
      ? []
      : ['north', 'south', 'east', 'west', 'island', '北京'].map((category, index) => ({
          category,
          count: Math.round((rows / (index + 2)) * (middle > 11 && index === 1 ? 0.6 : 0.6)),
        })),
    unseen: 0,
  });
  const sentence = isBreached ? {} : { outcome: 'stable' as const, effect: 0.02, statistic: 0.02, pValue: 0.34 };
  return driftDetailSchema.parse({
    column,
    kind: isNumeric ? 'numeric' : 'categorical',
    windowStartMs,
    windowEndMs,
    edges: isNumeric ? Array.from({ length: 23 }, (_, edge) => 12_000 + edge * 3400) : [],
    baseline: side(24_000, 10),
    current: side(96_000, isBreached ? 13 : 10.2),
    verdicts: [
      verdictOf({
        id: 9000 + day,
        day,
        subject: column,
        ...sentence,
        ...(!isBreached && {
          sentence: `${column} is as on the baseline (KS distance 0.02, more than 0.061 is an alarm).`,
        }),
      }),
    ],
  });
}

export function predictionsOf(count: number, where: string): readonly PredictionRecord[] {
  const records = Array.from({ length: count }, (_, index) => ({
    id: `01k2${String(index).padStart(8, '0')}`,
    key: `order-${88_000 - index}`,
    version: 2,
    eventMs: spanEndMs - index * 3731,
    receivedMs: spanEndMs - index * 3731,
    latencyMs: 1.2 + 2 * sequence(index),
    tags: {},
    inputs: Object.fromEntries(
      inputColumns.map((column, at) => [
        column,
        categorical.includes(column)
          ? (['north', 'south', 'east', 'west'][(index + at) % 4] ?? '')
          : Math.round(sequence(index * 8 + at) * 1e5) / 10,
      ]),
    ),
    outputs: { probability: Math.round(sequence(index + 500) * 1e4) / 1e4, label: index % 3 === 0 ? 1 : 0 },
    truth: index < 8 ? null : String(Number(index % 3 === 0)),
  }));
  return z
    .array(predictionRecordSchema)
    .parse(where.includes('north') ? records.filter(r => r.inputs.region === 'north') : records);
}

export function alertsOf(): readonly Alert[] {
  const base = { model: 'credit-risk', version: 2, severity: 'warning', openedAtMs: spanStartMs, resolvedAtMs: null };
  const at = (day: number): number => spanStartMs + day * dayMs;
  return z.array(alertSchema).parse([
    {
      ...base,
      id: 'a1',
      monitor: 'data-drift',
      state: 'firing',
      title: '2 columns of credit-risk drift',
      subjects: ['income', hostileColumn],
      sentences: [
        'income drifted: half of the values are now above 51,200 where 42,700 was the middle of the baseline (KS distance 0.182, more than 0.061 is an alarm).',
        `${hostileColumn} drifted (KS distance 0.104, more than 0.061 is an alarm).`,
      ],
      sinceMs: at(driftDay),
      lastWindowMs: at(days - 1),
      firedAtMs: at(driftDay + 1),
    },
    {
      ...base,
      id: 'a2',
      monitor: 'performance',
      state: 'firing',
      severity: 'critical',
      title: 'credit-risk is worse than on its baseline',
      subjects: ['roc_auc'],
      sentences: [
        'ROC AUC fell to 0.812 (between 0.805 and 0.819) against 0.861 on the baseline; a loss of 0.02 is tolerated (90,240 labels, 94 % of predictions).',
      ],
      sinceMs: at(driftDay + 1),
      lastWindowMs: at(days - 1),
      firedAtMs: at(driftDay + 2),
    },
    {
      ...base,
      id: 'a3',
      monitor: 'service-level',
      state: 'resolved',
      severity: 'info',
      title: 'credit-risk answered with errors',
      subjects: ['error_ratio'],
      sentences: ['2.7 % of 24,000 requests failed; 1 % is tolerated.'],
      sinceMs: at(70),
      lastWindowMs: at(71),
      firedAtMs: at(70),
      resolvedAtMs: at(72),
    },
  ]);
}

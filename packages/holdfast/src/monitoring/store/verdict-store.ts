import type { Verdict } from '@holdfast/api';
import { parseModelName } from '@holdfast/api';
import type { Selectable } from 'kysely';
import type { Finding } from '../finding.ts';
import type { WatchVerdictTable } from './schema.ts';
import type { WatchDatabase } from './watch-store.ts';

export interface VerdictPlace {
  readonly model: string;
  readonly version: number;
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  readonly judgedAtMs: number;
}

/**
 * Stores findings as verdicts. A verdict on the same subject of the same window replaces the one before under a new,
 * higher id and with a raised revision, so that readers by id hear of it.
 */
export async function saveVerdicts(
  db: WatchDatabase,
  place: VerdictPlace,
  findings: readonly Finding[],
): Promise<readonly Verdict[]> {
  const saved: Verdict[] = [];
  for (const finding of findings) {
    const before = await db
      .deleteFrom('watch_verdict')
      .where('model', '=', place.model)
      .where('version', '=', place.version)
      .where('monitor', '=', finding.monitor)
      .where('subject', '=', finding.subject)
      .where('window_start_ms', '=', place.windowStartMs)
      .where('window_end_ms', '=', place.windowEndMs)
      .returning('revision')
      .executeTakeFirst();
    const row = {
      model: place.model,
      version: place.version,
      monitor: finding.monitor,
      subject: finding.subject,
      role: finding.role,
      window_start_ms: place.windowStartMs,
      window_end_ms: place.windowEndMs,
      outcome: finding.outcome,
      because: finding.because ?? null,
      test: finding.test,
      statistic: finite(finding.statistic),
      p_value: finite(finding.pValue),
      effect_name: finding.effectName,
      effect: finite(finding.effect),
      threshold: finite(finding.threshold),
      baseline_rows: finding.baselineRows,
      window_rows: finding.windowRows,
      false_alarm_rate: finite(finding.falseAlarmRate),
      sentence: finding.sentence,
      revision: before === undefined ? 0 : before.revision + 1,
      judged_at_ms: place.judgedAtMs,
    };
    const { id } = await db.insertInto('watch_verdict').values(row).returning('id').executeTakeFirstOrThrow();
    saved.push(verdictOf({ id, ...row }));
  }
  return saved;
}

function finite(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}

export function verdictOf(row: Selectable<WatchVerdictTable>): Verdict {
  return {
    id: row.id,
    model: parseModelName(row.model),
    version: row.version,
    monitor: row.monitor,
    subject: row.subject,
    windowStartMs: row.window_start_ms,
    windowEndMs: row.window_end_ms,
    outcome: row.outcome,
    ...(row.because === null ? {} : { because: row.because }),
    test: row.test,
    statistic: row.statistic,
    pValue: row.p_value,
    effectName: row.effect_name,
    effect: row.effect,
    threshold: row.threshold,
    baselineRows: row.baseline_rows,
    windowRows: row.window_rows,
    falseAlarmRate: row.false_alarm_rate,
    sentence: row.sentence,
    revision: row.revision,
    judgedAtMs: row.judged_at_ms,
  };
}

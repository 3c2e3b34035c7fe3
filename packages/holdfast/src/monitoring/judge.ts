import type { Verdict } from '@holdfast/api';
import { createRng } from '@holdfast/stats';
import type { Log } from '../telemetry/index.ts';
import { type Calibration, calibrate } from './drift/calibrate.ts';
import { driftColumns, hasEnoughRows } from './drift/judge-drift.ts';
import type { Finding } from './finding.ts';
import type { GroundTruth, TruthSpan } from './ground-truth.ts';
import { judgeModelVolume, judgeVersion } from './judge-window.ts';
import type { ModelEntry } from './model-entry.ts';
import type { MonitoredModel } from './monitored-model.ts';
import { PerformanceScorer } from './performance/performance-scorer.ts';
import { loadCalibration, saveCalibration } from './store/calibration-store.ts';
import { loadWithBlocks } from './store/reference-store.ts';
import { saveVerdicts } from './store/verdict-store.ts';
import { noVersion, type WatchDatabase } from './store/watch-store.ts';
import {
  earlierVolumes,
  lastBusyVersion,
  markJudged,
  nextUnjudged,
  type UnjudgedWindow,
} from './store/window-store.ts';
import type { Tally } from './windows/tally.ts';

export interface JudgeOptions {
  readonly db: WatchDatabase;
  readonly truth: GroundTruth;
  readonly clock: () => number;
  readonly log: Log;
  /** Of the draws that thresholds are learned with. */
  readonly seed: number;
  readonly entry: (model: string) => ModelEntry | undefined;
  readonly versions: (model: string) => readonly MonitoredModel[];
  readonly emit: (model: string, startMs: number, endMs: number, breaches: readonly Verdict[]) => void;
}

/** Windows judged in one step, so that reading the log is never kept waiting for long. */
const windowsPerStep = 20;
/** Failures in a row after which a window is given up; a full disk needs some time to be emptied. */
const mostFailures = 20;

/** Judges closed windows, each exactly once, and scores their predictions again when ground truth arrives late. */
export class Judge {
  readonly #options: JudgeOptions;
  readonly #scorer: PerformanceScorer;
  /** How often judging a window failed, since it last did not. */
  readonly #failures = new Map<string, number>();

  constructor(options: JudgeOptions) {
    this.#options = options;
    this.#scorer = new PerformanceScorer(options);
  }

  /** Remembers, inside the caller's transaction, the closed windows that late ground truth belongs to. */
  async markForScoring(db: WatchDatabase, spans: readonly TruthSpan[]): Promise<void> {
    await this.#scorer.mark(db, spans);
  }

  async step(): Promise<boolean> {
    let worked = false;
    for (let i = 0; i < windowsPerStep; i++) {
      const window = await nextUnjudged(this.#options.db, model => this.#options.entry(model)?.references);
      if (window === undefined) break;
      await this.#judgeOrGiveUp(window);
      worked = true;
    }
    return (await this.#scorer.step()) || worked;
  }

  /** A window that cannot be judged again and again must not keep all later ones from being judged. */
  async #judgeOrGiveUp(window: UnjudgedWindow): Promise<void> {
    const { db, clock, log } = this.#options;
    const { model, startMs, endMs, series } = window;
    const key = `${model}/${series}/${startMs}/${endMs}`;
    try {
      await this.#judge(window);
      this.#failures.delete(key);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      if (failures < mostFailures) throw error;
      log.error({ error, model, startMs, endMs, series }, 'watch.window_given_up');
      await markJudged(db, window, clock());
      this.#failures.delete(key);
    }
  }

  async #judge(window: UnjudgedWindow): Promise<void> {
    const { db, clock } = this.#options;
    const { model, startMs, endMs, series } = window;
    const versions = this.#options.versions(model);
    const entry = this.#options.entry(model);
    const found = new Map<number, Finding[]>();
    const add = (version: number, findings: readonly Finding[]): void => {
      found.set(version, [...(found.get(version) ?? []), ...findings]);
    };
    if (series === 'window') {
      for (const [version, tally] of window.versions) {
        const watched = versions.find(one => one.version === version);
        if (watched === undefined || entry === undefined) continue;
        const calibration = await this.#calibration(watched, tally);
        add(version, judgeVersion(watched, tally, calibration));
      }
      const [first] = versions;
      // Traffic that stays away is missed by the version that had it last.
      const busiest = busiestVersion(window) ?? (await lastBusyVersion(db, model, startMs));
      if (first !== undefined && busiest !== undefined) {
        const rows = [...window.versions.values()].reduce((sum, tally) => sum + tally.service.rows, 0);
        const earlier = await earlierVolumes(db, model, startMs, endMs - startMs);
        add(busiest, judgeModelVolume({ startMs, endMs, rows }, earlier, first.monitors));
      }
    }
    const scored =
      series === 'performance' || entry?.watch.sharesWindows === true ? await this.#scorer.score(window, versions) : [];
    for (const { version, findings } of scored) add(version, findings);
    const judgedAtMs = clock();
    const breaches: Verdict[] = [];
    await db.transaction().execute(async transaction => {
      for (const point of scored) await this.#scorer.save(transaction, point);
      for (const [version, findings] of found) {
        const place = { model, version, windowStartMs: startMs, windowEndMs: endMs, judgedAtMs };
        // Verdicts of one monitor stand together, so that whoever reads them by number sees them as one answer.
        const byMonitor = [...Map.groupBy(findings, finding => finding.monitor).values()].flat();
        const verdicts = await saveVerdicts(transaction, place, byMonitor);
        breaches.push(...verdicts.filter(verdict => verdict.outcome === 'breached'));
      }
      await markJudged(transaction, window, judgedAtMs);
    });
    this.#options.emit(model, startMs, endMs, breaches);
  }

  /** Thresholds for windows of about this size: learned once, then read from the database. */
  async #calibration(version: MonitoredModel, tally: Tally): Promise<Calibration | undefined> {
    const { db, seed } = this.#options;
    const { drift, window: spec } = version.monitors;
    const { reference, profile } = tally;
    if (reference === undefined || profile === undefined || !drift.enabled) return undefined;
    if (!hasEnoughRows(reference, profile.rows, drift)) return undefined;
    const lengthMs = 'every' in spec ? spec.every : null;
    const rows = sizeBucket(profile.rows);
    const key = `${rows}/${lengthMs ?? 'rows'}/${drift.falseAlarmRate}/${drift.ignore.join(',')}`;
    const stored = await loadCalibration(db, reference.id, key);
    if (stored !== undefined) return stored;
    // Seeded by what is learned, so that a rebuilt database has the same thresholds whatever came in which order.
    const rng = createRng(seed + rows + (lengthMs ?? 0));
    const columns = driftColumns(reference, drift);
    const baseline = await loadWithBlocks(db, reference);
    const learned = calibrate(baseline, columns, { rows, lengthMs }, drift.falseAlarmRate, rng);
    if (learned !== undefined) await saveCalibration(db, reference.id, key, learned);
    return learned;
  }
}

/** Sizes that share a calibration: powers of the square root of two, rounded down as smaller windows vary more. */
export function sizeBucket(rows: number): number {
  return Math.max(1, Math.floor(2 ** (Math.floor(Math.log2(Math.max(1, rows)) * 2) / 2)));
}

function busiestVersion(window: UnjudgedWindow): number | undefined {
  let busiest: number | undefined;
  let most = -1;
  for (const [version, tally] of window.versions) {
    if (version === noVersion || tally.service.rows <= most) continue;
    busiest = version;
    most = tally.service.rows;
  }
  return busiest;
}

import type { MonitorsConfig } from '../config/index.ts';
import { describeCount } from './describe.ts';
import type { Calibration } from './drift/calibrate.ts';
import { judgeDrift } from './drift/judge-drift.ts';
import { type Finding, undecidedParts } from './finding.ts';
import type { MonitoredModel } from './monitored-model.ts';
import { isCompared } from './profiles/build-reference.ts';
import { judgeQuality } from './quality/judge-quality.ts';
import { judgeServiceLevel } from './service/judge-service.ts';
import { type EarlierWindow, judgeVolume } from './service/judge-volume.ts';
import { learningRows } from './windows/learning-buffer.ts';
import type { Tally } from './windows/tally.ts';

/** What the monitors that need no ground truth find in one version's share of a window. */
export function judgeVersion(
  version: MonitoredModel,
  tally: Tally,
  calibration: Calibration | undefined,
): readonly Finding[] {
  const { drift, quality, serviceLevel } = version.monitors;
  const findings = [...judgeServiceLevel(tally.service, serviceLevel, drift.falseAlarmRate)];
  if (tally.service.rows === 0) return findings;
  if (tally.reference !== undefined && tally.profile !== undefined) {
    findings.push(...judgeDrift(tally.reference, tally.profile, drift, calibration));
    findings.push(...judgeQuality(tally.reference, tally.profile, quality, drift.falseAlarmRate));
  } else if (drift.enabled) {
    findings.push(...stillLearning(version, tally));
  }
  return findings;
}

/** Volume is a question about a model as a whole: a version that lost its traffic to another has done nothing wrong. */
export function judgeModelVolume(
  window: { readonly startMs: number; readonly endMs: number; readonly rows: number },
  earlier: readonly EarlierWindow[],
  monitors: MonitorsConfig,
): readonly Finding[] {
  return 'every' in monitors.window ? judgeVolume(window, earlier, monitors.volume) : [];
}

function stillLearning(version: MonitoredModel, tally: Tally): readonly Finding[] {
  return version.signature.columns
    .filter(column => isCompared(column) && !version.monitors.drift.ignore.includes(column.name))
    .map(column => ({
      ...undecidedParts,
      monitor: column.role === 'input' ? 'data-drift' : 'prediction-drift',
      subject: column.name,
      role: column.role,
      because: 'no-baseline',
      test: column.kind === 'numeric' ? 'two-sample KS' : 'two-sample chi-square',
      effectName: column.kind === 'numeric' ? 'KS distance' : 'L-infinity distance',
      baselineRows: 0,
      windowRows: tally.service.rows,
      sentence: `${column.name} is not judged: the version has no baseline; its first ${describeCount(learningRows)} live rows will serve as one.`,
    }));
}

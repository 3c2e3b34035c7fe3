import type { Observation } from './sampler.ts';

/** The loss at or before a step; undefined before the first report. */
function lossAt(o: Observation, step: number, objective: number): number | undefined {
  return o.reports.findLast(r => r.step <= step)?.losses[objective];
}

/**
 * What a trial that stopped early would have reached: the final loss of complete trials that stood at the same place
 * when they were at that step, linearly between neighbours, the worst or best beyond them. `undefined` when no complete
 * trial reported by then.
 */
function estimateFinal(o: Observation, complete: readonly Observation[], objective = 0): number | undefined {
  const { last } = o;
  const loss = last?.losses[objective];
  if (last === undefined || loss === undefined) return undefined;
  const then: number[] = [];
  const finals: number[] = [];
  for (const c of complete) {
    const early = lossAt(c, last.step, objective);
    if (early === undefined) continue;
    then.push(early);
    finals.push(c.losses[objective]!);
  }
  if (then.length === 0) return undefined;
  then.sort((a, b) => a - b);
  finals.sort((a, b) => a - b);
  const above = then.findIndex(v => v >= loss);
  if (above < 0) return finals.at(-1);
  if (above === 0) return finals[0];
  const width = then[above]! - then[above - 1]!;
  const share = width > 0 ? (loss - then[above - 1]!) / width : 0;
  return finals[above - 1]! + share * (finals[above]! - finals[above - 1]!);
}

/**
 * Observations a model of final losses can learn from: complete and failed ones as they are; pruned and paused ones as
 * complete with their estimated final loss, pruned ones never better than the median, since that is why they stopped.
 */
function withEstimates(observations: readonly Observation[]): readonly Observation[] {
  const complete = observations.filter(o => o.kind === 'complete');
  const objectives = complete[0]?.losses.length ?? 0;
  const sorted = complete.map(o => o.losses[0]!).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  return observations.flatMap(o => {
    if (o.kind === 'complete' || o.kind === 'failed') return [o];
    const losses = Array.from({ length: objectives }, (_, k) => estimateFinal(o, complete, k)).filter(
      v => v !== undefined,
    );
    if (losses.length < objectives || median === undefined) return [];
    // With several objectives a pruned trial may well lead in one of them.
    if (o.kind === 'pruned' && objectives === 1) losses[0] = Math.max(losses[0]!, median);
    return [{ ...o, kind: 'complete' as const, losses }];
  });
}

/**
 * Trials as they stood at the deepest step that `needed` of them have reached, failures as they are; `undefined` before so
 * many have reported.
 *
 * Falkner, Klein & Hutter, BOHB: robust and efficient hyperparameter optimization at scale, ICML 2018, section 3.2.
 */
export function atDeepestStep(
  observations: readonly Observation[],
  needed: number,
): readonly Observation[] | undefined {
  const depths = observations.flatMap(o => (o.last ? [o.last.step] : [])).sort((a, b) => b - a);
  const step = depths[needed - 1];
  if (step === undefined) return undefined;
  return observations.flatMap(o => {
    if (o.kind === 'failed') return [o];
    if (o.last === undefined || o.last.step < step) return [];
    const losses = o.reports.findLast(r => r.step <= step)?.losses;
    return losses ? [{ ...o, kind: 'complete' as const, losses }] : [];
  });
}

/**
 * What a model can learn from: `withEstimates` once there are `needed` complete trials; before, with trials that stop
 * early, the losses at the deepest step that as many trials have reached.
 */
export function learnable(observations: readonly Observation[], needed: number): readonly Observation[] {
  if (observations.filter(o => o.kind === 'complete').length >= needed) return withEstimates(observations);
  return atDeepestStep(observations, needed) ?? withEstimates(observations);
}

/** What a line or a posted object says about a trial. */
export type Metric =
  | { readonly kind: 'step'; readonly step: number; readonly values: readonly number[]; readonly cost?: number }
  | {
      readonly kind: 'result';
      readonly values: readonly number[];
      readonly constraints?: readonly number[];
      readonly cost?: number;
    }
  | { readonly kind: 'broken'; readonly why: string };

const bareNumber = /"(?:[^"\\]|\\.)*"|(?:-?Infinity|NaN)/g;

/** JSON as Python and others write it: NaN and Infinity without quotes become texts. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(text.replace(bareNumber, found => (found.startsWith('"') ? found : `"${found}"`)));
    } catch {
      return undefined;
    }
  }
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  // JSON.stringify of NaN.
  return value === null ? Number.NaN : undefined;
}

/**
 * Reads an object with metrics: `{"step": 3, "loss": 0.4}` reports a step, `{"loss": 0.4}` the result. `cost` and
 * `constraints` (0 or less is met) may stand beside. Undefined when it has none of the objectives, so it is no metric.
 */
export function readMetric(value: unknown, objectives: readonly string[]): Metric | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = new Map<string, unknown>(Object.entries(value));
  if (!objectives.some(name => entries.has(name))) return undefined;
  const values: number[] = [];
  for (const name of objectives) {
    const found = numberOf(entries.get(name));
    if (found === undefined)
      return { kind: 'broken', why: `"${name}" is missing or no number beside the other metrics` };
    values.push(found);
  }
  const cost = entries.has('cost') ? numberOf(entries.get('cost')) : undefined;
  if (entries.has('cost') && !(cost !== undefined && cost >= 0 && Number.isFinite(cost)))
    return { kind: 'broken', why: '"cost" must be a number from 0' };
  const costs = cost === undefined ? {} : { cost };
  if (entries.has('step')) {
    const step = numberOf(entries.get('step'));
    if (step === undefined || !(step >= 0) || !Number.isFinite(step))
      return { kind: 'broken', why: '"step" must be a number from 0' };
    return { kind: 'step', step, values, ...costs };
  }
  if (!entries.has('constraints')) return { kind: 'result', values, ...costs };
  const raw = entries.get('constraints');
  const constraints = Array.isArray(raw) ? raw.map(numberOf).filter(c => c !== undefined) : [];
  if (!Array.isArray(raw) || constraints.length !== raw.length)
    return { kind: 'broken', why: '"constraints" must be a list of numbers' };
  return { kind: 'result', values, constraints, ...costs };
}

/** Reads one line of output; anything that is not an object with metrics is undefined. */
export function readMetricLine(line: string, objectives: readonly string[]): Metric | undefined {
  const text = line.trim();
  return text.startsWith('{') && text.endsWith('}') ? readMetric(parseJson(text), objectives) : undefined;
}

/** Whether a line is a JSON object with a number in it, so that it may be meant as a report. */
export function looksLikeMetrics(line: string): boolean {
  const text = line.trim();
  if (!text.startsWith('{') || !text.endsWith('}')) return false;
  const value = parseJson(text);
  return typeof value === 'object' && value !== null && Object.values(value).some(each => numberOf(each) !== undefined);
}

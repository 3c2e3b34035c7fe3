import { z } from 'zod';
import { percentSchema } from './deployment.ts';
import { parseDurationMs } from './duration.ts';

/** One step of a rollout's plan. */
export interface RolloutStep {
  /** `shadow`: the new version gets copies and answers nobody; `canary`: it answers a share. */
  readonly kind: 'shadow' | 'canary';
  /** Share of the requests that are copied or answered, 0 to 100. */
  readonly percent: number;
  /** Least length of the step, ms; null waits for a person. */
  readonly forMs: number | null;
}

export const rolloutStepSchema: z.ZodType<RolloutStep> = z.object({
  kind: z.enum(['shadow', 'canary']),
  percent: percentSchema,
  forMs: z.number().min(0).nullable(),
});

const stepPattern = /^(?:(shadow)(?:\s+(\d+(?:\.\d+)?)\s*%)?|(\d+(?:\.\d+)?)\s*%)(?:\s+(?:for\s+)?(\S+))?$/;
const mostSteps = 20;

function stepOf(text: string): RolloutStep | string {
  const match = stepPattern.exec(text);
  if (match === null) return `"${text}" is not a step such as "5% 10m", "shadow 10m", "0% pause" or "100%"`;
  const [, shadow, copied, share, length] = match;
  const percent = Number(shadow === undefined ? share : (copied ?? '100'));
  if (!percentSchema.safeParse(percent).success) return `"${text}": a share is 0 to 100 % with at most two decimals`;
  const kind = shadow === undefined ? 'canary' : 'shadow';
  const isLast = kind === 'canary' && percent === 100;
  if (isLast && length !== undefined) return `"${text}": 100% promotes and has no length; put one on the step before`;
  if (isLast) return { kind, percent, forMs: 0 };
  if (length === undefined) return `"${text}" says no length: add one, such as "${text} 10m", or "pause"`;
  if (length === 'pause') return { kind, percent, forMs: null };
  const forMs = parseDurationMs(length);
  return forMs === undefined
    ? `"${length}" is neither a duration such as 30s or 10m, nor "pause"`
    : { kind, percent, forMs };
}

/** The steps of a plan such as `shadow 10m -> 5% 10m -> 25% 30m -> 100%`, or a sentence that says what is wrong. */
export function parsePlan(text: string): readonly RolloutStep[] | string {
  const steps: RolloutStep[] = [];
  for (const part of text.split(/->|→|,/)) {
    const step = stepOf(part.trim());
    if (typeof step === 'string') return step;
    const before = steps.at(-1);
    if (before !== undefined && before.kind === 'canary') {
      if (before.percent === 100) return '100% promotes, so it is the last step';
      if (step.kind === 'shadow') return 'a shadow step comes before the first share';
      if (step.percent <= before.percent)
        return `shares grow from step to step, but ${step.percent}% follows ${before.percent}%`;
    }
    steps.push(step);
  }
  return steps.length > mostSteps ? `a plan has at most ${mostSteps} steps` : steps;
}

/** A plan as text, checked. */
export const planSchema = z
  .string()
  .max(1000)
  .superRefine((text, context) => {
    const steps = parsePlan(text);
    if (typeof steps === 'string') context.addIssue({ code: 'custom', message: steps });
  });

import { pathToFileURL } from 'node:url';
import { z } from 'zod';

// The process in which a function of the user evaluates one configuration: started like any other command, it talks to
// the address that every command is given. What the function prints is its own.

const environmentSchema = z.object({
  HOLDFAST_PARAMS: z.string(),
  HOLDFAST_TRIAL: z.coerce.number(),
  HOLDFAST_SEED: z.coerce.number(),
  HOLDFAST_TRIAL_DIR: z.string(),
  HOLDFAST_CHECKPOINT_DIR: z.string(),
  HOLDFAST_REPORT_URL: z.string(),
  HOLDFAST_RESUME_FROM: z.coerce.number().optional(),
  HOLDFAST_UNTIL_STEP: z.coerce.number().optional(),
});
const definitionSchema = z.looseObject({
  objectives: z.record(z.string(), z.string()),
  objective: z.custom<(params: unknown, trial: object) => unknown>(value => typeof value === 'function'),
});
const metricsSchema = z.union([z.number(), z.record(z.string(), z.number())]);
const answerSchema = z.object({ decision: z.string() });

const environment = environmentSchema.parse(process.env);
const [, , path = '', name = ''] = process.argv;
const module: Record<string, unknown> = await import(pathToFileURL(path).href);
const definition = definitionSchema.parse(module[name]);
const [first = 'value'] = Object.keys(definition.objectives);

/** Sends metrics; numbers that JSON cannot write travel as text. */
async function post(metrics: unknown, step: number | undefined): Promise<string> {
  const result = metricsSchema.safeParse(metrics);
  if (!result.success)
    throw new TypeError(`the objective must give a number or an object of numbers, not ${JSON.stringify(metrics)}`);
  const named = typeof result.data === 'number' ? { [first]: result.data } : result.data;
  const body = JSON.stringify(step === undefined ? named : { ...named, step }, (_, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
  const response = await fetch(environment.HOLDFAST_REPORT_URL, {
    method: 'POST',
    body,
    signal: AbortSignal.timeout(60_000),
  });
  if (!response.ok) throw new Error(`the report was refused: ${await response.text()}`);
  return answerSchema.parse(await response.json()).decision;
}

async function evaluate(): Promise<void> {
  const result = await definition.objective(JSON.parse(environment.HOLDFAST_PARAMS), {
    number: environment.HOLDFAST_TRIAL,
    seed: environment.HOLDFAST_SEED,
    directory: environment.HOLDFAST_TRIAL_DIR,
    checkpointDirectory: environment.HOLDFAST_CHECKPOINT_DIR,
    resumeFrom: environment.HOLDFAST_RESUME_FROM,
    untilStep: environment.HOLDFAST_UNTIL_STEP,
    report: async (step: number, metrics: unknown) => {
      if ((await post(metrics, step)) !== 'continue') process.exit(0);
    },
  });
  await post(result, undefined);
}

try {
  await evaluate();
  process.exit(0);
} catch (error) {
  console.error(error);
  // The last line of the errors is what the study shows.
  console.error(String(error));
  process.exit(1);
}

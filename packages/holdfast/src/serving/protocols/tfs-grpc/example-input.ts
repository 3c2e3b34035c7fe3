import { z } from 'zod';
import { badRequest } from '../../refusal.ts';
import type { Example, FeatureValues } from '../tfs/examples.ts';

const featureSchema = z.object({
  bytes_list: z.object({ value: z.array(z.instanceof(Uint8Array)) }).nullish(),
  float_list: z.object({ value: z.array(z.number()) }).nullish(),
  int64_list: z.object({ value: z.array(z.number()) }).nullish(),
});
const exampleSchema = z.object({ features: z.object({ feature: z.record(z.string(), featureSchema) }).nullish() });

export const inputSchema = z
  .object({
    example_list: z.object({ examples: z.array(exampleSchema) }).nullish(),
    example_list_with_context: z
      .object({ examples: z.array(exampleSchema), context: exampleSchema.nullish() })
      .nullish(),
  })
  .nullish();

/** Rows of named features, and what holds for all of them. */
export interface ExampleRows {
  readonly examples: readonly Example[];
  readonly context: Example | undefined;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

function textOf(bytes: Uint8Array, feature: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw badRequest(`Feature ${feature} is not valid UTF-8, which a string tensor needs.`);
  }
}

function exampleOf({ features }: z.output<typeof exampleSchema>): Example {
  const values = new Map<string, FeatureValues>();
  for (const [name, one] of Object.entries(features?.feature ?? {})) {
    const texts = one.bytes_list?.value.map(bytes => textOf(bytes, name));
    values.set(name, texts ?? one.float_list?.value ?? one.int64_list?.value ?? []);
  }
  return values;
}

/** @throws Refusal `bad_request` */
export function rowsOf(input: z.output<typeof inputSchema>): ExampleRows {
  const list = input?.example_list ?? input?.example_list_with_context;
  if (list === null || list === undefined) throw badRequest('Input is empty.');
  const context = input?.example_list_with_context?.context;
  return { examples: list.examples.map(exampleOf), context: context ? exampleOf(context) : undefined };
}

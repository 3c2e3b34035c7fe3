import { z } from 'zod';
import { aliasSchema, champion, modelNameSchema, versionSchema } from './names.ts';

const scalarSchema = z.union([z.string(), z.number(), z.boolean()]);

/** Rows that a step runs for: those whose element of `tensor` fits; exactly one of the other keys says how. */
const stepConditionSchema = z
  .strictObject({
    /** A tensor with one element per row. */
    tensor: z.string().min(1),
    equals: scalarSchema.optional(),
    in: z.array(scalarSchema).min(1).max(1000).optional(),
    below: z.number().optional(),
    atLeast: z.number().optional(),
  })
  .refine(({ tensor: _, ...ways }) => Object.values(ways).filter(way => way !== undefined).length === 1, {
    error: 'a condition has exactly one of equals, in, below and atLeast',
  });
export type StepCondition = z.output<typeof stepConditionSchema>;

const ensembleStepSchema = z.strictObject({
  model: modelNameSchema,
  /** A version stays where it is; an alias is followed wherever it moves. */
  version: z.union([versionSchema, aliasSchema]).default(champion),
  /** From the name inside the model to the ensemble's name; the same where none is given. */
  inputs: z.record(z.string(), z.string().min(1)).default({}),
  outputs: z.record(z.string(), z.string().min(1)).default({}),
  /** Runs for all rows when absent. */
  when: stepConditionSchema.optional(),
});
export type EnsembleStep = z.output<typeof ensembleStepSchema>;

/**
 * Models that answer together. A step runs as soon as its inputs are there, whatever its place in the list; of steps
 * that give the same tensor, the first whose condition holds gives a row.
 */
export const ensembleSchema = z.strictObject({
  /** What a caller sends, in this order; all that the steps need and none gives when absent. */
  inputs: z.array(z.string().min(1)).min(1).optional(),
  steps: z.array(ensembleStepSchema).min(1).max(200),
  /** What a caller gets; all that the steps give and none needs when absent. */
  outputs: z.array(z.string().min(1)).min(1).optional(),
});
export type Ensemble = z.output<typeof ensembleSchema>;

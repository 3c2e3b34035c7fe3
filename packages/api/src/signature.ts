import { z } from 'zod';
import { datatypes } from './datatype.ts';

export const datatypeSchema = z.enum(datatypes);

/** One input or output tensor; a dimension of -1 may have any size >= 1, and the first one is the batch. */
export const tensorSpecSchema = z.object({
  name: z.string().min(1),
  datatype: datatypeSchema,
  shape: z.array(z.int().min(-1)),
  /** An optional input may be left out of a request. */
  optional: z.boolean().default(false),
  /** Names of the classes that the elements of a row score, in order. */
  labels: z.array(z.string()).optional(),
});
export type TensorSpec = z.infer<typeof tensorSpecSchema>;

export const featureKindSchema = z.enum(['numeric', 'categorical', 'text', 'id', 'time', 'embedding', 'image']);
export type FeatureKind = z.infer<typeof featureKindSchema>;

/**
 * One monitored scalar per row: element `index` of a row of tensor `tensor`. A tensor of shape [-1] or [-1, 1] is one
 * column with the tensor's name; [-1, k] is k columns, named by the model file or `tensor[0]` ... `tensor[k-1]`.
 */
export const columnSpecSchema = z.object({
  name: z.string().min(1),
  role: z.enum(['input', 'output']),
  tensor: z.string().min(1),
  index: z.int().min(0),
  kind: featureKindSchema,
  unit: z.string().optional(),
  /** Allowed range of a numeric column; values outside count as range violations. */
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  /** Personal data: the value is hashed before it is recorded. */
  pii: z.boolean().default(false),
});
export type ColumnSpec = z.infer<typeof columnSpecSchema>;

/** What the outputs mean, so that predictions can be compared with ground truth. */
export const taskSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('binary'),
    /** The output column that holds the probability of the positive class. */
    score: z.string(),
    /** The output column with the predicted class, when the model gives one. */
    label: z.string().optional(),
    /** Ground truth equal to this is positive. */
    positiveClass: z.string().default('1'),
    /** Scores at or above this are predicted positive. */
    threshold: z.number().default(0.5),
  }),
  z.object({
    kind: z.literal('multiclass'),
    /** The output column with the predicted class; when absent, the class of the largest score is taken. */
    label: z.string().optional(),
    /** The output columns with the class probabilities, in the order of `classes`. */
    scores: z.array(z.string()),
    classes: z.array(z.string()),
  }),
  z.object({ kind: z.literal('regression'), value: z.string() }),
  z.object({ kind: z.literal('none') }),
]);
export type Task = z.infer<typeof taskSchema>;

export const signatureSchema = z.object({
  inputs: z.array(tensorSpecSchema).min(1),
  outputs: z.array(tensorSpecSchema).min(1),
  columns: z.array(columnSpecSchema),
  task: taskSchema,
});
/** Names, dtypes and shapes of a version's tensors, with the meaning of each column. */
export type Signature = z.infer<typeof signatureSchema>;

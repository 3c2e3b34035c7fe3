import { type ColumnSpec, datatypeSchema, featureKindSchema, type Signature } from '@holdfast/api';
import { z } from 'zod';

const roleSchema = z.enum(['input', 'output']);
export type Role = z.infer<typeof roleSchema>;

const blockSchema = z.object({
  tensor: z.string(),
  role: roleSchema,
  datatype: datatypeSchema,
  width: z.int().min(1),
});

const columnSchema = z.object({
  name: z.string(),
  role: roleSchema,
  kind: featureKindSchema,
  tensor: z.string(),
  datatype: datatypeSchema,
  /** Position in `blocks` of a fixed-size value; absent for a text, which has a dictionary of its own. */
  block: z.int().min(0).optional(),
  /** Position of the value within a row of its tensor. */
  index: z.int().min(0),
  /** The text is the hash of personal data. */
  hashed: z.boolean(),
});

const rawSchema = z.object({ tensor: z.string(), role: roleSchema, datatype: datatypeSchema });

/**
 * How the rows of one version lie in a chunk: fixed-size tensors as row-major `blocks`, text columns as dictionaries,
 * and tensors without monitored columns as `raws`, bytes as they were served.
 */
export const logSchemaSchema = z.object({
  model: z.string(),
  version: z.int(),
  blocks: z.array(blockSchema),
  columns: z.array(columnSchema),
  raws: z.array(rawSchema),
});
export type LogSchema = z.infer<typeof logSchemaSchema>;
export type LogSchemaColumn = LogSchema['columns'][number];

/** Rows with more elements than this are kept as raw bytes, not as columns. */
export const mostColumnsPerTensor = 1024;

/** Elements per row when every dimension after the batch is fixed; undefined when one is not. */
function rowElements(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const dim of shape.slice(1)) {
    if (dim < 1) return undefined;
    count *= dim;
  }
  return count;
}

/** Columns and blocks of the tensors of one version, from its signature. */
export function logSchemaOf(model: string, version: number, signature: Signature): LogSchema {
  const blocks: LogSchema['blocks'] = [];
  const raws: LogSchema['raws'] = [];
  const placed = new Map<ColumnSpec, LogSchemaColumn>();
  for (const role of ['input', 'output'] as const) {
    for (const spec of role === 'input' ? signature.inputs : signature.outputs) {
      const columns = signature.columns.filter(column => column.role === role && column.tensor === spec.name);
      const width = rowElements(spec.shape);
      const isWide = width === undefined || width > mostColumnsPerTensor || spec.shape.length > 2;
      if (columns.length === 0 || isWide) {
        // Raw bytes cannot be hashed value by value, so a raw tensor with personal data is not recorded at all.
        if (!columns.some(column => column.pii)) raws.push({ tensor: spec.name, role, datatype: spec.datatype });
        continue;
      }
      const isBlock = spec.datatype !== 'BYTES' && columns.some(column => !column.pii);
      for (const column of columns) {
        placed.set(column, {
          name: column.name,
          role,
          kind: column.kind,
          tensor: spec.name,
          datatype: spec.datatype,
          ...(isBlock && !column.pii ? { block: blocks.length } : {}),
          index: column.index,
          hashed: column.pii,
        });
      }
      if (isBlock) blocks.push({ tensor: spec.name, role, datatype: spec.datatype, width });
    }
  }
  const columns = signature.columns.flatMap(column => placed.get(column) ?? []);
  return { model, version, blocks, columns, raws };
}

/** True for a column that is read as text, whatever its dtype. */
export function isCategorical(column: LogSchemaColumn): boolean {
  return column.block === undefined || column.kind === 'categorical' || column.kind === 'text' || column.kind === 'id';
}

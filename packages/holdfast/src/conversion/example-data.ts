import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { OnnxError } from '@holdfast/onnx';
import { elementsOf, type NamedTensor } from '@holdfast/onnx/convert';
import { z } from 'zod';

/** What a model takes, as far as rows of data need to know. */
export interface InputSpec {
  readonly name: string;
  readonly datatype: NamedTensor['datatype'];
  readonly shape: readonly (number | string | null)[] | undefined;
}

const requestSchema = z.object({
  inputs: z.array(
    z.object({
      name: z.string(),
      shape: z.array(z.int().min(1)),
      data: z.array(z.union([z.number(), z.string(), z.boolean().transform(Number)])),
    }),
  ),
});

/** Rows of a table that are used at most. */
const maxRows = 5000;

/**
 * Inputs from a file: `.csv` with a header and one row per line (columns by name, or in order), or `.jsonl` with one
 * inference request per line, as `/v2/models/NAME/infer` takes it.
 * @throws OnnxError `bad_option` when the file does not fit the model
 */
export async function readExamples(path: string, inputs: readonly InputSpec[]): Promise<(readonly NamedTensor[])[]> {
  const text = await readFile(path, 'utf8');
  const lines = text.split(/\r?\n/).filter(line => line.trim() !== '');
  const kind = extname(path).toLowerCase();
  if (kind === '.jsonl' || kind === '.ndjson')
    return lines.slice(0, maxRows).map(line => requestOf(line, inputs, path));
  if (kind === '.csv') return [tableOf(lines, inputs, path)];
  throw new OnnxError('bad_option', `${path} is neither .csv nor .jsonl.`);
}

function requestOf(line: string, inputs: readonly InputSpec[], path: string): NamedTensor[] {
  const parsed = requestSchema.safeParse(parsedJson(line));
  if (!parsed.success)
    throw new OnnxError('bad_option', `A line of ${path} is not an inference request with "inputs".`);
  return inputs.map(spec => {
    const given = parsed.data.inputs.find(input => input.name === spec.name);
    if (given === undefined) throw new OnnxError('bad_option', `A request in ${path} lacks the input "${spec.name}".`);
    return { ...spec, shape: given.shape, data: elementsOf(spec.datatype, given.data) };
  });
}

function parsedJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function tableOf(lines: readonly string[], inputs: readonly InputSpec[], path: string): NamedTensor[] {
  const [header = '', ...rows] = lines.slice(0, maxRows + 1);
  const names = header.split(',').map(name => name.trim().replace(/^"(.*)"$/, '$1'));
  const cells = rows.map(row => row.split(',').map(cell => cell.trim().replace(/^"(.*)"$/, '$1')));
  if (cells.length === 0) throw new OnnxError('bad_option', `${path} has no rows.`);
  let next = 0;
  return inputs.map(spec => {
    const width = spec.shape?.length === 1 ? 1 : Number(spec.shape?.at(-1) ?? 1);
    if (spec.shape !== undefined && spec.shape.length > 2)
      throw new OnnxError('bad_option', `"${spec.name}" is no row of columns; give ${path} as .jsonl.`);
    const named = names.indexOf(spec.name);
    const at = width === 1 && named >= 0 ? named : next;
    next = at + width;
    if (next > names.length)
      throw new OnnxError('bad_option', `${path} has ${names.length} columns, too few for "${spec.name}" (${width}).`);
    const values = cells.flatMap(row => row.slice(at, at + width));
    const shape = spec.shape?.length === 1 ? [cells.length] : [cells.length, width];
    return { name: spec.name, datatype: spec.datatype, shape, data: elementsOf(spec.datatype, values) };
  });
}

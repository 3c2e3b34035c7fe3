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

/** The inputs of a model, and the names of the columns of its only matrix where it knows them. */
interface Takes {
  readonly inputs: readonly InputSpec[];
  readonly featureNames?: readonly string[] | undefined;
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
 * Inputs from a file: `.csv` with a header and one row per line (columns by name, else in order), or `.jsonl` with one
 * inference request per line, as `/v2/models/NAME/infer` takes it.
 * @throws OnnxError `bad_option` when the file does not fit the model
 */
export async function readExamples(path: string, takes: Takes): Promise<(readonly NamedTensor[])[]> {
  const text = await readFile(path, 'utf8');
  const lines = text.split(/\r?\n/).filter(line => line.trim() !== '');
  if (lines.length === 0) throw new OnnxError('bad_option', `${path} has no rows.`);
  const kind = extname(path).toLowerCase();
  if (kind === '.jsonl' || kind === '.ndjson')
    return lines.slice(0, maxRows).map(line => requestOf(line, takes.inputs, path));
  if (kind === '.csv') return [tableOf(lines, takes, path)];
  throw new OnnxError('bad_option', `${path} is neither .csv nor .jsonl.`);
}

function requestOf(line: string, inputs: readonly InputSpec[], path: string): NamedTensor[] {
  const parsed = requestSchema.safeParse(parsedJson(line));
  if (!parsed.success)
    throw new OnnxError('bad_option', `A line of ${path} is not an inference request with "inputs".`);
  return inputs.map(spec => {
    const given = parsed.data.inputs.find(input => input.name === spec.name);
    if (given === undefined) throw new OnnxError('bad_option', `A request in ${path} lacks the input "${spec.name}".`);
    const elements = given.shape.reduce((product, size) => product * size, 1);
    if (elements !== given.data.length)
      throw new OnnxError(
        'bad_option',
        `A request in ${path} has ${given.data.length} elements in "${spec.name}", but its shape has ${elements}.`,
      );
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

function tableOf(lines: readonly string[], { inputs, featureNames }: Takes, path: string): NamedTensor[] {
  const [names = [], ...rows] = lines.slice(0, maxRows + 1).map(cellsOf);
  if (rows.length === 0) throw new OnnxError('bad_option', `${path} has no rows.`);
  const uneven = rows.findIndex(row => row.length !== names.length);
  if (uneven >= 0)
    throw new OnnxError(
      'bad_option',
      `Row ${uneven + 1} of ${path} has ${rows[uneven]?.length} cells, but its header names ${names.length} columns; commas inside a cell are not read, give such data as .jsonl.`,
    );
  let next = 0;
  return inputs.map(spec => {
    if (spec.shape !== undefined && spec.shape.length > 2)
      throw new OnnxError('bad_option', `"${spec.name}" is no row of columns; give ${path} as .jsonl.`);
    const width = spec.shape?.length === 1 ? 1 : Number(spec.shape?.at(-1) ?? 1);
    const wanted = width === 1 ? [spec.name] : width === featureNames?.length ? featureNames : undefined;
    const named = wanted?.map(name => names.indexOf(name)) ?? [];
    const isNamed = named.length > 0 && named.every(at => at >= 0);
    const columns = isNamed ? named : Array.from({ length: width }, (_, i) => next + i);
    next = (columns.at(-1) ?? next) + 1;
    if (columns.some(at => at >= names.length))
      throw new OnnxError('bad_option', `${path} has ${names.length} columns, too few for "${spec.name}" (${width}).`);
    const read = reader(spec);
    const values = rows.flatMap((row, r) =>
      columns.map(at => read(row[at]!, `${path}, row ${r + 1}, column "${names[at]}"`)),
    );
    const shape = spec.shape?.length === 1 ? [rows.length] : [rows.length, width];
    return { name: spec.name, datatype: spec.datatype, shape, data: elementsOf(spec.datatype, values) };
  });
}

const cellsOf = (line: string): string[] => line.split(',').map(cell => cell.trim().replace(/^"(.*)"$/, '$1'));

type ReadCell = (cell: string, where: string) => number | string;

function reader({ name, datatype }: InputSpec): ReadCell {
  if (datatype === 'BYTES') return cell => cell;
  if (datatype.startsWith('FP')) return numberIn;
  return (cell, where) => {
    const number = numberIn(cell, where);
    if (Number.isInteger(number)) return number;
    throw new OnnxError('bad_option', `${where}: "${name}" takes whole numbers, not "${cell.slice(0, 40)}".`);
  };
}

/** The number in a cell; an empty one is missing. */
function numberIn(cell: string, where: string): number {
  if (/^(|nan|na|null)$/i.test(cell)) return Number.NaN;
  if (/^(true|false)$/i.test(cell)) return Number(cell.toLowerCase() === 'true');
  const number = /^[+-]?inf(inity)?$/i.test(cell) ? (cell.startsWith('-') ? -Infinity : Infinity) : Number(cell);
  if (Number.isNaN(number)) throw new OnnxError('bad_option', `${where}: "${cell.slice(0, 40)}" is not a number.`);
  return number;
}

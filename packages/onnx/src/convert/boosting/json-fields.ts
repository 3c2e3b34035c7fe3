import { OnnxError } from '../../onnx-error.ts';

function wrong(path: string, what: string): OnnxError {
  return new OnnxError('source_malformed', `The model's field ${path} ${what}; save the model again.`, { node: path });
}

/** A field of a parsed document by its path, or undefined; only own properties count. */
export function optionalField(value: unknown, ...path: string[]): unknown {
  let current = value;
  for (const name of path) {
    if (current === null || typeof current !== 'object' || !Object.hasOwn(current, name)) return undefined;
    current = Reflect.get(current, name);
  }
  return current;
}

export function field(value: unknown, ...path: string[]): unknown {
  const found = optionalField(value, ...path);
  if (found === undefined) throw wrong(path.join('.'), 'is missing');
  return found;
}

/** A number, also when it is written as text, as XGBoost writes its parameters. */
export function numberField(value: unknown, ...path: string[]): number {
  const found = field(value, ...path);
  const number = typeof found === 'string' || typeof found === 'number' ? Number(found) : Number.NaN;
  if (Number.isNaN(number)) throw wrong(path.join('.'), 'is not a number');
  return number;
}

export function textField(value: unknown, ...path: string[]): string {
  const found = field(value, ...path);
  if (typeof found !== 'string') throw wrong(path.join('.'), 'is not text');
  return found;
}

export function listField(value: unknown, ...path: string[]): readonly unknown[] {
  const found = field(value, ...path);
  if (!Array.isArray(found)) throw wrong(path.join('.'), 'is not a list');
  return found;
}

/** A list of numbers; booleans count as 0 and 1, null stands for NaN. */
export function numbersField(value: unknown, ...path: string[]): Float64Array {
  return Float64Array.from(listField(value, ...path), item => {
    if (typeof item === 'number' || typeof item === 'boolean') return Number(item);
    if (item === null) return Number.NaN;
    throw wrong(path.join('.'), 'holds something that is not a number');
  });
}

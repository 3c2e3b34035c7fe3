import type { Condition, Signature, Sticky, Tensor } from '@holdfast/api';

/** What routing may look at, besides the path. */
export interface RequestFacts {
  /** The value of a header, by its name in lower case. */
  header(name: string): string | undefined;
}

/** Reads a value of a request; undefined when the request has none. */
type Reader = (facts: RequestFacts, inputs: readonly Tensor[]) => string | undefined;

export interface FactReader {
  readonly read: Reader;
  /** Whether the inputs must be known. */
  readonly needsInputs: boolean;
}

/** The place of an input: a column by its name, or a tensor, or `tensor[index]`. */
function placeOf(name: string, signature: Signature): { readonly tensor: string; readonly index: number } {
  const column = signature.columns.find(one => one.role === 'input' && one.name === name);
  if (column !== undefined) return { tensor: column.tensor, index: column.index };
  const match = /^(.*)\[(\d{1,6})\]$/.exec(name);
  if (match !== null && !signature.inputs.some(input => input.name === name)) {
    return { tensor: match[1]!, index: Number(match[2]) };
  }
  return { tensor: name, index: 0 };
}

/** Reads the header, or the input of the first row, that `source` names. */
export function factReader(source: Sticky | Condition, signature: Signature): FactReader {
  if (source.header !== undefined) {
    const name = source.header.toLowerCase();
    return { read: facts => facts.header(name), needsInputs: false };
  }
  const { tensor, index } = placeOf(source.input ?? '', signature);
  const read: Reader = (_, inputs) => {
    for (const input of inputs) {
      if (input.name !== tensor) continue;
      const value = input.data[index];
      return value === undefined ? undefined : String(value);
    }
    return undefined;
  };
  return { read, needsInputs: true };
}

export interface Matcher {
  readonly matches: (facts: RequestFacts, inputs: readonly Tensor[]) => boolean;
  readonly needsInputs: boolean;
}

type Scalar = string | number | boolean;

function isSame(text: string, expected: Scalar): boolean {
  if (typeof expected === 'number') return text.trim() !== '' && Number(text) === expected;
  if (typeof expected === 'boolean') return text === String(expected) || text === (expected ? '1' : '0');
  return text === expected;
}

function testOf({ equals, in: members, range }: Condition): (text: string) => boolean {
  if (equals !== undefined) return text => isSame(text, equals);
  if (members !== undefined) {
    const texts = new Set(members.filter(member => typeof member === 'string'));
    const others = members.filter(member => typeof member !== 'string');
    return text => texts.has(text) || others.some(member => isSame(text, member));
  }
  const low = range?.[0] ?? Number.NEGATIVE_INFINITY;
  const high = range?.[1] ?? Number.POSITIVE_INFINITY;
  return text => {
    const number = text.trim() === '' ? Number.NaN : Number(text);
    return number >= low && number < high;
  };
}

/** A condition ready for the hot path. A request without the value does not match. */
export function compileCondition(condition: Condition, signature: Signature): Matcher {
  const { read, needsInputs } = factReader(condition, signature);
  const test = testOf(condition);
  const matches: Matcher['matches'] = (facts, inputs) => {
    const text = read(facts, inputs);
    return text !== undefined && test(text);
  };
  return { matches, needsInputs };
}

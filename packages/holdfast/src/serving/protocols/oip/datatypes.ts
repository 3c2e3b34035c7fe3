import { type Datatype, datatypes, elementCount } from '@holdfast/api';
import { badRequest } from '../../refusal.ts';

const knownDatatypes: ReadonlySet<string> = new Set(datatypes);

export function isDatatype(text: string): text is Datatype {
  return knownDatatypes.has(text);
}

const maximumElements = 2n ** 63n - 1n;

/** @throws Refusal `bad_request` when the elements of a shape cannot be counted */
export function checkSize(name: string, datatype: Datatype, shape: readonly number[]): void {
  if (Number.isSafeInteger(elementCount(shape)) && shape.every(dim => Number.isSafeInteger(dim))) return;
  const exact = shape.reduce((product, dim) => product * BigInt(dim), 1n);
  if (exact > maximumElements) {
    throw badRequest(
      `shape of input '${name}' causes total element count to exceed maximum size of ${maximumElements}`,
    );
  }
  if (shape.includes(0)) return;
  throw badRequest(`byte size overflow for input '${name}' of datatype ${datatype}`);
}

import type { JsonValue } from '../../json/json-cursor.ts';
import { badRequest, Refusal } from '../../refusal.ts';
import type { SequenceParameters } from '../../sequences/sequence-book.ts';

/** Parameters of a request, an input or an output: strings, numbers and booleans by name. */
export type RequestParameters = ReadonlyMap<string, string | number | bigint | boolean>;

export function unparsable(field: string, why: string): Refusal {
  return badRequest(`Unable to parse '${field}': ${why}`);
}

export function notA(field: string, kind: string): Refusal {
  return unparsable(field, `attempt to access JSON non-${kind} as ${kind}`);
}

/** What the protocol knows and Holdfast does not serve. */
export function unsupported(what: string): Refusal {
  return new Refusal('bad_request', `${what} is not supported`, { status: 501 });
}

function isParameter(value: JsonValue): value is string | number | bigint | boolean {
  return typeof value !== 'object';
}

/** @throws Refusal `bad_request` for a reserved name or a value of another type */
export function checkParameters(given: ReadonlyMap<string, JsonValue>): RequestParameters {
  const parameters = new Map<string, string | number | bigint | boolean>();
  for (const [name, value] of given) {
    if (name.startsWith('triton_')) {
      throw badRequest(
        "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
      );
    }
    if (!isParameter(value)) {
      throw badRequest(
        `parameter '${name}' has invalid type. It should be either 'int', 'bool', 'double' or 'string'.`,
      );
    }
    parameters.set(name, value);
  }
  return parameters;
}

/** @throws Refusal `bad_request` when it is no whole number from 0 on */
export function wholeParameter(parameters: RequestParameters, name: string): number | undefined {
  const value = parameters.get(name);
  if (value === undefined) return undefined;
  const isWhole = typeof value === 'bigint' ? value >= 0n : Number.isInteger(value) && Number(value) >= 0;
  if (!isWhole) throw notA(name, 'unsigned-integer');
  return Number(value);
}

/** @throws Refusal `bad_request` when it is no boolean */
export function booleanParameter(parameters: RequestParameters | undefined, name: string): boolean | undefined {
  const value = parameters?.get(name);
  if (value === undefined || typeof value === 'boolean') return value;
  throw notA(name, 'boolean');
}

/** The parameters of the sequence extension; undefined without an id. @throws Refusal `bad_request` */
function sequenceParameters(parameters: RequestParameters): SequenceParameters | undefined {
  const id = parameters.get('sequence_id');
  if (id === undefined) return undefined;
  const isStart = booleanParameter(parameters, 'sequence_start') ?? false;
  const isEnd = booleanParameter(parameters, 'sequence_end') ?? false;
  if (typeof id === 'string') {
    if (id.length > longestSequenceId) {
      throw badRequest(`sequence_id has ${id.length} characters; at most ${longestSequenceId} are accepted.`);
    }
    return { id, isStart, isEnd };
  }
  wholeParameter(parameters, 'sequence_id');
  // Numbers and exact integers of the same value are the same id.
  return { id: typeof id === 'bigint' ? id : BigInt(Number(id)), isStart, isEnd };
}

/** Triton's own bound. */
const longestSequenceId = 128;

/** The parameters of the schedule policy extension: `timeout` in microseconds, and `priority`; 0 leaves the default. */
export function queueTerms(parameters: RequestParameters | undefined): {
  readonly queueTimeoutMs: number | undefined;
  readonly priority: number | undefined;
  readonly sequence: SequenceParameters | undefined;
} {
  if (parameters === undefined) return { queueTimeoutMs: undefined, priority: undefined, sequence: undefined };
  const timeoutUs = wholeParameter(parameters, 'timeout') ?? 0;
  const priority = wholeParameter(parameters, 'priority') ?? 0;
  return {
    queueTimeoutMs: timeoutUs === 0 ? undefined : timeoutUs / 1000,
    priority: priority === 0 ? undefined : priority,
    sequence: sequenceParameters(parameters),
  };
}

import { isUtf8 } from 'node:buffer';
import { JsonCursor, JsonDepthError, type JsonObject, JsonSyntaxError, type JsonValue } from '../json/json-cursor.ts';
import type { ReceivedLabel } from '../prediction-sink.ts';
import { badRequest, type Refusal } from '../refusal.ts';

const longestName = 200;
const longestValue = 1000;
const mostLabels = 100_000;

/** What is wrong with a label, or the label. */
type Checked =
  | { readonly kind: 'label'; readonly label: ReceivedLabel }
  | { readonly kind: 'wrong'; readonly why: string };

function wrong(why: string): Checked {
  return { kind: 'wrong', why };
}

function isName(value: JsonValue): value is string {
  return typeof value === 'string' && value.length >= 1 && value.length <= longestName;
}

function isNumber(value: JsonValue): value is number | bigint {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value));
}

function isObject(value: JsonValue): value is JsonObject {
  return value instanceof Map;
}

const knownKeys: ReadonlySet<string> = new Set(['prediction_id', 'key', 'value', 'event_time']);

/** Checks one label by the rules of the API's label schema; written by hand because labels come by the thousand. */
export function checkLabel(candidate: JsonValue, nowMs: number): Checked {
  if (!isObject(candidate)) return wrong('a label is an object');
  for (const key of candidate.keys()) if (!knownKeys.has(key)) return wrong(`unknown field "${key.slice(0, 80)}"`);
  const predictionId = candidate.get('prediction_id');
  const key = candidate.get('key');
  const value = candidate.get('value');
  const eventTime = candidate.get('event_time');
  if (predictionId !== undefined && !isName(predictionId))
    return wrong(`"prediction_id" is text of 1 to ${longestName} characters`);
  if (key !== undefined && !isName(key)) return wrong(`"key" is text of 1 to ${longestName} characters`);
  if ((predictionId === undefined) === (key === undefined)) {
    return wrong('a label names its prediction by either "prediction_id" or "key"');
  }
  if (value === undefined) return wrong('"value" is missing');
  if (typeof value === 'string' ? value.length > longestValue : typeof value !== 'boolean' && !isNumber(value)) {
    return wrong(`"value" is a number, a boolean or text of at most ${longestValue} characters`);
  }
  if (eventTime !== undefined && !isNumber(eventTime)) return wrong('"event_time" is in milliseconds since the epoch');
  return {
    kind: 'label',
    label: {
      predictionId,
      key,
      value: String(value),
      eventMs: eventTime === undefined ? nowMs : Number(eventTime),
    },
  };
}

function refuseAt(index: number, why: string): Refusal {
  return badRequest(`labels[${index}]: ${why}. Nothing was stored.`);
}

function collect(candidates: Iterable<JsonValue>, nowMs: number): readonly ReceivedLabel[] {
  const labels: ReceivedLabel[] = [];
  for (const candidate of candidates) {
    if (labels.length === mostLabels) throw badRequest(`At most ${mostLabels} labels are taken at once.`);
    const checked = checkLabel(candidate, nowMs);
    if (checked.kind === 'wrong') throw refuseAt(labels.length, checked.why);
    labels.push(checked.label);
  }
  if (labels.length === 0) throw badRequest('There is no label in the request.');
  return labels;
}

/** One JSON value that fills its bytes. @throws Refusal */
function readWhole(bytes: Buffer, from: number, to: number, index: number | undefined): JsonValue {
  try {
    const cursor = new JsonCursor(bytes, from, to);
    const value = cursor.value();
    if (cursor.peek() !== -1) cursor.fail('The document root must not be followed by other values.');
    return value;
  } catch (error) {
    if (!(error instanceof JsonSyntaxError || error instanceof JsonDepthError)) throw error;
    throw index === undefined
      ? badRequest(`The body is not JSON: ${error.message}`)
      : refuseAt(index, `not JSON: ${error.message}`);
  }
}

/** The lines that hold something, each read as JSON. */
function* readLines(body: Buffer): Generator<JsonValue> {
  let index = 0;
  for (let from = 0; from < body.length; ) {
    const newline = body.indexOf(0x0a, from);
    const to = newline < 0 ? body.length : newline;
    if (new JsonCursor(body, from, to).peek() !== -1) yield readWhole(body, from, to, index++);
    from = to + 1;
  }
}

/**
 * The labels of a feedback request: `{"labels": [...]}`, one bare label, or one label per line.
 * @param nowMs stands in for a missing `event_time`
 * @throws Refusal `bad_request` naming the first bad label
 */
export function readLabels(body: Buffer, isLines: boolean, nowMs: number): readonly ReceivedLabel[] {
  if (!isUtf8(body)) throw badRequest('The body is not valid UTF-8.');
  if (isLines) return collect(readLines(body), nowMs);
  const value = readWhole(body, 0, body.length, undefined);
  const list = isObject(value) ? value.get('labels') : undefined;
  if (list === undefined) return collect([value], nowMs);
  if (!Array.isArray(list)) throw badRequest('"labels" is a list.');
  if (isObject(value) && value.size > 1) {
    const other = [...value.keys()].find(key => key !== 'labels') ?? '';
    throw badRequest(`unknown field "${other.slice(0, 80)}" beside "labels"`);
  }
  return collect(list, nowMs);
}

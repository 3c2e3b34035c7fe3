import { badRequest } from '../refusal.ts';

/** The headers that the gateway reads; everything else about a request is in its path and body. */
export interface RequestHeaders {
  host: string | undefined;
  origin: string | undefined;
  contentType: string | undefined;
  contentEncoding: string | undefined;
  acceptEncoding: string | undefined;
  contentLength: string | undefined;
  inferenceHeaderLength: string | undefined;
  requestTimeout: string | undefined;
  key: string | undefined;
  tags: string | undefined;
  eventTime: string | undefined;
}

/** What a caller may say about its prediction, in headers or in metadata of the same names. */
export type CallerHeaders = Readonly<Pick<RequestHeaders, 'requestTimeout' | 'key' | 'tags' | 'eventTime'>>;

const longestKey = 200;
const longestTags = 2000;

/** Header bytes arrive as Latin-1; callers write UTF-8. */
function asUtf8(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, 'latin1').toString('utf8');
  }
  return text;
}

/**
 * Picks the headers out of Node's raw list, which is cheaper than its header object.
 * @throws Refusal `bad_request` for two Host headers
 */
export function readHeaders(raw: readonly string[]): RequestHeaders {
  const headers: RequestHeaders = {
    host: undefined,
    origin: undefined,
    contentType: undefined,
    contentEncoding: undefined,
    acceptEncoding: undefined,
    contentLength: undefined,
    inferenceHeaderLength: undefined,
    requestTimeout: undefined,
    key: undefined,
    tags: undefined,
    eventTime: undefined,
  };
  for (let i = 0; i + 1 < raw.length; i += 2) readHeader(headers, raw[i]!, raw[i + 1]!);
  return headers;
}

/** The first header of this name, which is in lower case. */
export function headerNamed(raw: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const one = raw[i]!;
    if (one.length === name.length && one.toLowerCase() === name) return asUtf8(raw[i + 1]!);
  }
  return undefined;
}

function readHeader(headers: RequestHeaders, name: string, value: string): void {
  // The length rules out nearly all other headers without looking at their characters.
  switch (name.length) {
    case 4:
      if (name.toLowerCase() !== 'host') return;
      if (headers.host !== undefined) throw badRequest('The request has two Host headers.');
      headers.host = value;
      return;
    case 6:
      if (name.toLowerCase() === 'origin') headers.origin = value;
      return;
    case 12:
      if (name.toLowerCase() === 'content-type') headers.contentType = value;
      return;
    case 14:
      readOfLength14(headers, name.toLowerCase(), value);
      return;
    case 15:
      readOfLength15(headers, name.toLowerCase(), value);
      return;
    case 16:
      if (name.toLowerCase() === 'content-encoding') headers.contentEncoding = value;
      return;
    case 20:
      if (name.toLowerCase() === 'x-request-timeout-ms') headers.requestTimeout = value;
      return;
    case 21:
      if (name.toLowerCase() === 'x-holdfast-event-time') headers.eventTime = value;
      return;
    case 31:
      if (name.toLowerCase() === 'inference-header-content-length') headers.inferenceHeaderLength = value;
      return;
    default:
  }
}

function readOfLength14(headers: RequestHeaders, name: string, value: string): void {
  if (name === 'content-length') headers.contentLength = value;
  else if (name === 'x-holdfast-key') headers.key = asUtf8(value);
}

function readOfLength15(headers: RequestHeaders, name: string, value: string): void {
  if (name === 'accept-encoding') headers.acceptEncoding = value;
  else if (name === 'x-holdfast-tags') headers.tags = asUtf8(value);
}

/** The caller's key. @throws Refusal `bad_request` when it is longer than labels could name */
export function callerKey({ key }: CallerHeaders): string | undefined {
  if (key === undefined || key === '') return undefined;
  if (key.length > longestKey) {
    throw badRequest(`x-holdfast-key has ${key.length} characters; at most ${longestKey} are accepted.`);
  }
  return key;
}

/** @throws Refusal `bad_request` */
export function callerTags({ tags }: CallerHeaders): string | undefined {
  if (tags === undefined || tags === '') return undefined;
  if (tags.length > longestTags) {
    throw badRequest(`x-holdfast-tags has ${tags.length} characters; at most ${longestTags} are accepted.`);
  }
  return tags;
}

/** The time the rows speak of, ms since epoch. @throws Refusal `bad_request` */
export function callerEventTime({ eventTime }: CallerHeaders): number | undefined {
  if (eventTime === undefined || eventTime === '') return undefined;
  const number = Number(eventTime);
  const ms = Number.isFinite(number) ? number : Date.parse(eventTime);
  // 8.64e15 ms is the last moment a Date can hold.
  if (!(Math.abs(ms) <= 8.64e15)) {
    throw badRequest(
      `x-holdfast-event-time is "${eventTime.slice(0, 80)}"; give milliseconds since the epoch or an ISO 8601 time.`,
    );
  }
  return ms;
}

/** How long the caller will wait, at most `limitMs`. @throws Refusal `bad_request` */
export function callerTimeoutMs({ requestTimeout }: CallerHeaders, limitMs: number): number {
  if (requestTimeout === undefined) return limitMs;
  const ms = Number(requestTimeout);
  if (!(ms > 0) || requestTimeout.trim() === '') {
    throw badRequest(
      `x-request-timeout-ms is "${requestTimeout.slice(0, 80)}"; give a number of milliseconds above 0.`,
    );
  }
  return Math.min(ms, limitMs);
}

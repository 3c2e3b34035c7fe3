import { expect, test } from 'vitest';
import { parseRemoteSource } from './remote-source.ts';

const plain = { isEncrypted: false, address: 'host:1', model: 'fraud', version: undefined };

test.each([
  ['oip+http://host:1/fraud', { ...plain, protocol: 'oip', transport: 'http' }],
  ['oip+grpcs://host:1/fraud', { ...plain, protocol: 'oip', transport: 'grpc', isEncrypted: true }],
  ['tfs+https://host:1/fraud/3', { ...plain, protocol: 'tfs', transport: 'http', isEncrypted: true, version: '3' }],
  ['tfs+grpc://[::1]:1/fraud', { ...plain, protocol: 'tfs', transport: 'grpc', address: '[::1]:1' }],
  ['oip+http://host:1/a%2Fb/blue', { ...plain, protocol: 'oip', transport: 'http', model: 'a/b', version: 'blue' }],
])('the source %s is read', (source, expected) => {
  expect(parseRemoteSource(source)).toEqual(expected);
});

test.each([
  ['http://host:1/fraud', 'names no model on another server; a source is oip+http://HOST:PORT/MODEL'],
  ['oip+ftp://host:1/fraud', 'names no model'],
  ['oip+http://host:1', 'names no model'],
  ['oip+http://host:1/', 'names no model'],
  ['oip+http://host:1/fraud/', 'names no model'],
  ['oip+http://host:1/proxy/fraud/1', 'names no model'],
  ['oip+http://user:secret@host:1/fraud', 'names no model'],
  ['oip+http://host:port/fraud', 'names no model'],
  ['oip+http://host:1/fraud?x=1', 'names no model'],
  ['oip+http://host:1/50%', 'has a % that is not followed by two hexadecimal digits'],
])('the source %s is refused with what a source looks like', (source, why) => {
  expect(() => parseRemoteSource(source)).toThrow(why);
});

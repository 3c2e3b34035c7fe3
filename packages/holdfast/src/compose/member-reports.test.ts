import { pino } from 'pino';
import { expect, test } from 'vitest';
import { memberHeaders, startMemberListener } from '../cluster/index.ts';
import type { GatewayReport } from '../serving/index.ts';

import { reportRoute, sendReport } from './member-reports.ts';

const secret = 'shown by members';
const latency = [[3, 2]] as const;
const counts = { model: 'm', version: 1, requests: 2, rows: 4, errors: 0, inFlight: 0, latency, latencySum: 250.5 };
const shadow = { dropped: 0, compared: 2, disagreed: 0.5, championLatency: latency };
const arm = {
  ...{ model: 'm', release: 'r', stage: 1, version: 1, requests: 2, errors: 0, rows: 4, nonFiniteRows: 0 },
  ...{ latency, latencySum: 9, outputs: [['yes', 1.5]] as const },
};
const report: GatewayReport = {
  ...{ recordedTotal: 2, droppedTotal: 0, labelsTotal: 0, lastSyncedMs: null, counts: [counts] },
  arms: [
    { ...arm, role: 'champion', copies: undefined },
    { ...arm, role: 'shadow', copies: shadow },
  ],
};

async function listening(): Promise<{ address: string; taken: unknown[] } & AsyncDisposable> {
  const taken: unknown[] = [];
  const routes = [reportRoute((gateway, taking) => taken.push({ gateway, report: taking }))];
  const listener = await startMemberListener({
    ...{ host: '127.0.0.1', port: 0, secret: () => secret, routes, log: pino({ level: 'silent' }) },
  });
  const address = `http://127.0.0.1:${listener.port}`;
  return { address, taken, [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() };
}

test('a report arrives as it was sent', async () => {
  await using leader = await listening();
  await sendReport(leader.address, secret, { gateway: '2/gateway-1', report });
  expect(leader.taken).toEqual([{ gateway: '2/gateway-1', report }]);
});

test.each([
  ['no JSON', '{"gateway": "g", "report": '],
  ['no report', '{"gateway": "g"}'],
  ['a report without a gateway', JSON.stringify({ report })],
  ['counts that are no list', JSON.stringify({ gateway: 'g', report: { ...report, counts: {} } })],
  ['a negative count', JSON.stringify({ gateway: 'g', report: { ...report, counts: [{ ...counts, rows: -1 }] } })],
  ['NaN, which JSON makes null', JSON.stringify({ gateway: 'g', report: { ...report, recordedTotal: Number.NaN } })],
  ['an unknown role', JSON.stringify({ gateway: 'g', report: { ...report, arms: [{ ...arm, role: 'king' }] } })],
  ['half a bucket', JSON.stringify({ gateway: 'g', report: { ...report, counts: [{ ...counts, latency: [[1]] }] } })],
])('%s is answered 400 in words and taken in by nobody', async (_what, body) => {
  await using leader = await listening();
  const response = await fetch(`${leader.address}/reports`, { method: 'POST', headers: memberHeaders(secret), body });
  expect([response.status, await response.json()]).toMatchObject([
    400,
    { error: { code: 'bad_request', message: expect.stringMatching(/^The report is/) } },
  ]);
  expect(leader.taken).toEqual([]);
});

test('a report of a newer release is taken in without what is new', async () => {
  await using leader = await listening();
  const newer = { ...report, temperature: 20 };
  const body = JSON.stringify({ gateway: 'g', report: newer });
  const response = await fetch(`${leader.address}/reports`, { method: 'POST', headers: memberHeaders(secret), body });
  expect([response.status, leader.taken]).toEqual([200, [{ gateway: 'g', report }]]);
});

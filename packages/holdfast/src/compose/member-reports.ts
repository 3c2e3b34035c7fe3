import { fault } from '@holdfast/api';
import { z } from 'zod';
import { answerJson, type MemberRoute, memberHeaders } from '../cluster/index.ts';
import { type GatewayReport, gatewayReportSchema } from '../serving/index.ts';

const path = '/reports';
const timeoutMs = 2000;
const mostBytes = 16_777_216;

/** Members of one cluster may be of different releases while it is being upgraded: what is new to this one is left out. */
const messageSchema = z.object({ gateway: z.string().min(1).max(100), report: gatewayReportSchema }).readonly();
type ReportMessage = z.output<typeof messageSchema>;

/** @throws Fault `bad_request` */
function parseMessage(text: string): ReportMessage {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw fault('bad_request', 'The report is no JSON.');
  }
  const parsed = messageSchema.safeParse(raw);
  if (!parsed.success) throw fault('bad_request', `The report is malformed: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** Sends what a gateway here measured to the machine that leads; what does not arrive is not sent again. */
export async function sendReport(address: string, secret: string, message: ReportMessage): Promise<void> {
  const response = await fetch(new URL(path, address), {
    method: 'POST',
    headers: { ...memberHeaders(secret), 'content-type': 'application/json' },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(timeoutMs),
  });
  await response.body?.cancel();
}

/** Takes in what gateways of other machines measured; a report that is none is answered 400 and changes nothing. */
export function reportRoute(onReport: (gateway: string, report: GatewayReport) => void): MemberRoute {
  return async (request, response, url) => {
    if (url.pathname !== path || request.method !== 'POST') return false;
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of request) {
      parts.push(part);
      bytes += part.length;
      if (bytes > mostBytes) {
        answerJson(response, 413, {});
        return true;
      }
    }
    const { gateway, report } = parseMessage(Buffer.concat(parts).toString());
    onReport(gateway, report);
    answerJson(response, 200, {});
    return true;
  };
}

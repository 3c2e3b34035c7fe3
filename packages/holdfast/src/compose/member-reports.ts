import type { MemberRoute } from '../cluster/index.ts';
import { answerJson, memberHeaders } from '../cluster/index.ts';
import type { GatewayReport } from '../serving/index.ts';

const path = '/reports';
const timeoutMs = 2000;
const mostBytes = 16_777_216;

interface ReportMessage {
  readonly gateway: string;
  readonly report: GatewayReport;
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

/** Takes in what gateways of other machines measured. The sender is a member, and of the same make. */
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
    const { gateway, report }: ReportMessage = JSON.parse(Buffer.concat(parts).toString());
    onReport(gateway, report);
    answerJson(response, 200, {});
    return true;
  };
}

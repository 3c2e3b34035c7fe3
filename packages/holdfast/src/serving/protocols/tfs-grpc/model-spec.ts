import { z } from 'zod';
import { grpcStatus } from '../../grpc/status.ts';
import { badRequest, Refusal } from '../../refusal.ts';
import type { Selector } from '../../traffic/traffic.ts';
import { signatureName } from '../tfs-rest/predict-request.ts';

/** Which model, version or label, and signature a request means. */
export interface ModelSpec {
  readonly name: string;
  readonly version: number | undefined;
  readonly label: string | undefined;
  /** Empty is the one signature there is. */
  readonly signature: string;
}

export const modelSpecSchema = z
  .object({
    name: z.string(),
    version: z.object({ value: z.number() }).nullish(),
    version_label: z.string().optional(),
    signature_name: z.string(),
  })
  .nullish()
  .transform(
    (spec): ModelSpec => ({
      name: spec?.name ?? '',
      version: spec?.version?.value,
      label: spec?.version_label,
      signature: spec?.signature_name ?? '',
    }),
  );

/** @throws Refusal `bad_request` when no model is named */
export function selectorOf({ name, version, label }: ModelSpec): Selector {
  if (name === '') throw badRequest('ModelSpec has no name specified');
  if (version !== undefined) return { kind: 'version', version };
  return label === undefined ? { kind: 'default' } : { kind: 'alias', alias: label };
}

/** @throws Refusal FAILED_PRECONDITION */
export function checkSignature({ signature }: ModelSpec): void {
  if (signature === '' || signature === signatureName) return;
  throw new Refusal('bad_request', `Serving signature key "${signature}" not found.`, {
    grpcStatus: grpcStatus.failedPrecondition,
  });
}

import type { ServedVersion } from '../../traffic/served-version.ts';
import type { Selector, ServedModel, Traffic } from '../../traffic/traffic.ts';
import { unresolvedOip } from '../oip-rest/predict.ts';

/** The version that a request means, whether or not it is ready. @throws Refusal in Triton's words */
export function findVersion(
  traffic: Traffic,
  name: string,
  selector: Selector,
): { readonly model: ServedModel; readonly served: ServedVersion } {
  const resolution = traffic.resolve(name, selector);
  if (resolution.kind !== 'ready' && resolution.kind !== 'not-ready') throw unresolvedOip(name, selector, resolution);
  const model = traffic.models.get(name);
  if (model === undefined) throw unresolvedOip(name, selector, { kind: 'no-model' });
  return { model, served: resolution.served };
}

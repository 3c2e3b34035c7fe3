import { type Deployment, fault, type ModelName, type Target } from '@holdfast/api';
import type { Registry } from '../registry/index.ts';

/**
 * Whether every version and alias that a deployment names exists, and the shares leave something to the champion.
 * @throws Fault `version_not_found`, `alias_not_found`, `bad_request`
 */
export async function checkTargets(registry: Registry, model: ModelName, spec: Deployment | undefined): Promise<void> {
  const versions = new Set((await registry.versions(model)).map(({ version }) => version));
  const aliases = new Set<string>((await registry.aliases(model)).map(({ alias }) => alias));
  if (spec === undefined) return;
  const targets: readonly Target[] = [...spec.split, ...spec.shadow, ...spec.rules].map(({ version }) => version);
  for (const target of targets) {
    if (typeof target === 'number' && !versions.has(target)) throw fault('version_not_found', model, target);
    if (typeof target === 'string' && !aliases.has(target)) throw fault('alias_not_found', model, target);
  }
  const percent = spec.split.reduce((sum, share) => sum + share.percent, 0);
  if (percent > 100)
    throw fault('bad_request', `The shares of the split sum to ${percent} %; at most 100 % can be dealt.`);
}

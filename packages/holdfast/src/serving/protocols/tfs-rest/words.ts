import { faults } from '@holdfast/api';
import type { Reply } from '../../http/exchange.ts';
import { badRequest, Refusal } from '../../refusal.ts';
import type { ServedVersion } from '../../traffic/served-version.ts';
import type { Resolution, Selector, Traffic } from '../../traffic/traffic.ts';

/** An error as TensorFlow Serving prints it. */
export function refuseTfs(refusal: Refusal): Reply {
  return {
    status: refusal.status,
    contentType: 'application/json',
    body: `{\n    "error": ${JSON.stringify(refusal.message)}\n}`,
    ...(refusal.retryAfterSeconds === undefined ? {} : { headers: ['Retry-After', String(refusal.retryAfterSeconds)] }),
  };
}

function unrecognizedLabel(label: string): Refusal {
  return badRequest(`Unrecognized servable version label: ${label}`);
}

/** Why no version answers, in TensorFlow Serving's words. */
export function unresolvedTfs(
  model: string,
  selector: Selector,
  resolution: Exclude<Resolution, { kind: 'ready' }>,
): Refusal {
  if (resolution.kind === 'no-alias') return unrecognizedLabel(resolution.alias);
  if (resolution.kind === 'not-ready') {
    return new Refusal('version_not_ready', faults.version_not_ready.say(model, resolution.served.version), {
      retryAfterSeconds: 1,
    });
  }
  const wanted = selector.kind === 'version' ? `Specific(${model}, ${selector.version})` : `Latest(${model})`;
  const code = resolution.kind === 'no-version' ? 'version_not_found' : 'model_not_found';
  return new Refusal(code, `Servable not found for request: ${wanted}`);
}

/** The versions that a question about state means, newest first. @throws Refusal */
export function versionsAsked(traffic: Traffic, model: string, selector: Selector): readonly ServedVersion[] {
  const served = traffic.models.get(model);
  if (served === undefined) {
    throw new Refusal('model_not_found', `Could not find any versions of model ${model}`);
  }
  if (selector.kind === 'default') return [...served.versions.values()];
  if (selector.kind === 'alias' && !served.aliases.has(selector.alias)) throw unrecognizedLabel(selector.alias);
  const number = selector.kind === 'alias' ? served.aliases.get(selector.alias)! : selector.version;
  const version = served.versions.get(number);
  if (version === undefined) {
    throw new Refusal('version_not_found', `Could not find version ${number} of model ${model}`);
  }
  return [version];
}

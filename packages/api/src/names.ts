import { z } from 'zod';
import { fault } from './fault.ts';

declare const brand: unique symbol;

/** A model's name: safe in paths, URLs and metrics labels. */
export type ModelName = string & { readonly [brand]: 'ModelName' };
/** A movable name for a version, such as `champion`. */
export type Alias = string & { readonly [brand]: 'Alias' };
/** `sha256:` and 64 hexadecimal digits: the address of an artifact's bytes. */
export type Digest = string & { readonly [brand]: 'Digest' };

const modelNamePattern = /^[a-z0-9](?!.*\.\.)[a-z0-9._-]{0,62}$/;
const aliasPattern = /^[a-z][a-z0-9_-]{0,62}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

function isModelName(raw: string): raw is ModelName {
  return modelNamePattern.test(raw);
}

function isAlias(raw: string): raw is Alias {
  return aliasPattern.test(raw);
}

function isDigest(raw: string): raw is Digest {
  return digestPattern.test(raw);
}

/** @throws Fault `bad_model_name` */
export function parseModelName(raw: string): ModelName {
  if (!isModelName(raw)) throw fault('bad_model_name', raw.slice(0, 80));
  return raw;
}

/** @throws Fault `bad_alias` */
export function parseAlias(raw: string): Alias {
  if (!isAlias(raw)) throw fault('bad_alias', raw.slice(0, 80));
  return raw;
}

const nameRule = '1 to 63 of a-z, 0-9, ".", "_" and "-", starting with a letter or digit';
export const modelNameSchema = z.string().refine(isModelName, { error: `a model name is ${nameRule}` });
/** The rules of model names: safe in paths, addresses and labels. */
export const studyNameSchema = z.string().refine(isModelName, { error: `a study name is ${nameRule}` });
export const aliasSchema = z.string().refine(isAlias, {
  error: 'an alias is 1 to 63 of a-z, 0-9, "_" and "-", starting with a letter',
});
export const digestSchema = z.string().refine(isDigest, { error: 'a digest is "sha256:" and 64 hexadecimal digits' });
/** Versions are positive whole numbers that grow with every new version of a model. */
export const versionSchema = z.int().min(1).max(2_147_483_647);

/** The alias that answers a request which names no version. */
export const champion: Alias = parseAlias('champion');

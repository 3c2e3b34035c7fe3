import { readCatboostJson } from '../catboost/read-catboost-json.ts';
import { readCbm } from '../catboost/read-cbm.ts';
import type { SourceReference } from './verification.ts';
import { catboostReference } from './walk-catboost.ts';

/** The walk over a file that CatBoost wrote. */
export function catboostFileReference(format: 'catboost' | 'catboost_json', bytes: Uint8Array): SourceReference {
  const model = format === 'catboost' ? readCbm(bytes) : readCatboostJson(JSON.parse(new TextDecoder().decode(bytes)));
  return catboostReference(model);
}

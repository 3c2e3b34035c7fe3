import { parseXgboostJson } from '../boosting/convert-xgboost.ts';
import { readLightgbm } from '../boosting/read-lightgbm.ts';
import { readXgboostBinary } from '../boosting/read-xgboost-binary.ts';
import { readXgboostDocument } from '../boosting/read-xgboost-json.ts';
import { readUbjson } from '../boosting/ubjson.ts';
import type { SourceReference } from './verification.ts';
import { lightgbmReference, xgboostReference } from './walk-boosters.ts';

/** The walk over a file that XGBoost or LightGBM wrote itself. */
export function boosterReference(
  format: 'xgboost_json' | 'xgboost_ubj' | 'xgboost_binary' | 'lightgbm_text',
  bytes: Uint8Array,
  rounds: number | undefined,
): SourceReference {
  const plain = { rounds, missing: undefined, classes: undefined };
  switch (format) {
    case 'xgboost_json':
      return xgboostReference({ model: readXgboostDocument(parseXgboostJson(bytes)), ...plain });
    case 'xgboost_ubj':
      return xgboostReference({ model: readXgboostDocument(readUbjson(bytes)), ...plain });
    case 'xgboost_binary':
      return xgboostReference({ model: readXgboostBinary(bytes), ...plain });
    case 'lightgbm_text':
      return lightgbmReference({ model: readLightgbm(new TextDecoder().decode(bytes)), rounds, classes: undefined });
    default:
      throw new TypeError(`unknown format ${String(format satisfies never)}`);
  }
}

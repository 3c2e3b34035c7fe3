import { OnnxError } from '../../onnx-error.ts';
import { optionalField } from '../boosting/json-fields.ts';

export interface FloatFeature {
  readonly name: string;
  /** Column among the numeric features. */
  readonly column: number;
  /** Whether a missing value passes every border. */
  readonly isMissingAbove: boolean;
}

export interface CategoryFeature {
  readonly name: string;
  /** Column among the categorical features. */
  readonly column: number;
  /** Texts the model tells apart by their hash. */
  readonly texts: ReadonlyMap<number, string>;
}

/** What a tree decides by: a number above a border, or a category equal to one. */
export type Split =
  | { readonly kind: 'above'; readonly column: number; readonly border: number }
  | { readonly kind: 'equal'; readonly column: number; readonly hash: number };

/** A tree whose levels decide all by the same split, or one of free form. */
export type CatboostTree =
  /** Leaf i lies where split k is true for every bit k of i; `values` holds the dimensions of each leaf in a row. */
  | { readonly kind: 'symmetric'; readonly splits: readonly Split[]; readonly values: Float64Array }
  | { readonly kind: 'free'; readonly root: FreeNode };

export type FreeNode =
  | { readonly kind: 'leaf'; readonly values: readonly number[] }
  | { readonly kind: 'branch'; readonly split: Split; readonly whenFalse: FreeNode; readonly whenTrue: FreeNode };

export interface CatboostModel {
  readonly version: string | undefined;
  /** Scores per row. */
  readonly dimensions: number;
  readonly floats: readonly FloatFeature[];
  readonly categories: readonly CategoryFeature[];
  readonly trees: readonly CatboostTree[];
  readonly scale: number;
  readonly bias: readonly number[];
  readonly loss: string;
  /** Class labels in the order of the scores, undefined when the file names none. */
  readonly classes: readonly (string | number | boolean)[] | undefined;
}

export function damaged(what: string): OnnxError {
  return new OnnxError('source_malformed', `The CatBoost model is damaged: ${what}; save it again.`);
}

/** @throws OnnxError `unsupported_source` for features that need tables of the training data */
export function refuseFeatures(features: ReadonlyMap<string, string>): void {
  const [first] = features;
  if (first === undefined) return;
  const listed = [...features].map(([name, kind]) => `${kind} of feature "${name}"`);
  throw new OnnxError(
    'unsupported_source',
    `The CatBoost model decides by ${listed.join(', ')}, computed from the training data by CatBoost's own tables. Train with one_hot_max_size above the number of categories, or encode these features before.`,
    { node: first[0], op: first[1], unsupported: listed },
  );
}

/** What the training parameters say: the loss and the class labels; both come as JSON, nested or as text. */
export function trainingInfo(
  params: unknown,
  classParams: unknown,
): { readonly loss: string; readonly classes: CatboostModel['classes'] } {
  const loss = optionalField(parsed(params), 'loss_function', 'type');
  const names = optionalField(parsed(classParams), 'class_names');
  const labels = Array.isArray(names)
    ? names.filter(
        (name): name is string | number | boolean =>
          typeof name === 'string' || typeof name === 'number' || typeof name === 'boolean',
      )
    : [];
  return { loss: typeof loss === 'string' ? loss : '', classes: labels.length > 0 ? labels : undefined };
}

function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

/** The release in CatBoost's long version text. */
export function releaseOf(info: unknown): string | undefined {
  return typeof info === 'string' ? /\bv?(\d+\.\d+(?:\.\d+)*)\b/.exec(info)?.[1] : undefined;
}

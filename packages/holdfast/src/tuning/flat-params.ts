import type { ScalarValue } from '@holdfast/api';

/** Every value of a nested suggestion under its flat name, constants included; a choice stands under its own name. */
export function flatValues(nested: object, prefix = ''): Map<string, ScalarValue> {
  const flat = new Map<string, ScalarValue>();
  for (const [key, value] of Object.entries(nested)) {
    if (typeof value !== 'object' || value === null) {
      if (key !== 'choice' || prefix === '') flat.set(prefix + key, value);
      continue;
    }
    const option: unknown = 'choice' in value ? value.choice : undefined;
    const path = prefix + key;
    if (typeof option === 'string') flat.set(path, option);
    for (const [name, inner] of flatValues(value, `${path}.${typeof option === 'string' ? `${option}.` : ''}`))
      flat.set(name, inner);
  }
  return flat;
}

/** The variable that holds a parameter: `model.svm.C` becomes `HOLDFAST_PARAM_MODEL_SVM_C`. */
export function variableOf(name: string): string {
  return `HOLDFAST_PARAM_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`;
}

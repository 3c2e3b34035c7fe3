/** Reads classes from ground truth text: each distinct text is decided once. */
export function classReader(classes: readonly string[]): (text: string) => number {
  const known = new Map<string, number>();
  return text => {
    let code = known.get(text);
    if (code === undefined) {
      code = classes.findIndex(name => isSameClass(name, text));
      known.set(text, code);
    }
    return code;
  };
}

/** Classes are the same when their texts are, or when they stand for the same number: `1`, `1.0` and `true`. */
export function isSameClass(a: string, b: string): boolean {
  if (a.trim() === b.trim()) return true;
  const left = classNumber(a);
  return !Number.isNaN(left) && left === classNumber(b);
}

function classNumber(text: string): number {
  const word = text.trim().toLowerCase();
  if (word === 'true') return 1;
  if (word === 'false') return 0;
  return word === '' ? Number.NaN : Number(word);
}

/** Changes of one letter (put in, left out, replaced, or swapped with its neighbour) between two words. */
function distance(a: string, b: string): number {
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + Number(a[i - 1] !== b[j - 1]);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? (before[j - 2] ?? 0) + 1 : replaced;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replaced, swapped));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The known name that was probably meant: at most a third of its letters differ. Undefined when none is so close. */
export function closestName(word: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map(name => ({ name, letters: distance(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, letters }) => letters <= Math.max(1, Math.floor(name.length / 3)))
    .toSorted((a, b) => a.letters - b.letters);
  return best?.name;
}

/** A sentence part for a name that is not known: `; did you mean "low"?`, or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const name = closestName(word, known);
  return name === undefined ? '' : `; did you mean "${name}"?`;
}

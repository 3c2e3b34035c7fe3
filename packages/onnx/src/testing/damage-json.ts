import fc from 'fast-check';

/** What takes the place of a value: of every type, at the edges of what programs count with. */
const replacements = fc.constantFrom<unknown>(
  ...[null, true, '', 'NaN', 'a', -1, 0, 1.5, 2 ** 31, 2 ** 53, -1e300, [], [[]], [0], {}, { type: 'a' }],
);

/** Documents in which one to three values, at any depth, are others or gone. */
export function damagedJson(document: object): fc.Arbitrary<string> {
  const places = placesIn(document);
  const edit = fc.tuple(fc.constantFrom(...places), fc.option(replacements, { nil: undefined }));
  return fc.array(edit, { minLength: 1, maxLength: 3 }).map(edits => {
    const copy = structuredClone(document);
    for (const [place, value] of edits) change(copy, place, value);
    return JSON.stringify(copy);
  });
}

type Place = readonly string[];

function placesIn(value: unknown, at: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [[...at, key], ...placesIn(inner, [...at, key])]);
}

/** Undefined, which JSON leaves out, removes the value; a place that an earlier edit took away is left alone. */
function change(root: object, place: Place, value: unknown): void {
  let holder: unknown = root;
  for (const key of place.slice(0, -1))
    holder = typeof holder === 'object' && holder !== null ? Reflect.get(holder, key) : undefined;
  if (typeof holder === 'object' && holder !== null) Reflect.set(holder, place.at(-1) ?? '', value);
}

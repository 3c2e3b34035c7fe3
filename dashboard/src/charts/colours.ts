/** The names of the page's colours that charts draw with; their values stand in style.css. */
export type Colour =
  | 'ink'
  | 'muted'
  | 'grid'
  | 'surface'
  | 'accent'
  | 'bad'
  | 'series-1'
  | 'series-2'
  | 'series-3'
  | 'series-4'
  | 'series-5'
  | 'series-quiet';

const versionColours: readonly Colour[] = ['series-1', 'series-2', 'series-3', 'series-4', 'series-5'];

/** A version keeps its colour on every chart. */
export function versionColour(version: number): Colour {
  return versionColours[(version - 1) % versionColours.length]!;
}

/** Reads colours as the browser resolves them for the present theme, which a canvas needs. */
export function colourReader(within: HTMLElement): (name: Colour) => string {
  const probe = document.createElement('span');
  probe.hidden = true;
  within.append(probe);
  const known = new Map<Colour, string>();
  const read = (name: Colour): string => {
    const before = known.get(name);
    if (before !== undefined) return before;
    probe.style.color = `var(--${name})`;
    const value = getComputedStyle(probe).color;
    known.set(name, value);
    return value;
  };
  return read;
}

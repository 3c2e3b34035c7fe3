const paths = {
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7',
  moon: 'M13.5 9.6A5.8 5.8 0 0 1 6.4 2.5a5.8 5.8 0 1 0 7.1 7.1z',
  system: 'M2 3h12v8H2zM6 14h4M8 11v3',
  check: 'M3 8.5l3.2 3L13 4.5',
  diamond: 'M8 2.5L13.5 8 8 13.5 2.5 8z',
  question: 'M5.8 6.2A2.3 2.3 0 1 1 8.9 8.3C8.3 8.6 8 9 8 9.7M8 12.2v.1',
  minus: 'M3.5 8h9',
  plus: 'M3.5 8h9M8 3.5v9',
  left: 'M10 3.5L5.5 8l4.5 4.5',
  right: 'M6 3.5L10.5 8 6 12.5',
  close: 'M4 4l8 8M12 4l-8 8',
  download: 'M8 2.5v7.5M4.8 7l3.2 3.2L11.2 7M3 13h10',
  rollback: 'M5.5 3L2.5 6l3 3M3 6h6.5a3.5 3.5 0 0 1 0 7H6',
  alert: 'M8 2.5l6 10.5H2zM8 6.5v3M8 11.3v.1',
  dot: 'M8 6.4a1.6 1.6 0 1 0 0 3.2 1.6 1.6 0 0 0 0-3.2',
} as const;

export type IconName = keyof typeof paths;

/** A small line drawing; the text beside it, or the label of its button, says what it means. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

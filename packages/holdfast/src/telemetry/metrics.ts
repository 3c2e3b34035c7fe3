import { Histogram } from './histogram.ts';

export type Labels = Readonly<Record<string, string | number>>;
type Kind = 'counter' | 'gauge' | 'histogram';

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function renderLabels(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

function renderValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** One number of a metric, bound to its labels so that the hot path only adds. */
export class Cell {
  value = 0;

  add(amount = 1): void {
    this.value += amount;
  }

  set(value: number): void {
    this.value = value;
  }
}

abstract class Family<Child> {
  readonly name: string;
  readonly help: string;
  readonly kind: Kind;
  protected readonly children = new Map<string, { readonly labels: Labels; readonly child: Child }>();

  constructor(name: string, help: string, kind: Kind) {
    this.name = name;
    this.help = help;
    this.kind = kind;
  }

  protected abstract create(): Child;
  protected abstract renderChild(labels: Labels, child: Child): string[];

  /** The child with these labels, made at zero when it is new. Keep it: look-ups cost more than counting. */
  labels(labels: Labels = {}): Child {
    const key = renderLabels(labels);
    const known = this.children.get(key);
    if (known !== undefined) return known.child;
    const child = this.create();
    this.children.set(key, { labels, child });
    return child;
  }

  /** Forgets children whose labels match, such as those of a removed model. */
  remove(match: Labels): void {
    for (const [key, { labels }] of this.children) {
      if (Object.entries(match).every(([name, value]) => labels[name] === value)) this.children.delete(key);
    }
  }

  render(): string {
    const lines = [`# HELP ${this.name} ${this.help}`, `# TYPE ${this.name} ${this.kind}`];
    for (const { labels, child } of this.children.values()) lines.push(...this.renderChild(labels, child));
    return lines.join('\n');
  }
}

export class Counter extends Family<Cell> {
  protected override create(): Cell {
    return new Cell();
  }

  protected override renderChild(labels: Labels, child: Cell): string[] {
    return [`${this.name}${renderLabels(labels)} ${renderValue(child.value)}`];
  }
}

/** A histogram of microseconds, shown in seconds at fixed `le` bounds. */
export class HistogramFamily extends Family<Histogram> {
  readonly #boundsSeconds: readonly number[];

  constructor(name: string, help: string, boundsSeconds: readonly number[]) {
    super(name, help, 'histogram');
    this.#boundsSeconds = boundsSeconds;
  }

  protected override create(): Histogram {
    return new Histogram();
  }

  protected override renderChild(labels: Labels, child: Histogram): string[] {
    const lines = this.#boundsSeconds.map(
      bound => `${this.name}_bucket${renderLabels({ ...labels, le: String(bound) })} ${child.atMost(bound * 1e6)}`,
    );
    lines.push(`${this.name}_bucket${renderLabels({ ...labels, le: '+Inf' })} ${child.count}`);
    lines.push(`${this.name}_sum${renderLabels(labels)} ${child.sum / 1e6}`);
    lines.push(`${this.name}_count${renderLabels(labels)} ${child.count}`);
    return lines;
  }
}

/** Bounds in seconds from 0.1 ms to 10 s. */
export const latencyBoundsSeconds: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** All metrics of one process, rendered in the Prometheus text format 0.0.4. */
export class MetricRegistry {
  readonly #families = new Map<string, { render(): string }>();

  counter(name: string, help: string): Counter {
    return this.#declare(new Counter(name, help, 'counter'));
  }

  gauge(name: string, help: string): Counter {
    return this.#declare(new Counter(name, help, 'gauge'));
  }

  /** A histogram that records microseconds and shows seconds. */
  histogram(name: string, help: string, boundsSeconds: readonly number[] = latencyBoundsSeconds): HistogramFamily {
    return this.#declare(new HistogramFamily(name, help, boundsSeconds));
  }

  #declare<F extends { readonly name: string; render(): string }>(family: F): F {
    if (this.#families.has(family.name)) throw new Error(`the metric ${family.name} is declared twice`);
    this.#families.set(family.name, family);
    return family;
  }

  render(): string {
    return `${[...this.#families.values()].map(family => family.render()).join('\n')}\n`;
  }
}

export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8';

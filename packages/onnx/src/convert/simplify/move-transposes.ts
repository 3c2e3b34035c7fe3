import { buildNode } from '../../model/build.ts';
import type { NodeProto } from '../../model/proto.ts';
import { withInputs } from './fold-constants.ts';
import {
  addInts,
  captured,
  dimsOf,
  elementBytes,
  type GraphState,
  intsAttribute,
  isWhole,
  withRaw,
} from './graph-state.ts';
import { type Layout, type LayoutView, moveThrough } from './move-through.ts';
import { rankOf } from './ranks.ts';
import { inverse, isIdentity, transposeRaw } from './rearrange.ts';

/**
 * Carries every Transpose forward until it meets its inverse or an operator that needs the order. A value is kept as
 * "source, transposed by perm" and written out only where somebody must have it, so one walk merges, cancels and moves
 * them all. The result is dropped when it has more transposes than the graph came with.
 */
export function moveTransposes(state: GraphState): void {
  const before = state.nodes.filter(node => node.opType === 'Transpose' && node.domain === '').length;
  if (before === 0) return;
  const known = new Set(state.constants.keys());
  const nodes = new TransposeWalk(state).run();
  if (nodes.filter(node => node.opType === 'Transpose').length <= before) {
    state.nodes = nodes;
    return;
  }
  for (const name of [...state.constants.keys()]) if (!known.has(name)) state.constants.delete(name);
}

class TransposeWalk implements LayoutView {
  readonly state: GraphState;
  readonly #out: NodeProto[] = [];
  readonly #layouts = new Map<string, Layout>();
  readonly #alias = new Map<string, string>();
  readonly #ranks = new Map<string, number>();
  /** Name under which a source was already written out in an order. */
  readonly #written = new Map<string, string>();

  constructor(state: GraphState) {
    this.state = state;
    for (const input of state.inputs)
      if (input.type?.kind === 'tensor' && input.type.shape !== undefined)
        this.#ranks.set(input.name, input.type.shape.length);
    for (const [name, tensor] of state.constants) this.#ranks.set(name, tensor.dims.length);
  }

  run(): NodeProto[] {
    for (const node of this.state.nodes) this.#visit(node);
    return this.#out;
  }

  layout(name: string): Layout | undefined {
    return this.#layouts.get(name);
  }

  rank(name: string): number | undefined {
    return this.#layouts.get(name)?.perm.length ?? this.#ranks.get(name);
  }

  /** The value brought into the order of sources: its dims permuted by the inverse of `perm`. */
  sourceOf(name: string, perm: readonly number[]): string | undefined {
    const layout = this.#layouts.get(name);
    if (layout !== undefined && layout.perm.join() === perm.join()) return layout.source;
    const constant = this.state.constants.get(name);
    const rank = this.rank(name);
    if (constant === undefined && rank !== perm.length) return rank === 0 ? name : undefined;
    if (constant !== undefined) return this.#constantSource(name, perm);
    return this.#transposed(
      layout?.source ?? name,
      layout === undefined ? inverse(perm) : inverse(perm).map(axis => layout.perm[axis]!),
    );
  }

  #constantSource(name: string, perm: readonly number[]): string | undefined {
    const tensor = this.state.constants.get(name);
    if (tensor?.rawData === undefined || !isWhole(tensor) || tensor.dims.length > perm.length) return undefined;
    const dims = dimsOf(tensor);
    if (dims.every(dim => dim === 1)) return dims.length === 0 ? name : this.#reshapedOnes(name, perm.length);
    const key = `${name}|${perm.join()}`;
    const known = this.#written.get(key);
    if (known !== undefined) return known;
    const padded = [...new Array<number>(perm.length - dims.length).fill(1), ...dims];
    const back = inverse(perm);
    const raw = transposeRaw(tensor.rawData, padded, back, elementBytes(tensor));
    const fresh = this.state.fresh(`${name}_moved`);
    const moved = withRaw(
      tensor,
      back.map(axis => padded[axis]!),
      raw,
    );
    this.state.constants.set(fresh, { ...moved, name: fresh });
    this.#written.set(key, fresh);
    this.#ranks.set(fresh, perm.length);
    return fresh;
  }

  /** A single number keeps its rank, so that concatenation and padding still see it. */
  #reshapedOnes(name: string, rank: number): string {
    const tensor = this.state.constants.get(name);
    if (tensor === undefined || tensor.dims.length === rank) return name;
    const key = `${name}|ones|${rank}`;
    const known = this.#written.get(key);
    if (known !== undefined) return known;
    const fresh = this.state.fresh(`${name}_moved`);
    this.state.constants.set(fresh, { ...tensor, name: fresh, dims: new Array<bigint>(rank).fill(1n) });
    this.#written.set(key, fresh);
    this.#ranks.set(fresh, rank);
    return fresh;
  }

  ints(values: readonly number[]): string {
    return addInts(this.state, 'moved_axes', values);
  }

  #visit(original: NodeProto): void {
    const node = withInputs(
      original,
      original.inputs.map(name => this.#alias.get(name) ?? name),
    );
    if (node.opType === 'Transpose' && node.domain === '' && this.#compose(node)) return;
    const moved = node.domain === '' && !this.#hasGraphs(node) ? moveThrough(this, node) : undefined;
    if (moved === undefined) {
      this.#push(
        withInputs(
          node,
          node.inputs.map(name => this.#write(name)),
        ),
      );
      return;
    }
    const outputs = moved.node.outputs.map((name, i) => {
      const perm = moved.perms[i];
      if (name === '' || perm === undefined || isIdentity(perm)) return name;
      const source = this.state.fresh(`${name}_source`);
      this.#layouts.set(name, { source, perm });
      return source;
    });
    for (const extra of moved.before ?? []) this.#push(extra);
    this.#push({ ...moved.node, outputs });
    outputs.forEach((source, i) => {
      const perm = moved.perms[i];
      if (perm !== undefined) this.#ranks.set(source, perm.length);
    });
    for (const name of node.outputs) if (this.state.pinned.has(name)) this.#write(name, true);
  }

  #hasGraphs(node: NodeProto): boolean {
    const names = new Set<string>();
    captured(node, names);
    return names.size > 0;
  }

  /** Takes the transpose into the layout of its output. */
  #compose(node: NodeProto): boolean {
    const [input] = node.inputs;
    const [output] = node.outputs;
    const perm = intsAttribute(node, 'perm');
    if (input === undefined || output === undefined || perm === undefined) return false;
    const before = this.#layouts.get(input);
    if (before !== undefined && before.perm.length !== perm.length) return false;
    const source = before?.source ?? input;
    const whole = before === undefined ? perm : perm.map(axis => before.perm[axis] ?? -1);
    if (new Set(whole).size !== whole.length || whole.some(axis => axis < 0 || axis >= whole.length)) return false;
    this.#ranks.set(source, perm.length);
    if (!isIdentity(whole)) {
      this.#layouts.set(output, { source, perm: whole });
      if (this.state.pinned.has(output)) this.#write(output, true);
    } else if (this.state.pinned.has(output))
      this.#push(buildNode('Identity', [source], [output], { name: node.name }));
    else this.#alias.set(output, source);
    return true;
  }

  /** The name under which the value exists in its own order, after a Transpose if it needs one. */
  #write(name: string, mustKeepName = false): string {
    const layout = this.#layouts.get(name);
    if (layout === undefined) return name;
    return this.#transposed(layout.source, layout.perm, mustKeepName ? name : undefined, name);
  }

  #transposed(source: string, perm: readonly number[], keepName?: string, stem?: string): string {
    if (isIdentity(perm)) return source;
    const key = `${source}|${perm.join()}`;
    const known = this.#written.get(key);
    if (known === keepName && known !== undefined) return known;
    if (known !== undefined && keepName === undefined) return known;
    const name =
      keepName ?? (stem === undefined || this.state.pinned.has(stem) ? this.state.fresh(`${source}_ordered`) : stem);
    const attributes = { perm: perm.map(BigInt) };
    this.#push(
      known === undefined
        ? buildNode('Transpose', [source], [name], { attributes, name: `${name}_transpose` })
        : buildNode('Identity', [known], [name], { name: `${name}_same` }),
    );
    if (known === undefined) this.#written.set(key, name);
    this.#ranks.set(name, perm.length);
    return name;
  }

  #push(node: NodeProto): void {
    this.#out.push(node);
    const rank = rankOf(this.state, node, name => this.rank(name));
    if (rank === undefined) return;
    for (const output of node.outputs) if (!this.#ranks.has(output)) this.#ranks.set(output, rank);
  }
}

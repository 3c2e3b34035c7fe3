import type { OpCall, OpRule } from '../op-call.ts';
import type { TfShape } from '../tf-graph.ts';

const far = 2147483647;

/** How one entry of the specification treats its axis; axes behind an ellipsis count from the back. */
interface Entry {
  readonly at: number;
  readonly axis: number;
  readonly kind: 'pick' | 'range';
}

/** x[a:b:c, ..., newaxis, i]: ranges first, then single positions, then new axes. */
const stridedSlice: OpRule = call => {
  const begins = call.constantInts(1);
  const ends = call.constantInts(2);
  const steps = call.constantInts(3) ?? call.refuse('the steps are computed at run time');
  const mask = (name: string, i: number): boolean => ((call.int(name, 0) >> i) & 1) === 1;
  const ellipsis = steps.findIndex((_, i) => mask('ellipsis_mask', i));
  const isNew = (i: number): boolean => i !== ellipsis && mask('new_axis_mask', i);
  const behind = ellipsis < 0 ? 0 : steps.filter((_, i) => i > ellipsis && !isNew(i)).length;
  const entries: Entry[] = [];
  let axis = 0;
  steps.forEach((_, i) => {
    if (i === ellipsis) axis = -behind;
    else if (!isNew(i)) entries.push({ at: i, axis: axis++, kind: mask('shrink_axis_mask', i) ? 'pick' : 'range' });
  });
  const ranges = entries.filter(({ kind }) => kind === 'range');
  const picks = entries.filter(({ kind }) => kind === 'pick');
  const { shape } = call.tensor(0);
  let name = sliceRanges(call, call.in(0), ranges, { begins, ends, steps }, mask);
  // Axes counted from the back stay valid when one before them goes, so those behind go first.
  const order = picks.toSorted((a, b) => (a.axis < 0 === b.axis < 0 ? b.axis - a.axis : a.axis < 0 ? -1 : 1));
  let gone = 0;
  for (const pick of order) {
    const at = begins?.[pick.at];
    const index = at === undefined ? position(call, pick.at) : call.w.int(at);
    // A picked axis from the back moves towards the end by those already gone behind it: none, they are taken in order.
    const where = pick.axis < 0 ? pick.axis + gone : pick.axis;
    name = call.op('Gather', [name, index], { axis: BigInt(where) });
    if (pick.axis < 0) gone++;
  }
  const newAxes = addedAxes(steps.length, ellipsis, isNew, i => mask('shrink_axis_mask', i));
  if (newAxes.length > 0) name = call.op('Unsqueeze', [name, call.w.ints(newAxes)]);
  return call.like(name, resultShape(call, shape, { begins, ends, steps }, mask, ellipsis, isNew, behind));
};

interface Spec {
  readonly begins: readonly number[] | undefined;
  readonly ends: readonly number[] | undefined;
  readonly steps: readonly number[];
}

function sliceRanges(
  call: OpCall,
  x: string,
  ranges: readonly Entry[],
  { begins, ends, steps }: Spec,
  mask: (name: string, i: number) => boolean,
): string {
  const needed = ranges.filter(({ at }) => !(mask('begin_mask', at) && mask('end_mask', at) && steps[at] === 1));
  if (needed.length === 0) return x;
  const step = (at: number): number => steps[at] ?? 1;
  const bounds = (
    input: 1 | 2,
    values: readonly number[] | undefined,
    open: string,
    whole: (at: number) => number,
  ): string => {
    const parts = needed.map(({ at }) => (mask(open, at) ? whole(at) : values?.[at]));
    const known = parts.filter(part => part !== undefined);
    if (known.length === parts.length) return call.w.ints(known);
    const vector = call.int64(input);
    const names = needed.map(({ at }, i) => {
      const part = parts[i];
      return part === undefined ? call.op('Gather', [vector, call.w.ints([at])]) : call.w.ints([part]);
    });
    return names.length === 1 ? (names[0] ?? '') : call.op('Concat', names, { axis: 0n });
  };
  return call.op('Slice', [
    x,
    bounds(1, begins, 'begin_mask', at => (step(at) > 0 ? 0 : far)),
    bounds(2, ends, 'end_mask', at => (step(at) > 0 ? far : -far - 1)),
    call.w.ints(needed.map(({ axis }) => axis)),
    call.w.ints(needed.map(({ at }) => step(at))),
  ]);
}

/** Entry `at` of the computed begins, as a scalar index. */
function position(call: OpCall, at: number): string {
  return call.op('Gather', [call.int64(1), call.w.int(at)]);
}

/** Where new axes stand in the result: from the front before the ellipsis, from the back behind it. */
function addedAxes(
  length: number,
  ellipsis: number,
  isNew: (i: number) => boolean,
  isPicked: (i: number) => boolean,
): number[] {
  const added: number[] = [];
  const last = ellipsis < 0 ? length : ellipsis;
  let out = 0;
  for (let i = 0; i < last; i++) {
    if (isNew(i)) added.push(out++);
    else if (!isPicked(i)) out++;
  }
  let fromBack = -1;
  for (let i = length - 1; i > last; i--) {
    if (isNew(i)) added.push(fromBack--);
    else if (!isPicked(i)) fromBack--;
  }
  return added;
}

function resultShape(
  call: OpCall,
  shape: TfShape,
  { begins, ends, steps }: Spec,
  mask: (name: string, i: number) => boolean,
  ellipsis: number,
  isNew: (i: number) => boolean,
  behind: number,
): TfShape {
  if (shape === undefined) return undefined;
  const out: (number | null)[] = [];
  let axis = 0;
  steps.forEach((step, i) => {
    if (i === ellipsis) while (axis < shape.length - behind) out.push(shape[axis++] ?? null);
    else if (isNew(i)) out.push(1);
    else {
      const dim = shape[axis++] ?? null;
      if (mask('shrink_axis_mask', i)) return;
      const isWhole = mask('begin_mask', i) && mask('end_mask', i) && Math.abs(step) === 1;
      out.push(
        isWhole ? dim : rangeSize(dim, begins?.[i], ends?.[i], step, mask('begin_mask', i), mask('end_mask', i)),
      );
    }
  });
  if (axis > shape.length) return call.refuse(`it has more entries than the ${shape.length} axes of its input`);
  return [...out, ...shape.slice(axis)];
}

function rangeSize(
  dim: number | null,
  begin: number | undefined,
  end: number | undefined,
  step: number,
  isOpenBegin: boolean,
  isOpenEnd: boolean,
): number | null {
  if (dim === null || step === 0 || (begin === undefined && !isOpenBegin) || (end === undefined && !isOpenEnd))
    return null;
  const [low, high] = step > 0 ? [0, dim] : [-1, dim - 1];
  const clamp = (value: number): number => Math.min(Math.max(value < 0 ? value + dim : value, low), high);
  const from = isOpenBegin ? (step > 0 ? 0 : dim - 1) : clamp(begin ?? 0);
  const to = isOpenEnd ? (step > 0 ? dim : -1) : clamp(end ?? 0);
  return Math.max(0, Math.ceil((to - from) / step));
}

export const stridedSliceOps: readonly [string, OpRule][] = [['StridedSlice', stridedSlice]];

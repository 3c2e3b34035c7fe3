import { readInnerLayer } from './architecture.ts';
import { type LayerCall, type LayerTypes, refuse, reshapeTo, sizeAt, type Tensor } from './lowering.ts';

/** Applies a layer to every step: steps join the batch and part from it again. */
function timeDistributed(call: LayerCall): Tensor {
  const { graph, x, config } = call;
  const inner = config.raw('layer');
  if (inner === undefined) return refuse(call, 'has no layer');
  if (x.shape.length < 3) refuse(call, 'needs an input with steps');
  const rest = x.shape.slice(2);
  const known = rest.filter(size => size !== null);
  if (known.length < rest.length) return refuse(call, 'needs to know the sizes behind the steps');
  const flat: Tensor = { value: reshapeTo(graph, x.value, [-1, ...known]), shape: [null, ...known], type: x.type };
  const spec = readInnerLayer(inner);
  const [result, ...others] = call.to.inner(
    { ...call.to, rows: undefined },
    spec,
    `${call.path}/${spec.name}`,
    call.weights.child('layer'),
    [{ kind: 'tensor', tensor: flat }],
  );
  if (result === undefined || others.length > 0) return refuse(call, 'wraps a layer with several outputs');
  const sizes = result.shape.slice(1);
  const steps = sizeAt(x, 1);
  const own = sizes.map((size, i) => size ?? { of: result.value, axis: i + 1 });
  // With all sizes known the batch takes what is left, which also holds for no rows at all.
  const isKnown = typeof steps === 'number' && sizes.every(size => size !== null);
  const target = isKnown ? [-1, steps, ...own] : [sizeAt(x, 0), steps, ...own];
  return {
    value: reshapeTo(graph, result.value, target),
    shape: [x.shape[0] ?? null, x.shape[1] ?? null, ...sizes],
    type: result.type,
    mask: x.mask,
  };
}

export const wrapperLayers: LayerTypes = {
  TimeDistributed: { family: 'wrappers', mask: 'use', kwargs: ['mask'], emit: timeDistributed },
};

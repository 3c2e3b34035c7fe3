import { OnnxError } from '../../onnx-error.ts';
import { GraphBuilder } from '../graph-builder.ts';
import {
  type Argument,
  type LayerCallSpec,
  type LayerSpec,
  type ModelSpec,
  readInnerLayer,
  type TensorRef,
} from './architecture.ts';
import { Config, isList, isObject, type Json } from './config.ts';
import {
  type CallValue,
  type Flavour,
  type LayerCall,
  type Lowering,
  layerTitle,
  type Shape,
  showShape,
  sizeOf,
  type Tensor,
  tensorsIn,
} from './lowering.ts';
import { dtypes } from './operation.ts';
import { isOperation, operationName } from './operations.ts';
import { layerType } from './registry.ts';
import type { LayerWeights } from './weights.ts';

/** Models and wrappers inside each other that are written; hostile files could nest without end. */
const maxDepth = 48;

/** A model written as a graph, up to its outputs. */
export interface LoweredModel {
  readonly graph: GraphBuilder;
  readonly notes: readonly string[];
}

/**
 * Writes the graph of a model.
 * @throws OnnxError `unsupported_source` listing every layer that does not convert, `source_malformed`
 */
export function lowerModel(model: ModelSpec, weights: LayerWeights, flavour: Flavour): LoweredModel {
  refuseUnsupported(model);
  const graph = new GraphBuilder();
  let rows: string | undefined;
  const to: Lowering = {
    graph,
    flavour,
    notes: new Set(),
    constants: new Map(),
    rows: () => {
      rows ??= graph.within('', () => sizeOf(graph, inputs[0]?.value ?? '', 0));
      return rows;
    },
    inner: (around, spec, path, own, args, kwargs = new Map()) => emitLayer(around, spec, path, own, args, kwargs),
  };
  const inputs = model.inputs.map(ref => declareInput(to, model, ref));
  const outputs = emitModel(to, model, '', weights, inputs);
  outputs.forEach(({ value, shape, type }, i) => {
    graph.output(value, model.outputs[i]?.name ?? `output_${i}`, type, ['batch', ...shape.slice(1)]);
  });
  return { graph, notes: [...to.notes] };
}

/** @throws OnnxError naming all layers whose class is not in the table, not only the first */
function refuseUnsupported(model: ModelSpec): void {
  const found = new Map<string, LayerSpec>();
  const visitLayer = (spec: LayerSpec, depth: number): void => {
    if (depth > maxDepth)
      throw new OnnxError('too_deep', `The model nests more than ${maxDepth} layers in each other.`);
    if (spec.model !== undefined) {
      for (const inner of spec.model.layers) visitLayer(inner, depth + 1);
      return;
    }
    if (spec.className === 'InputLayer') return;
    if (layerType(spec) === undefined) found.set(spec.name, spec);
    if (spec.className === 'TimeDistributed' && isObject(spec.config.layer))
      visitLayer(readInnerLayer(spec.config.layer), depth + 1);
  };
  for (const layer of model.layers) visitLayer(layer, 0);
  if (found.size === 0) return;
  const specs = [...found.values()];
  const names = specs.map(spec => {
    const operation = operationName(spec);
    return operation === undefined ? layerTitle(spec) : `Layer "${spec.name}" (operation ${operation})`;
  });
  const [first] = specs;
  const hasCode = specs.some(spec => spec.className === 'Lambda');
  throw new OnnxError(
    'unsupported_source',
    `The model has ${names.length === 1 ? 'a layer' : `${names.length} layers`} that cannot be converted: ${names.join('; ')}.${
      hasCode ? ' A Lambda layer holds Python code, which is never run; write it with the layers of Keras.' : ''
    }`,
    { node: specs.map(spec => spec.name).join(', '), op: first?.className ?? '', unsupported: names },
  );
}

function declareInput(to: Lowering, model: ModelSpec, ref: TensorRef): Tensor {
  const spec = model.layers.find(layer => layer.name === ref.layer);
  if (spec === undefined)
    throw new OnnxError('source_malformed', `The model takes its input from "${ref.layer}", which it does not have.`);
  const shape = inputShape(spec.config.batch_shape ?? spec.config.batch_input_shape ?? null);
  if (shape === undefined)
    throw new OnnxError(
      'unsupported_source',
      `The model does not say what its input "${spec.name}" looks like; call model.build(input_shape) or predict once, and save it again.`,
      { node: spec.name, op: spec.className },
    );
  const dtype = dtypeName(spec.config.dtype ?? null) ?? 'float32';
  const type = dtypes[dtype];
  if (type === undefined)
    throw new OnnxError('unsupported_source', `The input "${spec.name}" takes elements of type ${dtype}.`, {
      node: spec.name,
      op: spec.className,
    });
  if (type === 'float' && dtype !== 'float32')
    to.notes.add(`The input "${spec.name}" of type ${dtype} is taken as float32.`);
  if (spec.config.sparse === true || spec.config.ragged === true)
    throw new OnnxError('unsupported_source', `The input "${spec.name}" takes sparse or ragged tensors.`, {
      node: spec.name,
    });
  to.graph.input(spec.name, type, ['batch', ...shape.slice(1)]);
  return { value: spec.name, shape: [null, ...shape.slice(1)], type };
}

function inputShape(value: Json): Shape | undefined {
  if (!isList(value) || value.length === 0) return undefined;
  const sizes = value.map(size => (typeof size === 'number' && Number.isInteger(size) && size > 0 ? size : null));
  return value.every((size, i) => size === null || sizes[i] !== null) ? sizes : undefined;
}

/** The dtype that a layer stores its numbers in, from a name or a policy. */
function dtypeName(value: Json): string | undefined {
  if (typeof value === 'string') return value;
  return isObject(value) && isObject(value.config) && typeof value.config.name === 'string'
    ? value.config.name
    : undefined;
}

/** Calls of one model are written on demand, each once, following their inputs. */
function emitModel(
  to: Lowering,
  model: ModelSpec,
  path: string,
  weights: LayerWeights,
  inputs: readonly Tensor[],
): Tensor[] {
  if (path.split('/').length > maxDepth) throw new OnnxError('too_deep', 'The model contains itself.');
  const byName = new Map(model.layers.map((layer, i) => [layer.name, { layer, i }]));
  const stored = model.layers.filter(layer => !isOperation(layer));
  const places = weights.model(
    stored.map(layer => ({ name: layer.name, className: layer.className, inner: innerNames(layer) })),
  );
  const done = new Map<string, readonly Tensor[]>();
  model.inputs.forEach((ref, i) => {
    const input = inputs[i];
    if (input === undefined)
      throw new OnnxError(
        'source_malformed',
        `The model "${model.name}" is called with ${inputs.length} inputs for ${model.inputs.length}.`,
      );
    checkFits(model, ref, input);
    done.set(`${ref.layer}\u0000${ref.node}`, [input]);
  });
  const emitCall = (ref: TensorRef): void => {
    const found = byName.get(ref.layer);
    const call = found?.layer.calls[ref.node];
    if (found === undefined || call === undefined)
      throw new OnnxError(
        'source_malformed',
        `The model "${model.name}" uses call ${ref.node} of the layer "${ref.layer}", which it does not describe.`,
      );
    const { layer } = found;
    const own = path === '' ? layer.name : `${path}/${layer.name}`;
    const resolve = (argument: Argument): CallValue =>
      argument.kind === 'ref'
        ? { kind: 'tensor', tensor: outputOf(argument) }
        : argument.kind === 'list'
          ? { kind: 'list', items: argument.items.map(resolve) }
          : argument;
    const kwargs = new Map([...call.kwargs].map(([key, value]) => [key, resolve(value)]));
    const result = emitLayer(to, layer, own, places(stored.indexOf(layer)), call.args.map(resolve), kwargs);
    done.set(`${ref.layer}\u0000${ref.node}`, result);
  };
  const outputOf = (ref: TensorRef): Tensor => {
    const tensor = done.get(`${ref.layer}\u0000${ref.node}`)?.[ref.tensor];
    if (tensor === undefined)
      throw new OnnxError(
        'source_malformed',
        `The layer "${ref.layer}" of the model "${model.name}" has no output ${ref.tensor}.`,
      );
    return tensor;
  };
  for (const { ref } of model.outputs) inOrder(model, ref, done, byName, emitCall);
  return model.outputs.map(({ ref }) => outputOf(ref));
}

/** Writes what an output needs, inputs first, without recursion; a call that needs itself is an error. */
function inOrder(
  model: ModelSpec,
  output: TensorRef,
  done: ReadonlyMap<string, unknown>,
  byName: ReadonlyMap<string, { readonly layer: LayerSpec }>,
  emitCall: (ref: TensorRef) => void,
): void {
  const waiting = [output];
  const open = new Set<string>();
  while (waiting.length > 0) {
    const ref = waiting.at(-1)!;
    const key = `${ref.layer}\u0000${ref.node}`;
    if (done.has(key)) {
      waiting.pop();
      continue;
    }
    const call = byName.get(ref.layer)?.layer.calls[ref.node];
    const missing = call === undefined ? [] : refsOf(call).filter(item => !done.has(`${item.layer}\u0000${item.node}`));
    if (missing.length === 0) {
      emitCall(ref);
      waiting.pop();
      continue;
    }
    if (open.has(key))
      throw new OnnxError('cycle', `The layer "${ref.layer}" of the model "${model.name}" needs its own output.`);
    open.add(key);
    waiting.push(...missing);
  }
}

function refsOf(call: LayerCallSpec): TensorRef[] {
  const visit = (argument: Argument): TensorRef[] =>
    argument.kind === 'ref' ? [argument] : argument.kind === 'list' ? argument.items.flatMap(visit) : [];
  return [...call.args, ...call.kwargs.values()].flatMap(visit);
}

function checkFits(model: ModelSpec, ref: TensorRef, input: Tensor): void {
  const declared = model.layers.find(layer => layer.name === ref.layer)?.config.batch_shape;
  const shape = declared === undefined ? undefined : inputShape(declared);
  const fits =
    shape === undefined ||
    (shape.length === input.shape.length &&
      shape.every((size, i) => i === 0 || size === null || input.shape[i] === null || size === input.shape[i]));
  if (!fits)
    throw new OnnxError(
      'source_malformed',
      `The model "${model.name}" takes inputs of shape [${showShape(shape ?? [])}] but is given [${showShape(input.shape)}].`,
    );
}

/** Names of everything inside a layer, by which weights are told apart. */
function innerNames(layer: LayerSpec): readonly string[] {
  if (layer.model !== undefined) return layer.model.layers.flatMap(inner => [inner.name, ...innerNames(inner)]);
  const wrapped = isObject(layer.config.layer) ? readInnerLayer(layer.config.layer) : undefined;
  if (wrapped === undefined) return [];
  return [wrapped.name, `forward_${wrapped.name}`, `backward_${wrapped.name}`, ...innerNames(wrapped)];
}

function emitLayer(
  to: Lowering,
  spec: LayerSpec,
  path: string,
  weights: LayerWeights,
  allArgs: readonly CallValue[],
  given: ReadonlyMap<string, CallValue>,
): Tensor[] {
  const title = layerTitle(spec);
  if (spec.model !== undefined) {
    const named = withNames(spec, path, allArgs, given, ['training', 'mask']);
    refuseKwargs(spec, path, named, ['training', 'mask']);
    return emitModel(
      to,
      spec.model,
      path,
      weights,
      withMasks(title, tensorsIn(allArgs.slice(0, 1)), named.get('mask')),
    );
  }
  const type = layerType(spec);
  if (type === undefined)
    throw new OnnxError('unsupported_source', `${title} cannot be converted.`, { node: path, op: spec.className });
  refuseDtype(to, spec, path);
  const isCall = operationName(spec) !== undefined;
  const args = isCall ? allArgs : allArgs.slice(0, 1);
  const kwargs = isCall ? given : withNames(spec, path, allArgs, given, type.positional ?? []);
  const inputs = tensorsIn(args);
  refuseKwargs(spec, path, kwargs, type.kwargs ?? []);
  const x = inputs[0] ?? [...kwargs.values()].flatMap(value => tensorsIn([value]))[0];
  if (x === undefined) throw new OnnxError('source_malformed', `${title} is called without an input.`, { node: path });
  const config = new Config(spec.config, title);
  const call: LayerCall = { spec, path, config, weights, args, kwargs, to, graph: to.graph, x, inputs };
  const isDropped = type.mask === undefined || type.mask === 'drop';
  const clean: LayerCall = isDropped ? { ...call, x: { ...x, mask: undefined } } : call;
  const result = to.graph.within(path, () => type.emit(clean));
  const outputs: readonly Tensor[] = isTensor(result) ? [result] : result;
  const [unread] = config.unread();
  if (unread !== undefined) config.refuse(unread, `an option known for ${spec.className}`);
  if (weights.left() > 0)
    throw new OnnxError(
      'source_malformed',
      `${title} has ${weights.left()} more weights in the file than its options call for, so its shape in the file is not that of its options.`,
      { node: path, op: spec.className },
    );
  if (type.mask === 'pass') return outputs.map(output => ({ ...output, mask: x.mask }));
  return isDropped ? outputs.map(output => ({ ...output, mask: undefined })) : [...outputs];
}

function isTensor(value: Tensor | readonly Tensor[]): value is Tensor {
  return 'value' in value;
}

function isNothing(value: CallValue): boolean {
  return value.kind === 'value' && (value.value === null || value.value === false);
}

/** The arguments of a call behind its input by their names, also those given by place. */
function withNames(
  spec: LayerSpec,
  path: string,
  args: readonly CallValue[],
  kwargs: ReadonlyMap<string, CallValue>,
  names: readonly string[],
): ReadonlyMap<string, CallValue> {
  const all = new Map(kwargs);
  args.slice(1).forEach((value, i) => {
    const name = names[i];
    if (isNothing(value)) return;
    if (name === undefined) {
      const title = layerTitle(spec);
      throw new OnnxError(
        'unsupported_source',
        `${title} is called with ${args.length} arguments, which it does not take.`,
        {
          node: path,
          op: spec.className,
          unsupported: [`${title}: argument ${i + 2}`],
        },
      );
    }
    all.set(name, value);
  });
  return all;
}

/** The inputs of a model with the masks that its call gives for them, one each. */
function withMasks(title: string, inputs: readonly Tensor[], mask: CallValue | undefined): readonly Tensor[] {
  const masks = mask === undefined ? [] : tensorsIn([mask]);
  if (masks.length === 0) return inputs;
  if (masks.length !== inputs.length)
    throw new OnnxError(
      'unsupported_source',
      `${title} is called with ${masks.length} masks for ${inputs.length} inputs.`,
    );
  return inputs.map((input, i) => ({ ...input, mask: masks[i]?.value }));
}

function refuseKwargs(
  spec: LayerSpec,
  path: string,
  kwargs: ReadonlyMap<string, CallValue>,
  known: readonly string[],
): void {
  for (const [key, value] of kwargs) {
    if (isNothing(value) || (known.includes(key) && key !== 'training')) continue;
    throw new OnnxError(
      'unsupported_source',
      `${layerTitle(spec)} is called with the argument "${key}", which is not supported.`,
      {
        node: path,
        op: spec.className,
        unsupported: [`${layerTitle(spec)}: ${key}`],
      },
    );
  }
}

/** Numbers are computed in float32; quantised layers would need their own arithmetic. */
function refuseDtype(to: Lowering, spec: LayerSpec, path: string): void {
  const dtype = dtypeName(spec.config.dtype ?? null) ?? 'float32';
  if (/int8|int4|float8/.test(dtype) && /_from_|quant/i.test(JSON.stringify(spec.config.dtype)))
    throw new OnnxError(
      'unsupported_source',
      `${layerTitle(spec)} is quantised (${dtype}); save the model before quantising it.`,
      {
        node: path,
        op: spec.className,
      },
    );
  if (/float16|float64/.test(dtype)) to.notes.add(`Layers of type ${dtype} compute in float32.`);
}

import { OnnxError } from '../../onnx-error.ts';
import { isList, isObject, type Json, type JsonObject } from './config.ts';

/** One tensor of a model: output `tensor` of call `node` of a layer. */
export interface TensorRef {
  readonly kind: 'ref';
  readonly layer: string;
  readonly node: number;
  readonly tensor: number;
}

/** An argument of a call: tensors inside lists and plain values. */
export type Argument = TensorRef | { readonly kind: 'value'; readonly value: Json } | ArgumentList;
export interface ArgumentList {
  readonly kind: 'list';
  readonly items: readonly Argument[];
}

export interface LayerCallSpec {
  readonly args: readonly Argument[];
  readonly kwargs: ReadonlyMap<string, Argument>;
  /** Whether Keras 3 wrote it. */
  readonly isNew: boolean;
}

/** A layer as the file describes it. */
export interface LayerSpec {
  readonly className: string;
  /** Where Keras 3 found the class, such as `keras.layers`; empty in older files. */
  readonly module: string;
  readonly name: string;
  readonly config: JsonObject;
  readonly calls: readonly LayerCallSpec[];
  /** The layers inside, when this is a model. */
  readonly model?: ModelSpec;
}

export interface ModelSpec {
  readonly name: string;
  readonly className: string;
  readonly layers: readonly LayerSpec[];
  readonly inputs: readonly TensorRef[];
  readonly outputs: readonly { readonly name: string; readonly ref: TensorRef }[];
  /** Whether the model is a chain that names no input layer of its own. */
  readonly isSequential: boolean;
}

const modelClasses = new Set(['Functional', 'Model', 'Sequential']);
/** Models inside models. */
const maxDepth = 24;
/** Layers of one model file. */
const maxLayers = 20_000;

/** Whether a class is Keras' own: classes of the user's packages may share its name. Older files name no module. */
export function isFromKeras(module: Json | undefined): boolean {
  return typeof module !== 'string' || module === '' || /^(keras|tensorflow|tf_keras|builtins)\b/.test(module);
}

/** Reads a serialised model. @throws OnnxError `unsupported_source`, `source_malformed` */
export function readArchitecture(document: Json): ModelSpec {
  if (!isObject(document) || typeof document.class_name !== 'string') throw malformed('names no model class');
  if (!modelClasses.has(document.class_name)) {
    throw new OnnxError(
      'unsupported_source',
      `The model is of the class ${document.class_name}, which is defined in Python code that the file does not hold; rebuild it as a functional or sequential model, or export it in your own Python: model.export("model.onnx", format="onnx").`,
      { op: document.class_name, unsupported: [document.class_name] },
    );
  }
  return readModel(document, 0, { layers: 0 });
}

function malformed(what: string): OnnxError {
  return new OnnxError('source_malformed', `The description of the model ${what}; save the model again.`);
}

interface Counter {
  layers: number;
}

function readModel(document: JsonObject, depth: number, counter: Counter): ModelSpec {
  if (depth > maxDepth) throw new OnnxError('too_deep', `The model nests more than ${maxDepth} models.`);
  const config = document.config;
  // The oldest sequential models are a plain list of layers.
  const layerList = isList(config) ? config : isObject(config) ? config.layers : undefined;
  if (!isList(layerList)) throw malformed('has no list of layers');
  const name = isObject(config) && typeof config.name === 'string' ? config.name : 'model';
  counter.layers += layerList.length;
  if (counter.layers > maxLayers) throw new OnnxError('too_large', `The model has more than ${maxLayers} layers.`);
  const layers = layerList.map(item => readLayer(item, depth, counter));
  const className = String(document.class_name);
  if (className === 'Sequential') return chain(name, layers, isObject(config) ? config : {});
  if (!isObject(config)) throw malformed('has no configuration');
  const known = new Set(layers.map(layer => layer.name));
  const outputs = refsOf(config.output_layers, known);
  return {
    name,
    className,
    layers: withFirstCalls(
      layers,
      outputs.map(({ ref }) => ref),
    ),
    inputs: refsOf(config.input_layers, known).map(({ ref }) => ref),
    outputs,
    isSequential: false,
  };
}

/**
 * Keras 2 and TF.js count the call by which a model inside was built, without describing it: its described calls then
 * start at 1. An empty call in front makes the places agree.
 */
function withFirstCalls(layers: readonly LayerSpec[], outputs: readonly TensorRef[]): LayerSpec[] {
  const lowest = new Map<string, number>();
  const visit = (argument: Argument): void => {
    if (argument.kind === 'list') for (const item of argument.items) visit(item);
    else if (argument.kind === 'ref')
      lowest.set(argument.layer, Math.min(argument.node, lowest.get(argument.layer) ?? argument.node));
  };
  for (const ref of outputs) visit(ref);
  for (const call of layers.flatMap(layer => layer.calls))
    for (const item of [...call.args, ...call.kwargs.values()]) visit(item);
  return layers.map(layer => {
    const startsAtOne =
      layer.model !== undefined && layer.calls.every(call => !call.isNew) && (lowest.get(layer.name) ?? 0) > 0;
    return startsAtOne ? { ...layer, calls: [{ args: [], kwargs: new Map(), isNew: false }, ...layer.calls] } : layer;
  });
}

function readLayer(item: Json, depth: number, counter: Counter): LayerSpec {
  if (!isObject(item) || typeof item.class_name !== 'string') throw malformed('holds a layer without a class');
  const config = isObject(item.config) ? item.config : {};
  const name = typeof item.name === 'string' ? item.name : typeof config.name === 'string' ? config.name : '';
  const isModel = modelClasses.has(item.class_name);
  return {
    className: item.class_name,
    module: typeof item.module === 'string' ? item.module : '',
    name: name === '' ? item.class_name : name,
    config,
    calls: isList(item.inbound_nodes) ? item.inbound_nodes.map(readCall) : [],
    ...(isModel ? { model: readModel(item, depth + 1, counter) } : {}),
  };
}

/** A sequential model as a graph: every layer takes what the one before it gives. */
function chain(name: string, layers: readonly LayerSpec[], config: JsonObject): ModelSpec {
  const [first] = layers;
  if (first === undefined) throw malformed('has no layers');
  const ref = (layer: string): TensorRef => ({ kind: 'ref', layer, node: 0, tensor: 0 });
  const inputLayer = first.className === 'InputLayer' ? [] : [inputOf(first, config.build_input_shape ?? null, name)];
  const all = [...inputLayer, ...layers];
  if (new Set(all.map(layer => layer.name)).size !== all.length) throw malformed('names two layers the same');
  return {
    name,
    className: 'Sequential',
    layers: all.map((layer, i) => ({
      ...layer,
      calls: i === 0 ? [] : [{ args: [ref(all[i - 1]!.name)], kwargs: new Map<string, Argument>(), isNew: false }],
    })),
    inputs: [ref(all[0]!.name)],
    outputs: [{ name: all.at(-1)!.name, ref: ref(all.at(-1)!.name) }],
    isSequential: inputLayer.length > 0,
  };
}

/** The input that a sequential model only implies by an option of its first layer. */
function inputOf(first: LayerSpec, buildShape: Json, model: string): LayerSpec {
  const inner = first.model?.layers[0]?.config;
  const wrapped = isObject(first.config.layer) && isObject(first.config.layer.config) ? first.config.layer.config : {};
  const build = first.config.build_config;
  const shape =
    [
      first.config.batch_input_shape,
      first.config.batch_shape,
      inner?.batch_input_shape,
      inner?.batch_shape,
      wrapped.batch_input_shape,
      buildShape,
      isObject(build) ? build.input_shape : undefined,
    ].find(isList) ?? null;
  const dtype = first.config.dtype ?? null;
  // An embedding takes whole numbers whatever its weights are.
  const type = first.className === 'Embedding' || !isList(shape) ? null : dtype;
  return {
    className: 'InputLayer',
    module: '',
    name: `${first.name}_input`,
    config: { name: `${first.name}_input`, batch_shape: shape, dtype: type, model },
    calls: [],
  };
}

/** One call, as any version writes it. */
function readCall(node: Json): LayerCallSpec {
  if (isObject(node)) {
    const kwargs = isObject(node.kwargs) ? Object.entries(node.kwargs) : [];
    return {
      args: isList(node.args) ? node.args.map(newArgument) : [],
      kwargs: new Map(kwargs.map(([key, value]) => [key, newArgument(value)])),
      isNew: true,
    };
  }
  if (!isList(node)) throw malformed('holds a call it does not describe');
  const isSingle = typeof node[0] === 'string';
  const entries = isSingle ? [node] : node;
  const tensors = entries.map(oldTensor);
  const [firstEntry] = entries;
  const extra = isList(firstEntry) ? firstEntry[3] : undefined;
  const kwargs = isObject(extra) ? Object.entries(extra) : [];
  const args: readonly Argument[] =
    tensors.length === 1 ? tensors : [{ kind: 'list', items: tensors } satisfies ArgumentList];
  return { args, kwargs: new Map(kwargs.map(([key, value]) => [key, oldArgument(value)])), isNew: false };
}

function oldTensor(entry: Json): Argument {
  if (isList(entry) && entry[0] === '_CONSTANT_VALUE') return { kind: 'value', value: entry[2] ?? null };
  const ref = oldRef(entry);
  if (ref === undefined) throw malformed('holds a call whose inputs it does not describe');
  return ref;
}

function oldRef(value: Json): TensorRef | undefined {
  if (!isList(value) || value.length < 3) return undefined;
  const [layer, node, tensor] = value;
  if (typeof layer !== 'string' || typeof node !== 'number' || typeof tensor !== 'number' || node < 0) return undefined;
  return { kind: 'ref', layer, node, tensor };
}

function oldArgument(value: Json): Argument {
  const ref = oldRef(value);
  if (ref !== undefined) return ref;
  if (isList(value) && value.some(item => oldRef(item) !== undefined))
    return { kind: 'list', items: value.map(oldArgument) };
  return { kind: 'value', value };
}

function newArgument(value: Json): Argument {
  if (isObject(value) && value.class_name === '__keras_tensor__' && isObject(value.config)) {
    const ref = oldRef(value.config.keras_history ?? null);
    if (ref === undefined) throw malformed('holds a tensor without its origin');
    return ref;
  }
  if (isList(value) && JSON.stringify(value).includes('__keras_tensor__'))
    return { kind: 'list', items: value.map(newArgument) };
  return { kind: 'value', value };
}

/** References inside any nesting of lists and dicts, in order, named by their layer or their key. */
function refsOf(value: Json | undefined, known: ReadonlySet<string>): { name: string; ref: TensorRef }[] {
  const found: { name: string; ref: TensorRef }[] = [];
  const visit = (item: Json | undefined, key: string | undefined): void => {
    const ref = item === undefined ? undefined : oldRef(item);
    if (ref !== undefined && known.has(ref.layer)) found.push({ name: key ?? ref.layer, ref });
    else if (isList(item)) for (const inner of item) visit(inner, key);
    else if (isObject(item)) for (const [inner, content] of Object.entries(item)) visit(content, inner);
    else throw malformed('does not say what its inputs and outputs are');
  };
  visit(value, undefined);
  if (found.length === 0) throw malformed('names no inputs or outputs');
  return found;
}

/** A layer that another one wraps. @throws OnnxError `source_malformed` */
export function readInnerLayer(item: Json): LayerSpec {
  return readLayer(item, 1, { layers: 0 });
}

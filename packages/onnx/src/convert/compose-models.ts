import { createHash } from 'node:crypto';
import { allNodes, domainName, inspectModel, type TensorSpec } from '../inspect-model.ts';
import { buildNode, buildTensor } from '../model/build.ts';
import type { AttributeProto, GraphProto, ModelProto, NodeProto, OpsetImport, TensorProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import { OnnxError } from '../onnx-error.ts';
import { lowerOpset } from '../opset/to-opset.ts';
import { classesKey } from '../prepare/zip-maps.ts';
import type { Conversion } from './convert.ts';
import type { ConversionReport } from './report.ts';

/**
 * Joins converted models into one graph: the outputs of each become the inputs of the next, with casts between number
 * types. Inputs and column names are those of the first, outputs and class labels those of the last.
 * @param name of the joined graph
 * @throws OnnxError `bad_option` when outputs and inputs do not fit, naming both sides
 */
export function compose(stages: readonly Conversion[], name = 'pipeline'): Conversion {
  const [first, ...rest] = stages;
  if (first === undefined) throw new OnnxError('bad_option', 'No model was given to compose.');
  if (rest.length === 0) return first;
  const last = stages.at(-1)!;
  const models = atOneOpset(stages.map(stage => readModel(stage.model)));
  const nodes: NodeProto[] = [];
  const initializers: TensorProto[] = [];
  const ownInputs = new Set(models[0]!.graph.inputs.map(input => input.name));
  let names = new Map(models[0]!.graph.inputs.map(input => [input.name, input.name]));
  const outputNames = new Map(
    models
      .at(-1)!
      .graph.outputs.map(output => [output.name, ownInputs.has(output.name) ? `${output.name}_out` : output.name]),
  );
  models.forEach((model, i) => {
    const isLast = i === models.length - 1;
    const overrides = isLast ? new Map([...outputNames, ...names]) : names;
    const rename = (name: string): string => (name === '' ? '' : (overrides.get(name) ?? `stage${i}_${name}`));
    const graph = renamedGraph(model.graph, rename);
    nodes.push(...graph.nodes);
    initializers.push(...graph.initializers);
    if (!isLast) names = joint(stages[i]!, stages[i + 1]!, rename, i, { nodes, initializers });
  });
  const lastGraph = models.at(-1)!.graph;
  const model: ModelProto = {
    ...models[0]!,
    irVersion: Math.max(...models.map(model => model.irVersion)),
    opsetImport: commonOpsets(models),
    functions: models.flatMap(one => one.functions),
    metadataProps: metadataOf(models),
    graph: {
      ...models[0]!.graph,
      name,
      nodes,
      initializers,
      outputs: lastGraph.outputs.map(output => ({ ...output, name: outputNames.get(output.name)! })),
      valueInfo: [],
    },
  };
  const bytes = writeModel(model);
  return { model: bytes, report: reportOf(stages, last, bytes) };
}

interface Added {
  readonly nodes: NodeProto[];
  readonly initializers: TensorProto[];
}

/** Which value each input of the next stage reads, with the casts and joins in between. */
function joint(
  from: Conversion,
  to: Conversion,
  rename: (name: string) => string,
  stage: number,
  added: Added,
): Map<string, string> {
  const given = inspectModel(from.model).signature.outputs;
  const wanted = inspectModel(to.model).signature.inputs;
  const pairs = matched(given, wanted, from.report, to.report);
  return new Map(
    pairs.map(({ sources, target }, at) => {
      const cast = sources.map((source, k) => {
        requireSameKind(source, target, from.report, to.report);
        const name = rename(source.name);
        if (source.dtype === target.dtype) return name;
        const output = `joint${stage}_${at}_${k}`;
        added.nodes.push(
          buildNode('Cast', [name], [output], {
            name: output,
            attributes: { to: BigInt(onnxTypes[target.dtype] ?? 1) },
          }),
        );
        return output;
      });
      let value = cast[0]!;
      if (cast.length > 1) {
        value = `joint${stage}_${at}`;
        added.nodes.push(buildNode('Concat', cast, [value], { name: value, attributes: { axis: 1n } }));
      }
      if (sources.length === 1 && sources[0]!.shape?.length === 1 && target.shape?.length === 2) {
        const shape = `joint${stage}_${at}_shape`;
        added.initializers.push(buildTensor(shape, 'int64', [2], [-1, 1]));
        added.nodes.push(buildNode('Reshape', [value, shape], [`${value}_column`], { name: `${value}_column` }));
        value = `${value}_column`;
      }
      return [target.name, value];
    }),
  );
}

const onnxTypes: Readonly<Record<string, number>> = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  INT32: 6,
  INT64: 7,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
};

interface Pair {
  readonly sources: readonly TensorSpec[];
  readonly target: TensorSpec;
}

/** Outputs that feed each input: by name, one to one, all columns side by side, or in order. */
function matched(
  given: readonly TensorSpec[],
  wanted: readonly TensorSpec[],
  from: ConversionReport,
  to: ConversionReport,
): Pair[] {
  const byName = wanted.map(target => given.find(source => source.name === target.name));
  if (byName.every(source => source !== undefined))
    return wanted.map((target, i) => ({ sources: [byName[i]!], target }));
  const [target] = wanted;
  if (wanted.length === 1 && target !== undefined) {
    const numeric = given.filter(source => source.name !== 'label' || given.length === 1);
    const columns = numeric.map(columnsOf);
    const total = columns.reduce<number | undefined>(
      (sum, width) => (sum === undefined || width === undefined ? undefined : sum + width),
      0,
    );
    const needed = columnsOf(target);
    if (needed !== undefined && total !== undefined && total !== needed)
      throw misfit(from, to, `gives ${total} columns, but the next takes ${needed} in "${target.name}"`);
    return [{ sources: numeric, target }];
  }
  if (given.length === wanted.length) return wanted.map((input, i) => ({ sources: [given[i]!], target: input }));
  throw misfit(
    from,
    to,
    `gives ${given.map(source => source.name).join(', ')}, but the next takes ${wanted.map(input => input.name).join(', ')}`,
  );
}

/** Columns of one row, undefined when they are free or more than a row of columns. */
function columnsOf({ shape }: TensorSpec): number | undefined {
  if (shape === undefined) return undefined;
  if (shape.length === 1) return 1;
  const last = shape.at(-1);
  return shape.length === 2 && typeof last === 'number' ? last : undefined;
}

function requireSameKind(source: TensorSpec, target: TensorSpec, from: ConversionReport, to: ConversionReport): void {
  if ((source.dtype === 'BYTES') !== (target.dtype === 'BYTES'))
    throw misfit(
      from,
      to,
      `gives "${source.name}" as ${source.dtype}, but the next takes "${target.name}" as ${target.dtype}`,
    );
  const [a, b] = [source.shape?.length, target.shape?.length];
  if (a !== undefined && b !== undefined && a !== b && !(a === 1 && b === 2))
    throw misfit(
      from,
      to,
      `gives "${source.name}" with ${a} dimensions, but the next takes "${target.name}" with ${b}`,
    );
}

function misfit(from: ConversionReport, to: ConversionReport, what: string): OnnxError {
  return new OnnxError(
    'bad_option',
    `The models do not fit together: ${from.source.modelClass} ${what} (${to.source.modelClass}). Check their order.`,
  );
}

const opsetOf = (model: ModelProto): number =>
  Number(model.opsetImport.find(({ domain }) => domainName(domain) === 'ai.onnx')?.version ?? 0);

/** Stages of different opsets are written in the oldest of them. @throws OnnxError when that cannot express one of them */
function atOneOpset(models: readonly ModelProto[]): readonly ModelProto[] {
  const lowest = Math.min(...models.map(opsetOf));
  return models.some(model => opsetOf(model) !== lowest) ? models.map(model => lowerOpset(model, lowest)) : models;
}

/** @throws OnnxError when two stages need different versions of one operator set */
function commonOpsets(models: readonly ModelProto[]): OpsetImport[] {
  const found = new Map<string, bigint>();
  for (const model of models) {
    const used = new Set([...allNodes(model.graph)].map(node => domainName(node.domain)));
    for (const { domain, version } of model.opsetImport) {
      const name = domainName(domain);
      const known = found.get(name);
      if (!used.has(name) && name !== 'ai.onnx') continue;
      // Each version of ai.onnx.ml only adds to the one before, but for LabelEncoder, whose attributes changed their names.
      const mayRaise = name === 'ai.onnx.ml' && models.every(hasNoLabelEncoder);
      if (known !== undefined && known !== version && !mayRaise)
        throw new OnnxError(
          'unsupported_opset',
          `The models use opset ${known} and ${version} of ${name}; export both with the same opset to compose them.`,
        );
      found.set(name, known !== undefined && known > version ? known : version);
    }
  }
  return [...found].map(([name, version]) => ({ domain: name === 'ai.onnx' ? '' : name, version }));
}

const hasNoLabelEncoder = (model: ModelProto): boolean =>
  [...allNodes(model.graph)].every(node => node.opType !== 'LabelEncoder');

function metadataOf(models: readonly ModelProto[]): ModelProto['metadataProps'] {
  const of = (model: ModelProto | undefined, key: string) =>
    model?.metadataProps.filter(entry => entry.key === key) ?? [];
  const joined = (key: string): { key: string; value: string }[] => [
    { key, value: models.map(model => of(model, key)[0]?.value ?? '').join(' + ') },
  ];
  return [
    ...of(models[0], 'holdfast.feature_names'),
    ...of(models.at(-1), classesKey),
    ...joined('holdfast.source.sha256'),
    ...joined('holdfast.source.format'),
    ...joined('holdfast.source.framework'),
    ...of(models[0], 'holdfast.converter'),
  ];
}

function reportOf(stages: readonly Conversion[], last: Conversion, bytes: Uint8Array): ConversionReport {
  const { inputs, outputs } = inspectModel(bytes).signature;
  const sources = stages.map(stage => stage.report.source);
  const digest = createHash('sha256');
  for (const source of sources) digest.update(source.sha256);
  const plain = ({ name, dtype, shape }: TensorSpec) => ({ name, dtype, shape });
  return {
    source: {
      format: sources.map(source => source.format).join(' + '),
      framework: sources.map(source => source.framework).join(' + '),
      frameworkVersion: sources.map(source => source.frameworkVersion ?? '?').join(' + '),
      modelClass: sources.map(source => source.modelClass).join(' + '),
      sha256: digest.digest('hex'),
      bytes: sources.reduce((sum, source) => sum + source.bytes, 0),
    },
    inputs: inputs.map(plain),
    outputs: outputs.map(plain),
    featureNames: stages[0]?.report.featureNames,
    classes: last.report.classes,
    notes: stages.flatMap(stage => stage.report.notes),
  };
}

/** Every value of a graph under another name, those inside sub-graphs too. */
function renamedGraph(graph: GraphProto, rename: (name: string) => string): GraphProto {
  const named = <T extends { readonly name: string }>(value: T): T => ({ ...value, name: rename(value.name) });
  return {
    ...graph,
    nodes: graph.nodes.map(node => ({
      ...node,
      name: rename(node.name),
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
      attributes: node.attributes.map(attribute => renamedAttribute(attribute, rename)),
    })),
    initializers: graph.initializers.map(named),
    sparseInitializers: graph.sparseInitializers.map(sparse => ({
      ...sparse,
      ...(sparse.values !== undefined && { values: named(sparse.values) }),
    })),
    inputs: graph.inputs.map(named),
    outputs: graph.outputs.map(named),
    valueInfo: graph.valueInfo.map(named),
  };
}

function renamedAttribute(attribute: AttributeProto, rename: (name: string) => string): AttributeProto {
  const { g, graphs } = attribute;
  return {
    ...attribute,
    ...(g !== undefined && { g: renamedGraph(g, rename) }),
    ...(graphs !== undefined && { graphs: graphs.map(graph => renamedGraph(graph, rename)) }),
  };
}

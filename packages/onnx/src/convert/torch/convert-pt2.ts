import { OnnxError } from '../../onnx-error.ts';
import { optionalField } from '../boosting/json-fields.ts';
import { GraphBuilder } from '../graph-builder.ts';
import type { ConverterSettings } from '../report.ts';
import { simplifyModel } from '../simplify/simplify-graph.ts';
import type { ConvertedGraph } from '../sklearn/convert-sklearn.ts';
import { AtenCall, type AtenHandler, type AtenScope } from './aten-call.ts';
import { atenLayers } from './aten-layers.ts';
import { atenMath } from './aten-math.ts';
import { atenShape } from './aten-shape.ts';
import { torchExportScript } from './export-script.ts';
import { type Pt2Program, readPt2, type SymbolicSize } from './read-pt2.ts';

/** Families of ATen operators that convert, as the documentation lists them. */
export const atenFamilies: ReadonlyMap<string, Readonly<Record<string, AtenHandler>>> = new Map([
  ['layers and products', atenLayers],
  ['element by element', atenMath],
  ['shape, choice and reduction', atenShape],
]);

const operators: ReadonlyMap<string, AtenHandler> = new Map(
  [...atenFamilies.values()].flatMap(family => Object.entries(family)),
);

/** Converts a torch.export archive of core ATen operators. Parameters and buffers become constants. */
export function convertPt2(bytes: Uint8Array, settings: ConverterSettings): ConvertedGraph {
  const program = readPt2(bytes);
  refuseUnknownOperators(program);
  const graph = new GraphBuilder();
  const scope: AtenScope = { graph, program, tensors: new Map(), sizes: new Map(), types: new Map() };
  const symbols = symbolNames(program);
  for (const input of program.userInputs) declareInput(scope, input, symbols);
  for (const [name, constant] of program.constants) {
    scope.tensors.set(name, graph.rawConstant(constant.type, constant.shape, constant.bytes));
    scope.types.set(name, constant.type);
  }
  lowerNodes(scope);
  program.userOutputs.forEach((output, i) => {
    const name = optionalField(output, 'as_tensor', 'name');
    if (typeof name !== 'string') throw refused(`output ${i} is no tensor`);
    const meta = program.tensors.get(name);
    const value = scope.tensors.get(name);
    if (meta?.type === undefined || value === undefined)
      throw refused(`output "${name}" has the type ${meta?.typeName ?? 'unknown'}`);
    graph.output(
      value,
      program.userOutputs.length === 1 ? 'output' : `output_${i}`,
      meta.type,
      named(meta.shape, symbols),
    );
  });
  return {
    model: simplifyModel(graph.finish([], settings.producerVersion)),
    framework: 'PyTorch',
    frameworkVersion: program.torchVersion,
    modelClass: 'exported program',
    featureNames: undefined,
    classes: undefined,
    notes: [],
  };
}

function refused(what: string): OnnxError {
  return new OnnxError('unsupported_source', `The exported program does not convert: ${what}.`, {
    unsupported: [what],
  });
}

/** Names for the symbols of open sizes: that of the first input's first dimension is the batch. */
function symbolNames({ userInputs, tensors }: Pt2Program): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const input of userInputs) {
    const name = optionalField(input, 'as_tensor', 'name');
    const first = typeof name === 'string' ? tensors.get(name)?.shape[0] : undefined;
    if (typeof first === 'string' && names.size === 0) names.set(first, 'batch');
  }
  return names;
}

function named(shape: readonly SymbolicSize[], symbols: ReadonlyMap<string, string>): (number | string)[] {
  return shape.map(size => (typeof size === 'number' ? size : (symbols.get(size) ?? size)));
}

function declareInput(scope: AtenScope, input: unknown, symbols: ReadonlyMap<string, string>): void {
  const name = optionalField(input, 'as_tensor', 'name');
  if (typeof name !== 'string') {
    if (optionalField(input, 'as_none') !== undefined) return;
    throw refused('it takes an input that is no tensor');
  }
  const meta = scope.program.tensors.get(name);
  if (meta?.type === undefined) throw refused(`input "${name}" has the type ${meta?.typeName ?? 'unknown'}`);
  scope.tensors.set(name, scope.graph.input(name, meta.type, named(meta.shape, symbols)));
}

function lowerNodes(scope: AtenScope): void {
  const refusals: OnnxError[] = [];
  for (const node of scope.program.nodes) {
    const call = new AtenCall(node, scope);
    try {
      operators.get(node.name)?.(call);
      const [unread] = call.unread();
      if (unread !== undefined && !node.name.startsWith('_assert'))
        throw call.refuse(`has the argument "${unread}", which is not supported`);
    } catch (error) {
      if (!(error instanceof OnnxError && error.code === 'unsupported_source')) throw error;
      refusals.push(error);
      // What follows is still looked at, so that everything that does not convert is named at once.
      for (const name of call.outputNames()) scope.tensors.set(name, `refused_${name}`);
      call.setSize('refused');
    }
  }
  throwAll(
    refusals.flatMap(error => error.unsupported),
    refusals[0],
  );
}

function refuseUnknownOperators({ nodes }: Pt2Program): void {
  const unknown = nodes.filter(
    ({ name, target }) => !operators.has(name) || !/^(torch\.ops\.(aten|prims)\.|_operator\.)/.test(target),
  );
  const [first] = unknown;
  if (first === undefined) return;
  throwAll([...new Set(unknown.map(({ target }) => target))], undefined, first.target);
}

/** @throws OnnxError `unsupported_source` naming everything given, with the lines that export it elsewhere */
function throwAll(unsupported: readonly string[], first: OnnxError | undefined, op?: string): void {
  if (unsupported.length === 0) return;
  const { script } = torchExportScript('exported');
  throw new OnnxError(
    'unsupported_source',
    `The exported program does what does not convert: ${[...new Set(unsupported)].join('; ')}. Lower it to core ATen first with program.run_decompositions(), or export it in your own Python:\n\n${script}`,
    {
      unsupported: [...new Set(unsupported)],
      recipe: script,
      ...(op === undefined && first?.op === undefined ? {} : { op: op ?? first?.op ?? '' }),
      ...(first?.node === undefined ? {} : { node: first.node }),
    },
  );
}

import { GraphBuilder } from '../graph-builder.ts';
import type { OperatorCall, TfliteHandler } from './lowering.ts';
import type { TfliteTensor } from './read-tflite.ts';

const dims = (tensor: TfliteTensor): (number | null)[] => tensor.openShape.map(size => (size < 0 ? null : size));

function subgraphOf(call: OperatorCall, index: number): { readonly index: number; readonly outputs: TfliteTensor[] } {
  const found = call.to.context.model.subgraphs[index];
  if (found === undefined) throw call.damaged(`runs subgraph ${index}, which the file lacks`);
  return { index, outputs: found.outputs.map(output => found.tensors[output]!) };
}

function branch(call: OperatorCall, index: number): ReturnType<GraphBuilder['finish']>['graph'] {
  const { context } = call.to;
  const { outputs } = subgraphOf(call, index);
  const prefix = context.uniquePrefix('branch');
  const body = new GraphBuilder(prefix);
  const inputs = call.operator.inputs.slice(1).map(input => call.to.declared(input));
  const values = context.lower(body, index, inputs, call.to);
  values.forEach((value, i) => {
    const tensor = outputs[i]!;
    body.output(value, `${prefix}_result${i}`, call.to.requireType(tensor), dims(tensor));
  });
  return body.finish([], '').graph;
}

function scalar(graph: GraphBuilder, value: string): string {
  return graph.op('Reshape', [value, graph.ints()]);
}

function choose(call: OperatorCall): void {
  const { graph, options } = call;
  const results = graph.opMany('If', [scalar(graph, call.stored(0))], call.operator.outputs.length, {
    then_branch: branch(call, options.int32(0)),
    else_branch: branch(call, options.int32(1)),
  });
  results.forEach((value, i) => {
    call.storedResult(value, i);
  });
}

function repeat(call: OperatorCall): void {
  const { graph, options, to } = call;
  const { context } = to;
  const [condition, step] = [options.int32(0), options.int32(1)];
  const { outputs } = subgraphOf(call, step);
  subgraphOf(call, condition);
  if (outputs.length !== call.operator.inputs.length)
    throw call.damaged('carries another number of values than it is given');
  const prefix = context.uniquePrefix('loop');
  const body = new GraphBuilder(prefix);
  body.input(`${prefix}_round`, 'int64', []);
  body.input(`${prefix}_goes_on`, 'bool', []);
  const carried = outputs.map((tensor, i) => body.input(`${prefix}_value${i}`, to.requireType(tensor), dims(tensor)));
  const next = context.lower(body, step, carried, to);
  const [goesOn] = context.lower(body, condition, next, to);
  if (goesOn === undefined) throw call.damaged('has a condition without a result');
  body.output(scalar(body, goesOn), `${prefix}_again`, 'bool', []);
  next.forEach((value, i) => {
    const tensor = outputs[i]!;
    body.output(value, `${prefix}_next${i}`, to.requireType(tensor), dims(tensor));
  });
  const given = call.operator.inputs.map(input => to.declared(input));
  const [start] = context.lower(graph, condition, given, to);
  if (start === undefined) throw call.damaged('has a condition without a result');
  const results = graph.opMany('Loop', ['', scalar(graph, start), ...given], given.length, {
    body: body.finish([], '').graph,
  });
  call.operator.outputs.forEach((_, i) => {
    const value = results[i];
    if (value === undefined) throw call.damaged('has more results than values');
    call.storedResult(value, i);
  });
}

function variableName(call: OperatorCall): string {
  const name = call.to.variableNames.get(call.index(0));
  if (name === undefined) throw call.refuse('uses a variable handed over from elsewhere');
  return name;
}

function assignVariable(call: OperatorCall): void {
  const name = variableName(call);
  const constant = call.constant(1);
  if (!call.to.isInitializer || constant === undefined)
    throw call.refuse(`changes the variable "${name}", a state that lives on between calls`);
  call.to.context.variables.set(name, constant);
}

function readVariable(call: OperatorCall): void {
  const name = variableName(call);
  const constant = call.to.context.variables.get(name);
  if (constant === undefined) throw call.refuse(`reads the variable "${name}", which no initializer assigns`);
  call.to.setConstant(call.outputIndex(), constant);
}

export const controlOperators: Readonly<Record<string, TfliteHandler>> = {
  ASSIGN_VARIABLE: assignVariable,
  CALL_ONCE: call => {
    const { index } = subgraphOf(call, call.options.int32(0));
    call.to.context.initialize(index, call.to);
  },
  IF: choose,
  READ_VARIABLE: readVariable,
  VAR_HANDLE: call => {
    call.to.variableNames.set(call.outputIndex(), `${call.options.text(0) ?? ''}/${call.options.text(1) ?? ''}`);
  },
  WHILE: repeat,
};

import { OnnxError } from '../../onnx-error.ts';
import type { FileKind } from '../../sniff/sniff-file.ts';
import { PyDict, PyObject, type PyValue } from '../pickle/python-values.ts';
import { exportScript, type TorchContent } from './export-script.ts';
import { readTorchArchive, readTorchLegacy, torchTensors } from './torch-tensors.ts';

/** Tensors a sentence names; the rest is counted. */
const maxNamed = 6;

interface Described {
  readonly content: TorchContent;
  /** What the file is, for the sentence. */
  readonly what: string;
  /** What it lacks, as a sentence. */
  readonly lacks: string;
}

function describe(kind: FileKind, value: PyValue): Described {
  if (kind === 'torchscript')
    return {
      content: 'torchscript',
      what: 'a TorchScript archive',
      lacks: 'Its graph is program text of a deprecated language, which is not run or read here.',
    };
  const yolo = yoloClass(value);
  if (yolo !== undefined)
    return {
      content: 'yolo',
      what: `a YOLO checkpoint of Ultralytics (${yolo})`,
      lacks: 'It is a pickled Python object: the graph is the code of that package, not part of the file.',
    };
  if (value instanceof PyObject && !/^(collections\.OrderedDict|torch\._utils\.)/.test(value.type.path))
    return {
      content: 'module',
      what: `a whole pickled PyTorch module (${value.type.path})`,
      lacks: 'It is a pickled Python object: the graph is the code of its class, not part of the file.',
    };
  const names = keysOf(value);
  const inner = ['state_dict', 'model_state_dict', 'model'].find(name => names.includes(name));
  return {
    content: 'state_dict',
    what: inner === undefined ? 'a PyTorch state_dict' : `a PyTorch training checkpoint (weights under "${inner}")`,
    lacks: 'It holds weights only, without the architecture, so no graph can be made from it alone.',
  };
}

function keysOf(value: PyValue): string[] {
  if (value instanceof PyDict) return value.names();
  return value instanceof PyObject ? value.entries.names() : [];
}

/** The class of a YOLO model, at the root or in the places Ultralytics checkpoints keep it. */
function yoloClass(value: PyValue): string | undefined {
  const candidates = [value, ...['model', 'ema'].map(name => (value instanceof PyDict ? value.get(name) : undefined))];
  for (const candidate of candidates)
    if (candidate instanceof PyObject && /^(ultralytics\.|models\.yolo\.|yolov\d)/.test(candidate.type.path))
      return candidate.type.path;
  return undefined;
}

function summary(value: PyValue): string {
  const tensors = torchTensors(value);
  if (tensors.length === 0) return 'No tensors were found in it.';
  const sizes = tensors.map(({ shape }) => shape.reduce((product, size) => product * size, 1));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const named = tensors
    .slice(0, maxNamed)
    .map(({ name, element, shape }) => `${name || 'tensor'} ${element.toLowerCase()} [${shape.join(', ')}]`);
  const rest = tensors.length > maxNamed ? `, and ${tensors.length - maxNamed} more` : '';
  return `It has ${tensors.length} tensors with ${total.toLocaleString('en-US')} numbers: ${named.join('; ')}${rest}.`;
}

/** Says what a PyTorch file is, what it lacks, what tensors it has, and how to export it; attacks are named first. */
export function refuseTorch(kind: 'torch' | 'torch_legacy' | 'torchscript', bytes: Uint8Array): OnnxError {
  const value = kind === 'torch_legacy' ? readTorchLegacy(bytes) : readTorchArchive(bytes).value;
  const { content, what, lacks } = describe(kind, value);
  const script = exportScript(kind, content);
  return new OnnxError(
    content === 'state_dict' ? 'weights_only' : 'unsupported_format',
    `The file is ${what}. ${lacks} ${summary(value)} Export it in your own Python (needs ${script?.requires.join(', ') ?? 'torch'}):\n\n${script?.script ?? ''}`,
    { op: content, ...(script === undefined ? {} : { recipe: script.script }) },
  );
}

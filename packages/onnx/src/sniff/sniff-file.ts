import { zipNames } from '../convert/zip/zip-directory.ts';
import { decodeText, WireReader } from '../wire/wire-reader.ts';

/** What a file is, by its content. `fileKinds` describes each. */
export type FileKind = keyof typeof fileKinds;

/** The sentence for a person: what such a file is. */
export const fileKinds = {
  onnx: 'an ONNX model',
  ort: 'an ONNX Runtime flatbuffer (.ort)',
  empty: 'an empty file',
  html: 'an HTML page, probably a download or login page saved by mistake',
  git_lfs_pointer: 'a Git LFS pointer, not the file itself; run "git lfs pull"',
  sklearn_pickle: 'a pickle with a scikit-learn object',
  xgboost_pickle: 'a pickle with an XGBoost model',
  lightgbm_pickle: 'a pickle with a LightGBM model',
  torch_legacy: 'a PyTorch file of the time before zip archives',
  pickle: 'a Python pickle',
  joblib: 'a joblib file',
  compressed_pickle: 'a compressed file, as joblib writes with compress=',
  npy: 'a NumPy array (.npy)',
  npz: 'a NumPy archive (.npz)',
  keras: 'a Keras archive (.keras)',
  keras_h5: 'a Keras HDF5 file',
  keras_weights_h5: 'a Keras HDF5 file of weights without the architecture',
  hdf5: 'an HDF5 file',
  torch: 'a PyTorch archive (state_dict or whole module)',
  torchscript: 'a TorchScript archive',
  torch_export: 'a torch.export archive (.pt2)',
  skops: 'a skops archive',
  zip: 'a zip archive',
  savedmodel: 'a TensorFlow SavedModel protobuf (saved_model.pb)',
  graphdef: 'a frozen TensorFlow GraphDef',
  tensorbundle_index: 'a TensorFlow variables index',
  tflite: 'a TensorFlow Lite model',
  tfjs_layers: 'a TensorFlow.js layers model (model.json)',
  tfjs_graph: 'a TensorFlow.js graph model (model.json)',
  xgboost_json: 'an XGBoost model in JSON',
  xgboost_ubj: 'an XGBoost model in UBJSON',
  xgboost_binary: 'an XGBoost model in the old binary format',
  lightgbm_text: 'a LightGBM model in text',
  catboost: 'a CatBoost model (.cbm)',
  catboost_json: 'a CatBoost model in JSON',
  pmml: 'a PMML document',
  safetensors: 'a safetensors file: weights without the architecture',
  gguf: 'a GGUF file of a language model',
  coreml: 'a Core ML model',
  parquet: 'a Parquet table',
  json: 'a JSON document',
  xml: 'an XML document',
  text: 'a text file',
  png: 'a PNG image',
  jpeg: 'a JPEG image',
  pdf: 'a PDF document',
  executable: 'an executable program',
  tar: 'a tar archive',
  unknown: 'a file of unknown format',
} as const;

/** Names a file for what it is, by content only, in time bounded by a few scans of its first megabyte. */
export function sniffFile(bytes: Uint8Array): FileKind {
  if (bytes.length === 0) return 'empty';
  return (
    sniffMagic(bytes) ??
    sniffPickle(bytes) ??
    sniffText(bytes) ??
    sniffUbjson(bytes) ??
    sniffProtobuf(bytes) ??
    sniffLoose(bytes) ??
    'unknown'
  );
}

const hasBytes = (bytes: Uint8Array, at: number, ...magic: number[]): boolean =>
  magic.every((byte, i) => bytes[at + i] === byte);
const hasAscii = (bytes: Uint8Array, at: number, magic: string): boolean => {
  for (let i = 0; i < magic.length; i++) if (bytes[at + i] !== magic.charCodeAt(i)) return false;
  return true;
};

function sniffMagic(bytes: Uint8Array): FileKind | undefined {
  if (hasAscii(bytes, 4, 'TFL3')) return 'tflite';
  if (hasAscii(bytes, 4, 'ORTM')) return 'ort';
  if (hasBytes(bytes, 0, 0x89) && hasAscii(bytes, 1, 'HDF\r\n')) return sniffHdf5(bytes);
  if (hasAscii(bytes, 0, 'PK\x03\x04') || hasAscii(bytes, 0, 'PK\x05\x06')) return sniffZip(bytes);
  if (hasBytes(bytes, 0, 0x93) && hasAscii(bytes, 1, 'NUMPY')) return 'npy';
  if (hasAscii(bytes, 0, 'CBM1')) return 'catboost';
  if (hasAscii(bytes, 0, 'GGUF')) return 'gguf';
  if (hasAscii(bytes, 0, 'PAR1')) return 'parquet';
  if (hasAscii(bytes, 0, '%PDF-')) return 'pdf';
  if (hasBytes(bytes, 0, 0x89) && hasAscii(bytes, 1, 'PNG')) return 'png';
  if (hasBytes(bytes, 0, 0xff, 0xd8, 0xff)) return 'jpeg';
  if (hasBytes(bytes, 0, 0x7f) && hasAscii(bytes, 1, 'ELF')) return 'executable';
  if (hasAscii(bytes, 257, 'ustar')) return 'tar';
  if (hasAscii(bytes, 0, 'binf')) return 'xgboost_binary';
  if (isCompressed(bytes)) return 'compressed_pickle';
  if (isSafetensors(bytes)) return 'safetensors';
  return undefined;
}

function isCompressed(bytes: Uint8Array): boolean {
  return (
    hasBytes(bytes, 0, 0x1f, 0x8b) ||
    (bytes[0] === 0x78 && bytes.length > 2 && (bytes[0] * 256 + bytes[1]!) % 31 === 0 && (bytes[1]! & 0x20) === 0) ||
    hasAscii(bytes, 0, 'BZh') ||
    (hasBytes(bytes, 0, 0xfd) && hasAscii(bytes, 1, '7zXZ')) ||
    hasBytes(bytes, 0, 0x5d, 0, 0) ||
    hasBytes(bytes, 0, 0x28, 0xb5, 0x2f, 0xfd) ||
    hasBytes(bytes, 0, 0x04, 0x22, 0x4d, 0x18)
  );
}

function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 10 || bytes[8] !== 0x7b) return false;
  const head = new TextDecoder().decode(bytes.subarray(8, 4096));
  return /^\{\s*"/.test(head) && /"(dtype|__metadata__)"/.test(head);
}

function sniffHdf5(bytes: Uint8Array): FileKind {
  if (contains(bytes, 'model_config')) return 'keras_h5';
  if (contains(bytes, 'layer_names') || contains(bytes, '_layer_checkpoint_dependencies') || contains(bytes, 'vars'))
    return 'keras_weights_h5';
  return 'hdf5';
}

function sniffZip(bytes: Uint8Array): FileKind {
  const names = zipNames(bytes);
  if (names === undefined) return 'zip';
  const has = (test: (name: string) => boolean): boolean => names.some(test);
  if (has(name => name === 'config.json') && has(name => name.endsWith('.h5'))) return 'keras';
  if (has(name => name === 'config.json') && has(name => name === 'metadata.json')) return 'keras';
  if (has(name => /(^|\/)(archive_format|serialized_exported_program\.json)$/.test(name))) return 'torch_export';
  if (has(name => name.endsWith('/constants.pkl') || name.includes('/code/'))) return 'torchscript';
  if (has(name => name.endsWith('/data.pkl') || name === 'data.pkl')) return 'torch';
  if (has(name => name === 'schema.json')) return 'skops';
  if (names.length > 0 && names.every(name => name.endsWith('.npy'))) return 'npz';
  return 'zip';
}

/** Protocols 2 to 5 start with 0x80; older ones start with a text opcode and end with STOP. */
function sniffPickle(bytes: Uint8Array): FileKind | undefined {
  const isBinary = bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5;
  const head = decodeText(bytes.subarray(0, 4));
  const last = bytes[bytes.length - 1];
  const isOld = /^(c[a-z_]|\(d|\(l|\(i|\(c|\([SVIF]|\]q|\}q|\(lp)/.test(head) && last === 0x2e;
  if (!isBinary && !isOld) return undefined;
  const start = decodeText(bytes.subarray(0, 65536));
  if (bytes[0] === 0x80 && hasBytes(bytes, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19))
    return 'torch_legacy';
  if (start.includes('joblib')) return 'joblib';
  if (start.includes('xgboost')) return 'xgboost_pickle';
  if (start.includes('lightgbm')) return 'lightgbm_pickle';
  return start.includes('sklearn') ? 'sklearn_pickle' : 'pickle';
}

function sniffText(bytes: Uint8Array): FileKind | undefined {
  const head = textHead(bytes);
  if (head === undefined) return undefined;
  const trimmed = head.trimStart();
  if (trimmed.startsWith('version https://git-lfs.github.com/spec/')) return 'git_lfs_pointer';
  if (/^(<!doctype html|<html|<head|<body)/i.test(trimmed)) return 'html';
  if (trimmed.startsWith('<'))
    return /<PMML[\s>]/.test(head) || /<!DOCTYPE\s+PMML/i.test(head)
      ? 'pmml'
      : /<html[\s>]/i.test(head)
        ? 'html'
        : 'xml';
  if (/^tree\r?\n/.test(trimmed)) return 'lightgbm_text';
  if (/^[{[]/.test(trimmed)) return sniffJson(trimmed, bytes);
  return 'text';
}

function textHead(bytes: Uint8Array): string | undefined {
  const head = bytes.subarray(0, 4096);
  for (const byte of head) if (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13 && byte !== 12) return undefined;
  const text = new TextDecoder().decode(bytes.length > 4096 ? head.subarray(0, 4090) : head);
  return text.slice(0, -3).includes('\ufffd') ? undefined : text.replace(/^\ufeff/, '');
}

function sniffJson(head: string, bytes: Uint8Array): FileKind {
  if (head.includes('"learner"')) return 'xgboost_json';
  if (contains(bytes, '"modelTopology"') || /"format"\s*:\s*"(layers|graph)-model"/.test(head)) {
    if (/"format"\s*:\s*"graph-model"/.test(head)) return 'tfjs_graph';
    return contains(bytes, '"versions"') && !contains(bytes, '"class_name"') ? 'tfjs_graph' : 'tfjs_layers';
  }
  if (contains(bytes, '"oblivious_trees"') || (contains(bytes, '"features_info"') && contains(bytes, '"trees"')))
    return 'catboost_json';
  return contains(bytes, '"learner"') && contains(bytes, '"gradient_booster"') ? 'xgboost_json' : 'json';
}

function sniffUbjson(bytes: Uint8Array): FileKind | undefined {
  return bytes[0] === 0x7b && contains(bytes.subarray(0, 4096), 'learner') ? 'xgboost_ubj' : undefined;
}

/** Tells the protobuf formats apart by the wire types of their top-level fields. */
function sniffProtobuf(bytes: Uint8Array): FileKind | undefined {
  try {
    const tags = topLevelTags(bytes);
    if (tags.has(7 * 8 + 2) && !tags.has(8 + 2)) return 'onnx';
    const saved = [...tags.keys()].every(tag => tag === 8 || tag === 2 * 8 + 2);
    if (saved && tags.has(2 * 8 + 2) && isMetaGraph(tags.get(2 * 8 + 2)!)) return 'savedmodel';
    if (tags.has(8 + 2) && isGraphDefNode(tags.get(8 + 2)!)) return 'graphdef';
    // Core ML: specificationVersion (1, varint) and description (2, message), then one model kind above 199.
    if (tags.has(8) && [...tags.keys()].some(tag => tag >= 200 * 8)) return 'coreml';
  } catch {
    return truncatedProtobuf(bytes);
  }
  return undefined;
}

function topLevelTags(bytes: Uint8Array): Map<number, Uint8Array> {
  const reader = new WireReader(bytes);
  const tags = new Map<number, Uint8Array>();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    const start = reader.position;
    reader.skip(tag);
    if (!tags.has(tag)) tags.set(tag, payloadOf(bytes.subarray(start, reader.position), tag));
  }
  return tags;
}

function payloadOf(value: Uint8Array, tag: number): Uint8Array {
  return (tag & 7) === 2 ? new WireReader(value).payload() : value;
}

function isMetaGraph(payload: Uint8Array): boolean {
  try {
    const tags = topLevelTags(payload);
    return tags.has(2 * 8 + 2) || tags.has(8 + 2);
  } catch {
    return false;
  }
}

function isGraphDefNode(payload: Uint8Array): boolean {
  try {
    const tags = topLevelTags(payload);
    const op = tags.get(2 * 8 + 2);
    return tags.has(8 + 2) && op !== undefined && /^[A-Za-z_][A-Za-z0-9_>]*$/.test(decodeText(op));
  } catch {
    return false;
  }
}

/** A protobuf cut in the middle still shows what it was by its first fields. */
function truncatedProtobuf(bytes: Uint8Array): FileKind | undefined {
  if (bytes[0] === 0x08 && bytes[1]! >= 1 && bytes[1]! <= 20) {
    if (bytes[2] === 0x12 && bytes[1] === 1 && contains(bytes.subarray(0, 65536), 'NoOp')) return 'savedmodel';
    if (bytes[2] === 0x12 && bytes[1] === 1 && contains(bytes.subarray(0, 65536), 'serve')) return 'savedmodel';
    if (bytes[2] === 0x3a || bytes[2] === 0x12 || bytes[2] === 0x1a) return 'onnx';
  }
  return undefined;
}

/** Formats without a magic number. */
function sniffLoose(bytes: Uint8Array): FileKind | undefined {
  if (isOldXgboost(bytes)) return 'xgboost_binary';
  const footer = bytes.length - 8;
  // LevelDB table magic at the very end of a TensorBundle index.
  if (footer > 40 && hasBytes(bytes, footer, 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb))
    return 'tensorbundle_index';
  return undefined;
}

/** LearnerModelParam is 136 bytes; the length-prefixed objective name follows and is ASCII like "binary:logistic". */
function isOldXgboost(bytes: Uint8Array): boolean {
  if (bytes.length < 160) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(136, true);
  if (length < 3 || length > 64 || view.getUint32(140, true) !== 0) return false;
  return /^[a-z]+[:a-z0-9_]*$/.test(decodeText(bytes.subarray(144, 144 + length)));
}

/** Whether an ASCII text occurs in the first or last megabyte. */
function contains(bytes: Uint8Array, text: string): boolean {
  const megabyte = 1 << 20;
  if (indexOfAscii(bytes.subarray(0, megabyte), text) >= 0) return true;
  return (
    bytes.length > megabyte && indexOfAscii(bytes.subarray(Math.max(megabyte - 64, bytes.length - megabyte)), text) >= 0
  );
}

function indexOfAscii(bytes: Uint8Array, text: string): number {
  const first = text.charCodeAt(0);
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (hasAscii(bytes, at, text)) return at;
  }
  return -1;
}

import { OnnxError } from '../../onnx-error.ts';
import { PyGlobal } from './python-values.ts';

/**
 * Modules whose mention in a model file means that opening it with Python would run commands or reach the system.
 * Nothing is ever resolved here; the refusal exists so that nobody takes such a file for a model.
 */
const harmfulModules = new Set(
  (
    'os posix nt subprocess sys importlib socket shutil pty ctypes runpy code codeop pickle _pickle commands popen2 asyncio ' +
    'multiprocessing threading signal webbrowser urllib requests http ftplib smtplib tempfile pathlib io pdb bdb timeit ' +
    'platform inspect marshal types linecache pydoc cProfile profile trace imp zipimport'
  ).split(' '),
);
const harmfulBuiltins = new Set(
  'eval exec execfile compile open input getattr setattr delattr __import__ globals locals vars breakpoint apply map filter'.split(
    ' ',
  ),
);
/** Harmless names of the modules above that real model files mention. */
const harmlessNames = new Set([
  'types.SimpleNamespace',
  'types.MappingProxyType',
  'pathlib.PosixPath',
  'pathlib.Path',
  'pathlib.WindowsPath',
  'builtins.map',
]);

const builtinModules = new Set(['builtins', '__builtin__', '__builtins__']);

/** Checks a class or function name of a pickle. @throws OnnxError `unsafe_code` naming it */
export function inertGlobal(module: string, name: string): PyGlobal {
  const root = module.split('.')[0] ?? '';
  const isHarmful = builtinModules.has(module)
    ? harmfulBuiltins.has(name.split('.')[0] ?? '')
    : harmfulModules.has(root) || /(^|\.)(system|popen|exec|eval)$/.test(name);
  if (isHarmful && !harmlessNames.has(`${module}.${name}`)) {
    throw new OnnxError(
      'unsafe_code',
      `The pickle asks Python to use ${module}.${name}, which no model needs; it may be an attack. Nothing was run. Do not open this file in Python.`,
      { op: `${module}.${name}` },
    );
  }
  return new PyGlobal(builtinModules.has(module) ? 'builtins' : module, name);
}

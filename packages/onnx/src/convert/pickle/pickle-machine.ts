import { OnnxError } from '../../onnx-error.ts';
import { decodeText } from '../../wire/wire-reader.ts';
import { inertGlobal } from './globals.ts';
import { readJoblibArray } from './joblib-array.ts';
import { buildNumpyArray, buildNumpyType, bytesOf, callNumpy } from './numpy-build.ts';
import { latin1, malformed, PickleReader, unescapeUnicode } from './pickle-reader.ts';
import {
  NumpyArray,
  NumpyType,
  PyDict,
  PyGlobal,
  PyList,
  PyObject,
  PySet,
  PyTuple,
  type PyValue,
} from './python-values.ts';

/** Bounds of one pickle; far above real models, far below what memory bears. */
const maxOperations = 40_000_000;
const maxStack = 4_000_000;

const mark = Symbol('mark');
type StackItem = PyValue | typeof mark;

/** What a persistent id stands for; PyTorch files use them for tensor storages. */
export type PersistentLoad = (id: PyValue) => PyValue;

export interface UnpickledStream {
  readonly value: PyValue;
  /** Byte after STOP, where a following pickle or raw data would start. */
  readonly end: number;
  /** Every class or function name the pickle mentions, in order of appearance. */
  readonly globals: readonly string[];
}

/**
 * Reads a pickle of protocol 0 to 5, with the raw arrays that joblib puts between opcodes. It executes nothing: a
 * call becomes a record of what would have been called, and names of the operating system are refused.
 * @throws OnnxError `truncated`, `source_malformed`, `unsafe_code`, `too_large`
 */
export function unpickle(bytes: Uint8Array, start = 0, persistentLoad?: PersistentLoad): UnpickledStream {
  return new PickleMachine(bytes, start, persistentLoad).run();
}

class PickleMachine {
  readonly #in: PickleReader;
  readonly #persistentLoad: PersistentLoad | undefined;
  readonly #stack: StackItem[] = [];
  readonly #memo = new Map<number, PyValue>();
  /** Where the memo holds wrappers of joblib whose arrays are not read yet. */
  readonly #wrapperReferences = new Map<PyObject, number[]>();
  readonly #globals = new Set<string>();

  constructor(bytes: Uint8Array, start: number, persistentLoad: PersistentLoad | undefined) {
    this.#in = new PickleReader(bytes, start);
    this.#persistentLoad = persistentLoad;
  }

  run(): UnpickledStream {
    for (let operations = 0; operations < maxOperations; operations++) {
      const opcode = this.#in.byte();
      if (opcode === 0x2e) return { value: this.#pop(), end: this.#in.at, globals: [...this.#globals] };
      this.#step(opcode);
      if (this.#stack.length > maxStack)
        throw new OnnxError('too_large', 'The pickle needs too deep a stack; it is not a model.');
    }
    throw new OnnxError(
      'too_large',
      `The pickle has more than ${maxOperations} operations; the model is too large to convert.`,
    );
  }

  #step(opcode: number): void {
    switch (opcode) {
      case 0x80:
        this.#in.byte();
        return; // PROTO
      case 0x95:
        this.#in.take(8);
        return; // FRAME
      case 0x28:
        this.#stack.push(mark);
        return; // MARK
      case 0x30:
        this.#stack.pop();
        return; // POP
      case 0x31:
        this.#popMark();
        return; // POP_MARK
      case 0x32:
        this.#push(this.#top());
        return; // DUP
      case 0x4e:
        this.#push(null);
        return; // NONE
      case 0x88:
        this.#push(true);
        return; // NEWTRUE
      case 0x89:
        this.#push(false);
        return; // NEWFALSE
      case 0x49:
        this.#push(this.#in.textInt(this.#in.line()));
        return; // INT
      case 0x4c:
        this.#push(this.#in.textLong(this.#in.line()));
        return; // LONG
      case 0x4a:
        this.#push(BigInt(this.#in.view.getInt32(this.#in.take(4), true)));
        return; // BININT
      case 0x4b:
        this.#push(BigInt(this.#in.byte()));
        return; // BININT1
      case 0x4d:
        this.#push(BigInt(this.#in.view.getUint16(this.#in.take(2), true)));
        return; // BININT2
      case 0x8a:
        this.#push(this.#in.long(this.#in.byte()));
        return; // LONG1
      case 0x8b:
        this.#push(this.#in.long(this.#in.size4()));
        return; // LONG4
      case 0x46:
        this.#push(this.#in.textFloat(this.#in.line()));
        return; // FLOAT
      case 0x47:
        this.#push(this.#in.view.getFloat64(this.#in.take(8), false));
        return; // BINFLOAT
      case 0x53:
        this.#push(this.#in.quoted(this.#in.line()));
        return; // STRING
      case 0x54:
        this.#push(latin1(this.#in.payload(this.#in.size4())));
        return; // BINSTRING
      case 0x55:
        this.#push(latin1(this.#in.payload(this.#in.byte())));
        return; // SHORT_BINSTRING
      case 0x56:
        this.#push(unescapeUnicode(this.#in.line()));
        return; // UNICODE
      case 0x58:
        this.#push(decodeText(this.#in.payload(this.#in.size4())));
        return; // BINUNICODE
      case 0x8c:
        this.#push(decodeText(this.#in.payload(this.#in.byte())));
        return; // SHORT_BINUNICODE
      case 0x8d:
        this.#push(decodeText(this.#in.payload(this.#in.size8())));
        return; // BINUNICODE8
      case 0x42:
        this.#push(this.#in.payload(this.#in.size4()));
        return; // BINBYTES
      case 0x43:
        this.#push(this.#in.payload(this.#in.byte()));
        return; // SHORT_BINBYTES
      case 0x8e:
        this.#push(this.#in.payload(this.#in.size8()));
        return; // BINBYTES8
      case 0x96:
        this.#push(this.#in.payload(this.#in.size8()));
        return; // BYTEARRAY8
      default:
        this.#stepContainer(opcode);
    }
  }

  #stepContainer(opcode: number): void {
    switch (opcode) {
      case 0x5d:
        this.#push(new PyList());
        return; // EMPTY_LIST
      case 0x61:
        this.#appendTo([this.#pop()]);
        return; // APPEND
      case 0x65:
        this.#appendTo(this.#popMark());
        return; // APPENDS
      case 0x6c:
        this.#push(listOf(this.#popMark()));
        return; // LIST
      case 0x29:
        this.#push(new PyTuple([]));
        return; // EMPTY_TUPLE
      case 0x74:
        this.#push(new PyTuple(this.#popMark()));
        return; // TUPLE
      case 0x85:
        this.#push(new PyTuple([this.#pop()]));
        return; // TUPLE1
      case 0x86:
        this.#push(new PyTuple(this.#popSeveral(2)));
        return; // TUPLE2
      case 0x87:
        this.#push(new PyTuple(this.#popSeveral(3)));
        return; // TUPLE3
      case 0x7d:
        this.#push(new PyDict());
        return; // EMPTY_DICT
      case 0x64:
        this.#push(dictOf(this.#popMark()));
        return; // DICT
      case 0x73:
        this.#setItems(this.#popSeveral(2));
        return; // SETITEM
      case 0x75:
        this.#setItems(this.#popMark());
        return; // SETITEMS
      case 0x8f:
        this.#push(new PySet());
        return; // EMPTY_SET
      case 0x90:
        this.#addItems(this.#popMark());
        return; // ADDITEMS
      case 0x91: {
        // FROZENSET
        const set = new PySet();
        for (const item of this.#popMark()) set.items.push(item);
        this.#push(set);
        return;
      }
      default:
        this.#stepObject(opcode);
    }
  }

  #stepObject(opcode: number): void {
    switch (opcode) {
      case 0x70:
        this.#memoise(Number(this.#in.line()));
        return; // PUT
      case 0x71:
        this.#memoise(this.#in.byte());
        return; // BINPUT
      case 0x72:
        this.#memoise(this.#in.size4());
        return; // LONG_BINPUT
      case 0x94:
        this.#memoise(this.#memo.size);
        return; // MEMOIZE
      case 0x67:
        this.#push(this.#recall(Number(this.#in.line())));
        return; // GET
      case 0x68:
        this.#push(this.#recall(this.#in.byte()));
        return; // BINGET
      case 0x6a:
        this.#push(this.#recall(this.#in.size4()));
        return; // LONG_BINGET
      case 0x63:
        this.#push(this.#global(this.#in.line(), this.#in.line()));
        return; // GLOBAL
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popSeveral(2);
        if (typeof module !== 'string' || typeof name !== 'string')
          throw malformed('a class name that is not text', this.#in.at);
        this.#push(this.#global(module, name));
        return;
      }
      case 0x52: {
        // REDUCE
        const [type, args] = this.#popSeveral(2);
        this.#push(this.#call(type ?? null, tupleItems(args)));
        return;
      }
      case 0x81: {
        // NEWOBJ
        const [type, args] = this.#popSeveral(2);
        this.#push(this.#call(type ?? null, tupleItems(args)));
        return;
      }
      case 0x92: {
        // NEWOBJ_EX
        const [type, args] = this.#popSeveral(3);
        this.#push(this.#call(type ?? null, tupleItems(args)));
        return;
      }
      case 0x69: {
        // INST
        const type = this.#global(this.#in.line(), this.#in.line());
        this.#push(this.#call(type, this.#popMark()));
        return;
      }
      case 0x6f: {
        // OBJ
        const [type, ...args] = this.#popMark();
        this.#push(this.#call(type ?? null, args));
        return;
      }
      case 0x62:
        this.#build(this.#pop());
        return; // BUILD
      case 0x50:
        this.#push(this.#persistent(this.#in.line()));
        return; // PERSID
      case 0x51:
        this.#push(this.#persistent(this.#pop()));
        return; // BINPERSID
      case 0x97:
        throw new OnnxError(
          'source_malformed',
          'The pickle keeps its arrays in separate buffers; save the model to one file.',
        );
      case 0x98:
        return; // READONLY_BUFFER
      case 0x82:
      case 0x83:
      case 0x84:
        throw malformed('an extension registry code', this.#in.at);
      default:
        throw malformed(`opcode 0x${opcode.toString(16)}`, this.#in.at - 1);
    }
  }

  #global(module: string, name: string): PyGlobal {
    const found = inertGlobal(module, name);
    this.#globals.add(found.path);
    return found;
  }

  #call(type: PyValue, args: readonly PyValue[]): PyValue {
    if (type instanceof PyObject) return new PyObject(type.type, args);
    if (!(type instanceof PyGlobal)) throw malformed('a call of something that is no class', this.#in.at);
    const array = callNumpy(type, args);
    if (array !== undefined) return array;
    const [first] = args;
    switch (type.path) {
      case '_codecs.encode':
        return bytesOf(first) ?? null;
      case 'builtins.bytearray':
      case 'builtins.bytes':
        return bytesOf(first) ?? new Uint8Array();
      case 'copy_reg._reconstructor':
      case 'copyreg._reconstructor':
      case 'copyreg.__newobj__':
        if (first instanceof PyGlobal) return new PyObject(first, []);
        throw malformed('an object without class', this.#in.at);
      case 'builtins.set':
      case 'builtins.frozenset': {
        const set = new PySet();
        if (first instanceof PyList || first instanceof PyTuple) for (const item of first.items) set.items.push(item);
        return set;
      }
      default:
        return new PyObject(type, args);
    }
  }

  #build(state: PyValue): void {
    const target = this.#top();
    if (target instanceof NumpyArray) buildNumpyArray(target, state);
    else if (target instanceof NumpyType) buildNumpyType(target, state);
    else if (target instanceof PyObject) {
      target.state = state;
      if (isArrayWrapper(target)) this.#replaceTop(target, this.#joblibArray(target));
    }
  }

  #joblibArray(wrapper: PyObject): PyValue {
    const { array, end } = readJoblibArray(wrapper, this.#in.bytes, this.#in.at, at =>
      unpickle(this.#in.bytes, at, this.#persistentLoad),
    );
    this.#in.at = end;
    return array;
  }

  #memoise(index: number): void {
    const value = this.#top();
    this.#memo.set(index, value);
    if (!(value instanceof PyObject) || !isArrayWrapper(value)) return;
    const known = this.#wrapperReferences.get(value);
    if (known === undefined) this.#wrapperReferences.set(value, [index]);
    else known.push(index);
  }

  /** The wrapper is memoised before its array is known, so earlier references are pointed at the array too. */
  #replaceTop(wrapper: PyObject, value: PyValue): void {
    this.#stack.pop();
    this.#stack.push(value);
    for (const index of this.#wrapperReferences.get(wrapper) ?? [])
      if (this.#memo.get(index) === wrapper) this.#memo.set(index, value);
    this.#wrapperReferences.delete(wrapper);
  }

  #persistent(id: PyValue): PyValue {
    if (this.#persistentLoad === undefined)
      throw new OnnxError(
        'source_malformed',
        'The pickle refers to data outside itself, as PyTorch files do; give the whole file.',
      );
    return this.#persistentLoad(id);
  }

  #appendTo(values: readonly PyValue[]): void {
    const target = this.#top();
    if (!(target instanceof PyList) && !(target instanceof PyObject))
      throw malformed('an append to something that is no list', this.#in.at);
    for (const value of values) target.items.push(value);
  }

  #addItems(values: readonly PyValue[]): void {
    const target = this.#top();
    if (!(target instanceof PySet)) throw malformed('an addition to something that is no set', this.#in.at);
    for (const value of values) target.items.push(value);
  }

  #setItems(values: readonly PyValue[]): void {
    const target = this.#top();
    const dict = target instanceof PyObject ? target.entries : target;
    if (!(dict instanceof PyDict)) throw malformed('an item of something that is no dict', this.#in.at);
    for (let i = 0; i + 1 < values.length; i += 2) dict.set(values[i]!, values[i + 1]!);
  }

  #push(value: PyValue): void {
    this.#stack.push(value);
  }

  #pop(): PyValue {
    const value = this.#stack.pop();
    if (value === undefined || value === mark) throw malformed('a missing value', this.#in.at);
    return value;
  }

  #popSeveral(count: number): PyValue[] {
    const values: PyValue[] = [];
    for (let i = 0; i < count; i++) values.push(this.#pop());
    return values.reverse();
  }

  #popMark(): PyValue[] {
    const values: PyValue[] = [];
    for (let item = this.#stack.pop(); item !== mark; item = this.#stack.pop()) {
      if (item === undefined) throw malformed('a missing mark', this.#in.at);
      values.push(item);
    }
    return values.reverse();
  }

  #top(): PyValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === mark) throw malformed('a missing value', this.#in.at);
    return value;
  }

  #recall(index: number): PyValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw malformed(`an unknown reference ${index}`, this.#in.at);
    return value;
  }
}

const isArrayWrapper = ({ type }: PyObject): boolean =>
  type.name === 'NumpyArrayWrapper' && type.module === 'joblib.numpy_pickle';

function tupleItems(value: PyValue | undefined): readonly PyValue[] {
  if (value instanceof PyTuple || value instanceof PyList) return value.items;
  return value === undefined || value === null ? [] : [value];
}

function listOf(values: readonly PyValue[]): PyList {
  const list = new PyList();
  for (const value of values) list.items.push(value);
  return list;
}

function dictOf(values: readonly PyValue[]): PyDict {
  const dict = new PyDict();
  for (let i = 0; i + 1 < values.length; i += 2) dict.set(values[i]!, values[i + 1]!);
  return dict;
}

import { OnnxError } from '../../onnx-error.ts';
import { decodeText } from '../../wire/wire-reader.ts';
import type { Cursor, Hdf5Layout } from './cursor.ts';
import { type Hdf5Array, readDataset, textsOf } from './dataset.ts';
import { elementCount, readDataspace, readDatatype } from './datatype.ts';
import { denseObjects, readLinks } from './links.ts';
import { type Message, messageType, readMessages } from './object-header.ts';
import { readSuperblock } from './superblock.ts';

export type { Hdf5Array } from './dataset.ts';

/** Groups inside groups that are entered; also the end of a group that contains itself. */
const maxDepth = 64;

/**
 * Opens an HDF5 file in memory and gives its root group. Only what is asked for is read; arrays in one piece are views
 * of the file; nothing is executed and no other file is opened.
 * @throws OnnxError `source_malformed`, `truncated`, `unsupported_source`, `too_large`
 */
export function openHdf5(bytes: Uint8Array): Hdf5Group {
  const { layout, rootAt } = readSuperblock(bytes);
  return new Hdf5Group(layout, rootAt, '', 0);
}

/** A group or array of an open file. */
export class Hdf5Group {
  readonly path: string;
  readonly #layout: Hdf5Layout;
  readonly #messages: readonly Message[];
  readonly #depth: number;
  #links: ReadonlyMap<string, number> | undefined;
  #attributes: ReadonlyMap<string, Hdf5Array> | undefined;

  constructor(layout: Hdf5Layout, address: number, path: string, depth: number) {
    if (depth > maxDepth)
      throw new OnnxError('too_deep', `The HDF5 file nests more than ${maxDepth} groups; it is damaged.`);
    this.path = path;
    this.#layout = layout;
    this.#messages = readMessages(layout, address);
    this.#depth = depth;
  }

  get names(): readonly string[] {
    return [...this.#members().keys()];
  }

  get isArray(): boolean {
    return this.#messages.some(message => message.type === messageType.layout);
  }

  /** The member at a path relative to this group, or undefined. */
  get(path: string): Hdf5Group | undefined {
    const [first = '', ...rest] = path.split('/').filter(part => part !== '');
    const address = this.#members().get(first);
    if (address === undefined) return undefined;
    const member = new Hdf5Group(this.#layout, address, `${this.path}/${first}`, this.#depth + 1);
    return rest.length === 0 ? member : member.get(rest.join('/'));
  }

  /** The elements, when this is an array. */
  array(): Hdf5Array {
    return readDataset(this.#layout, this.#messages, this.path);
  }

  hasAttribute(name: string): boolean {
    return this.#named().has(name);
  }

  /** A text attribute, or undefined when there is none. */
  text(name: string): string | undefined {
    return this.texts(name)?.join('');
  }

  /** A list of texts, also when it is kept in numbered parts (`name0`, `name1`, ...) because of its size. */
  texts(name: string): readonly string[] | undefined {
    const whole = this.#named().get(name);
    // A list without elements has a type of numbers.
    if (whole !== undefined) return elementCount(whole.shape) === 0 ? [] : textsOf(this.#layout, whole);
    const parts: string[] = [];
    for (let i = 0; this.#named().has(`${name}${i}`); i++) parts.push(...(this.texts(`${name}${i}`) ?? []));
    return parts.length > 0 ? parts : undefined;
  }

  #members(): ReadonlyMap<string, number> {
    this.#links ??= readLinks(this.#layout, this.#messages);
    return this.#links;
  }

  #named(): ReadonlyMap<string, Hdf5Array> {
    this.#attributes ??= readAttributes(this.#layout, this.#messages);
    return this.#attributes;
  }
}

function readAttributes(layout: Hdf5Layout, messages: readonly Message[]): ReadonlyMap<string, Hdf5Array> {
  const found = new Map<string, Hdf5Array>();
  const add = (cursor: Cursor): void => {
    const attribute = readAttribute(cursor);
    if (attribute !== undefined) found.set(attribute.name, attribute.array);
  };
  for (const { type, body, isShared } of messages) {
    if (type === messageType.attribute && !isShared) add(body());
    else if (type === messageType.attributeInfo) {
      const cursor = body().skip(1);
      if ((cursor.u8() & 1) !== 0) cursor.skip(2);
      for (const object of denseObjects(layout, cursor, record => record)) add(object);
    }
  }
  return found;
}

/** Versions 1 to 3; an attribute whose type is kept elsewhere is left out. */
function readAttribute(cursor: Cursor): { readonly name: string; readonly array: Hdf5Array } | undefined {
  const version = cursor.u8();
  const flags = cursor.u8();
  const nameBytes = cursor.u16();
  const typeBytes = cursor.u16();
  const spaceBytes = cursor.u16();
  if (version === 3) cursor.skip(1);
  const padded = (bytes: number): number => (version === 1 ? Math.ceil(bytes / 8) * 8 : bytes);
  const name = decodeText(cursor.take(padded(nameBytes)).subarray(0, Math.max(0, nameBytes - 1)));
  const typeBody = cursor.part(padded(typeBytes));
  const spaceBody = cursor.part(padded(spaceBytes));
  if (version !== 1 && (flags & 3) !== 0) return undefined;
  const type = readDatatype(typeBody);
  const shape = readDataspace(spaceBody) ?? [0];
  return { name, array: { shape, type, raw: cursor.take(elementCount(shape) * type.bytes) } };
}

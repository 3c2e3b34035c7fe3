import { readFile } from 'node:fs/promises';
import protobuf from 'protobufjs';
import { badRequest } from '../refusal.ts';

/** The .proto files that ship with the package, each after those it imports. */
const protoFiles = [
  'google/protobuf/any.proto',
  'google/protobuf/wrappers.proto',
  'tensorflow.proto',
  'tensorflow_serving.proto',
  'model_config.proto',
  'open_inference.proto',
  'model_repository.proto',
  'health.proto',
  'reflection.proto',
  'reflection_v1alpha.proto',
] as const;

/** How one call's messages become objects and bytes. */
export interface MethodCodec {
  /** @throws Refusal `bad_request` */
  decodeRequest(bytes: Buffer): object;
  encodeAnswer(answer: object): Buffer;
}

/** One .proto file as it was read. */
export interface ProtoFile {
  readonly name: string;
  readonly package: string;
  readonly imports: readonly string[];
  /** Its messages, enums and services. */
  readonly entries: readonly protobuf.ReflectionObject[];
}

function isContents(entry: protobuf.ReflectionObject): boolean {
  return entry instanceof protobuf.Type || entry instanceof protobuf.Enum || entry instanceof protobuf.Service;
}

/** Numbers stay exact up to 2^53; names are those of the files. */
const objectOptions = { longs: Number, enums: String, defaults: true, arrays: true, objects: true, oneofs: true };

/** The messages and services of all .proto files, for everything that is not on the hot path. */
export class ProtoCatalog {
  readonly root: protobuf.Root;
  readonly files: readonly ProtoFile[];

  private constructor(root: protobuf.Root, files: readonly ProtoFile[]) {
    this.root = root;
    this.files = files;
  }

  static async load(): Promise<ProtoCatalog> {
    const root = new protobuf.Root();
    const folder = new URL('../../../proto/', import.meta.url);
    const sources = await Promise.all(
      protoFiles.map(async name => ({ name, text: await readFile(new URL(name, folder), 'utf8') })),
    );
    const files = sources.map(({ name, text }) => {
      // Files of one package share a namespace; what is new in it belongs to this one.
      const space = protobuf.parse(text, new protobuf.Root()).package ?? '';
      const before = new Set(root.define(space).nestedArray);
      const { imports } = protobuf.parse(text, root, { keepCase: true });
      const entries = root.define(space).nestedArray.filter(entry => !before.has(entry) && isContents(entry));
      return { name, package: space, imports: imports ?? [], entries };
    });
    root.resolveAll();
    return new ProtoCatalog(root, files);
  }

  /** Full names of all services. */
  serviceNames(): string[] {
    return this.files
      .flatMap(file => file.entries)
      .filter(entry => entry instanceof protobuf.Service)
      .map(({ fullName }) => fullName.slice(1))
      .toSorted();
  }

  /** Any message by its full name. */
  encode(type: string, message: object): Buffer {
    const found = this.root.lookupType(type);
    return Buffer.from(found.encode(found.fromObject(message)).finish());
  }

  /** @param path `/package.Service/Method` */
  codecOf(path: string): MethodCodec {
    const [, service = '', method = ''] = path.split('/');
    const found = this.root.lookupService(service).methodsArray.find(({ name }) => name === method);
    const request = found?.resolvedRequestType;
    const response = found?.resolvedResponseType;
    if (!request || !response) throw new Error(`no .proto file has ${path}`);
    return {
      decodeRequest: bytes => {
        try {
          return request.toObject(request.decode(bytes), objectOptions);
        } catch (error) {
          throw badRequest(`failed to parse the request message: ${error instanceof Error ? error.message : ''}`);
        }
      },
      encodeAnswer: answer => Buffer.from(response.encode(response.fromObject(answer)).finish()),
    };
  }
}

import { z } from 'zod';
import { fileDescriptor } from './file-descriptor.ts';
import type { GrpcMethod } from './grpc-method.ts';
import type { ProtoCatalog, ProtoFile } from './proto-catalog.ts';
import { grpcStatus } from './status.ts';

const requestSchema = z.object({
  host: z.string(),
  message_request: z.string().optional(),
  file_by_filename: z.string().optional(),
  file_containing_symbol: z.string().optional(),
  all_extension_numbers_of_type: z.string().optional(),
});

/** Tells clients such as grpcurl which services there are and what their messages look like. */
class Reflection {
  readonly #protos: ProtoCatalog;
  readonly #descriptors = new Map<string, Buffer>();

  constructor(protos: ProtoCatalog) {
    this.#protos = protos;
  }

  answer(request: object): object {
    const asked = requestSchema.parse(request);
    return { valid_host: asked.host, original_request: request, ...this.#answerTo(asked) };
  }

  #answerTo(asked: z.output<typeof requestSchema>): object {
    switch (asked.message_request) {
      case 'list_services':
        return { list_services_response: { service: this.#protos.serviceNames().map(name => ({ name })) } };
      case 'file_by_filename': {
        const wanted = asked.file_by_filename ?? '';
        return this.#file(
          this.#protos.files.find(({ name }) => name === wanted),
          wanted,
        );
      }
      case 'file_containing_symbol': {
        const wanted = asked.file_containing_symbol ?? '';
        const found = wanted === '' ? undefined : this.#fileOf(wanted);
        return this.#file(found, wanted);
      }
      case 'all_extension_numbers_of_type': {
        const type = asked.all_extension_numbers_of_type ?? '';
        if (this.#fileOf(type) === undefined) return this.#file(undefined, type);
        return { all_extension_numbers_response: { base_type_name: type, extension_number: [] } };
      }
      default:
        return this.#file(undefined, 'an extension');
    }
  }

  #fileOf(symbol: string): ProtoFile | undefined {
    // A method is named after its service.
    const found = this.#protos.root.lookup(symbol) ?? this.#protos.root.lookup(symbol.replace(/\.[^.]*$/, ''));
    for (let entry = found; entry; entry = entry.parent) {
      const owner = this.#protos.files.find(({ entries }) => entry && entries.includes(entry));
      if (owner !== undefined) return owner;
    }
    return undefined;
  }

  /** The file and all that it needs. */
  #file(file: ProtoFile | undefined, wanted: string): object {
    if (file === undefined) {
      return { error_response: { error_code: grpcStatus.notFound, error_message: `${wanted} was not found` } };
    }
    const needed = new Set<ProtoFile>();
    const add = (one: ProtoFile): void => {
      needed.add(one);
      for (const name of one.imports) {
        const imported = this.#protos.files.find(other => other.name === name);
        if (imported !== undefined && !needed.has(imported)) add(imported);
      }
    };
    add(file);
    return { file_descriptor_response: { file_descriptor_proto: [...needed].map(one => this.#descriptor(one)) } };
  }

  #descriptor(file: ProtoFile): Buffer {
    const known = this.#descriptors.get(file.name);
    if (known !== undefined) return known;
    const descriptor = fileDescriptor(file);
    this.#descriptors.set(file.name, descriptor);
    return descriptor;
  }
}

/** Server reflection, under the name of today and that of older clients. */
export function reflectionMethods(protos: ProtoCatalog): GrpcMethod[] {
  const reflection = new Reflection(protos);
  return ['v1', 'v1alpha'].map(edition => ({
    kind: 'conversation',
    path: `/grpc.reflection.${edition}.ServerReflection/ServerReflectionInfo`,
    answer: request => reflection.answer(request),
  }));
}

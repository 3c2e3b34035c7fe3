export { BlobStore } from './blob-store.ts';
export { withMeaning } from './meaning.ts';
export {
  type AliasChange,
  type AliasTarget,
  type Change,
  type Primary,
  type RegisteredVersion,
  Registry,
  type VersionContents,
} from './registry.ts';
export { type RegistrySchema, registryMigrations } from './schema.ts';

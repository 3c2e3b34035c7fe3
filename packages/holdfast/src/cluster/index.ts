export { Cluster, type Leadership, type LoadedState } from './cluster.ts';
export { LogMirror } from './log-mirror.ts';
export { logShelf } from './log-shelf.ts';
export { answerJson, type MemberRoute, memberHeaders, startMemberListener } from './member-listener.ts';
export { copyRouted } from './routed-copy.ts';
export { type ClusterTables, clusterMigrations } from './schema.ts';
export { discardWatch, restoreWatch, WatchCopy } from './watch-copy.ts';

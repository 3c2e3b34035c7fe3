import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The arrows of the design: what each package and room may import. Everything else is refused. */
const packages: Readonly<Record<string, readonly string[]>> = {
  stats: [],
  tune: ['stats'],
  onnx: [],
  api: [],
  dashboard: ['api'],
  holdfast: ['stats', 'tune', 'onnx', 'api'],
};

const floor = ['config', 'storage', 'telemetry', 'access'];
const rooms: Readonly<Record<string, readonly string[]>> = {
  config: [],
  storage: ['telemetry'],
  telemetry: [],
  access: ['config', 'storage', 'telemetry'],
  registry: floor,
  jobs: floor,
  runtime: [...floor, 'registry', 'jobs'],
  conversion: [...floor, 'runtime'],
  serving: [...floor, 'registry', 'runtime'],
  predlog: floor,
  cluster: [...floor, 'predlog'],
  monitoring: [...floor, 'predlog'],
  alerting: [...floor, 'monitoring'],
  rollout: [...floor, 'registry', 'runtime', 'conversion', 'serving', 'predlog', 'monitoring'],
  repository: [...floor, 'registry', 'rollout'],
  tuning: [...floor, 'jobs'],
};
/** Rooms that may use any room's door but that nobody may use, and the root that wires everything. */
const outermost = ['cli', 'console'];
const root = 'compose';

interface Import {
  readonly file: string;
  readonly target: string;
}

const importPattern =
  /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g;

/** The specifiers that a source file imports or re-exports from. */
export function importsOf(source: string): string[] {
  return [...source.matchAll(importPattern)].map(match => match[1] ?? match[2] ?? '');
}

function packageOf(file: string): string {
  const parts = file.split(sep);
  return parts[0] === 'dashboard' ? 'dashboard' : (parts[1] ?? '');
}

function roomOf(file: string): string | undefined {
  const parts = file.split(sep);
  return parts[0] === 'packages' && parts[1] === 'holdfast' ? (parts.length > 4 ? parts[3] : root) : undefined;
}

function mayUse(from: string, to: string): boolean {
  if (from === root) return true;
  if (to === root || outermost.includes(to)) return false;
  return outermost.includes(from) || (rooms[from]?.includes(to) ?? false);
}

/** Why an import is against the arrows, or undefined when it is not. */
export function violationOf({ file, target }: Import): string | undefined {
  const fromPackage = packageOf(file);
  const foreign = /^@holdfast\/([\w-]+)(\/.*)?$/.exec(target);
  if (foreign !== null) {
    const allowed = packages[fromPackage] ?? [];
    return allowed.includes(foreign[1] ?? '') ? undefined : `package ${fromPackage} may not import ${target}`;
  }
  if (!target.startsWith('.')) return undefined;
  const resolved = join(dirname(file), target);
  if (packageOf(resolved) !== fromPackage) return `import ${packageOf(resolved)} by its package name, not by path`;
  const [fromRoom, toRoom] = [roomOf(file), roomOf(resolved)];
  if (fromRoom === undefined || toRoom === undefined || fromRoom === toRoom) return undefined;
  if (!mayUse(fromRoom, toRoom)) return `room ${fromRoom} may not import room ${toRoom}`;
  if (toRoom !== root && !resolved.endsWith(`${sep}${toRoom}${sep}index.ts`))
    return `enter room ${toRoom} by its door, ${toRoom}/index.ts`;
  return undefined;
}

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile() && /\.tsx?$/.test(entry.name) && !/\.(test|e2e)\.tsx?$/.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name))
    .filter(path => !/node_modules|[\\/]dist[\\/]/.test(path));
}

function check(): number {
  const top = resolve(dirname(fileURLToPath(import.meta.url)), '..');
  const files = ['packages', 'dashboard'].flatMap(folder => sourcesIn(join(top, folder)));
  let violations = 0;
  for (const path of files) {
    const file = relative(top, path);
    if (!file.includes(`${sep}src${sep}`)) continue;
    for (const target of importsOf(readFileSync(path, 'utf8'))) {
      const why = violationOf({ file, target });
      if (why === undefined) continue;
      violations++;
      console.error(`${file}: ${why} (${target})`);
    }
  }
  console.log(`${files.length} files, ${violations} imports against the arrows`);
  return violations;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = check() === 0 ? 0 : 1;

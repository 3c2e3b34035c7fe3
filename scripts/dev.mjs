// Brings the workspace to a runnable state (dependencies, Node 24, the console's page) and runs one development task.
// Plain JavaScript, because it must start on the Node that a fresh machine has (20.19 or newer).
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stamp = join(root, 'node_modules', '.holdfast-installed');
const node24 = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
const source = '--conditions=source';

function run(command, args, options = {}) {
  const env = {
    ...process.env,
    ORT_DISABLE_TELEMETRY: '1',
    PATH: `${dirname(node24)}:${process.env.PATH}`,
    ...options.env,
  };
  const result = spawnSync(command, args, { cwd: options.cwd ?? root, stdio: options.stdio ?? 'inherit', env });
  if (result.error) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
}

function digestOf(...files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

function install() {
  const wanted = digestOf('package-lock.json');
  if (existsSync(stamp) && existsSync(node24) && readFileSync(stamp, 'utf8') === wanted) return;
  console.error('holdfast: installing dependencies (once)');
  // npm's warnings about engines speak of the Node that runs npm; the work itself runs on the Node 24 installed here.
  const quietly = { stdio: ['ignore', 'ignore', 'inherit'] };
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], quietly);
  // The one package whose install script is wanted: it brings Node itself.
  run('npm', ['rebuild', 'node', '--ignore-scripts=false', '--loglevel=error'], quietly);
  writeFileSync(stamp, wanted);
}

function newestIn(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) newest = Math.max(newest, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs);
  }
  return newest;
}

function buildConsole() {
  const page = join(root, 'dashboard', 'dist', 'index.html');
  const newest = Math.max(newestIn(join(root, 'dashboard', 'src')), newestIn(join(root, 'packages', 'api', 'src')));
  if (existsSync(page) && statSync(page).mtimeMs > newest) return;
  console.error('holdfast: building the console');
  run(node24, [join(root, 'node_modules', 'vite', 'bin', 'vite.js'), 'build', '--logLevel', 'error'], {
    cwd: join(root, 'dashboard'),
  });
}

const bin = name => join(root, 'node_modules', '.bin', name);
const rest = process.argv.slice(3);

const tasks = {
  demo() {
    buildConsole();
    run(node24, [source, 'examples/flight-delay/demo.ts', ...rest]);
  },
  holdfast() {
    buildConsole();
    run(node24, [source, join(root, 'packages', 'holdfast', 'src', 'main.ts'), ...rest], {
      cwd: process.env.INIT_CWD ?? root,
    });
  },
  test() {
    buildConsole();
    run(node24, ['node_modules/vitest/vitest.mjs', 'run', ...rest]);
  },
  build() {
    buildConsole();
    run(node24, ['node_modules/typescript/bin/tsc', '-b', 'packages/holdfast', 'packages/tune', ...rest]);
    run(node24, ['scripts/copy-console.ts']);
  },
  lint: () => run(bin('biome'), ['ci', ...rest]),
  format: () => run(bin('biome'), ['check', '--write', ...rest]),
  types() {
    run(node24, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
    run(node24, ['node_modules/typescript/bin/tsc', '-p', 'dashboard/tsconfig.json']);
  },
  architecture: () => run(node24, ['scripts/check-architecture.ts']),
  reference: () => run(node24, [source, 'scripts/make-reference.ts']),
  unused: () => run(node24, [join(root, 'node_modules', 'knip', 'bin', 'knip.js'), ...rest]),
  bench() {
    const [program, ...args] = rest;
    if (!program) {
      console.error('usage: npm run bench -- PROGRAM [options]; the programs are described in bench/README.md');
      process.exit(2);
    }
    run(node24, [source, join('bench', `${program.replace(/\.ts$/, '')}.ts`), ...args]);
  },
};

const task = tasks[process.argv[2]];
if (!task) {
  console.error(`usage: node scripts/dev.mjs <${Object.keys(tasks).join('|')}>`);
  process.exit(2);
}
install();
mkdirSync(join(root, 'node_modules'), { recursive: true });
task();

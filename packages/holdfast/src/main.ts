#!/usr/bin/env node
// Says in one sentence what is missing before anything newer than the running Node is imported.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`holdfast: Node ${process.versions.node} is too old; Holdfast needs Node 22.19 or newer\n`);
  process.exit(2);
}

// Whoever read the output may leave (`| head`); what runs goes on.
for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

// Code compiled once is kept for the next start, and for the processes that this one starts.
const { keepCompiledCode } = await import('./compose/compiled-code.ts');
keepCompiledCode();

const { runCommandLine } = await import('./cli/index.ts');
const { productVersion } = await import('./compose/product-version.ts');

process.exitCode = await runCommandLine(process.argv.slice(2), {
  // The whole product: loaded only by the verb that starts it.
  start: async request => (await import('./compose/start-holdfast.ts')).startHoldfast(request),
  version: productVersion(),
  terminal: {
    stdout: text => void process.stdout.write(text),
    stderr: text => void process.stderr.write(text),
    isInteractive: process.stdout.isTTY === true,
    isErrorInteractive: process.stderr.isTTY === true,
    columns: process.stderr.columns,
    environment: process.env,
  },
});

export {};

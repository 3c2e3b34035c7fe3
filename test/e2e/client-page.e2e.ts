import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { HoldfastProcess, temporaryFolder } from './holdfast-process.ts';

const browserPath = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find(path => existsSync(path));
const apiSource = join(import.meta.dirname, '../../packages/api/src');
const modelFile = join(import.meta.dirname, '../../packages/holdfast/src/runtime/fixtures/mlp-30-64-1.onnx');

/** A site that serves the client's own source, and nothing of Holdfast. */
async function startSite(): Promise<{ readonly server: Server; readonly origin: string }> {
  const server = createServer((request, response) => {
    if (request.url === '/') {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>another site</title>');
      return;
    }
    const path = join(apiSource, new URL(request.url ?? '/', 'http://site').pathname);
    if (!path.startsWith(apiSource) || !existsSync(path)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': 'text/javascript' });
    response.end(stripTypeScriptTypes(readFileSync(path, 'utf8')));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return { server, origin: `http://127.0.0.1:${port}` };
}

const toldSchema = z.object({
  kind: z.string().optional(),
  shape: z.array(z.number()).optional(),
  predictionId: z.string().optional(),
  error: z.string().optional(),
});

/** Asks with the client from inside the page. The code is text, because the test runner rewrites `import()` in functions. */
async function askFromPage(page: Page, origin: string, url: string): Promise<z.infer<typeof toldSchema>> {
  const told: unknown = await page.evaluate(`(async () => {
    const { InferenceClient, tensor } = await import('${origin}/inference/index.ts');
    const client = new InferenceClient('${url}', { timeoutMs: 10_000, encoding: 'binary', retry: { attempts: 1 } });
    const features = tensor('FP32', [2, 30], new Float32Array(60).fill(0.5));
    try {
      const { outputs, predictionId } = await client.model('mlp-30-64-1').infer({ features });
      const [first] = Object.values(outputs);
      return { kind: first.data.constructor.name, shape: [...first.shape], predictionId };
    } catch (error) {
      return { error: error.code ?? String(error) };
    }
  })()`);
  return toldSchema.parse(told);
}

describe.skipIf(browserPath === undefined)('the client in a page of another origin', () => {
  const folder = temporaryFolder();
  let site: Awaited<ReturnType<typeof startSite>>;
  let holdfast: HoldfastProcess;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    site = await startSite();
    const config = join(folder.path, 'holdfast.yaml');
    writeFileSync(config, JSON.stringify({ cors: { origins: [site.origin] } }));
    holdfast = await HoldfastProcess.up([modelFile, '--config', config, '--data', join(folder.path, 'data')]);
    browser = await chromium.launch({ executablePath: browserPath ?? '', args: ['--no-sandbox', '--disable-gpu'] });
    page = await browser.newPage();
  }, 240_000);
  afterAll(async () => {
    await browser.close();
    await holdfast[Symbol.asyncDispose]();
    site.server.closeAllConnections();
    site.server.close();
    folder[Symbol.dispose]();
  });

  test('gets its tensors as bytes where its origin is listed', async () => {
    await page.goto(site.origin);
    const told = await askFromPage(page, site.origin, holdfast.ready.inferenceUrl);
    expect(told).toMatchObject({ kind: 'Float32Array', shape: [2, 1], predictionId: expect.stringMatching(/./) });
  });

  test('is not let through where it is not', async () => {
    // The same site under a name of its own is another origin.
    const other = site.origin.replace('127.0.0.1', 'localhost');
    await page.goto(other);
    const told = await askFromPage(page, other, holdfast.ready.inferenceUrl);
    expect(told).toEqual({ error: 'connection' });
  });
});

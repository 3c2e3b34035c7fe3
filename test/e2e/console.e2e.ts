import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { model, node, value } from '../../packages/holdfast/src/runtime/fixtures/onnx-bytes.ts';
import { eventually, HoldfastProcess, runCli, temporaryFolder } from './holdfast-process.ts';

const browserPath = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find(path => existsSync(path));
const browserArgs = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A name from a user that would be a script, if any page took it for markup. */
const hostile = `<img src=x onerror="document.title='pwned'">`;
const hourMs = 3_600_000;
const startMs = Date.UTC(2024, 0, 1);

/** `amount` and a hostile column in, both out again: what comes out is known without a computation. */
function echoModel(): Uint8Array {
  return model({
    nodes: [node('Identity', ['amount'], ['score']), node('Identity', [hostile], ['echo'])],
    inputs: [value('amount', 'FP32', ['n', 1]), value(hostile, 'BYTES', ['n', 1])],
    outputs: [value('score', 'FP32', ['n', 1]), value('echo', 'BYTES', ['n', 1])],
  });
}

/** A fixed sequence between 0 and 1. */
function sequence(index: number): number {
  return ((index * 7919) % 1009) / 1009;
}

if (browserPath === undefined) console.warn('console.e2e: no Chromium on this machine, so the page is not tested');

describe.skipIf(browserPath === undefined)('the console in a real browser', () => {
  const folder = temporaryFolder();
  let holdfast: HoldfastProcess;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const violations: string[] = [];

  async function send(hour: number, shift: number): Promise<string> {
    const rows = 256;
    const amounts = Array.from({ length: rows }, (_, i) => sequence(hour * rows + i) + shift);
    const inputs = [
      { name: 'amount', datatype: 'FP32', shape: [rows, 1], data: amounts },
      {
        name: hostile,
        datatype: 'BYTES',
        shape: [rows, 1],
        data: amounts.map((_, i) => (i % 3 === 0 ? hostile : 'b')),
      },
    ];
    const eventMs = startMs + hour * hourMs + 60_000;
    const response = await holdfast.infer('echo', { inputs }, { 'x-holdfast-event-time': String(eventMs) });
    expect(response.status).toBe(200);
    const id = response.headers.get('x-holdfast-prediction-id') ?? '';
    const labels = amounts.map((amount, i) => ({ prediction_id: `${id}/${i}`, value: amount + (i % 2) / 10 }));
    expect((await holdfast.feedback('echo', labels)).status).toBe(200);
    return id;
  }

  beforeAll(async () => {
    const file = join(folder.path, 'echo.onnx');
    const baseline = join(folder.path, 'baseline.jsonl');
    const config = join(folder.path, 'holdfast.yaml');
    writeFileSync(file, echoModel());
    const rows = Array.from({ length: 4000 }, (_, i) => ({
      amount: sequence(i),
      [hostile]: i % 3 === 0 ? hostile : 'b',
      truth: sequence(i),
    }));
    writeFileSync(baseline, rows.map(row => JSON.stringify(row)).join('\n'));
    writeFileSync(
      config,
      'defaults:\n  monitors: { window: { every: 1h }, lateness: 1s, performance: { minimumLabels: 50 } }\n',
    );
    holdfast = await HoldfastProcess.up(['--data', join(folder.path, 'data'), '--config', config]);
    const deploy = ['deploy', file, '--name', 'echo', '--baseline', baseline, '--truth-column', 'truth'];
    for (const extra of [['--no-alias'], []]) {
      const deployed = await runCli(...deploy, ...extra, '--server', holdfast.ready.consoleUrl);
      expect(deployed.code, deployed.stderr).toBe(0);
    }
    for (let hour = 0; hour < 5; hour++) await send(hour, hour === 3 ? 0.8 : 0);
    await eventually(async () => {
      const cells = await holdfast.control.call('drift', { params: { model: 'echo' } });
      return cells.some(cell => cell.column === 'amount' && cell.outcome === 'breached') ? true : undefined;
    });
    browser = await chromium.launch({ executablePath: browserPath ?? '', args: browserArgs });
  });

  beforeEach(async () => {
    await context?.close();
    context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      locale: 'en-US',
      colorScheme: 'light',
    });
    page = await context.newPage();
    page.on('pageerror', error => violations.push(error.message));
    page.on('console', message => {
      if (message.text().includes('Content Security Policy')) violations.push(message.text());
    });
  });

  afterAll(async () => {
    await browser?.close();
    await holdfast?.[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const open = (path: string) => page.goto(`${holdfast.ready.consoleUrl}${path}`);

  test('the overview shows each model and updates by itself', async () => {
    await open('/');
    await page.getByText('echo').first().waitFor();
    await page.getByText('Live').waitFor();
    const recorded = page.getByText('1,280', { exact: true });
    await recorded.first().waitFor();
    await send(5, 0);
    await page.getByText('1,536', { exact: true }).first().waitFor();
  });

  test('the charts of a model page are drawn', async () => {
    await open('/models/echo');
    await page.locator('canvas').first().waitFor();
    const inked = await eventually(async () => {
      const painted = await page.evaluate<boolean[]>(`[...document.querySelectorAll('canvas')].map(canvas =>
        canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(byte => byte !== 0))`);
      return painted.length >= 3 && painted.every(Boolean) ? painted : undefined;
    });
    expect(inked.length).toBeGreaterThanOrEqual(3);
  });

  test('a drifted cell opens its distributions by mouse, and by keyboard', async () => {
    await open('/models/echo');
    const drifted = page.locator('[role=row][aria-label="amount"] [data-cell]').nth(3);
    await drifted.click();
    const panel = page.getByRole('region', { name: /amount/ });
    await panel.getByText(/amount drifted/).waitFor();
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'detached' });
    await drifted.press('Enter');
    await panel.getByText(/amount drifted/).waitFor();
  });

  test('a name from a user is shown as text and runs nothing', async () => {
    await open('/models/echo');
    await page.getByText(hostile).first().waitFor();
    expect(await page.title()).not.toContain('pwned');
    expect(await page.locator('img[src="x"]').count()).toBe(0);
    expect(violations).toEqual([]);
  });

  test('a version is made champion from the page, with a reason that the history keeps', async () => {
    const file = join(folder.path, 'second.onnx');
    writeFileSync(file, Buffer.concat([echoModel(), Buffer.from([0x32, 0x01, 0x78])]));
    const deployed = await runCli(
      'deploy',
      file,
      '--name',
      'echo',
      '--no-alias',
      '--server',
      holdfast.ready.consoleUrl,
    );
    expect(deployed.code, deployed.stderr).toBe(0);
    await open('/models/echo');
    await page
      .getByRole('button', { name: /champion/i })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox').fill('looks better');
    await dialog.getByRole('button').last().click();
    await page.getByText('looks better').first().waitFor();
    const { history } = await holdfast.control.call('readModel', { params: { model: 'echo' } });
    expect(history[0]).toMatchObject({ toVersion: 2, reason: 'looks better' });
  });

  test('every alert stands on the alerts page with its sentence', async () => {
    await eventually(async () => {
      const alerts = await holdfast.control.call('alerts', {});
      return alerts.some(alert => alert.monitor === 'data-drift') ? true : undefined;
    });
    await open('/alerts');
    await page
      .getByText(/amount drifted/)
      .first()
      .waitFor();
  });

  test.each([
    ['light', 390],
    ['dark', 360],
  ] as const)('in %s, at %i px, nothing scrolls sideways', async (colorScheme, width) => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 800 });
    for (const path of ['/', '/models/echo', '/alerts']) {
      await open(path);
      await page.getByRole('navigation').first().waitFor();
      await page.locator('main').waitFor();
      const overflow = await page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect(overflow, path).toBeLessThanOrEqual(0);
    }
    const ink = await page.evaluate<string>('getComputedStyle(document.body).color');
    const [red = 0] = (ink.match(/\d+/g) ?? []).map(Number);
    expect(red < 128).toBe(colorScheme === 'light');
  });

  test('the page speaks Chinese to a browser that does, and stays so when asked', async () => {
    await open('/');
    await page.getByRole('button', { name: /中文|语言|language/i }).click();
    await page.getByText('模型').first().waitFor();
    await page.reload();
    await page.getByText('模型').first().waitFor();
    expect(await page.evaluate<string>('document.documentElement.lang')).toMatch(/^zh/);
  });

  test('everything that can be pressed has a name', async () => {
    await open('/models/echo');
    await page.locator('canvas').first().waitFor();
    const nameless = await page.evaluate<string[]>(`[...document.querySelectorAll('button, a, input, select')]
      .filter(element => {
        const labelled = element.getAttribute('aria-label') ?? element.textContent.trim();
        const label = element.id === '' ? null : document.querySelector('label[for="' + element.id + '"]');
        return labelled === '' && label === null && element.closest('label') === null;
      })
      .map(element => element.outerHTML.slice(0, 120))`);
    expect(nameless).toEqual([]);
  });
});

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createStudySchema } from '@holdfast/api';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { HoldfastProcess, temporaryFolder } from './holdfast-process.ts';

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
/** The machine may be busy. */
const patience = { timeout: 20_000 };
/** Where pictures of the pages are kept, for people; none when not said. */
const picturesFolder = process.env.HOLDFAST_TEST_PICTURES;

if (browserPath === undefined)
  console.warn('console-study.e2e: no Chromium on this machine, so the page is not tested');

describe.skipIf(browserPath === undefined)('the page of a study in a real browser', () => {
  const folder = temporaryFolder();
  let holdfast: HoldfastProcess;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  const loss = (x: number, kind: unknown): number => (x - 0.3) ** 2 + (kind === 'a' ? 0 : 0.4);

  /** Evaluates so many trials of a study over the API, as a worker in another language would. */
  async function work(study: string, trials: number): Promise<void> {
    const { control } = holdfast;
    for (let i = 0; i < trials; i++) {
      const asked = await control.call('askTrial', { params: { study }, body: { worker: 'test' } });
      if (asked.kind !== 'trial') return;
      const { number, claim, flat, untilStep } = asked;
      const value = loss(Number(flat.x), flat.kind);
      const values = (step: number) => (study === 'two' ? [value + 1 / step, Number(flat.x)] : [value + 1 / step]);
      const last = untilStep ?? 3;
      for (let step = (asked.resumeFrom ?? 0) + 1; step <= last; step++)
        await control.call('reportStep', { params: { study, number }, body: { claim, step, values: values(step) } });
      const isFailed = study === 'one' && number === 5;
      const outcome = isFailed
        ? ({ kind: 'failed', reason: 'RuntimeError: <b>no</b> such column' } as const)
        : ({ kind: 'complete', values: values(last) } as const);
      await control.call('tellTrial', { params: { study, number }, body: { claim, outcome } });
    }
  }

  async function studied(name: string, settings: object, trials: number): Promise<void> {
    const space = {
      x: { type: 'float', low: 0.001, high: 1, log: true },
      y: { type: 'int', low: 1, high: 20 },
      kind: { type: 'categorical', values: ['a', 'b'] },
    };
    const whole = {
      space,
      objectives: [{ name: 'loss', direction: 'minimize' }],
      pruner: 'none',
      seed: 3,
      ...settings,
    };
    const body = createStudySchema.parse({ name, settings: whole, note: 'python3 train.py' });
    await holdfast.control.call('openStudy', { body });
    await work(name, trials);
  }

  async function open(path: string, options: BrowserContextOptions = {}): Promise<void> {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      locale: 'en-US',
      colorScheme: 'light',
      timezoneId: 'UTC',
      ...options,
    });
    page = await context.newPage();
    page.on('pageerror', error => problems.push(error.message));
    page.on('console', message => {
      if (message.text().includes('Content Security Policy')) problems.push(message.text());
    });
    await page.goto(`${holdfast.ready.consoleUrl}${path}`);
  }

  async function picture(name: string): Promise<void> {
    if (picturesFolder === undefined) return;
    mkdirSync(picturesFolder, { recursive: true });
    await page.screenshot({ path: join(picturesFolder, `${name}.png`), fullPage: true });
  }

  const card = (title: string) =>
    page.locator('section.card').filter({ has: page.getByRole('heading', { name: title, exact: true }) });

  beforeAll(async () => {
    holdfast = await HoldfastProcess.up(['--data', join(folder.path, 'data')]);
    await studied('one', { sampler: 'random', budget: { trials: 16 } }, 16);
    await work('one', 1);
    const two = [
      { name: 'loss', direction: 'minimize' },
      { name: 'size', direction: 'maximize' },
    ];
    await studied('two', { sampler: 'random', objectives: two }, 8);
    await studied('members', { sampler: { name: 'pbt', size: 4, intervalSteps: 2, maxSteps: 6 } }, 40);
    browser = await chromium.launch({ executablePath: browserPath ?? '', args: browserArgs });
  }, 300_000);

  afterEach(async () => {
    await page.context().close();
    expect(problems.splice(0), 'errors or policy violations in the page').toEqual([]);
  });

  afterAll(async () => {
    await browser?.close();
    await holdfast?.[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  test('a study shows its state and reason, and every chart of one objective', async () => {
    await open('/studies/one');
    await page.getByText('all its trials have been run').waitFor();
    for (const title of ['Optimisation history', 'Importance', 'Slice', 'Contour', 'Intermediate values'])
      await card(title).waitFor();
    expect(await card('Optimisation history').locator('circle').count()).toBe(15);
    await page.getByRole('heading', { name: 'Parallel coordinates' }).waitFor();
    expect(await page.getByRole('heading', { name: 'Pareto front' }).count()).toBe(0);
    await picture('one-desktop');
  });

  test('importances are the server’s, by the method that is chosen', async () => {
    await open('/studies/one');
    const bars = card('Importance').locator('.importances dt');
    for (const method of ['fanova', 'permutation', 'ped-anova'] as const) {
      await card('Importance').getByLabel('Method').selectOption(method);
      const { importances } = await holdfast.control.call('studyImportances', {
        params: { study: 'one' },
        query: { method, objective: 0 },
      });
      await expect.poll(() => bars.allTextContents(), patience).toEqual(importances.map(each => each.parameter));
    }
  });

  test('the slice follows the parameter that is chosen', async () => {
    await open('/studies/one');
    await card('Slice').getByLabel('Parameter').selectOption('kind');
    await card('Slice')
      .getByRole('group', { name: /^loss over kind of 15 trials/ })
      .waitFor();
  });

  test('the table filters by words and state, says why a trial failed as text, and compares what is marked', async () => {
    await open('/studies/one');
    const table = page.locator('section[aria-label="Trials"] table').first();
    await table.waitFor();
    await page.getByLabel('Filter the trials').fill('no such column');
    await expect.poll(() => table.locator('tbody tr').count(), patience).toBe(1);
    await table.getByText('RuntimeError: <b>no</b> such column').waitFor();
    await page.getByLabel('Filter the trials').fill('');
    await page.getByLabel('Compare trial 3', { exact: true }).check();
    await page.getByLabel('Compare trial 4', { exact: true }).check();
    await card('Comparison').getByText('Trial 4').first().waitFor();
    await picture('one-compare');
  });

  test('two objectives have a Pareto front, and a choice of the objective that the other charts show', async () => {
    await open('/studies/two');
    await card('Pareto front').waitFor();
    await page.getByRole('combobox', { name: 'Objective' }).selectOption('size');
    await card('Optimisation history').getByText('size', { exact: true }).first().waitFor();
    await picture('two-desktop');
  });

  test('a population shows how its parameters changed, and where every interval begins', async () => {
    await open('/studies/members');
    await card('Population').waitFor();
    await page
      .getByText(/member \d, from trial \d+ at step \d/)
      .first()
      .waitFor();
    await picture('members-desktop');
  });

  test('a trial that ends elsewhere appears without a reload', async () => {
    await studied('live', { sampler: 'random' }, 2);
    await open('/studies/live');
    const points = card('Optimisation history').locator('circle');
    await expect.poll(() => points.count(), patience).toBe(2);
    await work('live', 3);
    await expect.poll(() => points.count(), patience).toBe(5);
  });

  test.each([
    ['en-US', 'Optimisation history'],
    ['zh-CN', '优化历史'],
  ])('at 360 px in %s nothing is wider than the screen', async (locale, title) => {
    for (const study of ['one', 'two', 'members']) {
      await open(`/studies/${study}`, { locale, viewport: { width: 360, height: 800 } });
      await page.getByRole('heading', { name: title }).waitFor();
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
      await picture(`${study}-${locale}-360`);
      if (study !== 'members') await page.context().close();
    }
  });
});

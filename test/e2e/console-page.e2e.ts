import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hostileColumn, spanEndMs, spanStartMs } from './console-fixture-data.ts';
import { FixtureServer, pageFolder } from './console-fixture-server.ts';

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
const isBuilt = existsSync(join(pageFolder, 'index.html'));
const missing =
  browserPath === undefined ? 'no Chromium on this machine' : isBuilt ? undefined : 'the page is not built';
if (missing !== undefined) console.warn(`console-page.e2e: ${missing}, so the page is not tested`);

const modelPath = '/models/credit-risk';

describe.skipIf(missing !== undefined)('the console page, on invented answers', () => {
  let browser: Browser;
  let fixture: FixtureServer;
  let page: Page;
  let problems: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: browserPath ?? '', args: browserArgs });
  });

  afterAll(async () => {
    await browser?.close();
  });

  beforeEach(async () => {
    fixture = await FixtureServer.start();
    page = await freshPage({});
  });

  afterEach(async () => {
    await page.context().close();
    await fixture[Symbol.asyncDispose]();
    expect(problems, 'errors or policy violations in the page').toEqual([]);
    problems = [];
  });

  async function freshPage(options: BrowserContextOptions): Promise<Page> {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      locale: 'en-US',
      timezoneId: 'UTC',
      colorScheme: 'light',
      ...options,
    });
    const fresh = await context.newPage();
    fresh.on('pageerror', error => problems.push(error.message));
    fresh.on('console', message => {
      if (message.text().includes('Content Security Policy')) problems.push(message.text());
    });
    return fresh;
  }

  async function reopen(options: BrowserContextOptions): Promise<void> {
    await page.context().close();
    page = await freshPage(options);
  }

  const open = (path: string) => page.goto(`${fixture.url}${path}`);
  const charts = () => page.locator('.chart-canvas canvas');
  const asked = (part: string) => fixture.asked.filter(each => each.includes(part));

  async function until(claim: () => boolean | Promise<boolean>): Promise<void> {
    await expect.poll(claim, { timeout: 10_000, interval: 50 }).toBe(true);
  }

  test('the overview follows the pulses', async () => {
    await open('/');
    await page.getByRole('heading', { name: 'credit-risk' }).waitFor();
    const card = page.getByRole('article', { name: 'credit-risk' });
    await card.getByText('2 alerts firing').waitFor();
    await card.getByText('Drifting').waitFor();
    expect(await card.getByText('ROC AUC').textContent()).toContain('0.8123');
    fixture.pulse(111);
    fixture.pulse(222);
    await card.getByText('222 /s').waitFor();
    expect(await card.locator('.sparkline-line').getAttribute('d')).toMatch(/^M.+L/);
  });

  test('a lost connection is shown, and the page comes back by itself and reads again', async () => {
    await open('/');
    await page.getByText('Live', { exact: true }).waitFor();
    const before = asked('/api/v1/status').length;
    fixture.dropListeners();
    await page.getByText('Reconnecting', { exact: true }).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    await until(() => asked('/api/v1/status').length > before);
  });

  test('with no model, the page says what to type', async () => {
    fixture.isEmpty = true;
    await open('/');
    await page.getByText('holdfast deploy MODEL.onnx --name NAME', { exact: true }).waitFor();
  });

  test('dragging on one chart zooms all of them, and reset brings everything back', async () => {
    await open(modelPath);
    await until(async () => (await charts().count()) === 4);
    const box = await charts().first().boundingBox();
    if (box === null) throw new Error('the chart has no size');
    const before = fixture.asked.length;
    await page.mouse.move(box.x + box.width * 0.4, box.y + 80);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 80, { steps: 4 });
    await page.mouse.move(box.x + box.width * 0.6, box.y + 80, { steps: 4 });
    await page.mouse.up();
    await until(() => new URL(page.url()).searchParams.has('from'));
    const query = new URL(page.url()).searchParams;
    const fromMs = Date.parse(query.get('from') ?? '');
    const toMs = Date.parse(query.get('to') ?? '');
    expect(fromMs).toBeGreaterThan(spanStartMs);
    expect(toMs).toBeLessThan(spanEndMs);
    for (const subject of ['traffic', 'performance', 'drift', 'verdicts', 'predictions']) {
      await until(() =>
        fixture.asked.slice(before).some(each => each.includes(`/${subject}?`) && each.includes(`fromMs=${fromMs}`)),
      );
    }
    await page.getByRole('button', { name: 'Reset' }).click();
    await until(() => !new URL(page.url()).searchParams.has('from'));
  });

  test('a range in the address is kept, and the buttons change it without a pointer', async () => {
    await open(`${modelPath}?range=7d`);
    const week = page.getByRole('button', { name: 'Last 7 days' });
    await until(async () => (await week.getAttribute('aria-pressed')) === 'true');
    await until(() => asked('/traffic').some(each => each.includes(`fromMs=${spanEndMs - 7 * 86_400_000}`)));
    await page.getByRole('button', { name: 'Last 1 day' }).press('Enter');
    await until(() => new URL(page.url()).searchParams.get('range') === '1d');
    await page.getByRole('button', { name: 'Zoom in' }).press('Enter');
    await until(() => new URL(page.url()).searchParams.has('from'));
  });

  test('arrow keys read the values of a chart', async () => {
    await open(modelPath);
    await until(async () => (await charts().count()) === 4);
    const chart = page.getByRole('group', { name: /^Throughput/ });
    await chart.press('ArrowRight');
    const card = page.locator('.chart-card').first();
    await card.locator('.chart-time').getByText('Jan 1, 2024, 00:00').waitFor();
    await chart.press('End');
    await until(async () => !(await card.locator('.chart-time').textContent())?.includes('Jan 1'));
  });

  test('the heat map is walked with the arrow keys, and gives the focus back after Escape', async () => {
    await open(modelPath);
    const grid = page.getByRole('grid');
    await grid.waitFor();
    const focused = () => page.evaluate<string | null>('document.activeElement.getAttribute("aria-label")');
    await grid.locator('[data-cell][tabindex="0"]').focus();
    expect(await focused()).toMatch(/^income, .+: Breached/);
    await page.keyboard.press('ArrowDown');
    await until(async () => (await focused())?.startsWith(`${hostileColumn}, `) ?? false);
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Home');
    await until(async () => (await focused())?.startsWith('income, Jan 1') ?? false);
    await page.keyboard.press('Enter');
    const panel = page.getByRole('region', { name: /^Distribution of income/ });
    await panel.getByText('This window').first().waitFor();
    expect(await panel.locator('.bin').count()).toBe(24);
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'detached' });
    expect(await focused()).toContain('Jan 1, 2024');
  });

  test('many windows are scrolled inside the map, with only those in sight drawn', async () => {
    await reopen({ viewport: { width: 420, height: 900 } });
    await open(modelPath);
    await page.getByRole('grid').waitFor();
    expect(await page.getByRole('grid').getAttribute('aria-colcount')).toBe('90');
    expect(await page.locator('[role=row][aria-label="income"] [data-cell]').count()).toBeLessThan(50);
  });

  test('a refused rollback says why in the dialog; an accepted one calls the API and says so', async () => {
    fixture.refusesChanges = true;
    await open(modelPath);
    await page.getByRole('button', { name: 'Roll back' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox').fill('worse since Monday');
    await dialog.getByRole('button', { name: 'Roll back' }).click();
    await dialog.getByRole('alert').getByText('no earlier champion').waitFor();
    fixture.refusesChanges = false;
    await dialog.getByRole('button', { name: 'Roll back' }).click();
    await page.getByText('v1 is now the champion of credit-risk.').waitFor();
    expect(fixture.moves).toEqual([{ to: 1, reason: 'worse since Monday' }]);
    expect(asked('POST /api/v1/models/credit-risk/rollback')).toHaveLength(2);
    await page.keyboard.press('Escape');
    expect(await page.getByRole('dialog').count()).toBe(0);
  });

  test('predictions are filtered; a refused filter shows the sentence of the server', async () => {
    await open(modelPath);
    const filter = page.getByRole('textbox', { name: 'Filter' });
    await filter.fill("region = 'north'");
    await filter.press('Enter');
    await until(() => asked('/predictions?').some(each => each.includes('where=region')));
    const csv = page.getByRole('link', { name: 'CSV' });
    await until(async () => (await csv.getAttribute('href'))?.includes('where=region') ?? false);
    await filter.fill('nothing = 1');
    await filter.press('Enter');
    await page.getByText('There is no column "nothing".').waitFor();
  });

  test('alerts are filtered by state', async () => {
    await open('/alerts');
    await page.getByText('2 columns of credit-risk drift').waitFor();
    await page.getByRole('button', { name: 'Resolved' }).click();
    await page.getByText('credit-risk answered with errors').waitFor();
    await page.getByText('2 columns of credit-risk drift').waitFor({ state: 'detached' });
    expect(new URL(page.url()).searchParams.get('state')).toBe('resolved');
  });

  test('a name from a user is text everywhere', async () => {
    for (const path of ['/', modelPath, '/alerts']) {
      await open(path);
      await page.getByText(hostileColumn).first().waitFor();
      expect(await page.title()).not.toContain('pwn');
      expect(await page.locator('img').count()).toBe(0);
    }
  });

  test('an unknown model and an unknown address say so', async () => {
    await open('/models/nobody');
    await page.getByText('No model is named "nobody".').waitFor();
    await open('/somewhere/else');
    await page.getByRole('link', { name: 'Go to the fleet' }).click();
    await page.getByRole('heading', { name: 'credit-risk' }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/');
  });

  test('theme and language are chosen by button and remembered', async () => {
    await open('/');
    await page.getByRole('button', { name: 'Theme: system' }).click();
    await page.getByRole('button', { name: 'Theme: light' }).click();
    await page.getByRole('button', { name: /Chinese/ }).click();
    await page.reload();
    await page.getByRole('heading', { name: '模型总览' }).waitFor();
    expect(await page.evaluate<string>('document.documentElement.dataset.theme')).toBe('dark');
    expect(await page.evaluate<string>('getComputedStyle(document.documentElement).colorScheme')).toBe('dark');
    expect(await page.evaluate<string>('document.documentElement.lang')).toBe('zh-CN');
  });

  test('a Chinese browser is greeted in Chinese', async () => {
    await reopen({ locale: 'zh-CN' });
    await open(modelPath);
    await page.getByRole('heading', { name: '漂移' }).waitFor();
    await page.getByText('2024/1/1').first().waitFor();
  });

  test.each([
    [1440, 'light'],
    [768, 'dark'],
    [360, 'light'],
  ] as const)('at %i px in %s nothing scrolls sideways', async (width, colorScheme) => {
    await reopen({ viewport: { width, height: 800 }, colorScheme });
    for (const path of ['/', modelPath, '/alerts']) {
      await open(path);
      await page.getByText(hostileColumn).first().waitFor();
      if (path === modelPath) await page.locator('[role=row][aria-label="income"] [data-cell]').last().click();
      const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
      expect(await page.evaluate<number>(overflow), path).toBe(0);
    }
  });

  test('Tab reaches the skip link first, and everything it reaches shows its focus and has a name', async () => {
    await open(modelPath);
    await until(async () => (await charts().count()) === 4);
    await page.getByRole('grid').waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate<string>('document.activeElement.className')).toBe('skip');
    const described = `(() => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      const ring = element.querySelector('.heat-ring');
      const mark = element.matches('.card-link') ? getComputedStyle(element, '::after') : style;
      return {
        tag: element.tagName,
        name: element.getAttribute('aria-label') ?? element.textContent.trim(),
        isShown: mark.outlineStyle !== 'none' || (ring !== null && getComputedStyle(ring).stroke !== 'none'),
      };
    })()`;
    const seen: string[] = [];
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const element = await page.evaluate<{ tag: string; name: string; isShown: boolean }>(described);
      if (element.tag === 'BODY') break;
      expect(element.name, element.tag).not.toBe('');
      expect(element.isShown, element.name).toBe(true);
      seen.push(element.name);
    }
    for (const name of ['Zoom in', 'Metric', 'Filter', 'Roll back', 'Make version 1 champion']) {
      expect(seen, seen.join(' | ')).toContain(name);
    }
    expect(seen.filter(name => name.startsWith('income, '))).toHaveLength(1);
  });
});

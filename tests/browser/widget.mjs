// The widget for customers, and the page of /docs, in a real browser.
//
//   tests/servers/browser run tests/browser/widget.mjs API TOKEN SCREENSHOT [SHOP]
//
// API is the address of a running API in 2026 whose program is program.json beside this file. TOKEN is that of a member who has
// spent 520.00 USD in the year before and 120.00 USD in that year. SHOP is the origin of the shop's page, if that is not the API's;
// the API must let it in.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import { launch } from './launch.mjs';

const [api, token, screenshot, shop = api] = process.argv.slice(2);

/** The member's standing, except for the perks; other states are made from it. */
const gold = {
  shop: 'acme',
  member_id: 'anna',
  as_of: '2026-11-23T10:00:00Z',
  version: 1,
  active: true,
  timezone: 'America/New_York',
  currency: 'USD',
  tier: { id: 'gold', name: 'Gold' },
  since: '2025-05-05T10:00:00Z',
  valid_until: '2027-01-01T05:00:00Z',
  valid_through: '2026-12-31',
  upcoming: { id: 'silver', name: 'Silver' },
  progress: {
    metric: 'amount_spent',
    period: 'calendar_year',
    counted: '120.00',
    from: '2026-01-01T05:00:00Z',
    until: '2027-01-01T05:00:00Z',
    next: { tier: { id: 'platinum', name: 'Platinum' }, threshold: '1000.00', remaining: '880.00' },
  },
  requalify: {
    tier: { id: 'gold', name: 'Gold' },
    threshold: '500.00',
    counted: '120.00',
    remaining: '380.00',
    by: '2027-01-01T05:00:00Z',
    through: '2026-12-31',
  },
  perks: [{ type: 'free_shipping' }],
};
const points = (counted, remaining) => ({
  ...gold,
  valid_until: null,
  valid_through: null,
  upcoming: null,
  requalify: null,
  progress: {
    metric: 'points_earned',
    period: 'lifetime',
    counted,
    from: null,
    until: null,
    next: { tier: { id: 'platinum', name: 'Platinum' }, threshold: '12345', remaining },
  },
});

const browser = await launch();

/** A shop's page with the element, and the complaints of the browser. */
async function page({ html = '', after = '', options = {}, clock = false, answers, attributes = `token="${token}"` } = {}) {
  const context = await browser.newContext({ locale: 'en-US', timezoneId: 'Pacific/Kiritimati', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.complaints = [];
  page.on('pageerror', error => page.complaints.push(String(error)));
  page.asked = [];
  if (clock) await page.clock.install();
  if (answers) {
    await page.route(`${api}/v1/me`, async route => {
      const { [Math.min(page.asked.length, answers.length - 1)]: answer } = answers;
      page.asked.push(route.request().headers());
      if (answer === 'gone') return route.abort();
      const { status = 200, headers = {}, ...standing } = answer;
      await route.fulfill({
        status,
        headers: { 'access-control-allow-origin': '*', ...headers },
        json: status === 200 ? standing : undefined,
      });
    });
  }
  const body = `<!doctype html><html lang="en"><title>A shop</title><meta name="viewport" content="width=device-width"><body>${html}
    <script src="${api}/widget.js" defer></script><echelon-tier ${attributes}></echelon-tier>${after}</body></html>`;
  await page.route(`${shop}/account`, route => route.fulfill({ contentType: 'text/html; charset=utf-8', body }));
  await page.goto(`${shop}/account`);
  return page;
}

const part = (page, name) => page.locator(`echelon-tier [part~="${name}"]`);
const say = (page, text) => page.locator('echelon-tier').getByText(text, { exact: true }).waitFor();
const status = (page, text) =>
  part(page, 'status')
    .and(page.getByText(text, { exact: true }))
    .waitFor();
const bars = page =>
  page
    .getByRole('progressbar')
    .evaluateAll(bars =>
      bars.map(({ ariaLabel, ariaValueMin, ariaValueMax, ariaValueNow, ariaValueText }) => [
        ariaLabel,
        ariaValueMin,
        ariaValueMax,
        ariaValueNow,
        ariaValueText,
      ]),
    );
const wake = page => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));

const tests = {
  async 'the member sees tier, progress, what to do by when, and perks'() {
    const { as_of, perks, ...standing } = await (
      await fetch(`${api}/v1/me`, { headers: { authorization: `Bearer ${token}` } })
    ).json();
    assert.deepEqual({ ...standing, as_of: gold.as_of, perks: gold.perks }, gold, 'what is shown here is what the API says');
    const seen = await page({ options: { reducedMotion: 'reduce' } });
    await say(seen, 'Valid through December 31, 2026. If nothing more happens, Silver follows.');
    assert.deepEqual(await bars(seen), [
      ['Platinum', '0', '1000', '120', '$120.00 of $1,000.00'],
      ['Gold', '0', '500', '120', '$120.00 of $500.00'],
    ]);
    const filled = await part(seen, 'bar').evaluateAll(bars => bars.map(bar => bar.firstChild.offsetWidth / bar.clientWidth));
    assert.deepEqual(
      filled.map(share => Math.round(100 * share)),
      [12, 24],
    );
    assert.equal(
      await seen.locator('echelon-tier').ariaSnapshot(),
      `- region "Your tier Gold":
  - heading "Your tier Gold" [level=2]:
    - text: Your tier
    - strong: Gold
  - paragraph: Valid through December 31, 2026. If nothing more happens, Silver follows.
  - paragraph: Spend $880.00 more by December 31, 2026 to reach Platinum.
  - progressbar "Platinum"
  - text: $120.00 of $1,000.00 since January 1, 2026
  - paragraph: Spend $380.00 more by December 31, 2026 to keep Gold through 2027.
  - progressbar "Gold"
  - text: $120.00 of $500.00 since January 1, 2026
  - heading "Your benefits" [level=3]
  - list:
    - listitem: 100 points on your birthday
    - listitem: 1.5× points
    - listitem: Free shipping
    - listitem: A <img src=x onerror="broken_in = true"> of thanks
  - status`,
    );
    await seen.locator('echelon-tier').screenshot({ path: screenshot });

    const german = await page({ attributes: `token="${token}" lang="de" api="${api}"` });
    await say(german, 'Noch 880,00\u00a0$ Umsatz bis zum 31. Dezember 2026, und Sie erreichen Platinum.');
    await say(german, 'Noch 380,00\u00a0$ Umsatz bis zum 31. Dezember 2026, und Sie behalten Gold auch 2027.');
    await german.getByRole('region', { name: 'Ihre Stufe Gold' }).waitFor();
    assert.equal((await bars(german))[0][4], '120,00\u00a0$ von 1.000,00\u00a0$');
    assert.deepEqual([...seen.complaints, ...german.complaints], []);
    const script = await (await fetch(`${api}/widget.js`)).text();
    assert.ok(gzipSync(script).length < 8_000, 'it is small');
  },

  async 'what merchants write stays text'() {
    const markup = '<img src=x onerror="broken_in = true">';
    const named = { id: 'gold', name: markup };
    const seen = await page({
      answers: [
        {
          ...gold,
          tier: named,
          upcoming: named,
          requalify: { ...gold.requalify, tier: named },
          perks: [{ type: 'custom', text: markup }],
        },
      ],
    });
    await say(seen, `Spend $380.00 more by December 31, 2026 to keep ${markup} through 2027.`);
    assert.equal(await seen.locator('echelon-tier img').count(), 0);
    assert.equal(await seen.evaluate(() => 'broken_in' in window), false);
  },

  async 'a tier is kept by the last day of the program, wherever the browser is'() {
    const seen = await page({ answers: [gold] });
    await say(seen, 'Valid through December 31, 2026. If nothing more happens, Silver follows.');
    await say(seen, 'Spend $380.00 more by December 31, 2026 to keep Gold through 2027.');
    assert.deepEqual(
      (await bars(seen)).map(([name, , , now]) => [name, now]),
      [
        ['Platinum', '120'],
        ['Gold', '120'],
      ],
    );

    const rolling = { ...gold, progress: { ...gold.progress, period: 'rolling', until: null } };
    const ageing = await page({ answers: [rolling] });
    await say(ageing, 'Spend $880.00 more to reach Platinum.');
    await say(ageing, 'Spend $380.00 more by December 31, 2026 to keep Gold.');
    assert.deepEqual(await part(ageing, 'so-far').allTextContents(), [
      '$120.00 of $1,000.00 since January 1, 2026',
      '$120.00 of $500.00',
    ]);

    const until = { ...gold, valid_until: '2026-12-01T20:30:00Z', valid_through: null, upcoming: null };
    const assigned = await page({ answers: [until] });
    await say(assigned, 'Valid until December 1, 2026 at 3:30\u202fPM. If nothing more happens, it ends then.');
    assert.equal((await bars(assigned)).length, 1, 'what was given by hand is not kept by spending');
  },

  async 'a tier that was given by hand is not said to be kept by what keeps the earned one'() {
    const seen = await page({
      answers: [{ ...gold, requalify: { ...gold.requalify, tier: gold.upcoming, threshold: '100.00' } }],
    });
    await say(seen, 'Spend $880.00 more by December 31, 2026 to reach Platinum.');
    assert.equal(await part(seen, 'goal').count(), 1);
  },

  async "amounts are told to the last digit, and numbers by the language's own plurals"() {
    const exact = { tier: gold.upcoming, threshold: '999999999999.9999', remaining: '900000000000.1234' };
    const seen = await page({ answers: [{ ...gold, requalify: null, progress: { ...gold.progress, next: exact } }] });
    await say(seen, 'Spend $900,000,000,000.1234 more by December 31, 2026 to reach Silver.');
    for (const [remaining, lang, text] of [
      ['1', 'en', 'Earn 1 more point to reach Platinum.'],
      ['2345', 'en', 'Earn 2,345 more points to reach Platinum.'],
      ['2345', 'de-AT', 'Noch 2\u00a0345 Punkte, und Sie erreichen Platinum.'],
      ['1', 'de', 'Noch 1 Punkt, und Sie erreichen Platinum.'],
    ]) {
      await say(await page({ answers: [points('0', remaining)], attributes: `token="t" lang="${lang}"` }), text);
    }
  },

  async 'there is something to see in every state'() {
    const none = {
      tier: null,
      since: null,
      valid_until: null,
      valid_through: null,
      upcoming: null,
      requalify: null,
      perks: [],
    };
    const { progress } = gold;
    for (const [answer, ...texts] of [
      [{ ...gold, ...none }, 'No tier yet', 'Spend $880.00 more by December 31, 2026 to reach Platinum.'],
      [
        { ...gold, progress: { ...progress, next: null } },
        'This is the highest tier.',
        'Spend $380.00 more by December 31, 2026 to keep Gold through 2027.',
      ],
      [{ ...gold, ...none, active: false, progress: { ...progress, next: null } }, 'The program is paused at the moment.'],
      [{ ...points('0', '1'), progress: null }, 'Gold', 'Free shipping'],
      [{ ...gold, ...none, progress: null }, 'No tier yet'],
      [{ ...points('20000', '0') }, 'Gold'],
      [{ status: 404 }, 'Nothing yet: it begins with your first order.'],
    ]) {
      const seen = await page({ answers: [answer] });
      for (const text of texts) await say(seen, text);
      assert.deepEqual(seen.complaints, []);
      if (answer.progress === null || answer.progress?.next?.remaining === '0') assert.deepEqual(await bars(seen), []);
    }
  },

  async 'a shop brings words and languages of its own'() {
    const after = `<script type="module">
      EchelonTier.texts.ar = { title: 'مستواك', reach: '{do} للوصول إلى {tier}', points_earned: { two: 'نقطتان', other: '{amount}' } };
      const mine = document.querySelector('echelon-tier');
      mine.lang = 'ar';
      mine.texts = { perks: 'مزاياك' };
    </script>`;
    const seen = await page({ after, answers: [points('12343', '2')] });
    await say(seen, 'نقطتان للوصول إلى Platinum');
    await say(seen, 'مزاياك');
    await say(seen, 'Free shipping');
    const card = part(seen, 'card');
    assert.deepEqual([await card.getAttribute('lang'), await card.getAttribute('dir')], ['ar', 'rtl']);
    const [bar, fill] = await Promise.all(['bar', 'fill'].map(name => part(seen, name).boundingBox()));
    assert.ok(Math.abs(bar.x + bar.width - fill.x - fill.width) < 1, 'it fills from the right');
  },

  async 'when a token has ended the page is asked for another, and what was there comes back'() {
    const html = `<script>addEventListener('echelon-token', event => {
      event.preventDefault();
      setTimeout(() => event.target.token = ${JSON.stringify(token)}, 50);
    })</script>`;
    for (const attributes of ['token="ended"', '']) {
      const seen = await page({ html, attributes });
      await say(seen, 'Free shipping');
    }
    const unheard = await page({ attributes: 'token="ended"' });
    await status(unheard, 'Please sign in again to see your tier.');
    await unheard.evaluate(token => document.querySelector('echelon-tier').setAttribute('token', token), token);
    await say(unheard, 'Free shipping');

    const later = await page({ answers: [gold, { status: 401 }, { status: 401 }, gold] });
    await say(later, 'Free shipping');
    await wake(later);
    await status(later, 'Please sign in again to see your tier.');
    assert.equal(await later.getByText('Free shipping').count(), 0, 'the member is not signed in any more');
    await later.evaluate(() => (document.querySelector('echelon-tier').token = 'another'));
    // Otherwise the next token would replace this one before it was used.
    while (later.asked.length < 3) await new Promise(done => setTimeout(done, 20));
    await later.evaluate(() => (document.querySelector('echelon-tier').token = 'again'));
    await say(later, 'Free shipping');

    const insisting = await page({
      html: html.replace(/50/, '0').replace(JSON.stringify(token), 'Math.random()'),
      answers: [{ status: 401 }],
    });
    await status(insisting, 'Please sign in again to see your tier.');
    assert.equal(insisting.asked.length, 4, 'tokens that are refused are not asked for without end');
  },

  async 'it looks again when the customer comes back to the page, and asks only for what is new'() {
    const seen = await page();
    const answered = () =>
      seen.waitForResponse(response => response.url() === `${api}/v1/me` && response.request().method() === 'GET');
    await say(seen, 'Free shipping');
    await seen.locator('echelon-tier h2').evaluate(title => (title.marked = true));
    const [again] = await Promise.all([answered(), wake(seen)]);
    assert.equal(again.status(), 304);
    await part(seen, 'card').and(seen.locator('[aria-busy=false]')).waitFor();
    assert.equal(await seen.locator('echelon-tier h2').evaluate(title => title.marked), true, 'nothing is drawn anew');

    const changed = await page({
      answers: [{ ...gold, headers: { etag: '"1"', 'access-control-expose-headers': 'ETag' } }, points('1', '1')],
    });
    await say(changed, 'Spend $380.00 more by December 31, 2026 to keep Gold through 2027.');
    await wake(changed);
    await say(changed, 'Earn 1 more point to reach Platinum.');
    assert.deepEqual(
      changed.asked.map(headers => headers['if-none-match']),
      [undefined, '"1"'],
    );
  },

  async 'what is out of order comes back by itself, or by the keyboard'() {
    const exposed = { 'access-control-expose-headers': 'Retry-After' };
    const seen = await page({
      clock: true,
      answers: [{ status: 503, headers: { 'retry-after': '60', ...exposed } }, gold, 'gone', gold],
    });
    await status(seen, 'Not available just now. We keep trying.');
    await seen.clock.runFor(59_000);
    assert.equal(seen.asked.length, 1, 'not before Retry-After');
    await seen.clock.runFor(17_000);
    await say(seen, 'Free shipping');
    await wake(seen);
    await status(seen, 'Not available just now. We keep trying.');
    await say(seen, 'Free shipping');
    await seen.clock.runFor(7_000);
    await part(seen, 'status').and(seen.locator(':empty')).waitFor({ state: 'attached' });
    assert.equal(seen.asked.length, 4);

    const pressed = await page({ answers: [{ status: 503, headers: { 'retry-after': '300', ...exposed } }, gold] });
    await pressed.getByRole('button', { name: 'Try again' }).waitFor();
    await pressed.keyboard.press('Tab');
    await pressed.keyboard.press('Enter');
    await say(pressed, 'Free shipping');
    assert.equal(await pressed.getByRole('button').count(), 0);

    const away = await page({ answers: [gold, 'gone', gold] });
    await say(away, 'Free shipping');
    await away.context().setOffline(true);
    await status(away, 'You are offline.');
    await say(away, 'Free shipping');
    await away.context().setOffline(false);
    await part(away, 'status').and(away.locator(':empty')).waitFor({ state: 'attached' });
  },

  async "it moves only if the customer allows it, can be read in the dark, and takes the shop's colors"() {
    const moves = page =>
      part(page, 'fill')
        .first()
        .evaluate(fill => getComputedStyle(fill).animationName);
    const colours = page =>
      part(page, 'card').evaluate(card => [getComputedStyle(card).color, getComputedStyle(card).backgroundColor]);
    const light = await page({ answers: [gold] });
    await say(light, 'Free shipping');
    assert.equal(await moves(light), 'grow');
    const dark = await page({ answers: [gold], options: { colorScheme: 'dark', reducedMotion: 'reduce' } });
    await say(dark, 'Free shipping');
    assert.equal(await moves(dark), 'none');
    assert.ok(contrast(...(await colours(light))) > 7);
    assert.ok(contrast(...(await colours(dark))) > 7);
    assert.notDeepEqual(await colours(light), await colours(dark));
    const html =
      '<style>echelon-tier { --echelon-background: rgb(255, 250, 240); color-scheme: light } echelon-tier::part(perk) { color: rgb(1, 2, 3) }</style>';
    const themed = await page({ html, answers: [gold], options: { colorScheme: 'dark' } });
    await say(themed, 'Free shipping');
    assert.deepEqual(await colours(themed), ['rgb(28, 27, 34)', 'rgb(255, 250, 240)']);
    assert.equal(await part(themed, 'perk').evaluate(perk => getComputedStyle(perk).color), 'rgb(1, 2, 3)');
    const narrow = await page({
      answers: [{ ...gold, tier: { id: 'gold', name: 'G'.repeat(200) } }],
      options: { viewport: { width: 320, height: 640 } },
    });
    await say(narrow, 'Free shipping');
    assert.equal(await narrow.evaluate(() => document.documentElement.scrollWidth), 320);
  },

  async '/docs shows every operation, with just the files that it names by their hashes'() {
    const { paths } = await (await fetch(`${api}/openapi.json`)).json();
    const operations = Object.values(paths)
      .flatMap(item => Object.values(item))
      .filter(operation => operation.responses).length;
    const { page: seen, complaints, outside } = await docs(file => readFileSync(file));
    await seen.locator('.opblock-summary-path').filter({ hasText: '/v1/me' }).first().waitFor();
    assert.equal(await seen.locator('.opblock').count(), operations);
    assert.deepEqual([outside, complaints], [[], []]);
    assert.deepEqual(await seen.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 0, '']);

    for (const file of [null, file => readFileSync(file) + '\n']) {
      const { page: plain } = await docs(file);
      await plain.getByRole('heading', { name: 'Echelon: the API' }).waitFor();
      await plain.getByText('GET /v1/me').first().waitFor();
      assert.equal(await plain.getByRole('listitem').count(), operations);
    }
  },
};

/** The page of /docs, with a CDN that answers with these files or not at all; and the other requests of the page. */
async function docs(answer) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const [complaints, outside] = [[], []];
  page.on('pageerror', error => complaints.push(String(error)));
  page.on('console', message => message.type() === 'error' && complaints.push(message.text()));
  await page.route(/.*/, async route => {
    const url = route.request().url();
    const cdn = /^https:\/\/cdn\.jsdelivr\.net\/npm\/swagger-ui-dist@([\d.]+)\/([\w.-]+)$/.exec(url);
    if (url.startsWith(`${api}/`)) return route.continue();
    if (!cdn) outside.push(url);
    if (!cdn || !answer) return route.abort();
    const folder = path.join(process.env.BROWSER_HOME, 'swagger-ui-dist');
    assert.equal(JSON.parse(readFileSync(path.join(folder, 'package.json'))).version, cdn[1]);
    const contentType = cdn[2].endsWith('.css') ? 'text/css' : 'text/javascript';
    await route.fulfill({
      contentType,
      headers: { 'access-control-allow-origin': '*' },
      body: answer(path.join(folder, cdn[2])),
    });
  });
  await page.goto(`${api}/docs`);
  return { page, complaints, outside };
}

/** The contrast by WCAG of two colors such as `rgb(1, 2, 3)`. */
function contrast(...colours) {
  const linear = value => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = colour => {
    const [red, green, blue] = colour.match(/\d+/g).map(value => linear(Number(value)));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [darker, lighter] = colours.map(luminance).sort((one, other) => one - other);
  return (lighter + 0.05) / (darker + 0.05);
}

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}\n${error.stack}`);
  }
  await Promise.all(browser.contexts().map(context => context.close()));
}
await browser.close();
process.exitCode = failed ? 1 : 0;

// The text that the widget shows to members.
//
//   tests/servers/browser run tests/browser/new-year.mjs API SHOP TEXT TOKEN [TEXT TOKEN ...]
//
// The widget must show TEXT to the member of each TOKEN, wherever their browser is. SHOP is the origin of the shop's page, which
// the API must let in.

import { launch } from './launch.mjs';

const [api, shop, ...said] = process.argv.slice(2);
const browser = await launch();
for (let at = 0; at < said.length; at += 2) {
  const { [at]: text, [at + 1]: token } = said;
  for (const timezoneId of ['Pacific/Kiritimati', 'Pacific/Honolulu']) {
    const context = await browser.newContext({ locale: 'en-US', timezoneId });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const body = `<!doctype html><html lang="en"><title>A shop</title><body>
      <script src="${api}/widget.js" defer></script><echelon-tier token="${token}"></echelon-tier></body></html>`;
    await page.route(`${shop}/account`, route => route.fulfill({ contentType: 'text/html; charset=utf-8', body }));
    await page.goto(`${shop}/account`);
    await page.locator('echelon-tier').getByText(text).waitFor();
    await context.close();
    console.log(`ok: ${text} (${timezoneId})`);
  }
}
await browser.close();

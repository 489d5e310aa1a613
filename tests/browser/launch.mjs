// The browser that tests/servers/browser has fetched.

import { createRequire } from 'node:module';
import path from 'node:path';

const { BROWSER_HOME, CHROMIUM } = process.env;
const { chromium } = createRequire(import.meta.url)(path.join(BROWSER_HOME, 'playwright-core'));

/** Starts it. */
export const launch = () =>
  chromium.launch({
    executablePath: CHROMIUM,
    // In a container there is no sandbox to be had, and this browser sees nothing but what the test shows it: pages that come
    // from nowhere, and an API on this machine.
    args: [
      '--disable-features=LocalNetworkAccessChecks',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });

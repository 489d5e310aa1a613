// The browser that tests/servers/browser has fetched.

import { createRequire } from 'node:module';
import path from 'node:path';

const { BROWSER_HOME, CHROMIUM } = process.env;
const { chromium } = createRequire(import.meta.url)(path.join(BROWSER_HOME, 'playwright-core'));

/** Starts the browser. */
export const launch = () =>
  chromium.launch({
    executablePath: CHROMIUM,
    // In a container no sandbox is available. This browser sees only what the test shows it: pages without a server, and an
    // API on this machine.
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

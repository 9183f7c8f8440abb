// Chromium, started once, and pages that report every error and every CSP violation.
import { createRequire } from "node:module";
import { after } from "node:test";
import assert from "node:assert/strict";

const require = createRequire(`${process.env.NODE_PACKAGES}/`);
const { chromium } = require("playwright-core");
const axe = require("axe-core");

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
after(() => browser.close());

export const DESK = { width: 1440, height: 900 };
export const LAPTOP = { width: 1160, height: 800 };
export const TABLET = { width: 900, height: 1200 };
export const PHONE = { width: 390, height: 844 };

// Opens a page, hands it to `use`, and fails on every error that is not listed in `expect`.
export async function visit(url, use, { expect, ...options } = {}) {
  const context = await browser.newContext({ viewport: DESK, ...options });
  try {
    const page = await context.newPage();
    const troubles = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) troubles.push(message.text());
    });
    page.on("pageerror", (error) => troubles.push(String(error)));
    page.on("dialog", (dialog) => {
      troubles.push(`a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    await page.goto(url);
    await use(page, context);
    assert.deepEqual(troubles.filter((trouble) => !expect?.test(trouble)), []);
  } finally {
    await context.close();
  }
}

// The violations of WCAG 2.2 AA and best practices that axe-core finds, in a few words each.
export async function findings(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  return violations.map(({ id, help, nodes }) => {
    const places = nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`);
    return `${id}: ${help} (${nodes.length}): ${places.join("; ")}`;
  });
}

// Every page: no errors, no CSP violations, no findings of axe, and nothing wider than the screen.
import test from "node:test";
import assert from "node:assert/strict";
import { DESK, LAPTOP, PHONE, TABLET, findings, visit } from "./browser.mjs";

const { SCREENSHOTS } = process.env;

const looks = [
  ["EVERYDAY", "light", DESK],
  ["EVERYDAY", "dark", PHONE],
  ["FAILING", "light", PHONE],
  ["FAILING", "dark", DESK],
  ["UNLISTED", "light", DESK],
  ["UNLISTED", "dark", PHONE],
  ["GATEWAYS", "light", DESK],
  ["GATEWAYS", "light", LAPTOP],
  ["GATEWAYS", "light", TABLET],
  ["GATEWAYS", "dark", PHONE],
  ["MANY", "light", DESK],
  ["EMPTY", "light", DESK],
  ["EMPTY", "dark", PHONE],
  ["NOTHING", "dark", DESK],
];

for (const [world, colorScheme, viewport] of looks) {
  const name = `${world.toLowerCase()}-${colorScheme}-${viewport.width}`;
  test(name, () =>
    visit(
      process.env[world],
      async (page) => {
        if (SCREENSHOTS) {
          await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: world !== "MANY" });
        }
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= viewport.width, `the page is ${width} px wide`);
        assert.deepEqual(await findings(page), []);
      },
      { viewport, colorScheme },
    ),
  );
}

// The page served by the daemon, with tunnels that it polled.
import test from "node:test";
import assert from "node:assert/strict";
import { findings, visit } from "./browser.mjs";

const { DAEMON } = process.env;
const REFRESH = 10_000; // the page's own, in milliseconds

test("what was polled is shown, with nothing for axe to find and no breach of the policy", () =>
  visit(DAEMON, async (page) => {
    assert.match(await page.locator("h1").innerText(), /1 tunnel down/);
    assert.ok(await page.getByText("<script>alert(1)</script>").isVisible());
    assert.deepEqual(await findings(page), []);
  }));

test("the script searches and refreshes by what the daemon answers", () =>
  visit("about:blank", async (page) => {
    await page.clock.install({ time: 0 });
    await page.clock.pauseAt(1_000);
    await page.goto(DAEMON);
    const answer = (search) =>
      page.waitForResponse(
        (response) => new URL(response.url()).searchParams.get("q") === search && response.ok(),
      );
    const refreshed = answer(null);
    await page.clock.runFor(REFRESH);
    await refreshed;
    const found = answer("alert(1)");
    await page.locator("#search").fill("alert(1)");
    await page.clock.runFor(500);
    await found;
    await page.waitForFunction(() => document.querySelectorAll(".tunnels tbody tr:not(.group)").length === 1);
  }));

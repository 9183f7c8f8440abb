// The page without its script: search, statuses and pages by links and a form.
import test from "node:test";
import assert from "node:assert/strict";
import { visit } from "./browser.mjs";

const { EVERYDAY, MANY } = process.env;
const PLAIN = { javaScriptEnabled: false };
const rows = (page) => page.locator(".tunnels tbody tr:not(.group)");

test("a search is a form", () =>
  visit(
    `${EVERYDAY}?show=up`,
    async (page) => {
      await page.getByLabel("Search tunnels").fill("Porto");
      await page.getByRole("button", { name: "Search" }).click();
      await page.waitForURL(/\?q=Porto&show=up/);
      assert.equal(await rows(page).count(), 1);
      assert.equal(await page.getByLabel("Search tunnels").inputValue(), "Porto");
      await page.getByRole("link", { name: "Show all" }).click();
      await page.waitForURL(EVERYDAY);
      assert.equal(await rows(page).count(), 15);
    },
    PLAIN,
  ));

test("pages are links, and keep what is asked", () =>
  visit(
    `${MANY}?q=branch+staging&show=up`,
    async (page) => {
      assert.equal(await rows(page).count(), 200);
      const first = await rows(page).first().innerText();
      await page.getByRole("link", { name: "Next" }).click();
      await page.waitForURL(/q=branch\+staging&show=up&page=2/);
      assert.notEqual(await rows(page).first().innerText(), first);
      await page.getByRole("link", { name: "Previous" }).click();
      await page.waitForURL(/q=branch\+staging&show=up$/);
      assert.equal(await rows(page).first().innerText(), first);
    },
    PLAIN,
  ));

test("what needs the script is not there", () =>
  visit(
    EVERYDAY,
    async (page) => {
      assert.ok(!(await page.locator("#pause").isVisible()));
      assert.ok(await page.getByRole("link", { name: "Refresh" }).isVisible());
    },
    PLAIN,
  ));

// The page with its script: it searches while the user types, and refreshes itself without moving the visible rows.
import test from "node:test";
import assert from "node:assert/strict";
import { findings, visit } from "./browser.mjs";

const { EVERYDAY, CHANGING, GROWING, MANY } = process.env;
const SOON = 10_000; // from one refresh to the next

const rows = (page) => page.locator(".tunnels tbody tr:not(.group)");
const clock = (page) => page.locator("#clock time").textContent();
const until = (page, condition, argument) => page.waitForFunction(condition, argument);
const clockMoves = (page, from) =>
  until(page, (from) => document.querySelector("#clock time").textContent !== from, from);

// A page whose time passes only when the test advances it.
const visitInSlowMotion = (url, use, options) =>
  visit("about:blank", async (page, context) => {
    await page.clock.install({ time: 0 });
    await page.clock.pauseAt(1_000);
    await page.goto(url);
    // Marks the document: a navigation would lose the mark.
    await page.evaluate(() => (globalThis.mark = true));
    await use(page, context);
    assert.equal(await page.evaluate(() => globalThis.mark), true, "the page navigated away");
  }, options);

const next = async (page, url) => assert.equal((await page.request.get(`${url}next`)).status(), 200);

test("a search finds as one types, and stays in the address", () =>
  visitInSlowMotion(EVERYDAY, async (page) => {
    await page.locator("#search").pressSequentially("BERLIN prod");
    await page.clock.runFor(500);
    await until(page, () => document.querySelectorAll(".tunnels tbody tr:not(.group)").length === 2);
    assert.match(await page.locator("#tunnels .heading").innerText(), /2 of 15 tunnels, found by “BERLIN prod”/);
    assert.equal(new URL(page.url()).searchParams.get("q"), "BERLIN prod");
    assert.equal(await page.evaluate(() => document.activeElement.id), "search");
    await page.locator("#search").fill("");
    await page.clock.runFor(500);
    await until(page, () => document.querySelectorAll(".tunnels tbody tr:not(.group)").length === 15);
    assert.equal(new URL(page.url()).search, "");
  }));

test("a search within one status stays within it", () =>
  visitInSlowMotion(`${EVERYDAY}?show=up`, async (page) => {
    await page.locator("#search").fill("berlin");
    await page.locator("#search").press("Enter");
    await until(page, () => document.querySelectorAll(".tunnels tbody tr:not(.group)").length === 1);
    assert.match(await rows(page).innerText(), /office-berlin-backup/);
  }));

test("a response during typing does not change or lose the search text", () =>
  visitInSlowMotion(EVERYDAY, async (page) => {
    const before = await clock(page);
    let answer;
    const asked = new Promise((resolve) =>
      page.route(
        "**/*",
        (route) => {
          answer = () => route.continue();
          resolve();
        },
        { times: 1 },
      ),
    );
    await page.clock.runFor(SOON);
    await asked;
    await next(page, EVERYDAY);
    await page.locator("#search").fill("berlin");
    await answer();
    await clockMoves(page, before);
    assert.equal(await page.locator("#search").inputValue(), "berlin");
    await page.clock.runFor(500);
    await until(page, () => document.querySelectorAll(".tunnels tbody tr:not(.group)").length === 2);
  }));

test("hostile names are text", () =>
  visit(EVERYDAY, async (page) => {
    assert.ok(await page.getByText("<script>alert(1)</script>").isVisible());
    await visit(`${EVERYDAY}?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E`, async (page) => {
      assert.equal(await page.locator("#search").inputValue(), '"><script>alert(1)</script>');
    });
  }));

test("the policy stops what the page did not bring along", () =>
  visit(
    EVERYDAY,
    async (page) => {
      const ran = await page.evaluate(() => {
        const script = document.createElement("script");
        script.textContent = "globalThis.ran = true";
        document.body.append(script);
        return globalThis.ran === true;
      });
      assert.equal(ran, false);
    },
    { expect: /Content Security Policy/ },
  ));

test("a refresh by itself brings news, in the title and the icon too", () =>
  visitInSlowMotion(CHANGING, async (page) => {
    const [before, icon] = [await clock(page), await page.locator("#icon").getAttribute("href")];
    assert.match(await page.title(), /^All 10,000 tunnels up/);
    await next(page, CHANGING);
    await page.clock.runFor(SOON);
    await clockMoves(page, before);
    assert.match(await page.title(), /^200 tunnels down/);
    assert.match(await page.locator("h1").innerText(), /200 tunnels down/);
    assert.notEqual(await page.locator("#icon").getAttribute("href"), icon);
  }));

test("a refresh keeps the place, what was typed, what was unfolded and the focus", () =>
  visitInSlowMotion(`${MANY}?page=2`, async (page) => {
    await page.locator("#more-targets summary").click();
    const row = rows(page).nth(80);
    await row.evaluate((row) => row.scrollIntoView());
    const id = await row.locator("code").first().textContent();
    const top = (await row.boundingBox()).y;
    await page.locator("#search").evaluate((search) => {
      search.focus({ preventScroll: true });
      search.value = "half typ";
      search.setSelectionRange(2, 4);
    });
    const before = await clock(page);
    await next(page, MANY);
    await page.clock.runFor(SOON);
    await clockMoves(page, before);
    const same = rows(page).filter({ hasText: id });
    assert.ok(Math.abs((await same.boundingBox()).y - top) <= 1, "the row moved");
    const typed = await page.evaluate(() => {
      const { id, value, selectionStart, selectionEnd } = document.activeElement;
      return [id, value, selectionStart, selectionEnd];
    });
    assert.deepEqual(typed, ["search", "half typ", 2, 4]);
    assert.equal(await page.locator("#more-targets").getAttribute("open"), "");

    await page.locator("#page-next").focus();
    const later = await clock(page);
    await next(page, MANY);
    await page.clock.runFor(SOON);
    await clockMoves(page, later);
    assert.equal(await page.evaluate(() => document.activeElement.id), "page-next");
  }));

test("rows that come in above push nothing away", () =>
  visitInSlowMotion(GROWING, async (page) => {
    const row = rows(page).nth(60);
    await row.evaluate((row) => row.scrollIntoView());
    const id = await row.locator("code").first().textContent();
    const top = (await row.boundingBox()).y;
    const before = await clock(page);
    await next(page, GROWING);
    await page.clock.runFor(SOON);
    await clockMoves(page, before);
    const moved = (await rows(page).filter({ hasText: id }).boundingBox()).y - top;
    assert.ok(Math.abs(moved) <= 1, `the row moved by ${moved} px`);
  }));

test("marked text is not replaced until it is let go", () =>
  visitInSlowMotion(EVERYDAY, async (page) => {
    const before = await clock(page);
    await rows(page).first().locator("code").first().selectText();
    const marked = await page.evaluate(() => String(getSelection()));
    await next(page, EVERYDAY);
    await page.clock.runFor(3 * SOON);
    assert.equal(await page.evaluate(() => String(getSelection())), marked);
    await page.evaluate(() => getSelection().removeAllRanges());
    await page.clock.runFor(SOON);
    await clockMoves(page, before);
  }));

test("a pause lasts until it is ended", () =>
  visitInSlowMotion(EVERYDAY, async (page) => {
    let requests = 0;
    page.on("request", () => requests++);
    await page.locator("#pause").click();
    await page.clock.runFor(10 * SOON);
    assert.equal(requests, 0);
    const asked = page.waitForRequest(() => true);
    await page.getByRole("button", { name: "Resume" }).click();
    await asked;
  }));

test("the page shows a warning while the exporter does not respond", () =>
  visitInSlowMotion(
    EVERYDAY,
    async (page) => {
      const trouble = page.locator("#trouble");
      await page.route("**/*", (route) => route.abort());
      await page.clock.runFor(SOON);
      await trouble.waitFor();
      assert.match(await trouble.innerText(), /The exporter does not respond .*22:1\d:\d\d UTC/);
      await page.unroute("**/*");
      await page.route("**/*", (route) => route.fulfill({ status: 503, body: "" }));
      await page.clock.runFor(SOON);
      await until(page, () => document.getElementById("trouble").innerText.includes("HTTP status 503"));
      // axe-core needs a running clock.
      await page.clock.resume();
      assert.deepEqual(await findings(page), []);
      await page.unroute("**/*");
      await page.clock.runFor(SOON);
      await trouble.waitFor({ state: "hidden" });
    },
    { expect: /Failed to load resource/ },
  ));

test("a password in the address does not keep the page from refreshing", () => {
  const url = new URL(EVERYDAY);
  url.username = "prometheus";
  url.password = "secret";
  return visitInSlowMotion(url.href, async (page) => {
    const before = await clock(page);
    await next(page, EVERYDAY);
    await page.locator("#refresh").click();
    await clockMoves(page, before);
    await page.locator("#search").fill("berlin");
    await page.clock.runFor(500);
    await until(page, () => document.querySelectorAll(".tunnels tbody tr:not(.group)").length === 2);
  });
});

test("the keyboard reaches everything, in the order of the page", () =>
  visit(EVERYDAY, async (page) => {
    const reached = [];
    for (;;) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const { id, tagName, textContent } = document.activeElement;
        const { outlineStyle } = getComputedStyle(document.activeElement);
        return { name: id || textContent, tagName, outlineStyle };
      });
      if (at.tagName === "BODY" || reached.includes(at.name)) break;
      assert.notEqual(at.outlineStyle, "none", `${at.name} does not show its focus`);
      reached.push(at.name);
    }
    const tiles = ["down", "unknown", "pending", "deleting", "idle", "up", "failing"].map((slug) => `tile-${slug}`);
    const expected = ["Skip to the tunnels", "search", "refresh", "pause", ...tiles, "Metrics", "Health", "Readiness"];
    assert.deepEqual(reached, expected);
    await page.locator("#tile-idle").focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/show=idle/);
    assert.equal(await rows(page).count(), 2);
  }));

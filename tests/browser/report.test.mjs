// report.html from a file: light and dark, wide and on a phone, by keys and on paper.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { artefacts, fits, launch, open, picture } from "./browser.mjs";

const folder = resolve(process.env.PAGES ?? "pages");
const names = readdirSync(folder).filter((name) => name.endsWith(".html")).map((name) => name.slice(0, -5));
const address = (name) => pathToFileURL(join(folder, `${name}.html`)).href;

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test("there are pages to look at", () => {
  for (const name of ["passed", "failed", "conformance", "enormous", "long", "one-phase", "compare"]) assert.ok(names.includes(name), name);
});

for (const name of names) {
  for (const [look, settings] of Object.entries({
    light: {}, dark: { dark: true }, phone: { width: 390, height: 844 }, "phone-dark": { width: 390, height: 844, dark: true },
  })) {
    test(`${name} opens ${look} without an error, a request or a sideways scroll`, async () => {
      const { page, context, faults, requests } = await open(browser, address(name), settings);
      assert.deepEqual(requests, [address(name)]);
      assert.deepEqual(faults, []);
      await fits(page);
      // Every chart that is announced is drawn.
      const plots = await page.locator("[role=img][tabindex], #percentile-plot").count();
      assert.equal(await page.locator(".uplot canvas").count(), plots);
      assert.ok(["conformance", "compare"].includes(name) || plots >= 7, `${plots} charts`);
      await picture(page, `report-${name}-${look}`, { fullPage: name !== "enormous" });
      await context.close();
    });
  }
}

test("the first screen of a failed run says what failed, when, and what to run again", async () => {
  const { page, context } = await open(browser, address("failed"));
  for (const words of ["FAIL", "TIME-2 is broken", "at 16.2 s", "wallflower loadtest scenarios/quickstart.toml"]) {
    const box = await page.locator("header").getByText(words).first().boundingBox();
    assert.ok(box && box.y + box.height < 900, `${words} is on the first screen`);
  }
  // The marks of the strip stand where the run broke: 16.188 s of 41.2 s.
  const [strip, mark] = await Promise.all([page.locator(".strip-bands").boundingBox(), page.locator(".strip .breach").last().boundingBox()]);
  assert.ok(Math.abs((mark.x - strip.x) / strip.width - 16.188 / 41.2) < 0.01);
  // And the reason leads to its timeline.
  await page.getByRole("link", { name: /TIME-2 is broken/ }).click();
  assert.match(page.url(), /#requirements$/);
  assert.ok(await page.locator("svg.timeline .ring").first().isVisible());
  await context.close();
});

test("keys move one cursor over all charts and say its figures", async () => {
  const { page, context } = await open(browser, address("passed"));
  const charts = page.locator("#time-charts [role=img]");
  await charts.first().focus();
  for (let times = 0; times < 5; times += 1) await page.keyboard.press("ArrowRight");
  assert.match(await page.locator("#read-out").textContent(), /^5 s: planned\/s 1,590, sent\/s 1,580/);
  const shown = await page.locator("#time-charts .uplot .u-legend .u-series:first-child .u-value").allTextContents();
  assert.ok(shown.length >= 6 && shown.every((text) => text === "5 s"), shown.join());
  assert.match(await charts.first().getAttribute("aria-label"), /p99: at most .* at \d+ s/);
  await context.close();
});

const chart = (page, title) => page.locator("#time-charts figure").filter({ has: page.locator("figcaption", { hasText: title }) });
const legend = (place) => place.locator(".u-legend .u-series .u-label").allTextContents();

test("errors are drawn by kind: none without errors, six and the rest of a hundred", async () => {
  for (const [name, kinds] of [["one-phase", null], ["passed", ["503", "timeout"]]]) {
    const { page, context, faults } = await open(browser, address(name));
    assert.deepEqual(kinds && (await legend(chart(page, "Errors by kind"))).slice(1), kinds);
    assert.equal(await chart(page, "Errors by kind").count(), kinds ? 1 : 0);
    assert.deepEqual(faults, []);
    await context.close();
  }
  const { page, context, faults } = await open(browser, address("long"));
  const labels = await legend(chart(page, "Errors by kind"));
  assert.equal(labels.length, 8, labels.join());
  assert.equal(labels.at(-1), "(94 other kinds)");
  assert.deepEqual(faults, []);
  await context.close();
});

test("what a second tells has a chart each, on the shared cursor", async () => {
  const { page, context } = await open(browser, address("passed"), { width: 390, height: 844 });
  const figures = { "Response by operation": /list .* probe /, "Polls answered unchanged": /unchanged 9\d/, Freshness: /how late/,
    "Harness waiting for a core": /waiting/, Descriptors: /registry 5\d\d, harness 1,5\d\d/ };
  for (const [title, said] of Object.entries(figures)) {
    const plot = chart(page, title).locator("[role=img]");
    assert.equal(await plot.count(), 1, title);
    await plot.focus();
    await page.keyboard.press("ArrowRight");
    assert.match((await page.locator("#read-out").textContent()).replaceAll(", probe", " probe") + " ", said, title);
  }
  await context.close();
});

test("the baseline is dashed beside this run's own line, and named", async () => {
  const { page, context } = await open(browser, address("failed"));
  const labels = await legend(page.locator("#percentile-plot"));
  assert.deepEqual(labels, ["share", "list", "probe", "register", "list, baseline", "probe, baseline", "register, baseline"]);
  assert.match(await page.locator("#calls").textContent(), /Dashed: the baseline, runs\/before\./);
  const without = await open(browser, address("passed"));
  assert.deepEqual(await legend(without.page.locator("#percentile-plot")), ["share", "list", "probe", "register"]);
  assert.doesNotMatch(await without.page.locator("#calls").textContent(), /Dashed/);
  await without.context.close();
  await page.locator("#percentile-plot").scrollIntoViewIfNeeded();
  await picture(page, "report-baseline");
  await context.close();
});

test("thirty phases are bands without a name on another, and one is one", async () => {
  for (const [name, bands] of [["one-phase", 1], ["long", 30]]) {
    const { page, context } = await open(browser, address(name));
    assert.equal(await page.locator(".strip .phase").count(), bands, name);
    assert.equal(await page.locator("#phases tbody tr").count(), bands, name);
    await context.close();
  }
});

test("what agents and registries say is text", async () => {
  const { page, context } = await open(browser, address("failed"));
  assert.equal(await page.evaluate(() => document.querySelectorAll("[onclick],[onerror],[onload],img,iframe,form").length), 0);
  await context.close();
});

test("it prints", async () => {
  const { page, context, faults } = await open(browser, address("failed"), { dark: true });
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  const widths = await page.locator(".uplot").evaluateAll((plots) => plots.map((plot) => plot.getBoundingClientRect().right));
  assert.ok(widths.length >= 7 && Math.max(...widths) - await page.evaluate(() => document.body.getBoundingClientRect().left) < 691, widths.join());
  const paper = await page.pdf({ path: join(artefacts, "report-failed.pdf"), format: "A4", printBackground: true });
  assert.ok(paper.length > 20_000);
  assert.deepEqual(faults, []);
  await context.close();
});

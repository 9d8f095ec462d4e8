package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// These tests check the pages of the documentation in a real browser: width, contrast,
// and the keyboard. A new page needs an entry in browserPages.

// browserPages are one page of each kind.
var browserPages = []string{
	"/docs/", "/docs/getting-started/", "/docs/reference/", "/docs/login/", "/docs/rights/", "/docs/writes/",
	"/docs/operations/", "/docs/idempotency/", "/docs/limits/", "/docs/errors/",
	"/docs/errors/OUTCOME_UNKNOWN/", "/docs/errors/NOT_AVAILABLE_FOR_ASSIGNMENT/", "/docs/errors/UNKNWN/",
}

// lowContrast returns the texts of the page whose contrast with their ground is below the
// AA level of WCAG 2.2, section 1.4.3. Grounds are composed of all that are below the
// text.
const lowContrast = `(() => {
  const parse = (text) => {
    const n = text.match(/[\d.]+/g).map(Number);
    return { r: n[0], g: n[1], b: n[2], a: n.length > 3 ? n[3] : 1 };
  };
  const over = (top, below) => ({
    r: top.r * top.a + below.r * (1 - top.a), g: top.g * top.a + below.g * (1 - top.a),
    b: top.b * top.a + below.b * (1 - top.a), a: 1,
  });
  const luminance = (c) => [c.r, c.g, c.b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(parse(getComputedStyle(e).backgroundColor));
    return layers.reduce((below, top) => over(top, below), { r: 255, g: 255, b: 255, a: 1 });
  };
  const low = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest("svg, noscript, script, [disabled], option")) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const style = getComputedStyle(element), below = ground(element);
    const text = over(parse(style.color), below);
    const [high, dim] = [luminance(text), luminance(below)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (dim + 0.05), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) {
      low.add(ratio.toFixed(2) + " " + style.color + " " + element.tagName + "." + element.className + ": " + walker.currentNode.textContent.trim().slice(0, 40));
    }
  }
  return [...low];
})()`

// wider returns the elements that make the page wider than the window.
const wider = `(() => {
  if (document.scrollingElement.scrollWidth <= innerWidth) return [];
  return [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 5).map((e) => e.tagName + "." + e.className);
})()`

// TestBrowserShowsEveryPage opens the pages in the widths of a phone and of a screen, in
// light and dark.
func TestBrowserShowsEveryPage(t *testing.T) {
	rig := browse(t)
	rig.open(t, "/docs/")
	eval[bool](t, rig, `((p) => { p.style.color = "#999"; p.style.width = "9999px"; p.style.maxWidth = "none"; return true; })(document.querySelector("p.lead"))`)
	if low, wide := eval[[]string](t, rig, lowContrast), eval[[]string](t, rig, wider); len(low) != 1 || len(wide) == 0 {
		t.Fatalf("a gray and wide paragraph is not found: %q, %q", low, wide)
	}
	for _, path := range browserPages {
		rig.open(t, path)
		if path == "/docs/reference/" {
			rig.call(t, "Group", browserCall{route: "itc_numbers_list"}) // with what a call shows
			eval[bool](t, rig, `(document.querySelector("#operations-Group-itc_numbers_list .opblock-summary-control").click(), true)`)
		}
		for _, scheme := range []string{"light", "dark"} {
			rig.prefer(t, scheme)
			for _, width := range []int64{360, 1400} {
				rig.do(t, chromedp.EmulateViewport(width, 900))
				name := fmt.Sprintf("%s %s, %d wide", path, scheme, width)
				for _, low := range eval[[]string](t, rig, lowContrast) {
					t.Errorf("%s: too little contrast: %s", name, low)
				}
				for _, element := range eval[[]string](t, rig, wider) {
					t.Errorf("%s: the page must be scrolled sideways for %s", name, element)
				}
			}
		}
	}
	rig.check(t)
}

// tabTo presses the tabulator until the selector matches what has the focus.
func (b *browserRig) tabTo(t *testing.T, selector string) {
	t.Helper()
	for range 200 {
		b.do(t, chromedp.KeyEvent(kb.Tab))
		if eval[bool](t, b, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
			if outline := eval[string](t, b, `getComputedStyle(document.activeElement).outlineStyle`); outline == "none" {
				t.Errorf("the focus on %s cannot be seen", selector)
			}
			return
		}
	}
	t.Fatalf("the keyboard does not reach %s", selector)
}

// TestBrowserKeyboard uses the pages without a pointer.
func TestBrowserKeyboard(t *testing.T) {
	rig := browse(t)
	rig.open(t, "/docs/getting-started/")
	rig.do(t, chromedp.KeyEvent(kb.Tab))
	if !eval[bool](t, rig, `document.activeElement.matches(".skip")`) {
		t.Error("the first key does not lead to the link that skips the navigation")
	}
	rig.do(t, chromedp.KeyEvent(kb.Enter))
	if eval[string](t, rig, `location.hash`) != "#content" {
		t.Error("the link that skips the navigation does not")
	}
	rig.tabTo(t, ".copy")
	rig.do(t, chromedp.KeyEvent(kb.Enter))
	eval[bool](t, rig, `until(() => document.activeElement.textContent === "Copied").then(() => true)`)

	rig.open(t, "/docs/reference/")
	rig.tabTo(t, "#operations-Group-itc_numbers_list .opblock-summary-control")
	rig.do(t, chromedp.KeyEvent(kb.Enter))
	eval[bool](t, rig, `until(() => document.querySelector("#operations-Group-itc_numbers_list .try-out__btn")).then(() => true)`)
	rig.tabTo(t, ".try-out__btn")
	rig.do(t, chromedp.KeyEvent(kb.Enter))
	eval[bool](t, rig, `until(() => document.querySelector("#operations-Group-itc_numbers_list .execute")).then(() => true)`)
	rig.tabTo(t, ".execute")
	rig.do(t, chromedp.KeyEvent(kb.Enter))
	status := eval[string](t, rig, `until(() => document.querySelector("#operations-Group-itc_numbers_list .live-responses-table .response .response-col_status")).then((e) => e.textContent)`)
	if !strings.HasPrefix(status, "200") {
		t.Errorf("the call by keyboard has the status %s", status)
	}
	rig.check(t)
}

// TestBrowserEnforcesThePolicy attempts what the policy of the pages forbids. It also
// shows that the other tests would notice.
func TestBrowserEnforcesThePolicy(t *testing.T) {
	rig := browse(t)
	for name, attempt := range map[string]string{
		"a request to another host": `fetch("https://example.com/").catch(() => {})`,
		"an image of another host":  `new Image().src = "https://example.com/a.png"`,
		"an inline script":          `document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = true" }))`,
		"an inline style":           `document.body.setAttribute("style", "color: red")`,
		"a form":                    `document.body.appendChild(Object.assign(document.createElement("form"), { action: "https://example.com/" })).submit()`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/docs/", "/docs/reference/"} {
				rig.open(t, path)
				rig.forget()
				// It ends only if the browser reports a violation.
				if eval[bool](t, rig, attempt+`; until(() => window.violations).then(() => window.ran === true)`) {
					t.Errorf("%s: the code ran", path)
				}
				if len(rig.forget()) == 0 {
					t.Errorf("%s: the violation is not recorded", path)
				}
			}
		})
	}
}

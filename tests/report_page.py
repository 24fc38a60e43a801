"""What a person does with the report's page, in headless Chromium: report_page.py CHROMIUM PAGE HOSTILE_PAGE.
Prints TAP lines without numbers ("ok - ..."), which tests/t_report_html.sh numbers."""
import sys

from browser import Browser

failed = False


def check(good, name):
    global failed
    failed |= not good
    print(("ok" if good else "not ok") + " - " + name)


def column(b, n):
    return b.js(f"[...document.querySelectorAll('#problem-table tbody tr')].map(r => r.cells[{n}].dataset.v)"
                ".filter(v => v !== '').map(Number)")


def table_by_keyboard(b):
    b.js("document.querySelectorAll('#problem-table th button')[2].focus()")
    b.key("Enter")
    v = column(b, 2)
    check(len(v) > 5 and v == sorted(v, reverse=True), "Enter on the speed-up's heading sorts from the largest")
    check(b.js("document.querySelectorAll('#problem-table thead th')[2].getAttribute('aria-sort')") == "descending",
          "aria-sort says so")
    b.key(" ")
    v = column(b, 2)
    check(v == sorted(v), "the space bar sorts the other way")
    check(b.js("document.activeElement.closest('th').cellIndex") == 2, "the focus stays on the heading")
    b.js("document.querySelectorAll('#problem-table th button')[0].focus()")
    b.key("Enter")
    names = b.js("[...document.querySelectorAll('#problem-table tbody th')].map(c => c.textContent)")
    check(names == sorted(names), "names are sorted, too")


def lineage_by_keyboard(b):
    b.js("document.querySelector('#problem-table tbody tr[data-result=right] a').focus()")
    b.key("Enter")
    b.js("new Promise(r => setTimeout(r, 100))")
    check(b.js("!document.getElementById('detail').hidden && document.activeElement.id === 'detail'"),
          "Enter on a name opens its kernels and goes there")
    for _ in range(12):
        if b.js("document.activeElement.getAttribute('role')") == "treeitem":
            break
        b.key("Tab")
    check(b.js("document.activeElement.getAttribute('role')") == "treeitem", "Tab leads to the lineage")
    b.key("Home")
    root = b.js("document.activeElement.dataset.id")
    b.key("ArrowDown")
    below = b.js("document.activeElement.dataset.id")
    check(root != below and b.js("document.querySelector('.panel h4').textContent").startswith(f"#{below}:"),
          "arrows move in it, and the panel follows")
    b.key("Home")
    b.key("ArrowLeft")
    check(b.js("document.activeElement.getAttribute('aria-expanded')") == "false" and
          b.js("document.activeElement.querySelector('ul').hidden"), "ArrowLeft closes a branch")
    b.key("ArrowRight", 2)
    check(b.js("document.activeElement.dataset.id") == below, "ArrowRight opens it, and goes into it")
    check(b.js("document.querySelectorAll('[role=treeitem][tabindex=\"0\"]').length") == 1,
          "one item of the tree is in the tab order")


def find(b):
    b.js("document.getElementById('find').focus()")
    for c in "softmax":
        b.key(c)
    shown = b.js("[...document.querySelectorAll('#problem-table tbody tr')].filter(r => !r.hidden).length")
    check(0 < shown < b.js("document.querySelectorAll('#problem-table tbody tr').length"), "typing filters the rows")
    check(str(shown) in b.js("document.getElementById('shown').textContent"), "a live region says how many are left")


CONTRAST = """(() => {
  const light = (c) => { const v = c.map((x) => (x /= 255) <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
  const rgb = (s) => s.match(/[\\d.]+/g).map(Number);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  let worst = [99, ""];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length ||
        ["SCRIPT", "STYLE", "OPTION"].includes(e.tagName) || e.closest(".skip")) continue;
    const s = getComputedStyle(e), color = e instanceof SVGElement ? s.fill : s.color;
    const a = light(rgb(color).slice(0, 3)), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, e.tagName + "." + e.getAttribute("class") + " " + e.textContent.slice(0, 30)];
  }
  return worst;
})()"""


def looks(program, page):
    for dark in (False, True):
        b = Browser(program, dark=dark)
        b.open(page)
        b.js("location.hash = '#problem-1'; new Promise(r => setTimeout(r, 400))")
        ratio, where = b.js(CONTRAST)
        check(ratio >= 4.5, f"contrast of all text in the {'dark' if dark else 'light'} theme: {ratio:.1f} ({where})")
        b.close()
    b = Browser(program, width=360, height=740, touch=True)
    b.open(page)
    b.js("location.hash = '#problem-1'; new Promise(r => setTimeout(r, 400))")
    check(b.js("document.documentElement.scrollWidth") <= 360, "a phone needs not scroll sideways")
    nameless = b.js("[...document.querySelectorAll('button, input, select, a, svg[role=img], [role=region], [role=tree]')]"
                    ".filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length))).length")
    check(nameless == 0, "every control has a name")
    check(not b.complaints(), "no complaint there: " + "; ".join(b.complaints())[:200])
    b.close()


def main():
    program, page, hostile = sys.argv[1:]
    b = Browser(program)
    b.open(page)
    seconds = b.js("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000
    print(f"# {b.js('document.querySelectorAll(`#problem-table tbody tr`).length')} problems were there in {seconds:.2f} s")
    table_by_keyboard(b)
    lineage_by_keyboard(b)
    find(b)
    for axis in ("time", "usd"):
        b.js(f"document.querySelector('input[value={axis}]').click()")
    b.js("document.getElementById('progress-chart').scrollIntoView(), new Promise(r => setTimeout(r, 300))")
    check(b.js("document.querySelectorAll('#progress-chart path.line').length") == 1, "best so far is drawn")
    check(not b.complaints(), "the console says nothing: " + "; ".join(b.complaints())[:200])
    check(not b.requests(), "nothing is asked of any network: " + " ".join(b.requests())[:200])
    b.close()
    looks(program, page)
    b = Browser(program)
    b.open(hostile)
    b.js("location.hash = '#problem-1'; new Promise(r => setTimeout(r, 200))")
    check(b.js("document.title") != "owned" and b.js("document.images.length") == 0 and b.js("document.scripts.length") == 2,
          "hostile texts are text")
    check(not b.complaints() and not b.requests(), "and go unnoticed: " + "; ".join(b.complaints())[:200])
    b.close()
    sys.exit(failed)


main()

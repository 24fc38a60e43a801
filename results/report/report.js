"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const byId = (id) => document.getElementById(id);
  const NS = "http://www.w3.org/2000/svg";

  /* ---- building blocks: text never becomes markup ---- */

  /* Control characters and those that turn the direction of text are shown as what they are. */
  const visible = (s) => String(s).replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, "\ufffd");

  const fill = (node, attributes, children) => {
    for (const [key, value] of Object.entries(attributes || {}))
      if (value !== undefined && value !== null && value !== false)
        node.setAttribute(key, value === true ? "" : value);
    for (const child of children.flat(2))
      if (child !== null && child !== undefined && child !== false)
        node.append(child instanceof Node ? child : visible(child));
    return node;
  };
  const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => fill(document.createElementNS(NS, tag), attributes, children);

  /* ---- numbers ---- */

  const known = (v) => typeof v === "number" && isFinite(v);
  const ratio = (v) => known(v) ? (v >= 99.5 ? v.toFixed(0) : v.toFixed(2)) + "\u00d7" : "\u2013";
  const seconds = (v) => {
    if (!known(v)) return "\u2013";
    const [factor, unit] = v >= 1 ? [1, "s"] : v >= 1e-3 ? [1e3, "ms"] : [1e6, "\u00b5s"];
    const x = v * factor;
    return x.toFixed(x >= 100 ? 1 : 2) + " " + unit;
  };
  /* On an axis: no digits that say nothing. */
  const tick = (v) => v === 0 ? "0" : seconds(v).replace(/(\.\d*?)0+ /, "$1 ").replace(". ", " ");
  const span = (v) => !known(v) ? "\u2013" : v < 120 ? v.toFixed(1) + " s" : v < 7200 ? (v / 60).toFixed(1) + " min" : (v / 3600).toFixed(1) + " h";
  const usd = (v) => known(v) ? (v >= 100 ? v.toFixed(0) : v >= 1 ? v.toFixed(2) : v.toFixed(4)) + " USD" : "unknown";
  const percent = (v) => (100 * v).toFixed(0) + " %";
  const timed = (t) => t ? seconds(t.seconds) + " " + t.kind : "\u2013";
  const speedup = (p) => {
    const b = p.baselines.find((one) => one.name === report.baseline);
    return b && known(b.speedup) ? b.speedup : null;
  };
  const baselineTime = (p) => (p.baselines.find((b) => b.name === report.baseline) || p.baselines[0] || {}).time;

  /* ---- charts ---- */

  const dashes = ["", "7 4", "2 3", "9 3 2 3", "4 4", "1 4"];

  const niceTicks = (lo, hi, count) => {
    const raw = (hi - lo) / count || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
    const ticks = [];
    for (let v = Math.ceil(lo / step - 1e-9) * step; v <= hi + step * 1e-6; v += step) ticks.push(Math.abs(v) < step * 1e-9 ? 0 : v);
    return ticks;
  };

  const polyline = (points, step, X, Y) => {
    let d = "";
    points.forEach(([x, y], i) => {
      if (!i) d = `M${X(x).toFixed(1)} ${Y(y).toFixed(1)}`;
      else d += step ? `H${X(x).toFixed(1)}V${Y(y).toFixed(1)}` : `L${X(x).toFixed(1)} ${Y(y).toFixed(1)}`;
    });
    return d;
  };

  /* lines: [{name, points, step, marks: [{x, y, title, shape}]}], rules: [{y, name}]; y grows upwards. */
  const chart = (figure, o) => {
    figure.hidden = false;
    const wide = Math.max(300, Math.min(figure.clientWidth - 30, 1300)), high = o.high || 270;
    const left = o.left || 52, right = 14, top = 12, bottom = 40;
    const lines = o.lines.filter((l) => l.points.length || (l.marks || []).length);
    const all = lines.flatMap((l) => l.points.concat((l.marks || []).map((m) => [m.x, m.y])));
    const xs = all.map((p) => p[0]), ys = all.map((p) => p[1]).concat((o.rules || []).map((r) => r.y));
    figure.replaceChildren(h("figcaption", null, o.caption));
    if (!all.length) {
      figure.append(h("p", { class: "soft" }, o.empty || "Nothing to show."));
      return;
    }
    const x0 = o.x0 !== undefined ? o.x0 : Math.min(...xs), x1 = o.x1 !== undefined ? o.x1 : Math.max(...xs, x0 + 1e-12);
    const y0 = o.y0 !== undefined ? o.y0 : Math.min(...ys), y1 = o.y1 !== undefined ? o.y1 : Math.max(...ys, y0 + 1e-12) * 1.04;
    const X = (v) => left + (wide - left - right) * (x1 > x0 ? (v - x0) / (x1 - x0) : 0.5);
    const Y = (v) => high - bottom - (high - bottom - top) * (y1 > y0 ? (v - y0) / (y1 - y0) : 0.5);
    const root = svg("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": o.label || o.caption });
    for (const v of niceTicks(y0, y1, 5))
      root.append(svg("line", { class: "grid", x1: left, x2: wide - right, y1: Y(v), y2: Y(v) }),
        svg("text", { x: left - 7, y: Y(v) + 4, "text-anchor": "end" }, o.yText(v)));
    for (const v of o.xTicks || niceTicks(x0, x1, wide < 480 ? 4 : 8))
      root.append(svg("text", { x: X(v), y: high - bottom + 17, "text-anchor": "middle" }, o.xText(v)));
    root.append(svg("line", { class: "axis", x1: left, x2: wide - right, y1: high - bottom, y2: high - bottom }),
      svg("text", { x: (left + wide - right) / 2, y: high - 5, "text-anchor": "middle" }, o.xName));
    for (const rule of o.rules || [])
      root.append(svg("line", { class: "rule", x1: left, x2: wide - right, y1: Y(rule.y), y2: Y(rule.y) }),
        svg("text", { x: wide - right - 4, y: Y(rule.y) - 5, "text-anchor": "end", class: "name" }, rule.name));
    lines.forEach((l) => {
      const i = o.lines.indexOf(l) % 6;
      if (l.points.length)
        root.append(svg("path", { class: "line s" + i, "stroke-dasharray": dashes[i], d: polyline(l.points, l.step, X, Y) }));
      for (const m of l.marks || []) {
        const shape = m.shape === "cross"
          ? svg("path", { class: "s1", "stroke-width": 2, fill: "none", d: `M${X(m.x) - 4} ${Y(m.y) - 4}l8 8m0-8l-8 8` })
          : svg("circle", { class: "f" + i, cx: X(m.x), cy: Y(m.y), r: m.r || 3.6 });
        shape.append(svg("title", null, m.title));
        root.append(shape);
      }
    });
    figure.append(root);
    if (lines.length > 1)
      figure.append(h("ul", { class: "legend" }, lines.map((l) => {
        const i = o.lines.indexOf(l) % 6;
        return h("li", null, svg("svg", { viewBox: "0 0 30 10", "aria-hidden": "true" },
          svg("line", { class: "line s" + i, "stroke-dasharray": dashes[i], x1: 0, x2: 30, y1: 5, y2: 5, "stroke-width": 2.5 })), l.name);
      })));
    if (o.table) figure.append(h("details", null, h("summary", null, "The numbers as a table"), o.table));
  };

  /* The first `words` columns hold words, the others numbers. */
  const table = (caption, head, rows, words = 1) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table: " + caption },
    h("table", null, h("caption", null, caption), h("thead", null, h("tr", null, head.map((t, i) => h("th", { scope: "col", class: i < words ? null : "n" }, t)))),
      h("tbody", null, rows.map((row) => h("tr", null, row.map((c, i) => h(i ? "td" : "th", i ? { class: i < words ? null : "n" } : { scope: "row" }, c)))))));

  /* ---- fast_p ---- */

  const counted = (arm) => report.problems.filter((p) => p.arm === arm && !p.flawed);

  const fastp = () => {
    const figure = byId("fastp-chart");
    if (report.problems.length < 2) return;
    const most = 3;
    const lines = report.arms.map((arm, k) => {
      const list = counted(k), right = list.filter((p) => p.correct).length;
      const gains = list.filter((p) => p.correct && known(speedup(p))).map(speedup).sort((a, b) => a - b);
      const share = (p) => p ? gains.filter((g) => g > p).length / list.length : right / list.length;
      if (!list.length) return { name: arm.label, points: [] };
      const points = [[0, share(0)], ...gains.filter((g) => g < most).map((g) => [g, share(g)]), [most, share(most)]];
      return { name: arm.label, step: true, points,
        marks: [0, 0.5, 0.8, 1, 1.5, 2].map((p) => ({ x: p, y: share(p), title: `${arm.label}: fast_${p} = ${share(p).toFixed(3)}` })) };
    });
    chart(figure, { lines, caption: `fast_p: share of problems more than p times as fast as the baseline '${report.baseline}'`,
      xName: "p", xTicks: [0, 0.5, 0.8, 1, 1.5, 2, 2.5, 3], x0: 0, x1: most, y0: 0, y1: 1, yText: percent, xText: (v) => String(+v.toFixed(2)),
      label: "fast_p against p; the table beside it has the values" });
  };

  /* ---- sorting and filters ---- */

  const problemTable = byId("problem-table");
  const rows = problemTable ? [...problemTable.tBodies].flatMap((body) => [...body.rows]) : [];
  /* Rows that no screen shows at first are in a second body, laid out when the page has loaded. */
  const showAll = () => {
    const later = problemTable && problemTable.tBodies[1];
    if (!later) return;
    problemTable.tBodies[0].append(...later.rows);
    later.remove();
  };

  const sortBy = (th, column) => {
    showAll();
    const down = th.getAttribute("aria-sort") === "ascending" ||
      (!th.hasAttribute("aria-sort") && th.dataset.first === "down");
    const key = (row) => {
      const cell = row.cells[column], v = cell.dataset.v;
      return v === undefined ? cell.textContent.trim() : v === "" ? null : Number(v);
    };
    const sorted = rows.map((row, i) => [key(row), i, row]).sort((a, b) => {
      if (a[0] === null || b[0] === null) return (a[0] === null) - (b[0] === null) || a[1] - b[1];
      const order = typeof a[0] === "number" ? a[0] - b[0] : a[0].localeCompare(b[0], "en", { numeric: true });
      return (down ? -order : order) || a[1] - b[1];
    });
    for (const other of problemTable.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    problemTable.tBodies[0].append(...sorted.map((s) => s[2]));
  };

  const makeSortable = () => {
    if (rows.length < 2) return;
    [...problemTable.tHead.rows[0].cells].forEach((th, column) => {
      const button = h("button", { type: "button" }, [...th.childNodes]);
      th.replaceChildren(button);
      button.addEventListener("click", () => sortBy(th, column));
    });
  };

  const search = rows.map((row) => {
    const p = report.problems[+row.dataset.p];
    return [p.spec, p.title, p.first_failure, p.error, p.status, report.arms[p.arm].label, p.run].join(" ").toLowerCase();
  });
  const addOptions = (select, values) => select.append(...values.map((v) => h("option", { value: v[0] }, v[1])));

  const filter = () => {
    const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const result = byId("by-result").value, group = byId("by-group").value, arm = byId("by-arm").value;
    if (words.length || result || group || arm) showAll();
    let shown = 0;
    rows.forEach((row, i) => {
      const p = report.problems[+row.dataset.p];
      const fits = words.every((w) => search[i].includes(w)) && (!result || row.dataset.result === result ||
          (result === "faster" && speedup(p) > 1) || (result === "flawed" && p.flawed)) &&
        (!group || p.group === group) && (!arm || p.arm === +arm);
      row.hidden = !fits;
      shown += fits;
    });
    byId("shown").textContent = shown === rows.length ? `${rows.length} problems` : `${shown} of ${rows.length} problems`;
  };

  const makeFilters = () => {
    if (rows.length < 2) return;
    const groups = [...new Set(report.problems.map((p) => p.group))];
    addOptions(byId("by-result"), [["faster", "faster than the baseline"], ["right", "right"], ["none", "none right"],
      ["open", "not finished"]].concat(report.problems.some((p) => p.flawed) ? [["flawed", "flawed specs"]] : []));
    addOptions(byId("by-group"), groups.map((g) => [g, g || "(none)"]));
    addOptions(byId("by-arm"), report.arms.map((a, i) => [String(i), a.label]));
    byId("by-group-label").hidden = groups.length < 2;
    byId("by-arm-label").hidden = report.arms.length < 2;
    byId("tools").hidden = false;
    for (const id of ["find", "by-result", "by-group", "by-arm"]) byId(id).addEventListener("input", filter);
    filter();
  };

  /* ---- progress over all problems ---- */

  /* Each problem's steps: [x, speed-up of the best so far, right or not]. */
  const stepsOf = (p, axis) => {
    const base = baselineTime(p), steps = [];
    let best = Infinity, attempts = 0;
    for (const c of p.candidates) {
      const counts = c.origin !== "emitted" || report.arms[p.arm].model === "";
      if (counts && c.origin !== "tuned") attempts++;
      if (!counts || !c.right || !c.time || !p.best || c.time.kind !== p.best.kind || !(c.time.seconds < best)) continue;
      best = c.time.seconds;
      const x = axis === "attempts" ? attempts : axis === "time" ? c.at_seconds : c.spent_usd;
      if (!known(x)) return null;
      steps.push([x, base && base.kind === c.time.kind && base.gpu === c.time.gpu ? base.seconds / best : null]);
    }
    const last = p.candidates[p.candidates.length - 1];
    const end = axis === "attempts" ? attempts : last ? axis === "time" ? last.at_seconds : last.spent_usd : 0;
    return { steps, end: known(end) ? end : 0 };
  };

  const measures = {
    fast: { name: "share faster than the baseline", of: (gain) => gain > 1 ? 1 : 0, mean: (sum, n) => sum / n, text: percent },
    right: { name: "share right", of: () => 1, mean: (sum, n) => sum / n, text: percent },
    geomean: { name: "geometric mean of speed-ups (1\u00d7 until a kernel is faster)", of: (gain) => Math.log(Math.max(gain || 1, 1)),
      mean: (sum, n) => Math.exp(sum / n), text: ratio },
  };

  const progress = () => {
    const axis = document.querySelector("input[name=axis]:checked").value, measure = measures[byId("measure").value];
    let unknownCosts = 0, end = 0;
    const lines = report.arms.map((arm, k) => {
      const list = counted(k), events = [];
      for (const p of list) {
        const own = stepsOf(p, axis);
        if (!own) { unknownCosts++; continue; }
        let before = 0;
        end = Math.max(end, own.end);
        for (const [x, gain] of own.steps) {
          const now = measure.of(gain);
          if (now > before) { events.push([x, now - before]); before = now; }
        }
      }
      events.sort((a, b) => a[0] - b[0]);
      let sum = 0;
      const points = [[0, measure.mean(0, list.length || 1)]];
      for (const [x, more] of events) {
        sum += more;
        const y = measure.mean(sum, list.length);
        if (points[points.length - 1][0] === x) points[points.length - 1][1] = y;
        else points.push([x, y]);
      }
      return { name: arm.label, step: true, points: list.length ? points : [] };
    });
    for (const l of lines) if (l.points.length) l.points.push([Math.max(end, l.points[l.points.length - 1][0]), l.points[l.points.length - 1][1]]);
    const names = { attempts: "attempts on each problem", time: "time since the problem's run began", usd: "dollars spent on each problem" };
    chart(byId("progress-chart"), { lines, caption: measure.name + " against " + names[axis] +
        (unknownCosts ? `; ${unknownCosts} problems are left out, what their calls cost is not known` : ""),
      xName: names[axis], x0: 0, x1: (end || 1) * 1.02, y0: measure === measures.geomean ? 1 : 0, y1: measure === measures.geomean ? undefined : 1,
      yText: measure.text, xText: (v) => axis === "time" ? span(v) : axis === "usd" ? "$" + +v.toPrecision(3) : String(+v.toFixed(1)),
      xTicks: axis === "attempts" && end <= 12 ? [...Array(Math.round(end) + 1).keys()] : undefined,
      table: table(measure.name, ["arm", "at the end"], lines.filter((l) => l.points.length).map((l) => [l.name, measure.text(l.points[l.points.length - 1][1])])) });
  };

  /* ---- one problem ---- */

  /* A long name may break behind '/' and '_'. */
  const breakable = (name) => name.split(/(?<=[/_])/).flatMap((part, i) => i ? [h("wbr"), part] : [part]);

  const facts = (list) => h("dl", { class: "facts" }, list.filter((f) => f && f[1] !== null).map(([name, ...value]) =>
    h("div", null, h("dt", null, name), h("dd", null, value))));

  /* The second translation of a run has its elementwise ops folded. */
  const originOf = (p, c) => c.origin === "emitted" && p.candidates.findIndex((o) => o.origin === "emitted") !== p.candidates.indexOf(c) ? "fused" : c.origin;

  const nodeText = (p, c) => {
    const base = baselineTime(p);
    const gain = c.time && base && c.time.kind === base.kind && c.time.gpu === base.gpu ? base.seconds / c.time.seconds : null;
    return [h("span", { class: "id" }, "#" + c.id), h("span", null, originOf(p, c) + (c.round ? ` ${c.round}` : "")),
      h("span", { class: "v " + (c.right ? "ok" : "no") }, c.right ? "" : c.reason),
      c.time && c.right ? h("span", null, timed(c.time)) : null, gain && c.right ? h("span", { class: "soft" }, ratio(gain)) : null,
      c.tune ? h("span", { class: "mono soft" }, c.tune) : null, c.id === p.winner ? h("span", { class: "win" }, "\u2605 best") : null];
  };

  const describe = (p, c) => [
    h("h4", null, `#${c.id}: ${c.reason}`),
    h("p", null, c.text),
    c.place ? h("p", null, "at ", h("code", null, c.place)) : null,
    h("p", { class: "soft" }, [c.purpose ? `asked to ${c.purpose}` : null, c.model, c.bound ? c.bound + "-bound" : null,
      "after " + span(c.at_seconds), known(c.spent_usd) && c.spent_usd > 0 ? usd(c.spent_usd) + " spent" : null].filter(Boolean).join(" \u00b7 ")),
    c.note ? h("p", null, h("strong", null, "Note of the model: "), c.note) : null,
  ];

  /* A tree as WAI-ARIA has it: one item is in the tab order, arrows move. */
  const lineage = (p) => {
    const children = new Map(), ids = new Set(p.candidates.map((c) => c.id));
    for (const c of p.candidates) {
      const parent = ids.has(c.parent) && c.parent < c.id ? c.parent : 0;
      if (!children.has(parent)) children.set(parent, []);
      children.get(parent).push(c);
    }
    const panel = h("div", { class: "panel", "aria-live": "polite" });
    const items = new Map();
    const make = (c, level) => {
      const below = children.get(c.id) || [];
      const li = h("li", { role: "treeitem", tabindex: "-1", "aria-level": level, "aria-selected": "false",
        "aria-expanded": below.length ? "true" : undefined, "data-id": c.id,
        "aria-label": visible(`candidate ${c.id}, ${originOf(p, c)}, ${c.reason}${c.time && c.right ? ", " + timed(c.time) : ""}${c.id === p.winner ? ", best" : ""}`) },
        h("div", { class: "node" }, nodeText(p, c)), below.length ? h("ul", { role: "group" }, below.map((b) => make(b, level + 1))) : null);
      items.set(c.id, [li, c]);
      return li;
    };
    const tree = h("ul", { class: "tree", role: "tree", "aria-label": "Lineage of the kernels" }, (children.get(0) || []).map((c) => make(c, 1)));
    let current = null;
    const select = (li, focus) => {
      if (current) { current.setAttribute("aria-selected", "false"); current.tabIndex = -1; }
      current = li;
      li.setAttribute("aria-selected", "true");
      li.tabIndex = 0;
      panel.replaceChildren(...describe(p, items.get(+li.dataset.id)[1]).filter(Boolean));
      if (focus) li.focus();
    };
    const open = (li, on) => {
      if (!li.hasAttribute("aria-expanded")) return false;
      const was = li.getAttribute("aria-expanded") === "true";
      li.setAttribute("aria-expanded", String(on));
      li.lastElementChild.hidden = !on;
      return was !== on;
    };
    tree.addEventListener("click", (e) => { const li = e.target.closest("[role=treeitem]"); if (li) select(li, true); });
    tree.addEventListener("keydown", (e) => {
      const seen = [...tree.querySelectorAll("[role=treeitem]")].filter((li) => !li.parentElement.closest("ul[hidden]"));
      const at = seen.indexOf(current);
      let to = null;
      if (e.key === "ArrowDown") to = seen[at + 1];
      else if (e.key === "ArrowUp") to = seen[at - 1];
      else if (e.key === "Home") to = seen[0];
      else if (e.key === "End") to = seen[seen.length - 1];
      else if (e.key === "ArrowRight") to = open(current, true) ? current : current.querySelector("[role=treeitem]");
      else if (e.key === "ArrowLeft") to = open(current, false) ? current : current.parentElement.closest("[role=treeitem]");
      else if (e.key === "Enter" || e.key === " ") to = current;
      else return;
      e.preventDefault();
      if (to) select(to, true);
    });
    const first = items.get(p.winner) || (p.candidates.length ? items.get(p.candidates[0].id) : null);
    if (first) select(first[0], false);
    return h("div", { class: "lineage" }, tree, panel);
  };

  const codeLines = (text, marked) => h("pre", { class: "code", tabindex: "0" }, text.replace(/\n$/, "").split("\n").map((line, i) =>
    h("span", marked ? { class: i < 2 || line.startsWith("@@") ? "h" : line[0] === "+" ? "a" : line[0] === "-" ? "d" : null } : null, line || " ")));

  const quantile = (sorted, q) => {
    const at = (sorted.length - 1) * q, i = Math.floor(at);
    return sorted[i] + (sorted[Math.min(i + 1, sorted.length - 1)] - sorted[i]) * (at - i);
  };

  /* An A/A run times a program and its own copy. */
  const isCopy = (t) => /(^|-)aa$/.test(t.role || "");
  const whose = (p, t) => t.role ? `${t.name || "candidate"}, ${isCopy(t) ? "A/A run" + (t.role === "aa" ? "" : " of the confirmation") : t.role}`
    : t.candidate === p.winner ? `best, #${t.candidate}` : `#${t.candidate}`;

  /* A strip of all samples over a box from the 25th to the 75th per cent, on one axis of time. */
  const strips = (p, list) => {
    const series = list.flatMap((t) => {
      const who = whose(p, t);
      return [t.baseline_seconds && { who: `${isCopy(t) ? "copy" : "baseline"} of ${who}`, t, v: t.baseline_seconds }, { who, t, v: t.seconds }].filter(Boolean);
    }).filter((s) => s.v.length > 1);
    const figure = h("figure", { class: "chart" });
    if (!series.length) return null;
    const wide = Math.max(320, Math.min(byId("detail").clientWidth - 80, 1000)), each = 40, high = series.length * each + 34;
    const all = series.flatMap((s) => s.v), lo = Math.min(...all), hi = Math.max(...all, lo * 1.0001);
    const X = (v) => 10 + (wide - 20) * (v - lo) / (hi - lo);
    const root = svg("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": "Distributions of times; the table below has their quantiles" });
    series.forEach((s, i) => {
      const sorted = [...s.v].sort((a, b) => a - b), y = i * each + 26;
      root.append(svg("text", { x: 10, y: y - 12, class: "name" }, `${s.who}, ${s.t.kind}`));
      sorted.forEach((v) => root.append(svg("line", { class: "s" + i % 6, x1: X(v), x2: X(v), y1: y - 6, y2: y + 6, "stroke-opacity": 0.4 })));
      root.append(svg("rect", { x: X(quantile(sorted, 0.25)), width: Math.max(1, X(quantile(sorted, 0.75)) - X(quantile(sorted, 0.25))), y: y - 7, height: 14, class: "s" + i % 6, fill: "none", "stroke-width": 1.5 }),
        svg("line", { class: "s" + i % 6, "stroke-width": 3, x1: X(quantile(sorted, 0.5)), x2: X(quantile(sorted, 0.5)), y1: y - 8, y2: y + 8 }));
    });
    for (const v of niceTicks(lo, hi, 5)) root.append(svg("text", { x: X(v), y: high - 6, "text-anchor": "middle" }, tick(v)));
    figure.append(h("figcaption", null, "Every sample, a box from the 25th to the 75th per cent, and the median"), root);
    return figure;
  };

  const timings = (p) => {
    if (!p.timings.length) return null;
    const lines = p.timings.map((t) => {
      const v = [...t.seconds].sort((a, b) => a - b);
      return [whose(p, t), t.kind, t.gpu || "", t.shape || "", String(v.length), seconds(quantile(v, 0.5)),
        v.length > 1 ? seconds(quantile(v, 0.05)) + " \u2013 " + seconds(quantile(v, 0.95)) : "\u2013",
        t.role ? ratio(t.ratio) + (known(t.ratio_lo) ? ` [${t.ratio_lo.toFixed(3)}, ${t.ratio_hi.toFixed(3)}]` : "") + (t.verdict ? " " + t.verdict : "") : ""];
    });
    const single = p.timings.every((t) => t.seconds.length < 2);
    return [h("h3", null, "Times"), strips(p, p.timings),
      single ? h("p", { class: "soft" }, "The cost model gives one number for a kernel: there is no distribution to show.") : null,
      table("Times by kernel", ["kernel", "kind", "GPU", "shape", "samples", "median", "5 % \u2013 95 %", "speed-up, interval, verdict"], lines, 4)];
  };

  const ownChart = (p) => {
    const figure = h("figure", { class: "chart" });
    const base = baselineTime(p), kind = (p.best || base || {}).kind;
    const points = [], marks = [];
    let best = Infinity;
    const times = p.candidates.filter((c) => c.right && c.time && c.time.kind === kind).map((c) => c.time.seconds);
    const top = Math.max(...times, 0) * 1.08;
    p.candidates.forEach((c, i) => {
      const right = c.right && c.time && c.time.kind === kind;
      if (right) {
        best = Math.min(best, c.time.seconds);
        marks.push({ x: i, y: c.time.seconds, title: `#${c.id} ${c.origin}: ${timed(c.time)}`, r: c.id === p.winner ? 5.5 : 3.6 });
      } else {
        marks.push({ x: i, y: top || 1, title: `#${c.id} ${c.origin}: ${c.reason}`, shape: "cross" });
      }
      if (isFinite(best)) points.push([i, best]);
    });
    if (!times.length) return null;
    const floor = p.candidates.map((c) => c.floor_seconds).find(known);
    requestAnimationFrame(() => chart(figure, { lines: [{ name: "best so far", points, step: true, marks }], high: 240, left: 70,
      caption: `Times (${kind}) in the order of the kernels; a cross is a rejected one, the line the best so far`,
      rules: [floor ? { y: floor, name: "floor of the roofline" } : null].filter(Boolean), y0: 0, y1: top * 1.06, x0: -0.3, x1: p.candidates.length - 0.7,
      xName: "kernels, in order", yText: tick, xText: (v) => p.candidates[v] ? "#" + p.candidates[v].id : "",
      xTicks: p.candidates.map((_, i) => i).filter((i) => !(i % Math.ceil(p.candidates.length / 10))) }));
    return figure;
  };

  const showProblem = (index, focus) => {
    const p = report.problems[index], section = byId("detail"), arm = report.arms[p.arm];
    if (!p) return;
    for (const row of rows) row.toggleAttribute("aria-current", false);
    const row = byId("p" + index);
    if (row) row.setAttribute("aria-current", "true");
    const back = h("a", { href: "#problems" }, "Back to the table");
    const e = p.economics;
    section.hidden = false;
    section.replaceChildren(...[
      h("div", { class: "detail-head" }, h("h2", { id: "detail-h" }, breakable(p.spec)), rows.length > 1 ? back : null),
      p.title && p.title !== p.spec ? h("p", { class: "soft" }, p.title) : null,
      h("ul", { class: "tags" }, [p.best ? `${p.best.kind} for ${p.best.gpu}` : null, arm.label].filter(Boolean).map((t) => h("li", null, t)),
        p.scripted ? h("li", { class: "warn" }, "scripted replies") : null, p.imported ? h("li", { class: "warn" }, "judged elsewhere") : null,
        p.flawed ? h("li", { class: "warn" }, "flawed spec: " + p.flaw) : null),
      facts([["Speed-up over " + report.baseline, h("strong", null, ratio(speedup(p)))], ["Best time", timed(p.best)], ["Baseline", timed(baselineTime(p))],
        ["Attempts", `${p.attempts_correct} of ${p.attempts} right`], ["Tokens", (p.prompt_tokens + p.completion_tokens).toLocaleString("en")],
        ["Cost", p.calls ? usd(p.usd) : "no calls"], ["Status", p.error ? `${p.status}: ${p.error}` : p.status], p.run ? ["Run", h("code", null, p.run)] : null,
        e ? ["USD per million tokens", `${known(e.before_usd_per_million_tokens) ? e.before_usd_per_million_tokens.toPrecision(4) : "?"} \u2192 ${known(e.after_usd_per_million_tokens) ? e.after_usd_per_million_tokens.toPrecision(4) : "?"}`] : null]),
      p.candidates.length ? ownChart(p) : null,
      p.candidates.length ? [h("h3", null, "Lineage"), lineage(p)] : null,
      p.winner_diff ? [h("h3", null, `What changed: #${p.winner_parent} to #${p.winner}`), codeLines(p.winner_diff, true)] : null,
      p.winner_source ? h("details", null, h("summary", null, `Source of #${p.winner}`), codeLines(p.winner_source, false)) : null,
      timings(p)].flat(2).filter(Boolean));
    if (focus) {
      section.focus({ preventScroll: true });
      section.scrollIntoView({ block: "start" });
    }
  };

  const follow = (focus) => {
    if (location.hash) showAll();
    const found = /^#problem-(\d+)$/.exec(location.hash);
    if (found) showProblem(+found[1], focus);
    else if (location.hash === "#problems" && focus) {
      const row = problemTable && problemTable.querySelector("tr[aria-current] a");
      if (row) row.focus();
    }
  };

  /* ---- theme ---- */

  const theme = () => {
    const button = byId("theme"), names = ["system", "light", "dark"], root = document.documentElement;
    const set = (name) => {
      if (name === "system") root.removeAttribute("data-theme");
      else root.setAttribute("data-theme", name);
      button.textContent = "Theme: " + name;
    };
    let at = 0;
    set(names[at]);
    button.hidden = false;
    button.addEventListener("click", () => set(names[at = (at + 1) % names.length]));
  };

  theme();
  makeSortable();
  makeFilters();
  requestAnimationFrame(fastp);
  if (report.problems.some((p) => p.candidates.length && report.arms[p.arm].model)) {
    byId("progress-tools").hidden = false;
    for (const control of document.querySelectorAll("input[name=axis], #measure")) control.addEventListener("input", progress);
    if (report.problems.length === 1) byId("measure").value = "geomean";
    /* Drawn when it comes near, so that a long page is there at once. */
    let drawn = false;
    const draw = () => { if (!drawn) progress(); drawn = true; };
    new IntersectionObserver((seen) => { if (seen.some((e) => e.isIntersecting)) draw(); }, { rootMargin: "400px" }).observe(byId("progress-chart"));
    addEventListener("beforeprint", draw);
  } else byId("progress").hidden = true;
  let late = 0, width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(late);
    late = setTimeout(() => { fastp(); if (!byId("progress").hidden) progress(); follow(false); }, 150);
  });
  addEventListener("hashchange", () => follow(true));
  if (report.problems.length === 1) showProblem(0, false);
  follow(location.hash.startsWith("#problem-"));
  addEventListener("load", () => setTimeout(showAll, 0));
})();

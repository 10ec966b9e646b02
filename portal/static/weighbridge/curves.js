// Makes the drawn figure of curves one that can be looked into: a common cursor over all panels, a drag across them for
// a closer look, marks that open their entry beside it. The server thins the points and draws the same figure without us.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const section = document.querySelector("[data-curves]");
  if (!section || !window.uPlot) return;
  const { uPlot } = window, part = (name) => section.querySelector(`[data-${name}]`);
  const words = JSON.parse(document.getElementById("curves-words").textContent);
  const live = part("live"), still = part("still"), busy = part("busy"), choice = part("choice"), aside = part("picked");
  const SVG = "http://www.w3.org/2000/svg", LANE = 40, FIRST = 230, NEXT = 130, LEFT = 56, RIGHT = 24;
  const DAY = 86400, SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, ...[1, 2, 7, 14, 30, 60, 90, 180, 365, 730].map((days) => days * DAY)]; // seconds between marks of a clock
  const probe = document.createElement("span"); // a canvas cannot read light-dark(): the browser resolves it here
  section.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const state = { axis: "", series: "", from: "", to: "", pick: "" };
  let told = null, plots = [], asked = 0, shown = null, standing = []; // standing: the marks that have a stem

  // --- Where we are ---------------------------------------------------------------------------------------------
  const fromAddress = () => {
    const given = new URLSearchParams(location.search);
    for (const name of Object.keys(state)) state[name] = given.getAll(name).join(",");
  };
  const address = (base, more = {}) => {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...state, ...more })) if (value !== "") query.set(name, value);
    return `${base}?${query}`;
  };
  const remember = (push) => history[push ? "pushState" : "replaceState"](null, "", address(section.dataset.page));

  // --- Words ----------------------------------------------------------------------------------------------------
  const number = (value) => Math.abs(value) >= 1e-3 || value === 0 ? value.toLocaleString(document.documentElement.lang, { maximumSignificantDigits: 5 }) : value.toExponential(2);
  const brief = (value) => (Math.abs(value) >= 1e4 ? value.toLocaleString(document.documentElement.lang, { notation: "compact", maximumSignificantDigits: 4 }) : number(value));
  const dated = (value, form) => new Date(value * 1000).toLocaleDateString(document.documentElement.lang, { timeZone: "UTC", day: "numeric", month: "short", ...form });
  const clock = (value) => new Date(value * 1000).toISOString().slice(11, value % 60 ? 19 : 16);
  const beside = (at, before) => `${before == null || dated(at) !== dated(before) ? dated(at) : ""} ${at % DAY ? clock(at) : ""}`.trim();
  const moment = (value) => `${dated(value, { year: "numeric" })}, ${clock(value)}`;
  const place = (value) => (told.axis === "at" ? `${moment(value)} UTC` : Math.round(value).toLocaleString(document.documentElement.lang));

  // --- Points as uPlot wants them: one row of x, lanes of y -------------------------------------------------------
  const rising = (xs) => xs.map((x, at) => (at && x <= xs[at - 1] ? (xs[at] = xs[at - 1] + Math.abs(xs[at - 1]) * 1e-12 + 1e-9) : x));
  const lanes = (pieces) => {
    const made = [];
    for (const [xs, ys] of pieces) {
      const x = rising([...xs]), lane = made.find((each) => each.x.at(-1) < x[0]);
      if (lane) {
        lane.x.push((lane.x.at(-1) + x[0]) / 2, ...x);
        lane.y.push(null, ...ys);
      } else made.push({ x, y: [...ys] });
    }
    return made;
  };
  const table = (panel) => {
    const cut = (line, from, to) => [line.x.slice(from, to), line.y.slice(from, to)];
    const kept = lanes(panel.lines.filter((line) => line.kept).map((line) => cut(line, 0, line.kept)));
    const gone = lanes(panel.lines.filter((line) => line.kept < line.x.length).map((line) => cut(line, Math.max(0, line.kept - 1))));
    const all = [...kept, ...gone];
    const data = all.length === 1 ? [all[0].x, all[0].y] : all.length ? uPlot.join(all.map((lane) => [lane.x, lane.y]), all.map(() => [2, 2])) : [[told.from, told.to], [null, null]];
    return { data, kept: Math.max(1, kept.length), gone: all.length ? gone.length : 0 };
  };

  // --- Drawing --------------------------------------------------------------------------------------------------
  const scale = (plot) => ({ min: plot.scales.x.min, max: plot.scales.x.max });
  const under = (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.fillStyle = colour("blue-wash");
    for (const [from, to] of told.idle) {
      const x = plot.valToPos(from, "x", true);
      ctx.fillRect(x, bbox.top, Math.max(1, plot.valToPos(to, "x", true) - x), bbox.height);
    }
    ctx.setLineDash([devicePixelRatio, 3 * devicePixelRatio]);
    for (const mark of standing) {
      const x = plot.valToPos(mark.place, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = colour(String(mark.number) === state.pick ? "blue" : "ink-3");
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
  const readout = (panel, label) => (plot) => {
    const at = plot.cursor.idx;
    const value = at == null ? null : plot.data.slice(1).map((ys) => ys[at]).find((y) => y != null);
    label.textContent = value == null ? "" : `${number(value)} · ${place(plot.data[0][at])}`;
    if (value == null && panel.not_finite) label.textContent = words.not_finite.replace("%(n)s", panel.not_finite);
  };
  const axes = (last) => {
    const face = `12px ${getComputedStyle(document.body).fontFamily}`, ink = colour("ink-2"), rule = { stroke: colour("rule"), width: 1 };
    const values = told.axis === "at" ? (_plot, marks) => marks.map((at, place) => beside(at, marks[place - 1])) : (_plot, marks) => marks.map(brief);
    return [
      { show: last, stroke: ink, font: face, grid: { show: false }, ticks: { stroke: colour("ink"), width: 1, size: 5 }, size: 28, space: told.axis === "at" ? 90 : 60, ...(told.axis === "at" && { incrs: SPANS }), values },
      { stroke: ink, font: face, grid: rule, ticks: { show: false }, size: LEFT, values: (_plot, marks) => marks.map((value) => (value == null ? "" : brief(value))) },
    ];
  };
  const options = (panel, at, size, label) => {
    const style = (stroke, dash) => ({ stroke, width: 1.5, points: { show: false }, spanGaps: false, ...(dash ? { dash } : {}) });
    const last = at === told.panels.length - 1;
    return {
      width: live.clientWidth, height: (at ? NEXT : FIRST) + (last ? 28 : 0), padding: [8, RIGHT, last ? 0 : 8, 0],
      scales: { x: { time: false, range: (_plot, low, high) => [low, high] }, y: { distr: panel.logarithmic ? 3 : 1 } },
      axes: axes(last), legend: { show: false }, focus: { alpha: 1 },
      cursor: { sync: { key: "curves" }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      series: [{}, ...Array.from({ length: size.kept }, () => style(colour(panel.name === "val_loss" ? "d2" : "d1"))), ...Array.from({ length: size.gone }, () => style(colour("ghost"), [4, 3]))],
      hooks: {
        drawAxes: [under],
        setCursor: [readout(panel, label)],
        setSelect: [(plot) => {
          const { left, width } = plot.select;
          if (width > 4) closer(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        }],
      },
    };
  };
  const draw = () => {
    performance.mark("curves-begin");
    plots.forEach((plot) => plot.destroy());
    live.replaceChildren(lane());
    plots = told.panels.map((panel, at) => {
      const head = document.createElement("p"), label = document.createElement("span");
      head.className = "note panel-head";
      head.append(`${panel.title}${panel.unit ? `, ${panel.unit}` : ""}${panel.logarithmic ? `, ${words.log}` : ""} `, label);
      live.append(head);
      const { data, ...size } = table(panel), plot = new uPlot(options(panel, at, size, label), data, live);
      plot.setScale("x", { min: told.from, max: told.to });
      readout(panel, label)(plot);
      return plot;
    });
    shown = { from: told.from, to: told.to };
    placeMarks();
    settled("curves-draw");
  };
  const settled = (name) => queueMicrotask(() => performance.measure(name, "curves-begin"));
  const show = (from, to) => {
    performance.mark("curves-begin");
    plots.forEach((plot) => plot.setScale("x", { min: from, max: to }));
    shown = { from, to };
    placeMarks();
    settled("curves-redraw");
  };

  // --- Marks ----------------------------------------------------------------------------------------------------
  const FORMS = { launch: ["M-4-6 6 0-4 6z", "full"], restart: ["M0-7 7 0 0 7-7 0z", ""], setting: ["M0-7 7 5H-7z", ""], divergence: ["M-5-5 5 5M5-5-5 5", "heavy"], rollback: ["M4-6-6 0 4 6z", "full"], fault: ["M-5.5-5.5h11v11h-11z", ""], end: ["M-3-7v14M3-7v14", "heavy"], note: ["M5.5 0A5.5 5.5 0 1 1-5.5 0 5.5 5.5 0 1 1 5.5 0z", ""] };
  const element = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const lane = () => {
    const svg = element("svg", { class: "lane", height: LANE, role: "group", "aria-label": words.marks });
    for (const mark of told.marks) {
      const [d, kind] = FORMS[mark.shape], link = element("a", { href: address(section.dataset.page, { pick: mark.number }), "data-mark": mark.number, "aria-label": `${mark.number} ${mark.kind}: ${mark.title}` });
      const label = element("text", { class: "mid", y: -10 });
      label.textContent = mark.number;
      link.append(element("rect", { class: "hit", x: -12, y: -20, width: 24, height: 34 }), element("path", { class: `ev ${kind}`, d }), label);
      link.addEventListener("click", (event) => { event.preventDefault(); pick(String(mark.number)); });
      link.addEventListener("keydown", (event) => {
        const way = { ArrowRight: "nextSibling", ArrowLeft: "previousSibling" }[event.key];
        let next = way && link[way];
        while (next?.hasAttribute("hidden")) next = next[way];
        if (next) { event.preventDefault(); next.focus(); }
      });
      svg.append(link);
    }
    return svg;
  };
  // As the server does: marks as far from one another as their labels are long, and those far too close as one.
  const placeMarks = (room = 16.5) => {
    const svg = live.querySelector(".lane"), width = live.clientWidth - LEFT - RIGHT;
    let last = null, longest = 0;
    standing = [];
    [...svg.children].forEach((link, at) => {
      const mark = told.marks[at], x = LEFT + ((mark.place - shown.from) / (shown.to - shown.from || 1)) * width;
      const inside = x >= LEFT - 1 && x <= LEFT + width + 1, spot = Math.max(x, (last?.spot ?? -Infinity) + room);
      const together = inside && last && (x < last.spot + room / 3 || spot > LEFT + width + 12);
      const picked = link.dataset.mark === state.pick;
      link.toggleAttribute("hidden", !inside || together);
      link.classList.toggle("picked", picked);
      if (!inside) return;
      if (together) {
        last.more += 1 + mark.more;
        if (picked) {
          last.link.classList.add("picked");
          standing.push(mark);
        }
      } else {
        standing.push(mark);
        last = { link, spot, number: mark.number, more: mark.more };
        link.setAttribute("transform", `translate(${last.spot} 24)`);
      }
      const label = last.more ? `${last.number}+${last.more}` : String(last.number), text = last.link.querySelector("text");
      text.textContent = label;
      text.setAttribute("x", Math.min(0, live.clientWidth - last.spot - 3.5 * label.length));
      longest = Math.max(longest, label.length);
    });
    if (4 + 7 * longest > room) placeMarks(4 + 7 * longest);
  };
  const pick = (which) => {
    state.pick = which;
    remember(false);
    const mark = told.marks.find((each) => String(each.number) === which);
    if (mark) {
      const line = (name, text, className) => Object.assign(document.createElement(name), { textContent: text, className });
      const facts = [mark.when && `${moment(Date.parse(mark.when) / 1000)} UTC`, mark.step != null && `${words.step} ${mark.step.toLocaleString(document.documentElement.lang)}`, mark.run].filter(Boolean).join(" · ");
      aside.replaceChildren(line("p", `${words.entry} ${mark.number}, ${mark.kind}`, "note"), line("h3", mark.title, ""), line("p", facts, "note"), line("p", mark.text, "prose"));
      if (mark.read_off_the_curves) aside.append(line("p", words.read, "note"));
      const more = line("p", "", "note");
      more.append(Object.assign(document.createElement("a"), { href: mark.url, textContent: words.whole }));
      aside.append(more);
    }
    placeMarks();
    plots.forEach((plot) => plot.redraw(false, true));
  };

  // --- Asking ---------------------------------------------------------------------------------------------------
  const load = async (push = false) => {
    const turn = (asked += 1);
    remember(push);
    busy.textContent = words.busy;
    try {
      const answer = await fetch(address(section.dataset.curves, { pick: "", width: Math.max(200, Math.min(2000, Math.round(live.clientWidth || section.clientWidth))) }), { headers: { Accept: "text/html" } }); // the words of its figure are for the reader of this page, not for a program
      if (!answer.ok) throw new Error(answer.statusText);
      const found = await answer.json();
      if (turn !== asked) return;
      told = found;
      live.hidden = false;
      still.hidden = true;
      draw();
      busy.textContent = told.marks_left_out ? words.many : "";
      if (state.pick) pick(state.pick);
    } catch {
      if (turn === asked) busy.textContent = words.offline;
    }
  };
  // What stands around the figure (change over the range, its entries, table and links) is the server's for this address.
  const around = async () => {
    const turn = asked, answer = await fetch(address(section.dataset.page)).catch(() => null);
    if (!answer?.ok || turn !== asked) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const which of ["[data-range]", ".curves figcaption", ".curves .behind table", ".curves [data-links]"]) {
      const fresh = page.querySelector(which);
      if (fresh) document.querySelector(which)?.replaceWith(document.adoptNode(fresh));
    }
    dress();
  };
  const closer = (from, to) => {
    show(from, to);
    Object.assign(state, { from: String(from), to: String(to) });
    load(true).then(around);
  };
  const whole = () => {
    Object.assign(state, { from: "", to: "" });
    load(true).then(around);
  };
  const dress = () => {
    part("whole")?.addEventListener("click", (event) => { event.preventDefault(); whole(); });
    const links = part("links"), link = Object.assign(document.createElement("a"), { href: "#curves", textContent: "PNG" });
    link.addEventListener("click", (event) => { event.preventDefault(); picture(); });
    links.append(link);
  };
  const picture = () => {
    const width = Math.max(...plots.map((plot) => plot.ctx.canvas.width)), gap = 20 * devicePixelRatio;
    const sheet = Object.assign(document.createElement("canvas"), { width, height: plots.reduce((sum, plot) => sum + plot.ctx.canvas.height + gap, gap) });
    const ctx = sheet.getContext("2d");
    ctx.fillStyle = colour("paper");
    ctx.fillRect(0, 0, sheet.width, sheet.height);
    ctx.font = `${12 * devicePixelRatio}px sans-serif`;
    ctx.fillStyle = colour("ink");
    let top = gap;
    plots.forEach((plot, at) => {
      ctx.fillText(`${told.logbook} · ${told.panels[at].title}`, 8, top - 4);
      ctx.drawImage(plot.ctx.canvas, 0, top);
      top += plot.ctx.canvas.height + gap;
    });
    sheet.toBlob((blob) => {
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: "curves.png" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  };

  choice.querySelector("button").hidden = true;
  choice.addEventListener("change", () => {
    const data = new FormData(choice), axis = data.get("axis");
    if (axis !== state.axis) Object.assign(state, { axis, from: "", to: "" });
    state.series = data.getAll("series").join(",");
    load(true).then(around);
  });
  live.addEventListener("dblclick", whole);
  addEventListener("popstate", () => { fromAddress(); load().then(around); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => told && draw());
  let wide = 0;
  new ResizeObserver(() => {
    if (!told || live.clientWidth === wide) return;
    wide = live.clientWidth;
    plots.forEach((plot) => plot.setSize({ width: wide, height: plot.height }));
    placeMarks();
  }).observe(live);
  fromAddress();
  state.axis ||= new FormData(choice).get("axis");
  dress();
  load();
});

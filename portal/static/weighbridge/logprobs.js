// An answer token by token: each tinted by its chance, with what could have stood there instead. One stop for the Tab key,
// arrow keys inside (WAI-ARIA listbox); the same as a table, for readers without colour.
"use strict";
window.AnswerView = class {
  constructor(root, words) {
    const part = (name) => root.querySelector(`[data-${name}]`);
    this.said = part("said"), this.legend = part("legend"), this.table = part("table");
    this.detail = part("detail"), this.name = part("name"), this.words = words;
    this.said.addEventListener("keydown", (event) => this.#move(event));
    this.said.addEventListener("focus", () => { if (this.tokens.length && this.at < 0) this.show(0); });
    this.said.addEventListener("pointerover", ({ target }) => { if (target.dataset.n) this.show(Number(target.dataset.n)); });
    this.table.addEventListener("toggle", () => this.#list());
    this.begin();
  }

  begin() {
    this.tokens = [], this.at = -1, this.text = "";
    this.said.replaceChildren();
    for (const name of ["role", "aria-labelledby", "aria-activedescendant", "tabindex"]) this.said.removeAttribute(name);
    for (const part of [this.legend, this.table, this.detail]) part.hidden = true;
    this.table.open = false;
  }

  // Text without chances.
  write(text) { this.text += text; this.said.append(text); }

  // One token; `others` are [token, ln p] by falling chance, the written one among them or not.
  add(token, logprob, others) {
    if (!this.tokens.length) {
      this.said.setAttribute("role", "listbox");
      this.said.setAttribute("aria-labelledby", "answer-title");
      this.said.tabIndex = 0;
      this.legend.hidden = this.table.hidden = false;
    }
    const n = this.tokens.length, span = document.createElement("span"), chance = Math.exp(logprob);
    span.className = `tk p${chance >= 0.6 ? 3 : chance >= 0.2 ? 2 : chance >= 0.05 ? 1 : 0}`;
    span.id = `tk-${n}`;
    span.dataset.n = n;
    span.setAttribute("role", "option");
    span.setAttribute("aria-selected", "false");
    span.textContent = token.replaceAll("\n", "⏎\n");
    this.tokens.push({ token, logprob, others: others.filter(([text]) => text !== token), span });
    span.setAttribute("aria-label", this.#spoken(n));
    this.text += token;
    this.said.append(span);
  }

  // Mean surprise in bits, or null before there is any.
  get bits() {
    const known = this.tokens.filter(({ logprob }) => Number.isFinite(logprob));
    return known.length ? -known.reduce((sum, { logprob }) => sum + logprob, 0) / known.length / Math.LN2 : null;
  }

  show(n) {
    this.tokens[this.at]?.span.classList.remove("on");
    this.tokens[this.at]?.span.setAttribute("aria-selected", "false");
    this.at = n;
    const { token, logprob, others, span } = this.tokens[n];
    span.classList.add("on");
    span.setAttribute("aria-selected", "true");
    this.said.setAttribute("aria-activedescendant", span.id);
    this.name.textContent = this.words.token.replace("%(n)s", n + 1).replace("%(all)s", this.tokens.length);
    const all = [[token, logprob, true], ...others].sort((a, b) => b[1] - a[1]);
    const rest = 1 - all.reduce((sum, [, p]) => sum + Math.exp(p), 0);
    const code = (text) => Object.assign(document.createElement("code"), { textContent: this.#seen(text) });
    const rows = all.map(([text, p, chosen]) => this.#row([code(text), this.#percent(Math.exp(p)), p.toFixed(2)], chosen));
    if (rest > 0.0005) rows.push(this.#row([this.words.rest, this.#percent(rest), ""], false));
    this.detail.querySelector("tbody").replaceChildren(...rows);
    this.detail.hidden = false;
  }

  #move(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!step || !this.tokens.length) return;
    event.preventDefault();
    this.show(Math.min(this.tokens.length - 1, Math.max(0, this.at + step)));
    this.tokens[this.at].span.scrollIntoView({ block: "nearest" });
  }

  #list() {
    if (!this.table.open) return;
    const line = ({ token, logprob, others }, n) => {
      const instead = others.map(([text, p]) => `${this.#seen(text)} ${this.#percent(Math.exp(p))}`).join(", ");
      const tr = document.createElement("tr");
      const cells = [String(n + 1), this.#seen(token), this.#percent(Math.exp(logprob)), logprob.toFixed(2), instead];
      cells.forEach((text, at) => { const td = tr.insertCell(); td.textContent = text; if (at === 0 || at === 2 || at === 3) td.className = "num"; });
      return tr;
    };
    this.table.querySelector("tbody").replaceChildren(...this.tokens.map(line));
  }

  #row([token, chance, logprob], chosen) {
    const tr = document.createElement("tr"), head = document.createElement("th");
    head.scope = "row";
    head.append(token);
    if (chosen) { tr.className = "on"; head.append(` ${this.words.chosen}`); }
    tr.append(head);
    for (const text of [chance, logprob]) { const td = tr.insertCell(); td.className = "num"; td.textContent = text; }
    return tr;
  }

  #seen(token) { return token.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replace(/^ +| +$/g, (gap) => "␣".repeat(gap.length)) || "∅"; }

  #heard(token) { return token.trim() || (token.includes("\n") ? this.words.newline : this.words.space); }

  #percent(p) {
    if (p > 0 && p < 0.001) return `< ${(0.001).toLocaleString(document.documentElement.lang, { style: "percent", minimumFractionDigits: 1 })}`;
    return Math.min(p, 1).toLocaleString(document.documentElement.lang, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  }

  #spoken(n) {
    const { token, logprob, others } = this.tokens[n];
    const said = this.words.option.replace("%(token)s", this.#heard(token)).replace("%(chance)s", this.#percent(Math.exp(logprob)));
    const list = others.slice(0, 3).map(([text, p]) => `${this.#heard(text)} ${this.#percent(Math.exp(p))}`).join(", ");
    return list ? `${said}; ${this.words.instead.replace("%(list)s", list)}` : said;
  }
};

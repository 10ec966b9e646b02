// Asks a model through the gateway and shows the answer while it is written. The query token comes from the portal under
// the session, lives a quarter of an hour, and is kept in this page's memory alone.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("try");
  const words = JSON.parse(document.getElementById("try-words").textContent);
  const part = (name) => form.querySelector(`[data-${name}]`), field = (name) => document.getElementById(`try_${name}`);
  const prompt = field("prompt"), line = part("line"), fault = part("fault"), turnList = part("turns");
  const view = new window.AnswerView(form, words);
  const SPARE_MS = 6 * 60_000; // a token this near its end could end before the answer does
  let held = null, running = null, turns = [];

  const fill = (text, values) => Object.entries(values).reduce((made, [name, value]) => made.replace(`%(${name})s`, value), text);
  const number = (value, digits = 0) => value.toLocaleString(document.documentElement.lang, { maximumFractionDigits: digits });

  class Fault extends Error {
    constructor(message, link = "", text = "") { super(message); this.link = link; this.text = text; }
  }

  // --- Asking ---------------------------------------------------------------------------------------------------
  const login = () => new Fault(words.signed_out, `/account/login/?next=${encodeURIComponent(location.pathname)}`, words.where);

  const reach = async (url, options) => {
    try {
      return await fetch(url, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Fault(words.offline);
    }
  };

  const token = async () => {
    const project = form.elements.project.value;
    if (held && held.project === project && held.until - Date.now() > SPARE_MS) return held.secret;
    const csrf = form.querySelector("[name=csrfmiddlewaretoken]").value;
    const headers = { Accept: "application/json", "X-CSRFToken": csrf };
    const answer = await reach(form.dataset.token, { method: "POST", headers, body: new URLSearchParams({ project }) });
    if (answer.redirected) throw login();
    const told = await answer.json();
    if (!answer.ok) throw new Fault(told.title);
    held = { project, secret: told.token, until: Date.now() + told.seconds * 1000, left: told.left };
    return held.secret;
  };

  const refusal = async (answer) => {
    const { error } = await answer.json().catch(() => ({ error: {} }));
    const wait = answer.headers.get("Retry-After"), known = words[error.code];
    const text = known || (error.param ? fill(words.bad_field, { field: error.param, why: error.message }) : error.message || answer.statusText);
    const again = wait && (answer.status === 429 || answer.status === 503) ? ` ${fill(words.busy, { s: wait })}` : "";
    if (answer.status === 401) return login();
    if (error.code === "insufficient_quota") return new Fault(text, form.dataset.usage, words.usage);
    return new Fault(text + again, error.url || error.apply_url || "", words.where);
  };

  const ask = async (path, body, signal) => {
    for (const last of [false, true]) {
      const headers = { Authorization: `Bearer ${await token()}`, "Content-Type": "application/json" };
      const answer = await reach(path, { method: "POST", headers, body: JSON.stringify(body), signal, credentials: "omit" });
      if (answer.ok) return answer;
      if (answer.status !== 401 || last) throw await refusal(answer);
      held = null; // it ended while the page lay open: once more with a fresh one
    }
  };

  async function* events(answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      const whole = (rest + value).split("\n\n");
      rest = whole.pop();
      for (const event of whole) if (event.startsWith("data: {")) yield JSON.parse(event.slice(6));
    }
  }

  // --- What is asked --------------------------------------------------------------------------------------------
  const isChat = () => form.elements.mode?.value === "chat";

  const checked = () => {
    for (const control of [prompt, ...form.querySelectorAll(".controls input")]) {
      if (control.checkValidity() && (control !== prompt || prompt.value)) continue;
      control.focus();
      throw new Fault(fill(words.bad_field, { field: control.labels[0].firstChild.textContent.trim(), why: control.validationMessage || "…" }));
    }
  };

  const demand = () => {
    const chances = field("chances").checked, alternatives = Number(field("logprobs").value), chat = isChat();
    const stop = field("stop").value.split("\n").filter(Boolean), seed = field("seed").value;
    const body = {
      model: form.dataset.model, max_tokens: Number(field("max_tokens").value), temperature: Number(field("temperature").value),
      top_p: Number(field("top_p").value), stream: true, stream_options: { include_usage: true, continuous_usage_stats: true },
    };
    if (seed) body.seed = Number(seed);
    if (stop.length) body.stop = stop;
    if (chances) Object.assign(body, chat ? { logprobs: true, top_logprobs: alternatives } : { logprobs: alternatives });
    if (chat) body.messages = [...turns, { role: "user", content: prompt.value }];
    else body.prompt = prompt.value;
    return body;
  };

  const program = (path, { stream, stream_options, ...body }) => {
    const json = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
    part("program").querySelector("code").textContent = `curl ${form.dataset.base}${path} \\\n  -H "Authorization: Bearer $OPENAI_API_KEY" -H "Content-Type: application/json" \\\n  -d '${json}'`;
  };

  // --- What is answered -----------------------------------------------------------------------------------------
  const show = ({ text, delta, logprobs }) => {
    const written = text ?? delta?.content ?? "";
    if (logprobs?.content?.length) {
      for (const { token, logprob, top_logprobs } of logprobs.content) view.add(token, logprob, (top_logprobs || []).map((each) => [each.token, each.logprob]));
    } else if (logprobs?.tokens?.length) {
      logprobs.tokens.forEach((token, n) => {
        const others = Object.entries(logprobs.top_logprobs?.[n] || {}).sort((a, b) => b[1] - a[1]);
        view.add(token, logprobs.token_logprobs[n], others);
      });
    } else if (written) view.write(written);
  };

  const foot = (answer, used, times) => {
    const lines = [];
    const say = (text, values) => lines.push(fill(text, values));
    if (used) {
      say(words.used, { prompt: number(used.prompt_tokens), completion: number(used.completion_tokens), total: number(used.total_tokens) });
      if (held && held.left !== null) held.left = Math.max(0, held.left - used.total_tokens);
    }
    if (held && held.left !== null) say(words.left, { n: number(held.left) });
    if (times.first) {
      const seconds = (times.last - times.first) / 1000;
      say(words.first, { s: number((times.first - times.sent) / 1000, 2) });
      if (used && seconds > 0.05) say(words.pace, { n: number(used.completion_tokens / seconds) });
    }
    if (view.bits !== null) say(words.bits, { n: number(view.bits, 2) });
    const revision = answer.headers.get("Weighbridge-Model-Revision"), engine = answer.headers.get("Weighbridge-Engine");
    if (revision) say(words.engine, { revision: revision.slice(0, 8), engine: engine || "" });
    const id = answer.headers.get("X-Request-Id"), item = (...parts) => { const li = document.createElement("li"); li.append(...parts); return li; };
    const receipt = Object.assign(document.createElement("a"), { href: form.dataset.receipt.replace("ID", id), textContent: words.receipt });
    part("foot").replaceChildren(...lines.map((text) => item(text)), item(fill(words.request, { id }), " ", receipt));
  };

  const tell = (error) => {
    const [, text, way] = fault.children, link = way.firstChild;
    fault.querySelector("h2").textContent = words.fault;
    text.textContent = error instanceof Fault ? error.message : words.broken;
    link.hidden = !error.link;
    if (error.link) link.href = error.link;
    link.textContent = error.text || "";
    line.textContent = "";
    fault.hidden = false;
  };

  const drawTurns = (said) => {
    if (!turnList) return;
    turnList.replaceChildren(...said.map(({ role, content }) => {
      const item = document.createElement("li"), who = document.createElement("b");
      who.textContent = role === "user" ? words.you : words.model;
      item.append(who, content);
      return item;
    }));
    turnList.hidden = part("anew").hidden = !said.length;
  };

  const busy = (is) => {
    const stop = part("stop"), send = part("send"), had = document.activeElement;
    send.hidden = is;
    stop.hidden = !is;
    if (is && had === send) stop.focus();
    if (!is && had === stop) send.focus();
  };

  const read = async (answer, most, times) => {
    let used = null, finish = null, spoken = 0;
    for await (const event of events(answer)) {
      if (event.error) throw new Fault(words[event.error.code] || words.broken);
      used = event.usage || used;
      times.used = used;
      const [choice] = event.choices;
      if (!choice) continue;
      finish = choice.finish_reason || finish;
      times.first ||= performance.now();
      times.last = performance.now();
      show(choice);
      if (times.last - spoken > 1000) { // a reader by ear is told once a second, not once a token
        spoken = times.last;
        line.textContent = fill(words.writing, { n: number(used?.completion_tokens || view.tokens.length), most: number(most) });
      }
    }
    line.textContent = fill(finish === "stop" ? words.done_stop : words.done, { n: number(used?.completion_tokens || 0) });
  };

  const send = async () => {
    if (running) return;
    fault.hidden = true;
    const times = { sent: 0, first: 0, last: 0, used: null };
    let answer = null, asked = null;
    try {
      checked();
      asked = demand();
      const chat = isChat(), path = chat ? "/v1/chat/completions" : "/v1/completions";
      running = new AbortController();
      busy(true);
      line.textContent = words.asking;
      program(path, asked);
      if (chat) drawTurns(asked.messages);
      await token();
      times.sent = performance.now();
      answer = await ask(path, asked, running.signal);
      view.begin();
      part("answer").hidden = false;
      await read(answer, asked.max_tokens, times);
    } catch (error) {
      if (error.name === "AbortError") line.textContent = fill(words.stopped, { n: number(times.used?.completion_tokens || view.tokens.length) });
      else tell(error);
    }
    if (answer) foot(answer, times.used, times);
    if (asked?.messages) {
      turns = answer && view.text ? [...asked.messages, { role: "assistant", content: view.text }] : turns;
      drawTurns(turns.slice(0, answer ? -1 : undefined)); // the last one stands below, as the answer
      if (answer) prompt.value = "";
    }
    running = null;
    busy(false);
  };

  form.addEventListener("submit", (event) => { event.preventDefault(); send(); });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") running?.abort();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target === prompt) { event.preventDefault(); send(); }
  });
  part("stop").addEventListener("click", () => running?.abort());
  part("anew")?.addEventListener("click", () => { turns = []; drawTurns(turns); part("answer").hidden = true; view.begin(); prompt.focus(); });
  form.hidden = false;
});

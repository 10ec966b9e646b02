// Sends a folder from the browser: each file is hashed by a worker (sha256.js), then its parts go by signed links
// straight to the store. What has arrived is noted in this browser, so that the same folder goes on where it stopped.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("upload");
  const words = JSON.parse(document.getElementById("upload-words").textContent);
  const rows = root.querySelector("tbody"), line = root.querySelector("[data-line]"), send = root.querySelector("[data-send]");
  const left = root.querySelector("[data-left]"), inputs = root.querySelectorAll("input[type=file]");
  const csrf = root.querySelector("[name=csrfmiddlewaretoken]").value;
  const NOTES = "weighbridge-upload:";
  let chosen = [], sending = false;

  const ask = async (url, body) => {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrf },
      body: JSON.stringify(body),
    }).catch(() => { throw new Error(words.lost); });
    if (answer.redirected) throw new Error(words.signed_out);
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw Object.assign(new Error(told.title || told.error || answered(answer.status)), { status: answer.status });
    return told;
  };

  const answered = (status) => words.answered.replace("%(status)s", status);
  const say = (entry, word, detail = "") => { entry.state.textContent = detail ? `${word}: ${detail}` : word; };
  const share = (entry, done) => { entry.bar.value = entry.file.size ? done / entry.file.size : 1; };

  const row = (path, file) => {
    const tr = rows.insertRow();
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = path;
    tr.append(name);
    const size = tr.insertCell();
    size.className = "num";
    size.textContent = file.size.toLocaleString(document.documentElement.lang);
    const cell = tr.insertCell();
    const state = document.createElement("span"), bar = document.createElement("progress");
    bar.value = 0;
    bar.setAttribute("aria-label", path);
    cell.append(bar, " ", state);
    return { path, file, state, bar, sha256: "", done: false, fault: "" };
  };

  // The part of a path that begins with a dot, as far as it; "" where none does.
  const hidden = (path) => (/^(?:.*?\/)?\.[^/]*\/?/.exec(path) || [""])[0];
  const NAMED = 10;
  const named = (names) => (names.length > NAMED ? words.more.replace("%(n)s", names.length - NAMED) : "%(names)s").replace("%(names)s", names.slice(0, NAMED).join(", "));

  const choose = async (files) => {
    if (sending) return;
    const names = [...new Set(files.map(({ path }) => hidden(path)).filter(Boolean))].sort();
    left.textContent = names.length ? words.hidden.replace("%(names)s", named(names)) : "";
    rows.replaceChildren();
    // A Mac writes an umlaut as two characters, which no release may carry, and calls both forms one name.
    const mine = files.filter(({ path }) => !hidden(path)).map(({ path, file }) => row(path.normalize("NFC"), file));
    chosen = mine;
    root.querySelector("[data-list]").hidden = chosen.length === 0;
    send.disabled = true;
    line.textContent = chosen.length ? "" : files.length ? words.nothing : words.none;
    if (!chosen.length) return;
    chosen.forEach((entry) => say(entry, words.asking));
    try {
      const told = await ask(root.dataset.plan, { files: chosen.map(({ path, file }) => ({ path, size: file.size })) });
      if (chosen !== mine) return; // others were chosen meanwhile
      told.files.forEach(({ fault }, n) => {
        chosen[n].fault = fault;
        chosen[n].bar.hidden = Boolean(fault);
        say(chosen[n], fault ? words.refused : words.ready, fault);
      });
      const good = chosen.some(({ fault }) => !fault);
      line.textContent = good ? "" : words.nothing;
      send.disabled = !good;
    } catch (error) {
      if (chosen !== mine) return;
      chosen.forEach((entry) => say(entry, ""));
      line.textContent = words.unseen.replace("%(why)s", error.message);
    }
  };

  const hash = (entry) => new Promise((resolve, reject) => {
    const worker = new Worker(root.dataset.worker);
    worker.onmessage = ({ data }) => {
      if (data.read) share(entry, data.read);
      if (data.sha256 || data.failed) worker.terminate();
      if (data.sha256) resolve(data.sha256);
      if (data.failed) reject(new Error(data.failed));
    };
    worker.onerror = (error) => { worker.terminate(); reject(new Error(error.message)); };
    worker.postMessage(entry.file);
  });

  const put = (url, body, moved) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    request.upload.onprogress = (event) => moved(event.loaded);
    request.onload = () => (request.status < 300 ? resolve(request.getResponseHeader("ETag") || "") : reject(Object.assign(new Error(answered(request.status)), { status: request.status })));
    request.onerror = () => reject(new Error(words.lost));
    request.send(body);
  });

  // What this browser knows of an upload that has begun: its links and the parts that have arrived, for a day.
  const noted = (key) => {
    const note = JSON.parse(localStorage.getItem(key) || "null");
    if (note && note.until > Date.now()) return note;
    localStorage.removeItem(key);
    return null;
  };
  const keep = (key, note) => {
    try {
      localStorage.setItem(key, JSON.stringify(note));
    } catch { /* It is full: what is sent arrives all the same, and would have to be sent again after a break. */ }
  };
  Object.keys(localStorage).filter((key) => key.startsWith(NOTES)).forEach(noted);

  const transfer = async (entry) => {
    const key = `${NOTES}${root.dataset.model}:${entry.sha256}`;
    let note = noted(key);
    if (!note) {
      const told = await ask(root.dataset.begin, { sha256: entry.sha256, size: entry.file.size });
      if (told.held) { localStorage.removeItem(key); return words.held; }
      note = { ...told, etags: told.links.map(() => ""), until: Date.now() + 23 * 3600 * 1000 };
    }
    say(entry, words.sending);
    for (const [n, link] of note.links.entries()) {
      const from = n * note.part_bytes;
      if (note.etags[n]) continue;
      try {
        note.etags[n] = await put(link, entry.file.slice(from, from + note.part_bytes), (moved) => share(entry, from + moved));
      } catch (error) {
        if (error.status === 403 || error.status === 404) localStorage.removeItem(key); // it ended: begin anew
        throw error;
      }
      keep(key, note);
    }
    say(entry, words.checking);
    const parts = note.etags.map((etag, n) => ({ partNumber: n + 1, etag }));
    try {
      await ask(note.complete, { oid: entry.sha256, parts });
    } catch (error) {
      if (error.status < 500) localStorage.removeItem(key); // what does not match is sent anew
      throw error;
    }
    localStorage.removeItem(key);
    return words.done;
  };

  const one = async (entry) => {
    try {
      say(entry, words.reading);
      entry.sha256 ||= await hash(entry);
      say(entry, await transfer(entry));
      share(entry, entry.file.size);
      entry.done = true;
    } catch (error) {
      say(entry, words.failed, error.message);
      throw error;
    }
  };

  const occupy = (now) => {
    sending = now;
    inputs.forEach((input) => { input.disabled = now; });
  };

  const all = async () => {
    send.disabled = true;
    occupy(true);
    const good = chosen.filter(({ fault }) => !fault);
    try {
      for (const [n, entry] of good.entries()) {
        line.textContent = words.count.replace("%(done)s", n).replace("%(all)s", good.length);
        if (!entry.done) await one(entry);
      }
      line.textContent = words.committing;
      const files = good.map(({ path, file, sha256 }) => ({ path, size: file.size, sha256 }));
      const whole = root.querySelector("[name=whole]").checked, message = root.querySelector("[name=message]").value;
      location.assign((await ask(root.dataset.commit, { files, whole, message, parent: root.dataset.parent }).catch((error) => {
        throw Object.assign(error, { refused: error.status >= 400 && error.status < 500 && error.status !== 429 });
      })).page);
    } catch (error) {
      line.textContent = (error.refused ? words.not_made : words.again).replace("%(why)s", error.message);
      send.disabled = Boolean(error.refused); // the same files would be refused again
      occupy(false);
    }
  };

  const inside = (path) => path.split("/").slice(1).join("/") || path;
  const entries = async (entry, path) => {
    if (entry.isFile) return [{ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) }];
    const reader = entry.createReader(), found = [];
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return found;
      for (const each of some) found.push(...await entries(each, path ? `${path}/${each.name}` : each.name));
    }
  };

  inputs.forEach((input) => input.addEventListener("change", () => {
    choose([...input.files].map((file) => ({ path: file.webkitRelativePath ? inside(file.webkitRelativePath) : file.name, file })));
  }));
  const zone = root.querySelector("[data-drop]");
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const dropped = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    const found = [];
    const alone = dropped.length === 1 && dropped[0].isDirectory;  // then it is the model's own folder, not one within
    try {
      for (const each of dropped) found.push(...await entries(each, alone ? "" : each.name));
      choose(found);
    } catch (error) {
      line.textContent = words.unseen.replace("%(why)s", error.message);
    }
  });
  send.addEventListener("click", all);
  root.hidden = false;
});

// Moments in UTC, said once more in the reader's own time. Without script, UTC alone.
"use strict";
(() => {
  const say = (time) => {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf()) || moment.getTimezoneOffset() === 0 || time.dataset.said) return;
    time.dataset.said = "1";
    const words = moment.toLocaleString(document.documentElement.lang, {
      day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
    });
    time.append(` · ${words}`);
  };
  const sayAll = (root) => root.querySelectorAll("[data-zone] time").forEach(say);
  document.addEventListener("DOMContentLoaded", () => sayAll(document));
  document.addEventListener("htmx:load", (event) => sayAll(event.target));
})();

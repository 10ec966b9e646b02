// One key for one button or link: elements with data-key. In a list, J and K go from [data-row] to [data-row] and X
// picks the row; Enter opens it, as it opens any link. Off while one types, and with any modifier held.
"use strict";
(() => {
  const typing = (element) => element.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;

  const move = (by) => {
    const rows = [...document.querySelectorAll("[data-row]")];
    const here = rows.findIndex((row) => row.closest("tr").contains(document.activeElement));
    const next = here === -1 ? 0 : Math.min(rows.length - 1, Math.max(0, here + by));
    rows[next]?.focus();
    return rows.length > 0;
  };

  const pick = () => {
    const box = document.activeElement?.closest("tr")?.querySelector("input[type=checkbox]");
    box?.click();
    return Boolean(box);
  };

  const inList = { j: () => move(1), k: () => move(-1), x: pick };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(event.target)) return;
    const key = event.key.toLowerCase();
    if (inList[key]?.()) {
      event.preventDefault();
      return;
    }
    const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (target === null) return;
    event.preventDefault();
    if (target.tagName === "BUTTON" && target.value !== "approve") {
      // These two need words first: put the cursor where they go.
      const message = document.getElementById("id_message");
      const unsaid = target.value === "decline" && document.querySelector("[name=reason]:checked") === null;
      if (message.value.trim() === "" || unsaid) {
        (message.value.trim() === "" ? message : document.querySelector("[name=reason]")).focus();
        return;
      }
    }
    target.click();
  });
})();

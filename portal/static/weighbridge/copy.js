// Copy buttons: hidden in the page, shown here, because without script they could not act.
"use strict";
(() => {
  // Prompt signs are for the eye: what is copied is what one would type.
  const textOf = (code) => {
    const copy = code.cloneNode(true);
    copy.querySelectorAll(".p").forEach((prompt) => prompt.remove());
    return copy.textContent.trim();
  };

  const arm = (button) => {
    const code = button.closest(".code").querySelector("code");
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(textOf(code));
        button.textContent = button.dataset.done;
        setTimeout(() => { button.textContent = label; }, 2000);
      } catch {
        getSelection().selectAllChildren(code);
      }
    });
  };

  const armAll = (root) => root.querySelectorAll("button[data-copy][hidden]").forEach(arm);
  document.addEventListener("DOMContentLoaded", () => armAll(document));
  document.addEventListener("htmx:load", (event) => armAll(event.target));
})();

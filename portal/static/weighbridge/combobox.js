// The institution field: arrow keys and Enter over a list that htmx fills while one types (WAI-ARIA combobox, list autocomplete).
// Without this script the field is plain text with a button that searches.
"use strict";
(() => {
  const arm = (box) => {
    const input = box.querySelector("input[type=text]");
    const id = box.querySelector("input[type=hidden]");
    const list = box.querySelector("[role=listbox]");
    const status = box.querySelector("[role=status]");
    const options = () => [...list.children];
    let active = -1;

    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", list.id], ["aria-expanded", "false"], ["autocomplete", "off"]]) {
      input.setAttribute(name, value);
    }

    const mark = (index) => {
      active = index;
      options().forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
      if (index < 0) return input.removeAttribute("aria-activedescendant");
      input.setAttribute("aria-activedescendant", options()[index].id);
      options()[index].scrollIntoView({ block: "nearest" });
    };
    const show = (open) => {
      list.hidden = !open;
      input.setAttribute("aria-expanded", String(open));
      if (!open) mark(-1);
    };
    const take = (option) => {
      input.value = option.dataset.name;
      id.value = option.dataset.ror;
      show(false);
      id.dispatchEvent(new Event("input", { bubbles: true })); // a draft is saved when its form hears of a change
    };

    input.addEventListener("input", () => { id.value = ""; if (input.value.trim().length < 2) show(false); });
    list.addEventListener("htmx:afterSwap", () => {
      const count = options().length;
      status.textContent = count === 0 ? status.dataset.none : count === 1 ? status.dataset.one : status.dataset.many.replace("{count}", count);
      mark(-1);
      show(count > 0 && document.activeElement === input);
    });
    list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
    list.addEventListener("click", (event) => { const option = event.target.closest("[role=option]"); if (option) take(option); });
    input.addEventListener("blur", () => show(false));
    input.addEventListener("keydown", (event) => {
      const count = options().length;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        if (count === 0) return;
        event.preventDefault();
        if (list.hidden) show(true);
        const step = event.key === "ArrowDown" ? 1 : -1;
        mark(active < 0 ? (step > 0 ? 0 : count - 1) : (active + step + count) % count);
      } else if (event.key === "Enter" && active >= 0) {
        event.preventDefault();
        take(options()[active]);
      } else if (event.key === "Escape" && !list.hidden) {
        event.preventDefault();
        show(false);
      }
    });
  };

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".combobox").forEach(arm));
})();

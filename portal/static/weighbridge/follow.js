// A page that asks again and again for a part of itself stops when there is nothing to ask for any more, and says so.
// A server that is away for a moment is asked again.
"use strict";
(() => {
  const words = document.currentScript.dataset;
  const polls = (part) => (part.getAttribute("hx-trigger") || "").startsWith("every ");

  // htmx goes on for as long as the part is on the page: a copy that asks nothing takes its place.
  const stop = (part, sentence) => {
    const still = part.cloneNode(true);
    ["hx-get", "hx-trigger"].forEach((name) => still.removeAttribute(name));
    const said = document.createElement("p");
    said.className = "notice stop";
    said.setAttribute("role", "alert");
    said.textContent = sentence;
    (still.querySelector(".body") || still).prepend(said);
    part.replaceWith(still);
  };

  // The answer to who was signed out is the page to sign in, which has no such part: htmx would put nothing in its place.
  const led = (part, xhr) =>
    new URL(xhr.responseURL).pathname !== location.pathname && !new DOMParser().parseFromString(xhr.response, "text/html").getElementById(part.id);

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { requestConfig: { elt: part }, xhr } = event.detail;
    if (!polls(part)) return;
    if (xhr.status >= 400 && xhr.status < 500 && xhr.status !== 429) {
      stop(part, words.gone);
    } else if (xhr.status < 300 && led(part, xhr)) {
      event.preventDefault();
      stop(part, words.signedOut);
    }
  });
})();

// The pages work without this script. With it they follow what happens: the server says that something changed, the
// page asks for itself again, and the parts marked data-live are exchanged.
(() => {
  "use strict";
  const body = document.body;
  const live = document.getElementById("live");
  const tail = document.getElementById("tail");
  let paused = false, asked = 0, timer = 0;

  const keepOpen = (before, after) => {
    before.querySelectorAll("details[open]").forEach((d) => {
      const name = d.querySelector("summary")?.textContent;
      after.querySelectorAll("details").forEach((n) => { if (n.querySelector("summary")?.textContent === name) n.open = true; });
    });
  };

  async function refresh() {
    timer = 0;
    asked = Date.now();
    if (paused || document.hidden) return;
    const res = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!res || !res.ok || res.redirected) return;
    const page = new DOMParser().parseFromString(await res.text(), "text/html");
    document.querySelectorAll("[data-live]").forEach((old) => {
      const fresh = page.getElementById(old.id);
      if (!fresh || old.innerHTML === fresh.innerHTML || (old.contains(document.activeElement) && old.querySelector("form"))) return;
      const focus = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      keepOpen(old, fresh);
      const had = new Set([...old.querySelectorAll("tr[id]")].map((r) => r.id));
      if (had.size) fresh.querySelectorAll("tr[id]").forEach((r) => { if (!had.has(r.id)) r.classList.add("new"); });
      old.replaceWith(fresh);
      if (focus) [...fresh.querySelectorAll("a")].find((a) => a.getAttribute("href") === focus)?.focus();
    });
    if (document.querySelector("[data-fast]")) soon(400);
  }

  function soon(wait) {
    if (!timer) timer = setTimeout(refresh, Math.max(wait, asked + wait - Date.now()));
  }

  if ("refresh" in body.dataset) {
    const news = new EventSource("/live");
    news.addEventListener("open", () => { live.hidden = false; });
    news.addEventListener("error", () => { live.hidden = true; });
    news.addEventListener("tick", () => soon(1500));
    setInterval(() => soon(0), 15000); // quotas move without events
    addEventListener("pagehide", () => news.close());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(0); });
    if (document.querySelector("[data-fast]")) soon(300);
  }

  tail?.addEventListener("click", () => {
    paused = !paused;
    tail.setAttribute("aria-pressed", String(!paused));
    tail.textContent = "Live tail: " + (paused ? "off" : "on");
    if (!paused) soon(0);
  });

  document.addEventListener("click", (e) => {
    const button = e.target.closest("[data-copy]");
    if (!button) return;
    navigator.clipboard?.writeText(button.dataset.copy).then(() => { button.textContent = "Copied"; });
  });

  // Keys: / finds, j and k go through a list, Enter opens what is marked.
  const rows = () => [...document.querySelectorAll("table[data-keys] tbody tr")];
  function go(by) {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((r) => r.classList.contains("current"));
    all[at]?.classList.remove("current");
    const next = all[Math.min(all.length - 1, Math.max(0, at + by))];
    next.classList.add("current");
    next.querySelector("a")?.focus();
  }
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.("input, select, textarea")) return;
    if (e.key === "/") { e.preventDefault(); document.getElementById("find")?.focus(); }
    if (e.key === "j") go(1);
    if (e.key === "k") go(-1);
  });
})();

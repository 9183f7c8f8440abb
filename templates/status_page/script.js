"use strict";
// The page works without this script. It refreshes the page and searches while the user types; the server renders everything.
(() => {
  const REFRESH_INTERVAL = 10_000; // in ms
  const RESPONSE_TIMEOUT = 8_000;
  const TYPING_PAUSE = 200; // before a search is sent
  const search = document.getElementById("search");
  const pause = document.getElementById("pause");
  const trouble = document.getElementById("trouble");
  const clock = document.getElementById("clock");
  let paused = false;
  let pending = null;
  let timer = 0;
  let typing = 0;

  const parts = () => [...document.querySelectorAll("[data-part]")];
  const rowKey = (row) => row.querySelector("code")?.textContent;

  // The first visible row of a tunnel, and its distance from the top of the window.
  const topRow = () => {
    if (scrollY === 0) return null;
    const row = [...document.querySelectorAll(".tunnels tbody tr")].find(
      (row) => rowKey(row) && row.getBoundingClientRect().top >= 0,
    );
    return row ? { key: rowKey(row), top: row.getBoundingClientRect().top } : null;
  };

  const scrollBackTo = (place) => {
    if (!place) return;
    const row = [...document.querySelectorAll(".tunnels tbody tr")].find((row) => rowKey(row) === place.key);
    if (row) scrollBy({ top: row.getBoundingClientRect().top - place.top, behavior: "instant" });
  };

  const replace = (part, fresh) => {
    const unfolded = [...part.querySelectorAll("details[open]")].map((details) => details.id);
    const focused = part.contains(document.activeElement) ? document.activeElement.id : null;
    part.replaceChildren(...fresh.childNodes);
    for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
    if (focused !== null) {
      const next = document.getElementById(focused) ?? part;
      if (next === part) part.tabIndex = -1;
      next.focus({ preventScroll: true });
    }
  };

  const show = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    if (!fresh.getElementById("clock")) throw new Error("the response is not the status page");
    const kept = topRow();
    for (const part of parts()) {
      const next = fresh.getElementById(part.id);
      if (next && part.innerHTML !== next.innerHTML) replace(part, next);
    }
    scrollBackTo(kept);
    document.title = fresh.title;
    document.getElementById("icon").href = fresh.getElementById("icon").href;
  };

  const showTrouble = (error) => {
    const since = clock.querySelector("time").textContent;
    trouble.textContent = `The exporter does not respond (${error}). This page shows the state at ${since}.`;
    trouble.hidden = false;
    document.body.classList.add("old");
  };

  const hideTrouble = () => {
    trouble.hidden = true;
    document.body.classList.remove("old");
  };

  // The page's URL without user and password: fetch() rejects URLs with credentials.
  const pageUrl = () => {
    const url = new URL(location.href);
    url.username = url.password = url.hash = "";
    return url;
  };

  const refresh = async () => {
    pending?.abort();
    clearTimeout(timer);
    const current = (pending = new AbortController());
    const limit = setTimeout(() => current.abort("no response in time"), RESPONSE_TIMEOUT);
    try {
      const response = await fetch(pageUrl(), { signal: current.signal, cache: "no-store" });
      if (!response.ok) throw new Error(`HTTP status ${response.status}`);
      const text = await response.text();
      if (current !== pending) return;
      show(text);
      hideTrouble();
    } catch (error) {
      // A newer refresh is running and will report the error.
      if (current !== pending) return;
      showTrouble(error.message ?? error);
    } finally {
      clearTimeout(limit);
      if (current === pending) {
        pending = null;
        schedule();
      }
    }
  };

  // Do not replace the page while the user has selected text.
  const isSelecting = () => {
    const selection = getSelection();
    return !selection.isCollapsed && parts().some((part) => part.contains(selection.anchorNode));
  };

  const schedule = () => {
    clearTimeout(timer);
    if (!paused) timer = setTimeout(() => (isSelecting() ? schedule() : refresh()), REFRESH_INTERVAL);
  };

  const startSearch = () => {
    clearTimeout(typing);
    const url = pageUrl();
    url.searchParams.delete("page");
    url.searchParams.delete("q");
    if (search.value.trim()) url.searchParams.set("q", search.value.trim());
    history.replaceState(null, "", url.pathname + url.search);
    refresh();
  };

  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(startSearch, TYPING_PAUSE);
  });
  search.form.addEventListener("submit", (event) => {
    event.preventDefault();
    startSearch();
  });
  document.getElementById("refresh").addEventListener("click", (event) => {
    event.preventDefault();
    refresh();
  });
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume" : "Pause";
    if (paused) schedule();
    else refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !paused && !isSelecting()) refresh();
  });
  pause.hidden = false;
  document.body.classList.add("live");
  schedule();
})();

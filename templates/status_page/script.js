"use strict";
// The page works without this. It keeps the page fresh and searches as one types; the server renders all of it.
(() => {
  const EVERY = 10_000; // from one refresh to the next, in ms
  const PATIENCE = 8_000; // for one answer
  const TYPING = 200; // without a key before a search is sent
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

  // The first row of a tunnel in view, and how far below the view's top it is.
  const place = () => {
    if (scrollY === 0) return null;
    const row = [...document.querySelectorAll(".tunnels tbody tr")].find(
      (row) => rowKey(row) && row.getBoundingClientRect().top >= 0,
    );
    return row ? { key: rowKey(row), top: row.getBoundingClientRect().top } : null;
  };

  const returnTo = (place) => {
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
    if (!fresh.getElementById("clock")) throw new Error("something else answers in its place");
    const kept = place();
    for (const part of parts()) {
      const next = fresh.getElementById(part.id);
      if (next && part.innerHTML !== next.innerHTML) replace(part, next);
    }
    returnTo(kept);
    document.title = fresh.title;
    document.getElementById("icon").href = fresh.getElementById("icon").href;
  };

  const admit = (error) => {
    const since = clock.querySelector("time").textContent;
    trouble.textContent = `No fresh answer from the exporter (${error}). This page shows how things were at ${since}.`;
    trouble.hidden = false;
    document.body.classList.add("old");
  };

  const recover = () => {
    trouble.hidden = true;
    document.body.classList.remove("old");
  };

  // Where this is, without the name and password that an address may carry and a fetch refuses.
  const here = () => {
    const url = new URL(location.href);
    url.username = url.password = url.hash = "";
    return url;
  };

  const refresh = async () => {
    pending?.abort();
    clearTimeout(timer);
    const mine = (pending = new AbortController());
    const limit = setTimeout(() => mine.abort("no answer in time"), PATIENCE);
    try {
      const answer = await fetch(here(), { signal: mine.signal, cache: "no-store" });
      if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
      const text = await answer.text();
      if (mine !== pending) return;
      show(text);
      recover();
    } catch (error) {
      // A later refresh took over: it will tell.
      if (mine !== pending) return;
      admit(error.message ?? error);
    } finally {
      clearTimeout(limit);
      if (mine === pending) {
        pending = null;
        schedule();
      }
    }
  };

  // Somebody who marks text wants to copy it before it is replaced.
  const isMarking = () => {
    const selection = getSelection();
    return !selection.isCollapsed && parts().some((part) => part.contains(selection.anchorNode));
  };

  const schedule = () => {
    clearTimeout(timer);
    if (!paused) timer = setTimeout(() => (isMarking() ? schedule() : refresh()), EVERY);
  };

  const ask = () => {
    clearTimeout(typing);
    const url = here();
    url.searchParams.delete("page");
    url.searchParams.delete("q");
    if (search.value.trim()) url.searchParams.set("q", search.value.trim());
    history.replaceState(null, "", url.pathname + url.search);
    refresh();
  };

  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(ask, TYPING);
  });
  search.form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
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
    if (!document.hidden && !paused && !isMarking()) refresh();
  });
  pause.hidden = false;
  document.body.classList.add("live");
  schedule();
})();

"use strict";
// Everything here is a convenience: without it, pages are read, filtered and followed all the same.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);
  const key = "kept:" + document.body.dataset.report;

  // What the reader marked lives in the browser, for all pages of this report; without storage, for this page.
  let kept = new Set();
  const load = () => { try { kept = new Set(JSON.parse(localStorage.getItem(key) || "[]")); } catch { /* no storage */ } };
  const store = () => { try { localStorage.setItem(key, JSON.stringify([...kept])); } catch { /* no storage */ } };

  const boxes = all(".copy .mark input");
  const bar = one("#bar");
  const show = () => {
    for (const box of boxes) {
      box.checked = kept.has(box.value);
      box.closest(".copy").classList.toggle("marked", box.checked);
    }
    if (!bar) return;
    bar.hidden = kept.size === 0;
    one("[role=status]", bar).textContent = kept.size === 1 ? "1 copy to be kept" : kept.size + " copies to be kept";
  };
  const mark = (url, on) => {
    load();
    if (on) kept.add(url); else kept.delete(url);
    store();
    show();
  };
  const save = () => {
    const text = "# copies to be kept, marked in the report\n" + [...kept].sort().join("\n") + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = "kept.txt";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  for (const box of boxes) {
    box.parentElement.hidden = false;
    box.addEventListener("change", () => mark(box.value, box.checked));
  }
  if (bar) {
    one("[data-do=save]", bar).addEventListener("click", save);
    one("[data-do=forget]", bar).addEventListener("click", () => { kept = new Set(); store(); show(); });
    addEventListener("storage", () => { load(); show(); });
    addEventListener("pageshow", () => { load(); show(); });
    load();
    show();
  }

  // Two pictures at full size, from their own files; the thumbnail where the browser cannot show those.
  const dialog = one("#compare");
  const sides = dialog ? all("figure", dialog) : [];
  const pair = dialog && one(".pair", dialog);
  const button = (name) => one(`[data-do=${name}]`, dialog);
  let copies = [], at = 0;
  const fill = (figure, card) => {
    const picture = one("img", figure), small = one(".open img", card), link = one("a.open", card);
    const name = one(".name", card).textContent;
    const thumbnail = small ? small.src : "";
    picture.onerror = () => {
      picture.onerror = null;
      if (thumbnail) picture.src = thumbnail; else picture.removeAttribute("src");
      one("[role=status]", dialog).textContent = "The browser cannot show " + name + "; this is its preview.";
    };
    picture.alt = small ? small.alt : name;
    picture.src = link ? link.href : thumbnail;
    const caption = one("figcaption", figure);
    caption.replaceChildren(...all(".chips, .name, .folder, .facts", card).map((each) => {
      const line = document.createElement(each.matches(".name") ? "b" : "div");
      line.textContent = each.innerText.replaceAll("\n", " ");
      return line;
    }));
  };
  const front = (index) => sides.forEach((side, place) => side.classList.toggle("front", place === index));
  const refresh = () => {
    const card = copies[at], box = one(".mark input", card), mine = button("mark");
    one("[role=status]", dialog).textContent = copies.length > 1 ? `Copy ${at + 1} of ${copies.length}` : "";
    fill(sides[0], one(".keeper", card.closest(".group")));
    fill(sides[1], card);
    button("previous").disabled = at === 0;
    button("following").disabled = at === copies.length - 1;
    if (mine) {
      mine.parentElement.hidden = !box;
      mine.checked = Boolean(box && box.checked);
    }
  };
  const compare = (card) => {
    copies = all(".copy", card.closest(".group"));
    if (!copies.length) return false;
    at = Math.max(0, copies.indexOf(card));
    refresh();
    dialog.showModal();
    return true;
  };
  const step = (by) => { if (copies[at + by]) { at += by; refresh(); } };
  const flip = () => {
    const over = pair.classList.contains("flip");
    if (!over) { pair.classList.add("flip"); front(0); } else front(sides[0].classList.contains("front") ? 1 : 0);
    button("flip").setAttribute("aria-pressed", "true");
  };
  const beside = () => { pair.classList.remove("flip"); button("flip").setAttribute("aria-pressed", "false"); };
  const leave = () => {
    dialog.close();
    one(".open", copies[at]).focus(); // at once: the event of closing comes after the next key
  };
  if (dialog) {
    button("previous").addEventListener("click", () => step(-1));
    button("following").addEventListener("click", () => step(1));
    button("flip").addEventListener("click", () => (pair.classList.contains("flip") ? beside() : flip()));
    button("close").addEventListener("click", leave);
    button("mark")?.addEventListener("change", (event) => { mark(one(".mark input", copies[at]).value, event.target.checked); });
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); leave(); });
    dialog.addEventListener("close", beside);
    for (const link of all("a.open")) {
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        if (compare(link.closest(".card"))) event.preventDefault();
      });
    }
  }

  // Keys.
  const listening = one("#keys");
  const quiet = key + ":quiet";
  try { if (listening) listening.checked = localStorage.getItem(quiet) === null; } catch { /* no storage */ }
  listening?.addEventListener("change", () => {
    try { if (listening.checked) localStorage.removeItem(quiet); else localStorage.setItem(quiet, "1"); } catch { /* no storage */ }
  });
  const groups = () => all(".group").filter((group) => group.offsetParent !== null);
  const current = () => document.activeElement?.closest(".group");
  const turn = (relation) => { const link = one(`.pager a[rel=${relation}]`); if (link) location.href = link.href; };
  const go = (by) => {
    const shown = groups();
    const next = shown[current() ? shown.indexOf(current()) + by : by > 0 ? 0 : -1];
    if (!next) { turn(by > 0 ? "next" : "prev"); return; }
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "start" });
  };
  // Without a copy in focus, the one that is least sure, where the page says which that is.
  const chosen = (group) => group && (one(".copy.doubt", group) || one(".copy", group));
  const focused = () => document.activeElement?.closest(".copy") || chosen(current() || groups()[0]);
  const commands = {
    j: () => go(1), k: () => go(-1), n: () => turn("next"), p: () => turn("prev"),
    c: () => { const card = focused(); if (card) compare(card); },
    x: () => { if (current()) focused()?.querySelector(".mark input")?.click(); },
  };
  const comparing = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), j: () => step(1), k: () => step(-1), f: flip, s: beside,
    c: leave, x: () => { const box = button("mark"); if (box && !box.parentElement.hidden) box.click(); },
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !listening?.checked) return;
    const command = (dialog?.open ? comparing : commands)[event.key];
    if (command) { event.preventDefault(); command(); }
  });
})();

// Puts the elements that the server sends into their places. They are HTML in which nothing from outside is markup.
"use strict";
(() => {
  const body = document.body;
  const feed = document.getElementById("feed");
  const line = document.getElementById("line");
  const earlier = document.getElementById("earlier");
  const follow = document.getElementById("follow");
  const session = body.dataset.session;
  const ahead = Date.now() / 1000 - Number(body.dataset.now); // of the server's clock
  const KEPT = 300; // items in the document: what is far from the screen goes
  const REST = 60000; // ms out of sight, after which a page leaves its connection to others: a browser has six for a server
  let source = null;
  let resting = 0;
  let unknown = ""; // what stands before the title while nobody tells what runs
  const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const calendar = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium" });
  let place = body.dataset.place;
  let follows = true;
  let isCut = false; // at its end: the newest cells are not in the document

  const cells = document.getElementById("cells");
  // On a narrow screen all of the page scrolls, else only the cells.
  const scroller = () => (getComputedStyle(cells).overflowY === "auto" ? cells : document.scrollingElement);
  const toBottom = () => scroller().scrollTo(0, scroller().scrollHeight);
  const scrolled = () => {
    const box = scroller();
    follows = !isCut && box.scrollTop + box.clientHeight >= box.scrollHeight - 60;
    if (follows) follow.hidden = true;
  };

  function span(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return s + " s";
    if (s < 3600) return Math.floor(s / 60) + "m" + String(s % 60).padStart(2, "0") + "s";
    return Math.floor(s / 3600) + "h" + String(Math.floor((s % 3600) / 60)).padStart(2, "0") + "m";
  }

  function tick() {
    const now = Date.now() / 1000 - ahead;
    for (const one of unknown ? [] : document.querySelectorAll("[data-since]")) one.textContent = span(now - Number(one.dataset.since));
    for (const one of document.querySelectorAll("[data-until]")) {
      const left = Number(one.dataset.until) - now;
      one.textContent = left > 0 ? span(left) + " left" : "no time left";
    }
  }

  function times(root) {
    for (const one of root.querySelectorAll("time[data-at]")) {
      const at = new Date(Number(one.dataset.at) * 1000);
      one.dateTime = at.toISOString();
      one.textContent = clock.format(at);
      one.title = calendar.format(at);
    }
  }

  function fragment(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    times(template.content);
    return template.content;
  }

  function put(patch) {
    const known = document.getElementById(patch.id);
    const parent = document.getElementById(patch.in);
    const next = patch.before ? document.getElementById(patch.before) : null;
    if (known) replace(known, fragment(patch.html));
    else if (!parent || (patch.before && !next) || (isCut && parent === feed && !next)) return;
    else {
      for (const empty of parent.querySelectorAll(":scope > .empty")) empty.remove();
      parent.insertBefore(fragment(patch.html), next);
    }
  }

  // What is scrolled stays so, and what has the focus: the list of sessions changes each few seconds.
  function replace(known, made) {
    const left = known.scrollLeft;
    const focus = known.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    known.replaceWith(made);
    const now = document.getElementById(known.id);
    if (left) now.scrollLeft = left;
    if (focus) now.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  }

  function cut(side) {
    while (feed.children.length > KEPT) {
      feed[side].remove();
      if (side === "firstElementChild") earlier.hidden = false;
      else isCut = true;
    }
    follow.hidden &&= !isCut;
    if (isCut) follow.textContent = "Newest cells";
  }

  function shown() {
    const isLeft = document.querySelector("#sessions :is(.left, .ended, .closed)[aria-current]");
    const busy = feed.querySelector(".head.running") && !isLeft ? "▶ " : "";
    document.title = document.title.replace(/^([▶✗…] )?/, unknown || busy);
    tick();
  }

  function listen() {
    if (source && source.readyState !== EventSource.CLOSED) return;
    source = new EventSource("live/events?" + new URLSearchParams({ session, from: place }));
    source.addEventListener("open", () => {
      line.textContent = "live";
      line.className = "";
      unknown = "";
      shown();
    });
    source.addEventListener("patch", (event) => {
      place = event.lastEventId;
      const patches = JSON.parse(event.data);
      patches.forEach(put);
      if (!patches.length) return;
      const grown = patches.some((patch) => patch.in === "feed");
      if (grown && !follows) follow.hidden = false;
      if (grown && follows) cut("firstElementChild");
      if (follows) toBottom();
      shown();
    });
    source.addEventListener("again", () => {
      source.close();
      window.location.reload();
    });
    source.addEventListener("error", () => {
      line.className = "off";
      line.textContent = "the server does not answer; trying again";
      unknown = "✗ ";
      shown();
      if (source.readyState !== EventSource.CLOSED) return;
      line.textContent = "the server has ended, or wants a login: load the page again";
      window.setTimeout(() => document.hidden || listen(), 5000);
    });
  }

  function rest() {
    source.close();
    unknown ||= "… ";
    shown();
  }

  earlier.addEventListener("click", async () => {
    const first = feed.querySelector(":scope > [id^=c]");
    earlier.hidden = !first;
    if (!first) return;
    const before = first.id.slice(1).replace("-", ".");
    earlier.disabled = true;
    try {
      const answer = await fetch("live/earlier?" + new URLSearchParams({ session, before }));
      if (!answer.ok || answer.redirected) throw new Error("refused");
      const html = await answer.text();
      const box = scroller();
      const height = box.scrollHeight;
      if (html) first.before(fragment(html));
      else earlier.hidden = true;
      box.scrollBy(0, box.scrollHeight - height);
      cut("lastElementChild");
    } catch {
      line.className = "off";
      line.textContent = "the earlier cells did not come; try again";
    }
    earlier.disabled = false;
    shown();
  });
  follow.addEventListener("click", () => (isCut ? window.location.reload() : toBottom()));
  for (const box of [cells, window]) box.addEventListener("scroll", scrolled, { passive: true });

  document.addEventListener("visibilitychange", () => {
    window.clearTimeout(resting);
    if (document.hidden) resting = window.setTimeout(rest, REST);
    else listen();
  });

  history.scrollRestoration = "manual";
  times(document);
  shown();
  document.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  // Images come after their elements.
  new ResizeObserver(() => follows && toBottom()).observe(feed);
  window.setInterval(tick, 1000);
  listen();
})();

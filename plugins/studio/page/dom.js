// The few lines of DOM that every element here needs. Text only ever goes in as text.

export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && typeof value !== "string" && key !== "role") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const PATHS = {
  camera: "M4 7h3l1.500-2h7L17 7h3v12H4zM12 9.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7",
  record: "M12 6a6 6 0 1 0 0 12 6 6 0 0 0 0-12",
  shield: "M12 3.500 5 6v5.500c0 4.500 3 7.500 7 9 4-1.500 7-4.500 7-9V6zM9 12l2.200 2.200L15.200 10",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  star: "m12 4 2.400 5.100 5.600.700-4.100 3.900 1.100 5.500-5-2.800-5 2.800 1.100-5.500L4 9.800l5.600-.700z",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  close: "m6 6 12 12M18 6 6 18",
  check: "m5 12.500 4.500 4.500L19 7.500",
  search: "M10.500 4.500a6 6 0 1 0 0 12 6 6 0 0 0 0-12M15 15l5 5",
  upload: "M12 16V4m0 0L7 9m5-5 5 5M4 16v4h16v-4",
  download: "M12 4v12m0 0-5-5m5 5 5-5M4 18v2h16v-2",
  styles: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  dials: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  mix: "M9 5a5.500 5.500 0 1 0 0 11A5.500 5.500 0 0 0 9 5M15 8a5.500 5.500 0 1 1 0 11 5.500 5.500 0 0 1 0-11",
  files: "M5 4h9l5 5v11H5zM14 4v5h5",
  setup: "M9 3v5M15 3v5M7 8h10v3a5 5 0 0 1-10 0zM12 16v5",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.500v2.500M12 19v2.500M2.500 12H5M19 12h2.500M5.300 5.300l1.800 1.800M16.900 16.900l1.800 1.800M18.700 5.300l-1.800 1.800M7.100 16.900l-1.800 1.800",
  help: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M9.500 9.500c0-1.500 1.100-2.500 2.500-2.500s2.500 1 2.500 2.400c0 1.900-2.500 2-2.500 4M12 16.500v.300",
  more: "M6 12h.010M12 12h.010M18 12h.010",
  pause: "M8 5v14M16 5v14",
  play: "M8 5l11 7-11 7z",
  refresh: "M19 8a8 8 0 1 0 1 4M19.500 4v4.500H15",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  sound: "M12 3.500a3 3 0 0 0-3 3V11a3 3 0 0 0 6 0V6.500a3 3 0 0 0-3-3M6 11a6 6 0 0 0 12 0M12 17v3.500",
  phone: "M7 3h10v18H7zM11 18h2",
  folder: "M3 6h6l2 2h10v11H3z",
  mirror: "M9.500 7v10H3zM14.500 7v10H21zM12 4v16",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export const button = (name, label, attributes = {}, text = "") =>
  h("button." + (text ? "button" : "icon-button"), { type: "button", "aria-label": text ? undefined : label, title: label, ...attributes }, icon(name), text && h("span", {}, text));

/** A message about a file, which may name it already. */
export const about = (name, message) => (message.includes(name) ? message : `${name}: ${message}`);

/** Fill `container` anew; who has come to one of its elements with the keyboard stays there. Children that have not
    changed are left alone: a press and its release on two drawings of a button are no click. */
export function refill(container, ...children) {
  const active = document.activeElement;
  const testid = container.contains(active) && active.dataset.testid;
  const there = [...container.children];
  const kept = children.map((child) => {
    const at = there.findIndex((one) => one === child || one.isEqualNode(child));
    return at < 0 ? child : there.splice(at, 1)[0];
  });
  there.forEach((one) => one.remove());
  kept.forEach((one, k) => {
    if (container.children[k] !== one) container.insertBefore(one, container.children[k] ?? null);
  });
  if (testid && document.activeElement !== active) container.querySelector(`[data-testid="${CSS.escape(testid)}"]`)?.focus();
}

let toasts;
export function toast(text, level = "info") {
  toasts ??= document.body.appendChild(h("div.toasts", { role: "status", "aria-live": "polite" }));
  for (const old of toasts.children) if (old.textContent === text) old.remove();
  const shown = toasts.appendChild(h(`div.toast.${level}`, {}, text));
  while (toasts.children.length > 3) toasts.firstChild.remove();
  setTimeout(() => shown.remove(), level === "error" ? 8000 : 4000);
}

export function bytes(count) {
  if (count < 1e6) return `${Math.max(1, Math.round(count / 1e3))} kB`;
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`;
}

export const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const tail = `${String(minutes).padStart(hours ? 2 : 1, "0")}:${String(whole % 60).padStart(2, "0")}`;
  return hours ? `${hours}:${tail}` : tail;
};

// what belongs to this browser and not to the run: favorites, theme, MIDI
export const kept = {
  get(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`nstfilter.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`nstfilter.${name}`, JSON.stringify(value));
    } catch {
      // private windows may keep nothing
    }
  },
};

export async function api(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("the studio does not answer");
  }
  const text = await response.text();
  let answer = {};
  try {
    answer = JSON.parse(text);
  } catch {
    answer = { error: text };
  }
  if (!response.ok) throw new Error(answer.error || `the studio answered ${response.status}`);
  return answer;
}

/** With XMLHttpRequest, which tells how far a large file has come. `aborted` is a signal. */
export const send = (path, file, { progress, aborted }) =>
  new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.upload.onprogress = (event) => progress(event.loaded / event.total);
    request.onloadend = () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // no answer
      }
      if (request.status >= 200 && request.status < 300) done(answer);
      else fail(new Error(answer.error || "it could not be sent"));
    };
    aborted.addEventListener("abort", () => request.abort());
    request.send(file);
  });

/** A line with a bar for a file on its way, and a button to leave it. */
export function sending(file) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": `Sending ${file.name}` });
  const stop = new AbortController();
  const leave = button("close", `Do not send ${file.name}`, { onclick: () => abort() });
  const row = h("div.item", { role: "listitem" }, icon("upload"), h("div.about", {}, h("b", {}, file.name), h("span", {}, `Sending, ${bytes(file.size)}`), bar), leave);
  const abort = () => {
    const next = row.nextElementSibling ?? row.previousElementSibling ?? row.parentElement?.parentElement;
    stop.abort();
    row.remove(); // now, though its turn may come later
    next?.querySelector("button")?.focus();
  };
  return { row, aborted: stop.signal, progress: (part) => (bar.value = part) };
}

export const post = (path, value) =>
  api(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value ?? {}) });

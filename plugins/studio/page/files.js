// Pictures and videos to paint with the look of the moment; and what was recorded.

import { h, icon, button, toast, about, bytes, post, api, refill, send, sending } from "./dom.js";
import { link } from "./link.js";

const SAYS = { waiting: "Waiting", painting: "Painting", paused: "Paused", done: "Done", failed: "Failed" };

class Files extends HTMLElement {
  #rows = new Map();
  #sent = Promise.resolve(); // one after the other: a browser has six connections, and the page needs some

  connectedCallback() {
    this.input = h("input.hidden", { type: "file", multiple: true, accept: "image/*,video/*,.mkv", tabIndex: -1, "aria-label": "Pictures and videos to paint", "data-testid": "paint-files" });
    this.input.addEventListener("change", () => this.add([...this.input.files]).then(() => (this.input.value = "")));
    this.zone = h(
      "button.zone",
      { type: "button", onclick: () => this.input.click(), "data-testid": "paint-drop" },
      icon("upload"),
      h("b", {}, "Paint pictures and videos"),
      h("span", {}, "Drop them here, or click to choose. They get the look of the moment."),
    );
    this.sending = h("div.list", { role: "list", "aria-label": "Files being sent" });
    this.renders = h("div.list", { role: "list", "aria-label": "Files to paint" });
    this.taken = h("div.list", { role: "list", "aria-label": "Recordings and snapshots" });
    this.takenTitle = h("h2", {}, "Recorded");
    this.append(this.input, this.zone, this.sending, this.renders, this.takenTitle, this.taken);
    this.compare = this.appendChild(this.#compare());
    link.on("state", () => this.#draw());
    link.on("renders", () => this.#draw());
  }

  add(files) {
    for (const file of files) {
      const one = sending(file);
      this.sending.append(one.row);
      this.#sent = this.#sent.then(() => this.#send(file, one));
    }
    return this.#sent;
  }

  async #send(file, { row, aborted, progress }) {
    try {
      if (!aborted.aborted) await send(`/api/renders?name=${encodeURIComponent(file.name)}`, file, { progress, aborted });
    } catch (error) {
      if (!aborted.aborted) toast(about(file.name, error.message), "error");
    }
    row.remove();
  }

  #draw() {
    const { files } = link.state;
    const text = JSON.stringify(files);
    if (text !== this.filesShown) {
      this.filesShown = text;
      this.takenTitle.hidden = !files.length;
      refill(
        this.taken,
        ...files.map((file) =>
          h(
            "div.item",
            { role: "listitem" },
            icon(file.kind === "picture" ? "camera" : "record"),
            h("div.about", {}, h("b", {}, file.name), h("span", { title: file.folder }, `${bytes(file.bytes)}, in ${file.folder}`)),
            h("a.icon-button", { href: `/files/${file.key}`, download: file.name, "aria-label": `Download ${file.name}`, title: "Download" }, icon("download")),
          ),
        ),
      );
    }
    const renders = link.renders ?? [];
    const rows = new Map();
    for (const render of renders) {
      const shown = JSON.stringify([render.key, render.state, render.error]);
      rows.set(shown, this.#rows.get(shown) ?? this.#row(render));
    }
    this.#rows = rows;
    refill(this.renders, ...rows.values());
    for (const render of renders) this.#progress(render);
  }

  #row(render) {
    const { key, name, state, style, error, warnings } = render;
    const act = (what) => async () => {
      try {
        await (what === "remove" ? api(`/api/renders/${key}`, { method: "DELETE" }) : post(`/api/renders/${key}/${what}`));
      } catch (failure) {
        toast(failure.message, "error");
      }
    };
    const done = state === "done";
    return h(
      "div.item",
      { role: "listitem", "data-key": key, "data-state": state, "data-testid": `render-${name}` },
      done
        ? h("button.still", { type: "button", "aria-label": `${name}: before and after`, title: "Before and after", onclick: () => this.#open(render), "data-testid": `compare-${name}` }, h("img", { src: `/renders/${key}/after.jpg`, alt: "", loading: "lazy" }))
        : icon("files"),
      h(
        "div.about",
        {},
        h("b", {}, name),
        h("span", {}, error || `${SAYS[state]}, ${style}`, warnings.length ? h("em", { title: warnings.join("\n") }, ` ${warnings.join("; ")}`) : ""),
        ["painting", "waiting", "paused"].includes(state) ? h("progress", { max: 1, "aria-label": `${name}: painted` }) : "",
      ),
      ["painting", "waiting"].includes(state) && button("pause", `Pause ${name}`, { onclick: act("pause"), "data-testid": `pause-${name}` }),
      ["paused", "failed"].includes(state) && button(state === "failed" ? "refresh" : "play", state === "failed" ? `Try ${name} again` : `Go on with ${name}`, { onclick: act("resume"), "data-testid": `resume-${name}` }),
      done && h("a.icon-button", { href: `/renders/${key}/result`, download: render.result, "aria-label": `Download ${render.result}`, title: "Download", "data-testid": `result-${name}` }, icon("download")),
      button("close", done ? `Remove ${name}` : `Cancel ${name}`, { onclick: act("remove"), "data-testid": `remove-${name}` }),
    );
  }

  #progress({ key, state, frames, total, style, seconds }) {
    const row = this.renders.querySelector(`[data-key="${key}"]`);
    const bar = row?.querySelector("progress");
    if (!bar) return;
    if (total) bar.value = Math.min(1, frames / total);
    else if (state !== "painting") bar.value = 0;
    if (state === "painting") row.querySelector(".about span").firstChild.textContent = total > 1 ? `${frames} of ${total} frames, ${style}` : `Painting, ${style}`;
  }

  #compare() {
    this.before = h("img", { alt: "Before" });
    this.after = h("img", { alt: "After" });
    this.line = h("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": "Before and after", "data-testid": "compare-line" });
    this.line.addEventListener("input", () => this.pair.style.setProperty("--at", `${this.line.value}%`));
    this.pair = h("div.pair", {}, this.after, this.before, h("i"), this.line);
    return h("dialog.compare", { "aria-label": "Before and after" }, this.pair, h("div.ends", {}, h("button.button", { type: "button", onclick: () => this.compare.close() }, "Close")));
  }

  #open(render) {
    this.before.src = `/renders/${render.key}/before.jpg`;
    this.after.src = `/renders/${render.key}/after.jpg`;
    this.line.value = 50;
    this.pair.style.setProperty("--at", "50%");
    this.compare.showModal();
  }
}
customElements.define("nst-files", Files);

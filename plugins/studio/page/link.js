// The socket: state comes in, changes and acknowledgments go out. The newest of each wins, nothing queues.

export class Link extends EventTarget {
  state = null;
  stats = {};
  parameters = [];
  styles = [];
  thumbs = {};
  renders = [];
  open = false;
  #socket = null;
  #wait = 400;
  #pending = {};
  #flushing = false;
  #eager = 0;
  #acknowledge = null;
  #view = null;

  connect() {
    const socket = new WebSocket(`ws://${location.host}/socket`);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      this.open = true;
      if (this.#view) this.#send(this.#view);
      this.#tell("open");
    };
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.#tell("frame", data);
      else this.#receive(JSON.parse(data));
    };
    socket.onclose = async () => {
      const was = this.open;
      this.open = false;
      if (was) this.#tell("closed");
      if (!was && (await this.#refused())) return this.#tell("refused");
      setTimeout(() => this.connect(), this.#wait);
      this.#wait = Math.min(3000, this.#wait * 1.5);
    };
  }

  async #refused() {
    try {
      return (await fetch("/api/state", { cache: "no-store" })).status === 401;
    } catch {
      return false;
    }
  }

  #receive(message) {
    const { type } = message;
    if (type === "hello") {
      this.#wait = 400;
      Object.assign(this, { parameters: message.parameters, styles: message.styles, state: message.state, stats: message.stats, renders: message.renders });
      for (const style of this.styles) this.thumbs[style.key] = style.version;
      this.#tell("hello");
      this.#tell("styles");
      this.#tell("state");
      this.#tell("stats");
    } else if (type === "state") {
      this.state = message.state;
      this.#tell("state");
    } else if (type === "renders") {
      this.renders = message.renders;
      this.#tell("renders");
    } else if (type === "styles") {
      this.styles = message.styles;
      for (const style of this.styles) this.thumbs[style.key] = style.version;
      this.#tell("styles");
    } else if (type === "stats") {
      this.stats = message.stats;
      const changed = Object.keys(message.thumbs).filter((key) => message.thumbs[key] !== this.thumbs[key]);
      Object.assign(this.thumbs, message.thumbs);
      this.#tell("stats");
      if (changed.length) this.#tell("thumbs", changed);
    } else this.#tell(type, message);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Called with each frame once it is drawn: the next one is sent only then. The page asks for it after a
      `rest` of so many milliseconds; at once, where somebody has just done something and waits to see it. */
  ack(rest) {
    const timer = setTimeout(() => this.#acknowledge?.(), performance.now() < this.#eager ? 0 : rest);
    this.#acknowledge = () => {
      clearTimeout(timer);
      this.#acknowledge = null;
      this.#send({ type: "ack" });
    };
  }

  #hurry() {
    this.#eager = performance.now() + 500;
    this.#acknowledge?.();
  }

  view(width, show) {
    this.#view = { type: "view", width, show };
    this.#send(this.#view);
  }

  /** The first change travels at once, those made within the next frame of the screen together. */
  set(values) {
    Object.assign(this.#pending, values);
    if (!this.#flushing) this.#flush();
  }

  #flush() {
    const values = this.#pending;
    this.#flushing = Object.keys(values).length > 0;
    if (!this.#flushing) return;
    this.#pending = {};
    this.#send({ type: "set", values });
    this.#hurry();
    setTimeout(() => this.#flush(), 16);
  }

  /** With `on`, a switch is turned on and never off. */
  do(action, on) {
    this.#send({ type: "do", action, on });
    this.#hurry();
  }

  refresh() {
    this.#send({ type: "refresh" });
  }

  on(name, listener) {
    this.addEventListener(name, (event) => listener(event.detail));
    return this;
  }

  thumb(key) {
    return `/thumbs/${key.split("/").map(encodeURIComponent).join("/")}?v=${this.thumbs[key] ?? 0}`;
  }

  styleOf(text) {
    return this.styles.find((style) => style.text === text || style.key === text);
  }
}

export const link = new Link();

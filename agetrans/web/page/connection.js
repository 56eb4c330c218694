/** The conversation with the server; see agetrans/web/tab.py for what is said. */

const LOST = "The connection to AgeTrans has ended. Ages that are here can still be looked at; start `agetrans web` again " +
  "if it was closed, and then choose the picture again.";
const CODES = {
  1009: "This file is larger than the server takes: make it smaller first.",
  4401: "The token is missing or wrong: open the address that the server printed.",
  4429: "Too many pages are open on this server: close one, or come back later.",
};

export class Connection {
  /**
   * @param {(message: object, data: Blob | null) => void} onMessage hears every message, with the bytes that belong to it.
   * @param {(sentence: string) => void} onLost hears why the connection ended.
   */
  constructor(onMessage, onLost) {
    this.onMessage = onMessage;
    this.onLost = onLost;
    this.socket = null;
    this.ready = null;
  }

  /** Resolves to what the server said about itself; connects where that is needed. */
  open() {
    if (this.ready === null) {
      this.ready = new Promise((resolve, reject) => this.#connect(resolve, reject));
      this.ready.catch(() => {});
    }
    return this.ready;
  }

  #connect(resolve, reject) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/talk`);
    let pending = null;
    this.socket = socket;
    socket.onopen = () => {
      const token = new URLSearchParams(location.hash.slice(1)).get("token");
      socket.send(JSON.stringify({ do: "hello", token }));
    };
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") {
        this.onMessage(pending, data);
        pending = null;
        return;
      }
      const message = JSON.parse(data);
      if (message.is === "ready") {
        resolve(message);
      }
      if (["picture", "view", "frame", "file"].includes(message.is)) {
        pending = message;
      } else {
        this.onMessage(message, null);
      }
    };
    socket.onclose = ({ code }) => {
      this.ready = null;
      const why = CODES[code] ?? LOST;
      reject(new Error(why));
      this.onLost(why);
    };
  }

  async sendPicture(file) {
    const { megabytes } = await this.open();
    if (file.size > megabytes * 1e6) {
      throw new Error(`This file has more than ${megabytes} MB: make it smaller first.`);
    }
    this.socket.send(file);
  }

  async ask(wish) {
    await this.open();
    this.socket.send(JSON.stringify(wish));
  }
}

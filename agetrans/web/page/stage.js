/** The picture with its outlined faces, the frame of an age on it, and the divider between before and after. */
export class Stage {
  #box; #canvas; #outlines; #line; #before = null; #region = null; #drawn = 0; #frame = null; #share = 0; #loads = 0;

  constructor(box, canvas, outlines, line) {
    this.#box = box;
    this.#canvas = canvas;
    this.#outlines = outlines;
    this.#line = line;
    this.onDivide = () => {};
    new ResizeObserver(() => this.#place()).observe(canvas);
    const divide = ({ clientX, buttons }) => {
      if (buttons !== 1 || this.#frame === null) return;
      const { left, width } = canvas.getBoundingClientRect();
      this.onDivide(Math.min(1, Math.max(0, (clientX - left) / width)));
    };
    box.addEventListener("pointermove", divide);
  }

  /** A fresh picture, unchanged. */
  async show(data, width, height) {
    this.#frame = null;
    await this.#load(data, width, height);
  }

  /** The unchanged view that the coming frames belong to. */
  async view(data, width, height, region, crop, chosen) {
    this.#frame = null;
    this.#region = region;
    this.#outlines.hidden = crop;
    [...this.#outlines.children].forEach((button, index) => {
      button.setAttribute("aria-pressed", String(chosen.includes(index)));
    });
    await this.#load(data, width, height);
  }

  async #load(data, width, height) {
    const load = ++this.#loads;
    const bitmap = await createImageBitmap(new Blob([data], { type: "image/jpeg" }));
    if (load !== this.#loads) return;
    this.#before?.close();
    this.#before = bitmap;
    Object.assign(this.#canvas, { width, height });
    this.#paint();
    this.#place();
  }

  outline(boxes, name, choose) {
    this.#outlines.hidden = false;
    this.#outlines.replaceChildren(...boxes.map((box, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.box = JSON.stringify(box);
      button.setAttribute("aria-label", name(index));
      button.setAttribute("aria-pressed", "false");
      button.onclick = () => choose(index);
      return button;
    }));
    this.#place();
  }

  /** Draws the frame of a place on the slider; the left `share` of the picture stays as it was. */
  async draw(place, data, share) {
    const turn = ++this.#drawn;
    this.#share = share;
    if (this.#frame === null || this.#frame.data !== data) {
      const bitmap = await createImageBitmap(new Blob([data], { type: "image/jpeg" }));
      if (turn !== this.#drawn) {
        bitmap.close();
        return;
      }
      this.#frame?.bitmap.close();
      this.#frame = { data, bitmap, place };
    }
    this.#paint();
    this.#place();
  }

  #paint() {
    if (this.#before === null) return;
    const { width, height } = this.#canvas;
    const context = this.#canvas.getContext("2d");
    context.drawImage(this.#before, 0, 0, width, height);
    if (this.#frame === null) return;
    context.save();
    context.beginPath();
    context.rect(this.#share * width, 0, width, height);
    context.clip();
    context.drawImage(this.#frame.bitmap, ...this.#region);
    context.restore();
    this.#canvas.dataset.place = this.#frame.place;
  }

  /** Puts outlines and divider over the canvas, whatever size it is shown at. */
  #place() {
    const { offsetLeft, offsetTop, offsetWidth, offsetHeight, width, height } = this.#canvas;
    const style = { left: `${offsetLeft}px`, top: `${offsetTop}px`, height: `${offsetHeight}px` };
    Object.assign(this.#outlines.style, style, { width: `${offsetWidth}px` });
    for (const button of this.#outlines.children) {
      const [x, y, w, h] = JSON.parse(button.dataset.box);
      Object.assign(button.style, {
        left: `${100 * x / width}%`,
        top: `${100 * y / height}%`,
        width: `${100 * w / width}%`,
        height: `${100 * h / height}%`,
      });
    }
    this.#line.hidden = this.#frame === null || this.#share === 0 || this.#share === 1;
    Object.assign(this.#line.style, style, { left: `${offsetLeft + this.#share * offsetWidth}px` });
  }
}

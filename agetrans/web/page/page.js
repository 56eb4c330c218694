import { photograph } from "./camera.js";
import { Connection } from "./connection.js";
import { Stage } from "./stage.js";

const $ = (id) => document.getElementById(id);
const age = $("age"), divider = $("divider"), play = $("play"), downloads = [...document.querySelectorAll(".download")];
const stage = new Stage($("stage"), $("picture"), $("outlines"), $("line"));
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const PLAY_MILLISECONDS = 80;

const state = { plan: null, faces: [], chosen: [], run: 0, frames: new Map(), busy: null, player: null };
const connection = new Connection(hear, (why) => { complain(why); settle(null); });

function complain(sentence) {
  $("problem").textContent = sentence;
  $("problem").hidden = !sentence;
}

function tell(sentence) {
  $("status").textContent = sentence;
}

/** Shows that something is being made, or (null) that nothing is. */
function settle(what, done = 0, of = 1) {
  state.busy = what;
  $("progress").hidden = what === null;
  $("progress").max = of;
  $("progress").value = done;
  for (const button of downloads) button.disabled = what === "download" || state.frames.size === 0;
}

function hear(message, data) {
  const hearers = { ready, picture, loading, waiting, view, frame, progress, file, problem: ({ says }) => wrong(says) };
  hearers[message.is]?.(message, data);
}

function wrong(sentence) {
  complain(sentence);
  tell("");
  settle(null);
}

function ready(plan) {
  state.plan = plan;
  age.max = plan.ages.length - 1;
  if (!("moved" in age.dataset)) age.value = plan.stops.at(-1);
  $("groups").replaceChildren(...plan.stops.map((place, index) => {
    const mark = document.createElement("span");
    mark.textContent = plan.names[index];
    mark.style.left = `${100 * place / age.max}%`;
    return mark;
  }));
}

function picture({ width, height, faces }, data) {
  Object.assign(state, { faces, chosen: [], frames: new Map() });
  $("work").hidden = false;
  tell("");
  stage.show(data, width, height);
  offerFaces();
  if (faces.length > 0) choose([0]);
}

/** One button for each face, on the picture and in a row, and one for all. */
function offerFaces() {
  const one = (index) => `Face ${index + 1}`;
  stage.outline(state.faces, (index) => `${one(index)} of ${state.faces.length}`, (index) => choose([index]));
  const choices = state.faces.map((_, index) => [one(index), [index]]);
  if (state.faces.length > 1) choices.push(["All faces", state.faces.map((_, index) => index)]);
  $("faces").hidden = state.faces.length < 2;
  $("faces").replaceChildren(...choices.map(([name, indices]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.dataset.faces = indices.join();
    button.onclick = () => choose(indices);
    return button;
  }));
}

function choose(indices) {
  state.chosen = indices;
  for (const button of $("faces").children) {
    button.setAttribute("aria-pressed", String(button.dataset.faces === indices.join()));
  }
  const whole = document.querySelector("input[value=whole]"), crop = document.querySelector("input[value=crop]");
  crop.disabled = indices.length > 1;
  if (crop.disabled) whole.checked = true;
  render();
}

function isCrop() {
  return document.querySelector("input[name=view]:checked").value === "crop";
}

function wish(what, more) {
  const given = { do: what, faces: state.chosen, crop: isCrop(), ...more };
  connection.ask(given).catch((error) => wrong(error.message));
}

function render() {
  stop();
  complain("");
  state.run += 1;
  state.frames = new Map();
  settle("ages", 0, state.plan.ages.length);
  tell("Looking at the face ...");
  wish("render", { run: state.run, place: Number(age.value) });
}

function loading() {
  tell("The model is being loaded ...");
}

function waiting() {
  tell("Waiting: the server works on other pictures ...");
}

function view({ run, width, height, region }, data) {
  if (run !== state.run) return;
  stage.view(data, width, height, region, isCrop(), state.chosen);
  for (const control of [age, divider, play]) control.disabled = false;
}

function frame({ run, place, done, of }, data) {
  if (run !== state.run) return;
  state.frames.set(place, data);
  if (state.busy !== "download") settle("ages", done, of);
  if (done === of) {
    if (state.busy !== "download") settle(null);
    tell("All ages are ready.");
  } else if (done === 1 || done % 10 === 0) {
    tell(`${done} of ${of} ages are ready.`);
  }
  draw();
}

/** The frame that is ready and nearest to a place of the slider. */
function nearest(place) {
  let best = null;
  for (const known of state.frames.keys()) {
    if (best === null || Math.abs(known - place) < Math.abs(best - place)) best = known;
  }
  return best;
}

function draw() {
  if (state.frames.size === 0) return;
  const place = nearest(Number(age.value));
  const years = Math.round(state.plan.ages[Number(age.value)]);
  const words = years === 1 ? "1 year" : `${years} years`;
  $("years").textContent = words;
  age.setAttribute("aria-valuetext", words);
  const share = Number(divider.value);
  const shown = share === 0 ? "all after" : share === 100 ? "all before" : `${share} % before`;
  $("share").textContent = shown;
  divider.setAttribute("aria-valuetext", shown);
  $("picture").setAttribute("aria-label", `The picture, aged to ${words}, ${shown}`);
  stage.draw(place, state.frames.get(place), share / 100);
}

function stop() {
  clearInterval(state.player);
  state.player = null;
  play.setAttribute("aria-pressed", "false");
  play.textContent = "Play";
}

function start() {
  let step = Number(age.value) >= age.max ? -1 : 1;
  play.setAttribute("aria-pressed", "true");
  play.textContent = "Pause";
  state.player = setInterval(() => {
    const next = Number(age.value) + step;
    if (next < 0 || next > age.max) {
      step = -step;
      if (calm.matches) stop();
    } else {
      age.value = next;
      draw();
    }
  }, calm.matches ? 10 * PLAY_MILLISECONDS : PLAY_MILLISECONDS);
}

function progress({ what, done, of }) {
  settle("download", done, of);
  tell(`Making the ${what}: ${done} of ${of} pictures.`);
}

function file({ what, name }, data) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  settle(null);
  tell(`The ${what} is in your downloads: ${name}`);
}

async function take(given) {
  if (!given) return;
  $("leave").click(); // an open camera waits for nothing any more
  complain("");
  stop();
  tell("Looking for faces ...");
  settle(null);
  state.run += 1; // ages of the picture before are no longer awaited
  $("work").hidden = true;
  try {
    await connection.sendPicture(given);
  } catch (error) {
    wrong(error.message);
  }
}

$("file").onchange = ({ target }) => { take(target.files[0]); target.value = ""; };
$("camera").onclick = async () => {
  complain("");
  $("camera").disabled = true;
  try {
    take(await photograph($("viewfinder"), $("video"), $("shoot"), $("leave")));
  } catch (error) {
    complain(error.message);
  } finally {
    $("camera").disabled = false;
    $("camera").focus();
  }
};
age.oninput = () => { age.dataset.moved = ""; stop(); draw(); };
divider.oninput = draw;
play.onclick = () => (state.player === null ? start() : stop());
for (const choice of document.querySelectorAll("input[name=view]")) choice.onchange = render;
for (const button of downloads) {
  button.onclick = () => {
    complain("");
    settle("download");
    tell("Making the file ...");
    wish(button.dataset.what, { place: Number(age.value) });
  };
}
stage.onDivide = (share) => { divider.value = Math.round(100 * share); draw(); };

addEventListener("paste", ({ clipboardData }) => take([...clipboardData.files][0]));
addEventListener("dragover", (event) => { event.preventDefault(); $("veil").hidden = false; });
addEventListener("dragleave", (event) => { if (event.relatedTarget === null) $("veil").hidden = true; });
addEventListener("drop", (event) => {
  event.preventDefault();
  $("veil").hidden = true;
  take(event.dataTransfer.files[0]);
});

if (!/^(localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname)) {
  $("where").textContent = `Pictures go to ${location.host}, which forgets them when this page closes.`;
}
connection.open().catch(() => {});

const ADDRESS = "Browsers open the camera only for pages of this computer itself or over https: take the picture with another " +
  "program and choose it here.";
const REASONS = {
  NotAllowedError: "The camera may not be used: allow it in the browser, or choose a picture instead.",
  NotFoundError: "There is no camera: choose a picture instead.",
  NotReadableError: "The camera is in use by another program: close that, or choose a picture instead.",
};
const OTHER = "The camera could not be opened: choose a picture instead.";
const STOPPED = "The camera stopped: it was disconnected, or another program took it.";
const SIZE = { width: { ideal: 1920 }, height: { ideal: 1080 }, facingMode: "user" };

/**
 * Shows what the camera sees until a picture is taken or the camera closed.
 *
 * @returns {Promise<Blob | null>} the picture; null if the camera was closed. An error's message is a sentence.
 */
export async function photograph(finder, video, shoot, leave) {
  if (!navigator.mediaDevices) throw new Error(ADDRESS);
  let stream = null;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: SIZE });
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    close(stream, video);
    throw new Error(REASONS[error.name] ?? OTHER);
  }
  finder.hidden = false;
  shoot.focus();
  try {
    const wanted = await new Promise((resolve, reject) => {
      shoot.onclick = () => resolve(true);
      leave.onclick = () => resolve(false);
      finder.onkeydown = ({ key }) => { if (key === "Escape") resolve(false); };
      stream.getVideoTracks()[0].onended = () => reject(new Error(STOPPED));
    });
    return wanted ? await still(video) : null;
  } finally {
    close(stream, video);
    finder.hidden = true;
  }
}

function still(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
}

function close(stream, video) {
  for (const track of stream?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

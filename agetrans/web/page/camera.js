const ADDRESS = "Browsers open the camera only for pages of this computer itself or over https: take the picture with another " +
  "program and choose it here.";
const REASONS = {
  NotAllowedError: "The camera may not be used: allow it in the browser, or choose a picture instead.",
  NotFoundError: "There is no camera: choose a picture instead.",
  NotReadableError: "The camera is in use by another program: close that, or choose a picture instead.",
};
const SIZE = { width: { ideal: 1920 }, height: { ideal: 1080 }, facingMode: "user" };

/** Shows what the camera sees until a picture is taken or the camera closed. */
export async function openCamera(finder, video, shoot, leave, take, complain) {
  complain("");
  if (!navigator.mediaDevices) {
    complain(ADDRESS);
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: SIZE });
  } catch (error) {
    complain(REASONS[error.name] ?? "The camera could not be opened: choose a picture instead.");
    return;
  }
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
    finder.hidden = true;
  };
  video.srcObject = stream;
  await video.play();
  finder.hidden = false;
  shoot.focus();
  leave.onclick = close;
  shoot.onclick = () => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d").drawImage(video, 0, 0);
    close();
    canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 }).then(take);
  };
}

"""The local page of `agetrans web`: a picture in the browser, its faces at any age under a slider, nothing kept."""

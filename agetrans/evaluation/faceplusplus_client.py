"""Face++ (v3 API): the age of a face, and how alike two faces are.

The key travels in the body of HTTPS requests alone: never in an address, a command line, a log or a message.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

HOSTS = ("api-us.faceplusplus.com", "api-cn.faceplusplus.com")
"""International and China; a key belongs to one of them."""
_TRIES = 10
_LONGEST_WAIT = 60.0
_TIMEOUT = 60.0

_EXPLAINED = {
    412: "Face++ could not get the picture in time (412): run the command again",
    413: "the picture is larger than the 2 MB that Face++ takes (413): save it smaller",
    "IMAGE_FILE_TOO_LARGE": "the picture is larger than the 2 MB that Face++ takes: save it smaller",
    "IMAGE_ERROR_UNSUPPORTED_FORMAT": "Face++ takes JPEG and PNG, and this is neither, or damaged",
    "INVALID_IMAGE_SIZE": "Face++ takes pictures with sides from 48 to 4096 pixels",
}


class FacePlusPlusError(RuntimeError):
    """Face++ cannot be used at all, with this key or from here. The message is one sentence without the key."""


class PictureRefused(ValueError):
    """Face++ does not take this picture. The message is one sentence."""


class FacePlusPlus:
    """The two calls that the evaluation needs.

    Args:
        key: API key.
        secret: API secret.
        host: one of `HOSTS`, or `http://` and an address of this machine for tests.
        wait: seconds before the first repetition; doubled each time, at most a minute.
        timeout: seconds without an answer after which a request is repeated.
        sleep: called with the seconds to wait.
    """

    def __init__(
        self,
        key: str,
        secret: str,
        host: str = HOSTS[0],
        *,
        wait: float = 1.0,
        timeout: float = _TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._secrets = {"api_key": key, "api_secret": secret}
        self._address = _address(host)
        self._wait, self._timeout, self._sleep = wait, timeout, sleep
        self._session = requests.Session()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> FacePlusPlus:
        """With `FACEPP_API_KEY`, `FACEPP_API_SECRET` and, unless it is the international one, `FACEPP_API_HOST`.

        Raises:
            FacePlusPlusError: one of the first two is missing.
        """
        missing = [name for name in ("FACEPP_API_KEY", "FACEPP_API_SECRET") if not environment.get(name)]
        if missing:
            raise FacePlusPlusError(
                f"{' and '.join(missing)} must be set: export the key and the secret of your Face++ account."
            )
        host = environment.get("FACEPP_API_HOST") or HOSTS[0]
        return cls(environment["FACEPP_API_KEY"], environment["FACEPP_API_SECRET"], host)

    def age(self, picture: Path) -> float | None:
        """Estimated age in years of the first face, None where Face++ sees none.

        Raises:
            PictureRefused: the picture is not taken.
            FacePlusPlusError: nothing can be asked.
        """
        answer = self._post("detect", {"image_file": picture}, {"return_attributes": "age"})
        faces = answer.get("faces")
        return float(faces[0]["attributes"]["age"]["value"]) if faces else None

    def confidence(self, first: Path, second: Path) -> float | None:
        """How sure Face++ is that two pictures show one person, 0 to 100; None where it sees no face in one.

        Raises:
            PictureRefused: a picture is not taken.
            FacePlusPlusError: nothing can be asked.
        """
        answer = self._post("compare", {"image_file1": first, "image_file2": second}, {})
        return float(answer["confidence"]) if "confidence" in answer else None

    def _post(self, call: str, pictures: Mapping[str, Path], fields: Mapping[str, str]) -> dict[str, Any]:
        # Names of files stay here: theirs may hold what a form cannot.
        files = {name: ("picture", path.read_bytes()) for name, path in pictures.items()}
        wait = self._wait
        for attempt in range(1, _TRIES + 1):
            reason = ""
            try:
                response = self._session.post(
                    f"{self._address}/facepp/v3/{call}",
                    data={**self._secrets, **fields},
                    files=files,
                    timeout=self._timeout,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                reason = f"no answer ({type(error).__name__})"
            else:
                answer = _content(response)
                if answer is not None and response.status_code == 200 and "error_message" not in answer:
                    return answer
                reason = _reason(response.status_code, answer)
                if not _passes(response.status_code, answer):
                    self._refuse(response.status_code, answer, reason)
            if attempt < _TRIES:
                self._sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
        raise FacePlusPlusError(
            f"Face++ at {self._address} did not answer {_TRIES} times, at last: {reason}. Run the command again later: "
            "it goes on where it stopped."
        )

    def _refuse(self, status: int, answer: dict[str, Any] | None, reason: str) -> None:
        message = str((answer or {}).get("error_message", ""))
        explanation = _EXPLAINED.get(status) or _EXPLAINED.get(message.partition(":")[0])
        if explanation:
            raise PictureRefused(f"{explanation}.")
        if status == 401 or message.startswith(("AUTHENTICATION_ERROR", "AUTHORIZATION_ERROR")):
            raise FacePlusPlusError(
                f"Face++ at {self._address} does not accept the key ({reason}): check FACEPP_API_KEY, "
                f"FACEPP_API_SECRET and FACEPP_API_HOST; a key belongs to one of {' and '.join(HOSTS)}."
            )
        raise FacePlusPlusError(f"Face++ at {self._address} refused the request: {reason}.")


def _address(host: str) -> str:
    parts = urlsplit(host if "://" in host else f"https://{host}")
    if parts.scheme == "https" and parts.hostname:
        return f"https://{parts.netloc}"
    if parts.scheme == "http" and _is_this_machine(parts.hostname or ""):
        return f"http://{parts.netloc}"
    raise FacePlusPlusError(
        f"FACEPP_API_HOST must be the name of a host such as {HOSTS[1]}, asked by HTTPS, not {host!r}."
    )


def _is_this_machine(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _content(response: requests.Response) -> dict[str, Any] | None:
    try:
        content = response.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _reason(status: int, answer: dict[str, Any] | None) -> str:
    # The words before the colon: what follows may repeat what was sent.
    message = str((answer or {}).get("error_message", "")).partition(":")[0]
    return f"{status} {message}".strip()


def _passes(status: int, answer: dict[str, Any] | None) -> bool:
    """Whether another try may succeed."""
    message = str((answer or {}).get("error_message", ""))
    limited = "CONCURRENCY_LIMIT_EXCEEDED" in message or status == 429
    torn = status == 200 and answer is None
    return limited or torn or status >= 500

"""A saved merge sent to the hub, where a token is set. It does not know how the merge was made."""

import logging
import os
import re

from playground.errors import PlaygroundError
from playground.labs.merging.saved import Saved
from playground.models.progress import Report, quiet
from playground.settings import Settings

log = logging.getLogger(__name__)
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def push(saved: Saved, repo: str, settings: Settings, private: bool = True, report: Report = quiet) -> str:
    """Uploads the folder as a model repository; returns its address.

    Raises:
        PlaygroundError: there is no token, the name is none, this page must not publish, or the hub refused.
    """
    if settings.public:
        raise PlaygroundError("A public page publishes nothing under its owner's name. Run Playground on your machine.")
    if settings.offline:
        raise PlaygroundError("The setting offline forbids asking the hub. Turn PLAYGROUND_OFFLINE off and try again.")
    if not _REPO.fullmatch(repo or ""):
        raise PlaygroundError(f"“{repo}” is no repository. Write your-name/name-of-the-model.")
    from huggingface_hub import HfApi, get_token

    if not get_token():
        raise PlaygroundError("No hub token is set. Put one with the right to write into HF_TOKEN and start again.")
    report(None, f"Sending {saved.folder.name} to the hub")
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=saved.folder, ignore_patterns=["manifest.json"])
    except Exception as error:  # huggingface_hub passes on whatever its network library raises
        log.info("publishing %s failed", repo, exc_info=True)
        what = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise PlaygroundError(f"The hub did not take {repo}: {what}. Check the token's rights and the name.") from error
    return f"{(api.endpoint or 'https://huggingface.co').rstrip('/')}/{repo}"

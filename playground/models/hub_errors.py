"""Every way in which the hub fails, in words. It knows huggingface_hub's errors and nothing of what was going on."""

from pathlib import Path

from playground.errors import PlaygroundError
from playground.models import disk
from playground.models.reference import Reference


def explained(error: Exception, reference: Reference, endpoint: str | None, cache: Path) -> PlaygroundError:
    """The sentence for an error that huggingface_hub raised while `reference` was fetched into the folder `cache`."""
    from huggingface_hub import errors, get_token

    cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ else error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    token = get_token()
    page = f"{endpoint or 'https://huggingface.co'}/{reference.repo}"
    if isinstance(cause, errors.GatedRepoError):
        return PlaygroundError(
            f"{reference.repo} is gated: its makers want you to accept their terms first. Open {page}, accept, then "
            + (
                "check that the token in HF_TOKEN belongs to the account that accepted them."
                if token
                else "make a read token in your hub settings, set HF_TOKEN to it and start Playground again."
            )
        )
    if isinstance(cause, errors.DisabledRepoError):
        return PlaygroundError(f"The hub has disabled {reference.repo}. Pick another model.")
    if isinstance(cause, errors.RevisionNotFoundError):
        return PlaygroundError(
            f"{reference.repo} has no revision “{reference.revision or 'main'}”. Leave @{reference.revision or 'main'} "
            f"out for the newest, or look for branches and tags on {page}/tree/main."
        )
    if status == 401 and not isinstance(cause, errors.RepositoryNotFoundError):
        return PlaygroundError("The hub does not accept the token in HF_TOKEN. Make a new one in your hub settings.")
    if isinstance(cause, (errors.RepositoryNotFoundError, errors.HFValidationError)):
        return PlaygroundError(
            f"The hub has no model {reference.repo}. Check the spelling, capitals too. A private model gets the same "
            "answer: for one of yours, set HF_TOKEN to a token that may read it."
            + (" If you mean a file on this machine, start it with ./ or /." if reference.file else "")
        )
    if status == 429:
        return PlaygroundError(
            "The hub says that it was asked too often. Wait some minutes, or set HF_TOKEN to a token."
        )
    if status is not None:
        return PlaygroundError(
            f"The hub answered with an error ({status}) when asked for {reference}. Try again later."
        )
    if isinstance(cause, errors.OfflineModeIsEnabled):
        return PlaygroundError(
            f"{reference} is not on this machine, and HF_HUB_OFFLINE forbids asking the hub. Unset it, or pick another."
        )
    if type(cause).__module__.split(".")[0].startswith(("httpx", "httpcore")) or isinstance(cause, ConnectionError):
        return PlaygroundError(
            f"{reference} is not on this machine, and the hub cannot be reached. Check the network (and HTTPS_PROXY or "
            "HF_ENDPOINT, if you need them), or pick a model that is here: the starters need no hub."
        )
    if isinstance(cause, OSError) and cause.errno is not None:
        return disk.trouble(cause, cache, str(reference), "HF_HOME")
    reason = str(cause).strip().split("\n")[0].rstrip(".")[:200] or type(cause).__name__
    return PlaygroundError(f"{reference} could not be fetched from the hub: {reason}. Try again.")

"""Every error that stance raises on purpose."""


class StanceError(Exception):
    """Base of all errors of this package; the message is written for the person who runs the job."""


class InputError(StanceError):
    """An article, file or line that cannot be used; the message names the place."""


class ConfigError(StanceError):
    """A setting that is unknown or out of range."""


class ModelError(StanceError):
    """A model folder that is incomplete or foreign, or a device that is not there."""


class OutputError(StanceError):
    """The output cannot be written: a folder without permission, a full disk."""

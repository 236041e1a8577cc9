"""What a resolve pod writes about folders on volumes, which nobody else can look at."""

from typing import Annotated

from pydantic import BeforeValidator, RootModel

from finetune_core.frozen import Document, few_names
from finetune_core.stored import Count, RelativePath


class VolumeFile(Document):
    """A file of a folder."""

    path: RelativePath
    md5: str
    size: Count


class VolumeLook(Document):
    """A folder: its files and what its config.json says the model is, or why it cannot be read."""

    files: tuple[VolumeFile, ...] = ()
    model_type: str | None = None
    problem: str | None = None


class VolumeLooks(RootModel[Annotated[dict[str, VolumeLook], BeforeValidator(few_names)]]):
    """URI -> folder (see `finetune_trainer.resolve`)."""

"""Models in ONNX form: SSCD and its student, which `make setup` installs, and any file made by `export_onnx.py`.

SSCD is a descriptor trained to recognise copies (Pizzi et al., CVPR 2022, arXiv 2202.10261): a ResNet50 with GeM
pooling (p=3) and a 512-d projection. The student is a MobileNetV4 whose vectors lie in the same space.
"""

from extractor.engines import ENGINES
from extractor.errors import BadModel
from extractor.interface import Fingerprint, Pixels, Vectors, normalised
from extractor.models import model_of
from extractor.network import NetworkExtractor
from extractor.settings import ExtractorSettings


class OnnxExtractor(NetworkExtractor):
    """`sscd`, `sscd_distilled` or a file, on the engine of the settings."""

    def __init__(self, settings: ExtractorSettings):
        """Loads, checks and warms up the model, two to three seconds. Raises ModelMissing, ModelCorrupt, BadModel."""
        super().__init__(settings)
        model = model_of(settings)
        data, sha256 = model.read(settings.model_dir)
        portable = settings.arithmetic == "portable"
        try:
            self._engine = ENGINES[settings.engine](data, self._preprocess.input_size, settings.threads, portable)
            self.lanes = self._engine.lanes
            self.dim = self._warm_up()
        except Exception as error:  # noqa: BLE001  # each engine has kinds of its own, without a common base
            raise BadModel(f"{model.path} does not run: {error}") from None
        self.made_of = Fingerprint(
            model=f"{settings.name}-{sha256[:12]}",
            preprocess=self._preprocess.name,
            head=self._head(f"{model.head}-{self.dim}"),
            transform="no-whitening",
            engine=f"{settings.engine}-{model.precision}{_unless_f32(self._engine.arithmetic)}",
        )

    def _embed_view(self, batch: Pixels) -> Vectors:
        return normalised(self._engine(batch))


def _unless_f32(arithmetic: str) -> str:
    return "" if arithmetic == "f32" else f"-{arithmetic}"

from glam.prediction.notebook import load as load
from glam.prediction.notebook import predict as predict

API: dict[str, str]
__version__: str

from glam.prediction.notebook import load as load
from glam.prediction.notebook import predict as predict
from glam.reports.notebook import report as report
from glam.running.notebook import load_corpus as load_corpus
from glam.running.notebook import train as train

API: dict[str, str]
__version__: str

"""Session-based recommendation with a hierarchy of tasks (HierSRec).

    events + items --prepare--> dataset folder --train--> run folder --evaluate--> report
                                                               +--recommend--> a person, with reasons

The folders of the package are the stages of that line: datasets, prepare, store, model, baselines, training,
evaluation, retrieval, serving. `hiersrec --help` lists the same words as commands.
"""

__version__ = "0.1.0"  # above the import: other modules read it

from hiersrec.retrieval.candidates import Candidates
from hiersrec.serving.recommender import Recommender

__all__ = ["Candidates", "Recommender", "__version__"]

"""Small explorations, whose jobs are done at once."""

from concurrent.futures import Executor, Future

import numpy as np

from logicnn.board import boards
from logicnn.data.own import Labelled, OwnData
from logicnn.explore.explorer import Explorer, Limits, choosable
from logicnn.explore.material import owned
from logicnn.explore.study import Study
from logicnn.nn.ways import WAYS

BOARD = "icebreaker"
OF = {"data": "t", "board": BOARD, "ways": [], "seed": 1}
RNG = np.random.default_rng(5)
X = RNG.normal(0, 1, (240, 3))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
OWN = OwnData(("no", "yes"), Labelled(X, Y), columns=("a", "b", "c"))


class AtOnce(Executor):
    """A worker in this process; `ends` are the numbers of jobs, from 0 on, whose worker is lost, or that are
    interrupted.
    """

    count = 1

    def __init__(self, ends=None):
        self.ends, self.jobs = dict(ends or {}), []

    def submit(self, function, job, samples):
        self.jobs.append(job)
        future: Future = Future()
        end = self.ends.get(len(self.jobs) - 1)
        if isinstance(end, KeyboardInterrupt):
            raise end
        try:
            if end is not None:
                raise end
            future.set_result(function(job, samples))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self):
        pass


def material_of(ways):
    return owned(OWN, "t", ways, 1)


def explored(folder, worker, ways=("reuse",), say=lambda trial: None, **limits):
    """An exploration of rows of three numbers, of which nothing takes long; its study, to be closed."""
    chosen = {name: WAYS[name] for name in ways}
    material = material_of(chosen)
    choices, _ = choosable(chosen, material.data, boards.find(BOARD).device)
    study = Study(folder, OF, choices, 1)
    limits = {"seconds": 1000.0, "trials": 3, "builds": 0, "epochs": 1} | limits
    try:
        Explorer(study, material, chosen, BOARD, folder, Limits(**limits), worker, 1, say).run()
    except BaseException:
        study.close()
        raise
    return study

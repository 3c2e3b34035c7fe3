"""Asks Optuna for configurations and tells it their losses: one JSON request a line in, one JSON answer a line out.

{"new": {"space": {...}, "sampler": "tpe", "seed": 1, "workers": 8}} starts a study, {"ask": true} is answered with
{"number": n, "params": {...}}, {"tell": [n, loss]} with {}.
"""

import json
import sys
import warnings

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore")

SAMPLERS = {
    "tpe": lambda seed, workers: optuna.samplers.TPESampler(seed=seed, constant_liar=workers > 1),
    "group": lambda seed, workers: optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=True, constant_liar=workers > 1
    ),
    "cmaes": lambda seed, workers: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
    "random": lambda seed, workers: optuna.samplers.RandomSampler(seed=seed),
}


def suggest(trial, space):
    params = {}
    for name, param in space.items():
        if not all(params.get(key) in values for key, values in param.get("when", {}).items()):
            continue
        if param["type"] == "float":
            params[name] = trial.suggest_float(name, param["low"], param["high"], log=param.get("log", False))
        elif param["type"] == "int":
            params[name] = trial.suggest_int(name, param["low"], param["high"], log=param.get("log", False))
        else:
            params[name] = trial.suggest_categorical(name, param["values"])
    return params


study = None
space = {}
trials = {}
for line in sys.stdin:
    request = json.loads(line)
    answer = {}
    if "new" in request:
        new = request["new"]
        space = new["space"]
        trials = {}
        study = optuna.create_study(sampler=SAMPLERS[new["sampler"]](new["seed"], new["workers"]))
    elif "ask" in request:
        trial = study.ask()
        trials[trial.number] = trial
        answer = {"number": trial.number, "params": suggest(trial, space)}
    else:
        number, value = request["tell"]
        study.tell(trials.pop(number), value)
    print(json.dumps(answer), flush=True)

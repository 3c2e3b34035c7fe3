"""Trains XGBoost models with every objective and booster and saves each in every format it has.

Usage: xgboost_models.py FOLDER SEED. The files are laid out as those of scikit_learn.py; the answers are `predict` of the
booster ("booster"), or the methods of its scikit-learn wrapper.
"""
import json
import os
import pickle
import sys

import numpy as np
import xgboost
from scikit_learn import tensor

rows, columns = 300, 6
category = 4
formats = ("json", "ubj", "deprecated")


class Writer:
    def __init__(self, folder, seed):
        self.folder, self.seed = folder, seed

    def expect(self, key, asked, answers):
        with open(f"{self.folder}/{key}.json", "w") as file:
            json.dump({"class": key.split(".")[0], "rows": tensor(asked), "answers": answers}, file)

    def save(self, name, booster, asked, answers, kinds=formats):
        for kind in kinds:
            key = f"{name}.{kind}.{self.seed}"
            # The name's ending chooses the format.
            booster.save_model(f"{self.folder}/model.{kind}")
            os.replace(f"{self.folder}/model.{kind}", f"{self.folder}/{key}.pkl")
            self.expect(key, asked, answers)
        if kinds == formats:
            self.pickle(name, booster, asked, answers)

    def pickle(self, name, model, asked, answers):
        key = f"{name}.pickle.{self.seed}"
        with open(f"{self.folder}/{key}.pkl", "wb") as file:
            pickle.dump(model, file)
        self.expect(key, asked, answers)


def main(folder, seed):
    random = np.random.RandomState(seed)
    writer = Writer(folder, seed)
    x = random.normal(size=(rows, columns)) * random.choice([0.3, 1, 5], size=columns)
    x[:, category] = random.randint(0, 5, rows)
    x[random.uniform(size=x.shape) < 0.1] = np.nan
    score = np.nan_to_num(x[:, 0] + 0.5 * x[:, 1] ** 2 - x[:, 2]) + 0.2 * random.normal(size=rows)
    two = (score > np.median(score)).astype(int)
    three = np.digitize(score, np.quantile(score, [0.33, 0.66]))
    positive = np.exp(score / np.abs(score).max() * 2)
    counts = np.floor(positive * 3)
    asked = np.concatenate([x[:60], random.normal(size=(40, columns)) * 4])

    def boost(name, y, rounds=12, **parameters):
        data = xgboost.DMatrix(x, y)
        if parameters["objective"].startswith("rank"):
            data.set_group([100, 100, 100])
        if parameters["objective"] == "survival:aft":
            data = xgboost.DMatrix(x)
            data.set_float_info("label_lower_bound", y)
            data.set_float_info("label_upper_bound", y * 1.5)
        booster = xgboost.train({"max_depth": 4, "seed": seed, "verbosity": 0, **parameters}, data, rounds)
        writer.save(name, booster, asked, {"booster": tensor(booster.predict(xgboost.DMatrix(asked)))})

    for method in ("hist", "exact", "approx"):
        boost(f"logistic-{method}", two, objective="binary:logistic", tree_method=method)
    boost("logistic-base", two, objective="binary:logistic", base_score=0.2)
    boost("logit", two, objective="binary:logitraw")
    boost("hinge", two, objective="binary:hinge")
    boost("softmax", three, objective="multi:softmax", num_class=3)
    boost("softprob", three, objective="multi:softprob", num_class=3)
    boost("softprob-parallel", three, objective="multi:softprob", num_class=3, num_parallel_tree=3, subsample=0.7)
    boost("squared", score, objective="reg:squarederror")
    boost("squared-base", score, objective="reg:squarederror", base_score=3.5)
    boost("squared-log", positive, objective="reg:squaredlogerror")
    boost("pseudo-huber", score, objective="reg:pseudohubererror")
    boost("absolute", score, objective="reg:absoluteerror")
    boost("logistic-regression", two, objective="reg:logistic")
    boost("poisson", counts, objective="count:poisson")
    boost("gamma", positive, objective="reg:gamma")
    boost("tweedie", positive, objective="reg:tweedie", tweedie_variance_power=1.3)
    boost("rank", counts, objective="rank:pairwise")
    boost("rank-ndcg", np.minimum(counts, 5), objective="rank:ndcg")
    boost("cox", positive, objective="survival:cox")
    boost("aft", positive, objective="survival:aft")
    boost("dart", two, objective="binary:logistic", booster="dart", rate_drop=0.4, skip_drop=0.2)
    boost("dart-three", three, objective="multi:softprob", num_class=3, booster="dart", rate_drop=0.4)
    boost("linear", score, objective="reg:squarederror", booster="gblinear")
    boost("linear-three", three, objective="multi:softprob", num_class=3, booster="gblinear")
    boost("forest", score, rounds=1, objective="reg:squarederror", num_parallel_tree=4, learning_rate=1)
    boost("monotone", score, objective="reg:squarederror", monotone_constraints="(1,0,0,0,0,0)")
    boost("leaf-wise", score, objective="reg:squarederror", grow_policy="lossguide", max_leaves=7, tree_method="hist")

    types = {"feature_types": ["c" if i == category else "q" for i in range(columns)], "enable_categorical": True}
    categories = asked.copy()
    categories[60:, category] = random.randint(0, 5, 40)
    for most in (1, 10):
        parameters = {"tree_method": "approx", "max_cat_to_onehot": most, "max_depth": 4}
        booster = xgboost.train(parameters, xgboost.DMatrix(x, score, **types), 10)
        answer = tensor(booster.predict(xgboost.DMatrix(categories, **types)))
        writer.save(f"categories-{most}", booster, categories, {"booster": answer}, ("json", "ubj"))

    def wrap(name, model, y, missing=None):
        known = (lambda values: values) if missing is None else (lambda values: np.nan_to_num(values, nan=missing))
        if model.early_stopping_rounds is None:
            model.fit(known(x), y)
        else:
            model.fit(x[:200], y[:200], eval_set=[(x[200:], y[200:])], verbose=False)
        answers = {"predict": tensor(model.predict(known(asked)))}
        if hasattr(model, "predict_proba"):
            answers["predict_proba"] = tensor(model.predict_proba(known(asked)))
        writer.pickle(name, model, known(asked), answers)

    early = {"n_estimators": 40, "early_stopping_rounds": 3, "max_depth": 3}
    wrap("classifier-early", xgboost.XGBClassifier(**early), two)
    wrap("classifier-three-early", xgboost.XGBClassifier(**early), three)
    wrap("regressor-early", xgboost.XGBRegressor(**early), score)
    wrap("classifier-three", xgboost.XGBClassifier(n_estimators=8), three)
    wrap("forest-classifier", xgboost.XGBRFClassifier(n_estimators=10), two)
    wrap("forest-regressor", xgboost.XGBRFRegressor(n_estimators=10), score)
    wrap("regressor-dart", xgboost.XGBRegressor(n_estimators=8, booster="dart", rate_drop=0.3), score)
    wrap("regressor-missing", xgboost.XGBRegressor(n_estimators=8, missing=-1.0), score, missing=-1.0)
    wrap("regressor-two", xgboost.XGBRegressor(n_estimators=8), np.stack([score, -score * score], 1))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

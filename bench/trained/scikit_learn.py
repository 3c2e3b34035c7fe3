"""Trains scikit-learn models of every kind on random data and writes each beside what it answers.

Usage: scikit_learn.py FOLDER SEED [NAME ...]. For each model FOLDER/NAME.pkl (pickle of a protocol drawn at random, or
joblib) and FOLDER/NAME.json: {"rows": tensor, "answers": {method: tensor or list of tensors}, "class": name}, a tensor
being {"shape": [...], "data": [...]} with NaN and infinities as text. The rows asked about reach beyond the training
data: unknown categories, fractions where there were whole numbers, far tails.
"""
import json
import math
import pickle
import sys
import warnings

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, FastICA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.kernel_approximation import RBFSampler
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsIC,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskLasso,
    OrthogonalMatchingPursuit,
    PassiveAggressiveClassifier,
    Perceptron,
    PoissonRegressor,
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

warnings.filterwarnings("ignore")
rows, columns = 160, 6
#: Holds whole numbers from 0 to 3 in training.
category = 4

classes = ["two", "two-texts", "three", "three-texts"]
members = [("a", LogisticRegression()), ("b", GaussianNB()), ("c", DecisionTreeClassifier(max_depth=3))]
regressors = [("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3))]

#: What is fitted: name, estimator, targets, and what its inputs are ("any", "positive", "missing").
models = [
    *(
        (name, estimator, classes, "any")
        for name, estimator in {
            "logistic": LogisticRegression(),
            "logistic-ovr": LogisticRegression(multi_class="ovr"),
            "logistic-liblinear": LogisticRegression(solver="liblinear"),
            "logistic-cv": LogisticRegressionCV(cv=3),
            "logistic-cv-ovr": LogisticRegressionCV(cv=3, multi_class="ovr", fit_intercept=False),
            "ridge": RidgeClassifier(),
            "ridge-cv": RidgeClassifierCV(),
            "sgd": SGDClassifier(),
            "sgd-log": SGDClassifier(loss="log_loss"),
            "sgd-huber": SGDClassifier(loss="modified_huber"),
            "perceptron": Perceptron(),
            "passive-aggressive": PassiveAggressiveClassifier(),
            "linear-svc": LinearSVC(),
            "linear-svc-crammer": LinearSVC(multi_class="crammer_singer"),
            "svc": SVC(),
            "svc-ovo": SVC(decision_function_shape="ovo"),
            "svc-ties": SVC(break_ties=True),
            "svc-probability": SVC(probability=True),
            "svc-poly": SVC(kernel="poly", degree=2, coef0=1),
            "svc-sigmoid": SVC(kernel="sigmoid"),
            "svc-linear": SVC(kernel="linear", probability=True),
            "nu-svc": NuSVC(nu=0.2),
            "neighbours": KNeighborsClassifier(),
            "neighbours-distance": KNeighborsClassifier(weights="distance", p=1),
            "neighbours-minkowski": KNeighborsClassifier(4, p=3),
            "neighbours-cosine": KNeighborsClassifier(4, metric="cosine"),
            "centroid": NearestCentroid(),
            "centroid-manhattan": NearestCentroid(metric="manhattan"),
            "gaussian-nb": GaussianNB(),
            "lda": LinearDiscriminantAnalysis(),
            "lda-shrunk": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3),
            "qda": QuadraticDiscriminantAnalysis(reg_param=0.1),
            "mlp": MLPClassifier((8, 5), max_iter=60),
            "mlp-tanh": MLPClassifier((7,), activation="tanh", max_iter=60),
            "mlp-logistic": MLPClassifier((7,), activation="logistic", max_iter=60),
            "mlp-identity": MLPClassifier((7,), activation="identity", max_iter=60),
            "tree": DecisionTreeClassifier(),
            "tree-pruned": DecisionTreeClassifier(criterion="entropy", max_leaf_nodes=9, ccp_alpha=0.01),
            "extra-tree": ExtraTreeClassifier(),
            "forest": RandomForestClassifier(20),
            "extra-trees": ExtraTreesClassifier(20),
            "boosting": GradientBoostingClassifier(n_estimators=15),
            "boosting-zero": GradientBoostingClassifier(n_estimators=10, init="zero"),
            "hist": HistGradientBoostingClassifier(max_iter=15),
            "hist-category": HistGradientBoostingClassifier(max_iter=15, categorical_features=[category]),
            "ada": AdaBoostClassifier(n_estimators=12),
            "ada-samme": AdaBoostClassifier(n_estimators=12, algorithm="SAMME"),
            "ada-logistic": AdaBoostClassifier(LogisticRegression(), n_estimators=5),
            "bagging": BaggingClassifier(n_estimators=6),
            "bagging-columns": BaggingClassifier(LogisticRegression(), n_estimators=6, max_features=0.5),
            "bagging-svc": BaggingClassifier(SVC(), n_estimators=4),
            "voting": VotingClassifier(members),
            "voting-soft": VotingClassifier(members, voting="soft", weights=[1, 2, 0.5]),
            "voting-dropped": VotingClassifier([members[0], ("b", "drop"), members[2]], voting="soft"),
            "stacking": StackingClassifier([("a", RandomForestClassifier(8)), ("b", LinearSVC())], cv=3),
            "stacking-through": StackingClassifier(members, passthrough=True, cv=3),
            "calibrated": CalibratedClassifierCV(LinearSVC(), cv=3),
            "calibrated-isotonic": CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=3),
            "calibrated-one": CalibratedClassifierCV(RandomForestClassifier(5), cv=3, ensemble=False),
            "one-vs-rest": OneVsRestClassifier(LogisticRegression()),
            "one-vs-rest-svc": OneVsRestClassifier(LinearSVC()),
            "one-vs-one": OneVsOneClassifier(LogisticRegression()),
            "one-vs-one-svc": OneVsOneClassifier(SVC()),
            "search": GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [1, 2]}, cv=2),
        }.items()
    ),
    ("boosting-exponential", GradientBoostingClassifier(n_estimators=15, loss="exponential"), classes[:2], "any"),
    ("tree-truths", DecisionTreeClassifier(), ["two-truths"], "any"),
    ("logistic-truths", LogisticRegression(), ["two-truths"], "any"),
    ("hist-missing", HistGradientBoostingClassifier(max_iter=15, categorical_features=[category]), classes, "missing"),
    ("imputed", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), DecisionTreeClassifier()), classes, "missing"),
    *(
        (name, estimator, classes, "positive")
        for name, estimator in {
            "multinomial-nb": MultinomialNB(),
            "multinomial-nb-flat": MultinomialNB(fit_prior=False, alpha=0.1),
            "complement-nb": ComplementNB(),
            "complement-nb-norm": ComplementNB(norm=True),
            "bernoulli-nb": BernoulliNB(binarize=0.7),
        }.items()
    ),
    *(
        (name, estimator, ["several", "marks"], "any")
        for name, estimator in {
            "tree-outputs": DecisionTreeClassifier(max_depth=4),
            "forest-outputs": RandomForestClassifier(8),
            "logistic-outputs": MultiOutputClassifier(LogisticRegression()),
            "neighbours-outputs": KNeighborsClassifier(),
        }.items()
    ),
    *(
        (name, estimator, ["number", "two-numbers"], "any")
        for name, estimator in {
            "linear": LinearRegression(),
            "linear-through-zero": LinearRegression(fit_intercept=False),
            "ridge-regression": Ridge(),
            "ridge-regression-cv": RidgeCV(),
            "lasso": Lasso(0.1),
            "elastic-net": ElasticNet(0.1),
            "pls": PLSRegression(2),
            "pls-unscaled": PLSRegression(3, scale=False),
            "matching-pursuit": OrthogonalMatchingPursuit(),
            "kernel-ridge": KernelRidge(kernel="rbf", gamma=0.1),
            "kernel-ridge-poly": KernelRidge(kernel="poly", degree=2),
            "neighbours-mean": KNeighborsRegressor(),
            "neighbours-mean-distance": KNeighborsRegressor(weights="distance"),
            "mlp-regression": MLPRegressor((8,), max_iter=80),
            "tree-regression": DecisionTreeRegressor(),
            "tree-regression-absolute": DecisionTreeRegressor(criterion="absolute_error", max_depth=4),
            "forest-regression": RandomForestRegressor(12),
            "extra-trees-regression": ExtraTreesRegressor(12),
            "extra-tree-regression": ExtraTreeRegressor(),
            "ransac": RANSACRegressor(),
            "scaled-target": TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
            "bagging-regression": BaggingRegressor(n_estimators=5, max_features=0.6),
        }.items()
    ),
    *(
        (name, estimator, ["number"], "any")
        for name, estimator in {
            "svr": SVR(),
            "svr-poly": SVR(kernel="poly"),
            "nu-svr": NuSVR(),
            "linear-svr": LinearSVR(),
            "sgd-regression": SGDRegressor(),
            "huber": HuberRegressor(),
            "lars": Lars(),
            "lasso-lars": LassoLars(0.01),
            "lasso-lars-ic": LassoLarsIC(),
            "lasso-cv": LassoCV(cv=3),
            "elastic-net-cv": ElasticNetCV(cv=3),
            "bayesian-ridge": BayesianRidge(),
            "ard": ARDRegression(),
            "theil-sen": TheilSenRegressor(max_iter=50),
            "quantile": QuantileRegressor(alpha=0.01, solver="highs"),
            "boosting-regression": GradientBoostingRegressor(n_estimators=15),
            "boosting-quantile": GradientBoostingRegressor(n_estimators=10, loss="quantile", alpha=0.8),
            "boosting-huber": GradientBoostingRegressor(n_estimators=10, loss="huber"),
            "hist-regression": HistGradientBoostingRegressor(max_iter=15),
            "hist-absolute": HistGradientBoostingRegressor(max_iter=10, loss="absolute_error"),
            "ada-regression": AdaBoostRegressor(n_estimators=8),
            "voting-regression": VotingRegressor(regressors, weights=[2, 1]),
            "stacking-regression": StackingRegressor(regressors, cv=3),
            "stacking-regression-through": StackingRegressor(regressors, passthrough=True, cv=3),
        }.items()
    ),
    ("multi-task-lasso", MultiTaskLasso(0.1), ["two-numbers"], "any"),
    ("regressor-chain", RegressorChain(Ridge()), ["two-numbers"], "any"),
    ("regressor-per-output", MultiOutputRegressor(GradientBoostingRegressor(n_estimators=5)), ["two-numbers"], "any"),
    ("hist-regression-missing", HistGradientBoostingRegressor(max_iter=15), ["number"], "missing"),
    ("imputed-frequent", make_pipeline(SimpleImputer(strategy="most_frequent"), Ridge()), ["number"], "missing"),
    ("imputed-constant", make_pipeline(SimpleImputer(strategy="constant", fill_value=-7), Ridge()), ["number"], "missing"),
    *(
        (name, estimator, ["positive-number"], "any")
        for name, estimator in {
            "poisson": PoissonRegressor(),
            "gamma": GammaRegressor(),
            "tweedie": TweedieRegressor(power=1.5),
            "tweedie-normal": TweedieRegressor(power=0),
            "hist-poisson": HistGradientBoostingRegressor(max_iter=10, loss="poisson"),
            "log-target": TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
            "forest-poisson": RandomForestRegressor(6, criterion="poisson"),
        }.items()
    ),
    *(
        (name, estimator, ["transform"], "any")
        for name, estimator in {
            "standard": StandardScaler(),
            "standard-uncentred": StandardScaler(with_mean=False),
            "standard-unscaled": StandardScaler(with_std=False),
            "min-max": MinMaxScaler((-2, 3)),
            "min-max-clip": MinMaxScaler(clip=True),
            "max-abs": MaxAbsScaler(),
            "robust": RobustScaler(),
            "robust-unit": RobustScaler(quantile_range=(10, 90), unit_variance=True),
            "normalizer": Normalizer(),
            "normalizer-l1": Normalizer("l1"),
            "normalizer-max": Normalizer("max"),
            "binarizer": Binarizer(threshold=0.3),
            "bins-ordinal": KBinsDiscretizer(4, encode="ordinal"),
            "bins-one-hot": KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform"),
            "bins-k-means": KBinsDiscretizer([3, 4, 5, 3, 4, 3], encode="onehot", strategy="kmeans"),
            "polynomial": PolynomialFeatures(2),
            "polynomial-interactions": PolynomialFeatures(3, interaction_only=True, include_bias=False),
            "polynomial-range": PolynomialFeatures((2, 3)),
            "yeo-johnson": PowerTransformer(),
            "yeo-johnson-raw": PowerTransformer(standardize=False),
            "quantiles": QuantileTransformer(n_quantiles=50),
            "quantiles-normal": QuantileTransformer(n_quantiles=50, output_distribution="normal"),
            "pca": PCA(3),
            "pca-white": PCA(3, whiten=True),
            "pca-incremental": IncrementalPCA(3),
            "svd": TruncatedSVD(3),
            "ica": FastICA(3),
            "projection": GaussianRandomProjection(3),
            "projection-sparse": SparseRandomProjection(3),
            "rbf-sampler": RBFSampler(n_components=5),
            "variance": VarianceThreshold(0.5),
            "best": SelectKBest(k=3),
            "percentile": SelectPercentile(percentile=50),
            "rfe": RFE(LogisticRegression(), n_features_to_select=2),
            "sequential": SequentialFeatureSelector(GaussianNB(), n_features_to_select=2, cv=2),
            "one-hot": OneHotEncoder(handle_unknown="ignore"),
            "function": FunctionTransformer(np.cbrt),
            "union": FeatureUnion([("p", PCA(2)), ("s", StandardScaler())], transformer_weights={"p": 2.5}),
            "columns": ColumnTransformer(
                [("s", StandardScaler(), [0, 1]), ("o", OneHotEncoder(handle_unknown="ignore"), [category])],
                remainder="passthrough",
            ),
            "columns-slice": ColumnTransformer(
                [("s", MinMaxScaler(), slice(0, 3)), ("p", "passthrough", [5]), ("d", "drop", [3])]
            ),
        }.items()
    ),
    ("box-cox", PowerTransformer("box-cox"), ["transform"], "positive"),
    ("missing-indicator", MissingIndicator(features="all"), ["transform"], "missing"),
    *(
        (name, estimator, ["none"], "any")
        for name, estimator in {
            "k-means": KMeans(3, n_init=2),
            "k-means-batches": MiniBatchKMeans(3, n_init=2),
            "mixture": GaussianMixture(2),
            "mixture-diagonal": GaussianMixture(2, covariance_type="diag"),
            "mixture-tied": GaussianMixture(2, covariance_type="tied"),
            "mixture-spherical": GaussianMixture(2, covariance_type="spherical"),
            "isolation": IsolationForest(n_estimators=15),
            "isolation-contamination": IsolationForest(n_estimators=15, contamination=0.1),
            "one-class-svm": OneClassSVM(),
        }.items()
    ),
    *(
        (name, estimator, ["transform"], "any")
        for name, estimator in {
            "from-model": SelectFromModel(LogisticRegression()),
            "from-model-norm": SelectFromModel(LogisticRegression(), threshold="1.1*mean", norm_order=2),
            "from-model-absolute": SelectFromModel(LogisticRegression(penalty="l1", solver="liblinear", C=0.1)),
            "from-lasso": SelectFromModel(Lasso(0.1)),
            "from-elastic-net": SelectFromModel(ElasticNet(0.01)),
            "from-elastic-net-absolute": SelectFromModel(ElasticNet(0.01, l1_ratio=1)),
            "from-tree": SelectFromModel(DecisionTreeClassifier(), threshold=-np.inf, max_features=2),
            "from-forest": SelectFromModel(RandomForestClassifier(10)),
            "from-extra-trees": SelectFromModel(ExtraTreesRegressor(10), threshold="0.8*median"),
            "from-boosting": SelectFromModel(GradientBoostingClassifier(n_estimators=10), threshold="median"),
            "one-hot-rare": OneHotEncoder(min_frequency=10, handle_unknown="infrequent_if_exist"),
            "one-hot-rare-dropped": OneHotEncoder(max_categories=3, drop="first", handle_unknown="infrequent_if_exist"),
            "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        }.items()
    ),
    ("lda-before-tree", make_pipeline(LinearDiscriminantAnalysis(), DecisionTreeClassifier()), ["three"], "any"),
    ("k-means-before-logistic", make_pipeline(KMeans(4, n_init=2), LogisticRegression()), classes, "any"),
    ("one-hot-missing", OneHotEncoder(handle_unknown="ignore"), ["transform"], "missing"),
    (
        "ordinal-missing",
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-2, encoded_missing_value=-1),
        ["transform"],
        "missing",
    ),
    ("isotonic", make_pipeline(PCA(1), IsotonicRegression(out_of_bounds="clip")), ["number"], "any"),
    ("isotonic-cut", make_pipeline(PCA(1), IsotonicRegression(increasing=False)), ["number"], "any"),
    ("dummy", make_pipeline(StandardScaler(), DummyClassifier()), classes, "any"),
    ("dummy-frequent", make_pipeline(StandardScaler(), DummyClassifier(strategy="most_frequent")), classes, "any"),
    ("dummy-constant", make_pipeline(StandardScaler(), DummyClassifier(strategy="constant", constant=1)), ["two"], "any"),
    ("dummy-text", make_pipeline(StandardScaler(), DummyClassifier(strategy="constant", constant="yes")), ["two-texts"], "any"),
    (
        "dummy-regression",
        make_pipeline(StandardScaler(), DummyRegressor(strategy="quantile", quantile=0.3)),
        ["number", "two-numbers"],
        "any",
    ),
    ("boosting-from-ridge", GradientBoostingRegressor(n_estimators=8, init=Ridge()), ["number"], "any"),
    ("xgboost-step", make_pipeline(StandardScaler(), XGBClassifier(n_estimators=6)), ["two"], "any"),
    ("xgboost-regression-step", make_pipeline(RobustScaler(), XGBRegressor(n_estimators=6)), ["number"], "any"),
    (
        "xgboost-member",
        VotingClassifier([("a", XGBClassifier(n_estimators=6)), ("b", LogisticRegression())], voting="soft"),
        classes,
        "any",
    ),
    (
        "xgboost-stacked",
        StackingRegressor([("a", XGBRegressor(n_estimators=6)), ("b", Ridge())], cv=3),
        ["number"],
        "any",
    ),
]


def training_rows(random):
    x = random.normal(size=(rows, columns)) * random.choice([0.3, 1, 5], size=columns)
    x[:, 2] = np.round(x[:, 2])
    x[:, category] = random.randint(0, 4, rows)
    return x


def target_of(kind, x, random):
    score = x[:, 0] + 0.5 * x[:, 1] ** 2 - x[:, 2] + 0.3 * random.normal(size=rows)
    above = score > np.median(score)
    third = np.digitize(score, np.quantile(score, [0.33, 0.66]))
    return {
        "number": score,
        "positive-number": np.exp(score / np.abs(score).max() * 2),
        "two-numbers": np.stack([score, score * score - x[:, 3]], 1),
        "two": above.astype(int),
        "two-texts": np.where(above, "yes", "no"),
        "two-truths": above,
        "three": third * 3 - 2,
        "three-texts": np.array(["red", "green", "blue"])[third],
        "several": np.stack([third, (x[:, 3] > 0).astype(int)], 1),
        "marks": np.stack([score > 0, x[:, 3] > 0, x[:, category] > 1], 1).astype(int),
        "transform": above.astype(int),
        "none": None,
    }[kind]


def as_inputs(x, inputs, random):
    if inputs == "positive":
        return np.abs(x) + 0.01
    if inputs == "missing":
        return np.where(random.uniform(size=x.shape) < 0.15, np.nan, x)
    return x


def tensor(value):
    array = np.asarray(value.toarray() if hasattr(value, "toarray") else value)

    def element(one):
        if isinstance(one, (bool, np.bool_)):
            return bool(one)
        if isinstance(one, str):
            return one
        return float(one) if math.isfinite(one) else str(float(one))

    return {"shape": list(array.shape), "data": [element(one) for one in array.ravel()]}


def answers_of(model, x, kind):
    methods = ["transform"] if kind == "transform" else ["predict", "predict_proba", "decision_function"]
    answers = {}
    for name in methods:
        if hasattr(model, name):
            answer = getattr(model, name)(x)
            answers[name] = [tensor(one) for one in answer] if isinstance(answer, list) else tensor(answer)
    return answers


def main(folder, seed, only):
    random = np.random.RandomState(seed)
    for name, estimator, kinds, inputs in models:
        for kind in kinds:
            key = f"{name}.{kind}.{seed}"
            if only and f"{name}.{kind}" not in only:
                continue
            x = training_rows(random)
            y = target_of(kind, x, random)
            asked = np.concatenate(
                [x[:40], random.normal(size=(40, columns)) * 4, np.round(random.normal(size=(20, columns)) * 3)]
            )
            model = clone(estimator)
            if "random_state" in model.get_params(deep=False):
                model.set_params(random_state=seed)
            np.random.seed(seed)
            model.fit(as_inputs(x, inputs, random), y)
            asked = as_inputs(asked, inputs, random)
            path = f"{folder}/{key}.pkl"
            protocol = int(random.choice([0, 2, 3, 4, 5]))
            if protocol == 0:
                joblib.dump(model, path, compress=3)
            else:
                with open(path, "wb") as file:
                    pickle.dump(model, file, protocol=protocol)
            with open(f"{folder}/{key}.json", "w") as file:
                expected = {"class": type(model).__name__, "rows": tensor(asked), "answers": answers_of(model, asked, kind)}
                json.dump(expected, file)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])

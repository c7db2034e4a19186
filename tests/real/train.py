"""Trains and registers the models of `make test-real`: train.py FOLDER. Runs by the Python of .real/venv, never by ours.

In FOLDER there are then a registry (`registry.db`, SQLite) and its artifacts. Version 1 of three models over the iris flowers:
model-A and model-B are of scikit-learn and answer differently for the same row, model-C is a pyfunc of our own with a type hint.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow  # type: ignore[import-not-found, unused-ignore]
from sklearn.datasets import load_iris  # type: ignore[import-not-found, import-untyped, unused-ignore]
from sklearn.linear_model import LinearRegression, LogisticRegression  # type: ignore[import-not-found, import-untyped, unused-ignore]


class LargestCell(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined, unused-ignore]
    """The largest number of each row. Its type hint makes MLflow accept the format `inputs` only."""

    def predict(self, model_input: list[list[float]]) -> list[float]:
        return [max(row) for row in model_input]


def main(folder: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{folder}/registry.db")
    experiment = mlflow.create_experiment("splitter", artifact_location=(folder / "artifacts").as_uri())
    flowers = load_iris(as_frame=True)
    rows = flowers.data.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
    with mlflow.start_run(experiment_id=experiment):
        for name, kind in (("model-A", LinearRegression()), ("model-B", LogisticRegression(max_iter=1000))):
            fitted = kind.fit(rows, flowers.target)
            signature = mlflow.models.infer_signature(rows, fitted.predict(rows))
            mlflow.sklearn.log_model(
                fitted, name=name, registered_model_name=name, signature=signature, pip_requirements=["scikit-learn"]
            )
        mlflow.pyfunc.log_model(
            name="model-C", python_model=LargestCell(), registered_model_name="model-C", pip_requirements=["mlflow"]
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
